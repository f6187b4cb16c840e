// SPDX-License-Identifier: BSD-2-Clause
// mastership.cpp: receives and sends adverts, and carries out transitions.
#include "sys/engine/mastership.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/link.h"
#include "core/sort.h"
#include "side/claim.h"

namespace rawvs {
namespace {

constexpr int kMostAdverts = 256;  // received per turn

std::optional<std::vector<std::string>> lines_of(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  std::vector<std::string> out;
  for (size_t at = 0, end = 0; (end = text->find('\n', at)) != std::string::npos; at = end + 1)
    out.push_back(text->substr(at, end - at));
  return out;
}

}  // namespace

Result<Done> Mastership::open(Family family) {
  auto made = VrrpSocket::open(family);
  if (!made) return made.error();
  const VrrpSocket& socket = **made;
  if (const auto added = context_.poller.add(socket.fd(), &adverts_wait_); !added) return added.error();
  if (const int fd = socket.header_auth_fd(); fd >= 0) static_cast<void>(context_.poller.add(fd, &adverts_wait_));
  sockets_[index(family)] = std::move(*made);
  return Done{};
}

Result<Done> Mastership::follow() {
  // As wanted, with the VIPs of an instance that names none: they tell its family.
  std::vector<VrrpSpec> wanted = wanted_vrrp(context_.config);
  for (const VrrpSpec& spec : wanted) {
    if (sockets_[index(spec.family())]) continue;
    if (const auto done = open(spec.family()); !done) return done.error();
  }
  if (!opened()) return Done{};
  vrrp_.configure(std::move(wanted), {context_.now, outbox_});
  act();
  share_addresses();
  return Done{};
}

std::string Mastership::masters() const {
  std::string out;
  for (const Vrrp::Instance& i : vrrp_.all()) {
    if (i.state == VrrpState::master) out += i.spec.name + '\n';
  }
  return out;
}

void Mastership::start(std::span<const WantedChecks> checks, const CheckedServers& checked,
                       const std::optional<std::string>& masters) {
  if (!opened()) return;
  for (const Link link : ports_.links()) link_changed(link);
  tracks_.follow(checks, checked, vrrp_, {context_.now, outbox_});
  act();
  if (!std::exchange(started_, true)) vrrp_.start({context_.now, outbox_}, lines_of(masters));
  act();
}

void Mastership::stop() {
  if (!opened()) return;
  vrrp_.stop({context_.now, outbox_});
  act();
}

void Mastership::quorums_changed(std::span<const CheckedServers::Quorum> quorums) {
  if (!opened()) return;
  tracks_.changed(quorums, vrrp_, {context_.now, outbox_});
  act();
}

void Mastership::link_changed(Link link) {
  if (!opened()) return;
  join(link);
  vrrp_.link_changed(link, ports_.facts(link), {context_.now, outbox_});
  act();
}

void Mastership::join(Link link) {
  const LinkFacts& facts = ports_.facts(link);
  if (!facts.usable()) return;
  for (const auto& socket : sockets_) {
    const int problem = socket ? socket->join(facts.ifindex) : 0;
    if (problem == 0) continue;
    context_.log.write(Severity::error, system_error(ports_.name(link) + ": vrrp: multicast group", problem),
                       Topic::vrrp);
  }
}

void Mastership::serve(Instant now) {
  if (!opened() || (!adverts_wait_.take() && now < vrrp_.next_deadline())) return;
  bool all = true;  // received adverts precede the clock (vrrp.h)
  for (const auto& socket : sockets_) {
    if (socket && !hear(*socket, now)) all = false;
  }
  if (all && now >= vrrp_.next_deadline()) vrrp_.time_passed({now, outbox_});
  act();
}

// False: more adverts may wait.
bool Mastership::hear(VrrpSocket& socket, Instant now) {
  for (int n = 0; n < kMostAdverts; ++n) {
    const auto heard = socket.receive();
    if (!heard) return true;
    for (const Link link : ports_.links()) {
      if (heard->ifindex == 0 || heard->ifindex != ports_.facts(link).ifindex) continue;
      vrrp_.heard(link, heard->packet, {now, outbox_});
      break;
    }
  }
  return false;
}

Instant Mastership::deadline() const { return opened() ? vrrp_.next_deadline() : kNever; }

// Carries out VRRP's results. Adverts first: others wait for them.
void Mastership::act() {
  for (const VrrpSend& advert : outbox_.sends()) send(advert);
  for (const std::vector<VrrpTransition>* const some : {&outbox_.transitions(), &outbox_.late()}) {
    for (const VrrpTransition& t : *some) {
      if (t.logged)
        context_.log.write(t.to == VrrpState::fault ? Severity::warning : Severity::notice, text(t), Topic::vrrp);
      if (t.notified) notify(t);
    }
  }
  for (const Notice& notice : outbox_.notices()) context_.log.write(notice.severity, notice.text, Topic::vrrp);
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
  const Family family = advert.destination.family();
  VrrpSocket* const socket = sockets_[index(family)].get();
  if (!socket) return;
  const bool multicast = advert.destination == vrrp_group(family);
  const bool of_link = family == Family::ipv6 && (advert.source.link_local() || advert.destination.link_local());
  const int ifindex = multicast || of_link ? ports_.facts(advert.link).ifindex : 0;
  const Bytes payload = outbox_.payload(advert);
  const int problem = advert.from ? socket->send_frame(ifindex, *advert.from, advert.source, payload)
                                  : socket->send(ifindex, advert.source, advert.destination, payload);
  if (problem == 0 || std::exchange(warned_, true)) return;
  context_.log.write(Severity::warning,
                     system_error("vrrp: an advert to " + text(advert.destination) + " was not sent", problem),
                     Topic::vrrp);
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

// Has PROGRAM NAME STATE PRIORITY run, as keepalived runs notify scripts.
void Mastership::notify(const VrrpTransition& t) {
  const auto config = std::ranges::find(context_.config.vrrps, t.name, &VrrpConfig::name);
  if (config == context_.config.vrrps.end() || config->notify.empty()) return;
  const auto instance = std::ranges::find(vrrp_.all(), t.name, [](const Vrrp::Instance& i) { return i.spec.name; });
  HelperRequest request;
  request.ask = HelperAsk::notify;
  request.state = static_cast<uint8_t>(t.to);
  request.priority = instance == vrrp_.all().end() ? config->spec.priority : instance->priority;
  put_cut(request.name, t.name);
  notifier_.tell(request, "vrrp " + t.name);
}

}  // namespace rawvs
