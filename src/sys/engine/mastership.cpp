// SPDX-License-Identifier: BSD-2-Clause
// mastership.cpp: receives and sends adverts, and carries out transitions.
#include "sys/engine/mastership.h"

#include <sys/wait.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/link.h"
#include "core/sort.h"
#include "side/claim.h"
#include "sys/probe/probe_program.h"

namespace rawvs {
namespace {

constexpr int kMostAdverts = 256;  // received per turn
constexpr size_t kMostNotifiers = 32;

}  // namespace

Result<Done> Mastership::open() {
  auto opened = VrrpSocket::open();
  if (!opened) return opened.error();
  socket_ = std::move(*opened);
  if (const auto added = context_.poller.add(socket_->fd(), &adverts_wait_); !added) return added.error();
  if (const int fd = socket_->header_auth_fd(); fd >= 0) static_cast<void>(context_.poller.add(fd, &adverts_wait_));
  return Done{};
}

Result<Done> Mastership::follow() {
  warnings_.forget();
  if (!socket_) {
    if (context_.config.vrrps.empty()) return Done{};
    if (const auto opened = open(); !opened) return opened.error();
  }
  vrrp_.configure(wanted_vrrp(context_.config), {context_.now, outbox_});
  act();
  share_addresses();
  return Done{};
}

void Mastership::start(std::span<const WantedChecks> checks, const CheckedServers& checked) {
  if (!socket_) return;
  for (const Link link : kBothLinks) link_changed(link);
  tracks_.follow(checks, checked, vrrp_, {context_.now, outbox_});
  act();
  if (!std::exchange(started_, true)) vrrp_.start({context_.now, outbox_});
  act();
}

void Mastership::stop() {
  if (!socket_) return;
  vrrp_.stop({context_.now, outbox_});
  act();
}

void Mastership::quorums_changed(std::span<const CheckedServers::Quorum> quorums) {
  if (!socket_) return;
  tracks_.changed(quorums, vrrp_, {context_.now, outbox_});
  act();
}

void Mastership::link_changed(Link link) {
  if (!socket_ || ports_.name(link).empty()) return;
  const LinkFacts& facts = ports_.facts(link);
  if (facts.usable()) {
    if (const int problem = socket_->join(facts.ifindex); problem != 0) {
      context_.log.write(Severity::error, system_error(ports_.name(link) + ": vrrp: multicast group", problem));
    }
  }
  vrrp_.link_changed(link, facts, {context_.now, outbox_});
  act();
}

void Mastership::serve(Instant now) {
  if (!socket_ || (!adverts_wait_.take() && now < vrrp_.next_deadline())) return;
  bool all = false;  // received adverts precede the clock (vrrp.h)
  for (int n = 0; n < kMostAdverts && !all; ++n) {
    const auto heard = socket_->receive();
    all = !heard;
    if (all) break;
    for (const Link link : kBothLinks) {
      if (heard->ifindex == 0 || heard->ifindex != ports_.facts(link).ifindex) continue;
      vrrp_.heard(link, heard->packet, {now, outbox_});
      break;
    }
  }
  if (all && now >= vrrp_.next_deadline()) vrrp_.time_passed({now, outbox_});
  act();
}

Instant Mastership::deadline() const { return socket_ ? vrrp_.next_deadline() : kNever; }

// Carries out VRRP's results. Adverts first: others wait for them.
void Mastership::act() {
  for (const VrrpSend& advert : outbox_.sends()) send(advert);
  for (const VrrpTransition& t : outbox_.transitions()) {
    context_.log.write(t.to == VrrpState::fault ? Severity::warning : Severity::notice, text(t));
    notify(t);
  }
  for (const Notice& notice : outbox_.notices()) context_.log.write(notice.severity, notice.text);
  if (!outbox_.transitions().empty()) {
    share_addresses();
    for (Part* const part : context_.parts) part->masters_changed();
  }
  for (const Ip vip : outbox_.announce()) context_.director.announce(vip, context_.turn());
  if (outbox_.announce_others()) context_.director.announce_others(context_.turn());
  outbox_.clear();
  context_.dispatch();
}

void Mastership::send(const VrrpSend& advert) {
  const bool multicast = advert.destination == kVrrpGroup;
  const int ifindex = multicast ? ports_.facts(advert.link).ifindex : 0;
  const Bytes payload = outbox_.payload(advert);
  const int problem = advert.from ? socket_->send_frame(ifindex, *advert.from, advert.source, payload)
                                  : socket_->send(ifindex, advert.source, advert.destination, payload);
  if (problem == 0 || std::exchange(warned_, true)) return;
  context_.log.write(Severity::warning,
                     system_error("vrrp: an advert to " + text(advert.destination) + " was not sent", problem));
}

// Sets the addresses of instances that are not master to standby. Filter and guard first: replies to later requests go
// to a MAC address that was not ours before.
void Mastership::share_addresses() {
  std::vector<Shared> shared;
  const auto as_shared = [](Ip vip, const Vrrp::Instance& i) {
    return Shared{vip, i.spec.link, i.state == VrrpState::master, i.mac()};
  };
  for (const Vrrp::Instance& i : vrrp_.all()) {
    for (const Ip vip : i.spec.addresses) shared.push_back(as_shared(vip, i));
  }
  sort_by<&Shared::vip>(shared);
  const Vrrp::Instance* const of_others = vrrp_.of_others();
  const auto others = of_others ? std::optional(as_shared(Ip(), *of_others)) : std::nullopt;
  context_.director.share(std::move(shared), others, context_.turn());
  ports_.follow_watch();
  context_.dispatch();
}

// Runs PROGRAM NAME STATE PRIORITY, as keepalived runs notify scripts, without waiting for it.
void Mastership::notify(const VrrpTransition& t) {
  const auto config = std::ranges::find(context_.config.vrrps, t.name, &VrrpConfig::name);
  if (config == context_.config.vrrps.end() || config->notify.empty()) return;
  std::erase_if(notifiers_, [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
  if (notifiers_.size() >= kMostNotifiers) {
    return context_.log.write(Severity::warning,
                              "vrrp " + t.name + ": " + config->notify + ": too many of them still run: not told");
  }
  std::string state = name(t.to);
  std::ranges::transform(state, state.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  const auto root = find_user("root");
  if (!root) return;
  const auto instance = std::ranges::find(vrrp_.all(), t.name, [](const Vrrp::Instance& i) { return i.spec.name; });
  const uint8_t priority = instance == vrrp_.all().end() ? config->spec.priority : instance->priority;
  auto run = run_program({config->notify, t.name, state, std::to_string(priority)},
                         {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, &*root);
  if (!run) return warnings_.warn("vrrp " + t.name + ": notify: " + run.error().text);
  notifiers_.push_back(run->pid);
}

}  // namespace rawvs
