// SPDX-License-Identifier: BSD-2-Clause
// engine_ha.cpp: health checks and VRRP in the loop: probes begun and heard, adverts sent and heard, what follows.
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "rawvs/engine.h"
#include "sys/ha/vrrp_socket.h"
#include "sys/probe/probe_program.h"

namespace rawvs {
namespace {

constexpr int kMostAdverts = 256;  // heard in one turn
constexpr size_t kMostNotifiers = 32;

}  // namespace

// What the configuration wants now: at start, and after each reload.
Result<Done> Engine::follow_checks(bool at_start) {
  checks_ = wanted_checks(config_);
  if (!checks_.empty() && !probes_) {
    auto opened = Probes::open();
    if (!opened) return opened.error();
    probes_ = std::move(*opened);
    if (!poll_for(probes_->fd(), kProbes)) return Error{system_error("epoll", errno)};
  }
  follow_check_path();
  ward_.follow(checks_, at_start, director_, {now_, outbox_});
  dispatch();
  return Done{};
}

// Operators have changed the tables: what checks say is said of the new ones, too.
void Engine::settle_checks() {
  if (!director_.touched()) return;
  ward_.settle(director_, {now_, outbox_});
  dispatch();
}

void Engine::serve_checks() {
  settle_checks();  // a route may have changed
  if (!probes_) return;
  for (const ProbeFinding& finding : probes_->serve(now_)) {
    if (finding.asked) {
      ward_.answered(finding.id, finding.well, finding.text, director_, {now_, outbox_});
      continue;
    }
    ward_.postponed(finding.id, now_);
    probe_not_made(finding.text);
  }
  dispatch();
  if (now_ < ward_.next_deadline()) return;
  const Ward::Asking& asking = ward_.time_passed(director_, {now_, outbox_});
  for (const ProbeId id : asking.cancelled) probes_->cancel(id);
  for (const Ward::ToAsk& ask : asking.start) start_probe(ask);
  dispatch();
  follow_tracks();
}

void Engine::start_probe(const Ward::ToAsk& ask) {
  const bool to_vip = ask.check->via == CheckSpec::Via::vip;
  ProbeTarget target;
  target.server = target.to = ask.at;
  target.vip = ask.vip.addr;
  target.service = ask.service;
  if (to_vip) {
    if (const auto obstacle = lead_probe(ask, target)) {
      ward_.postponed(ask.id, now_);
      return probe_not_made(*obstacle);
    }
  }
  if (!probes_->start(ask.id, *ask.check, target, now_)) return ward_.postponed(ask.id, now_);
  if (to_vip) expect_packets(ask, target);
}

// It may last, and what it is about may come up many times a second.
void Engine::warn_once(const std::string& text) {
  constexpr size_t kMost = 32;
  if (warned_.size() == kMost || std::ranges::find(warned_, text) != warned_.end()) return;
  warned_.push_back(text);
  log_.write(Severity::warning, text);
}

void Engine::probe_not_made(const std::string& reason) { warn_once("a check could not be made: " + reason); }

// Before services are there, so that no VIP is announced whose master is another.
Result<Done> Engine::follow_vrrp() {
  const bool first = !vrrp_socket_;
  if (config_.vrrps.empty() && first) return Done{};
  if (first) {
    auto opened = VrrpSocket::open();
    if (!opened) return opened.error();
    vrrp_socket_ = std::move(*opened);
    if (!poll_for(vrrp_socket_->fd(), kVrrp)) return Error{system_error("epoll", errno)};
    if (vrrp_socket_->header_auth_fd() >= 0) static_cast<void>(poll_for(vrrp_socket_->header_auth_fd(), kVrrp));
  }
  vrrp_.configure(wanted_vrrp(config_), {now_, vrrp_out_});
  act_on_vrrp();
  share_addresses();
  return Done{};
}

void Engine::start_vrrp() {
  if (!vrrp_socket_) return;
  for (const Link link : {Link::outside, Link::inside}) vrrp_link_changed(link);
  follow_tracks();
  if (!std::exchange(vrrp_started_, true)) vrrp_.start({now_, vrrp_out_});
  act_on_vrrp();
}

void Engine::vrrp_link_changed(Link link) {
  const Port& port = ports_[index(link)];
  if (!vrrp_socket_ || port.name.empty()) return;
  if (port.facts.usable()) {
    if (const int problem = vrrp_socket_->join(port.facts.ifindex); problem != 0) {
      log_.write(Severity::error, system_error(port.name + ": vrrp: multicast group", problem));
    }
  }
  vrrp_.link_changed(link, port.facts, {now_, vrrp_out_});
  act_on_vrrp();
}

void Engine::serve_vrrp() {
  if (!vrrp_socket_) return;
  bool all = false;  // what was received comes before what the clock says (vrrp.h)
  for (int n = 0; n < kMostAdverts && !all; ++n) {
    const auto heard = vrrp_socket_->receive();
    all = !heard;
    if (all) break;
    const auto port = std::ranges::find(ports_, heard->ifindex, [](const Port& p) { return p.facts.ifindex; });
    if (port == ports_.end() || heard->ifindex == 0) continue;
    vrrp_.heard(static_cast<Link>(port - ports_.begin()), heard->packet, {now_, vrrp_out_});
  }
  if (all && now_ >= vrrp_.next_deadline()) vrrp_.time_passed({now_, vrrp_out_});
  act_on_vrrp();
}

// Adverts first: others wait for them.
void Engine::act_on_vrrp() {
  for (const VrrpSend& send : vrrp_out_.sends()) {
    const bool multicast = send.destination == kVrrpGroup;
    const int ifindex = multicast ? ports_[index(send.link)].facts.ifindex : 0;
    const int problem = send.from ? vrrp_socket_->send_frame(ifindex, *send.from, send.source, vrrp_out_.payload(send))
                                  : vrrp_socket_->send(ifindex, send.source, send.destination, vrrp_out_.payload(send));
    if (problem == 0 || vrrp_warned_) continue;
    vrrp_warned_ = true;
    log_.write(Severity::warning,
               system_error("vrrp: an advert to " + text(send.destination) + " was not sent", problem));
  }
  for (const VrrpTransition& t : vrrp_out_.transitions()) {
    log_.write(t.to == VrrpState::fault ? Severity::warning : Severity::notice, text(t));
    notify(t);
  }
  for (const Notice& notice : vrrp_out_.notices()) log_.write(notice.severity, notice.text);
  if (!vrrp_out_.transitions().empty()) share_addresses(), note_sync_leader();
  for (const Ip vip : vrrp_out_.announce()) director_.announce(vip, {now_, outbox_});
  if (vrrp_out_.announce_others()) director_.announce_others({now_, outbox_});
  vrrp_out_.clear();
  dispatch();
}

// The addresses of instances that are not master are others'. Filter and guard first: what is asked now is answered to
// a MAC address that was not ours before.
void Engine::share_addresses() {
  std::vector<Shared> shared;
  const auto as_shared = [](Ip vip, const Vrrp::Instance& i) {
    return Shared{vip, i.spec.link, i.state == VrrpState::master, i.mac()};
  };
  for (const Vrrp::Instance& i : vrrp_.all()) {
    for (const Ip vip : i.spec.addresses) shared.push_back(as_shared(vip, i));
  }
  std::ranges::sort(shared, {}, &Shared::vip);
  const Vrrp::Instance* const of_others = vrrp_.of_others();
  const auto others = of_others ? std::optional(as_shared(Ip(), *of_others)) : std::nullopt;
  director_.share(std::move(shared), others, {now_, outbox_});
  follow_watch();
  dispatch();
}

// An instance may depend on enough servers of a virtual being well.
void Engine::follow_tracks() {
  if (!vrrp_socket_) return;
  for (size_t i = 0; i < vrrp_.all().size(); ++i) {
    for (size_t t = 0; t < vrrp_.all()[i].spec.tracks.size(); ++t) {
      const std::string& name = vrrp_.all()[i].spec.tracks[t].name;
      const bool well = std::ranges::all_of(checks_, [&](const WantedChecks& checked) {
        const Health::ServiceHealth* const health = ward_.find(checked.service);
        return checked.name != name || !health || health->enough;
      });
      vrrp_.track(i, t, well, {now_, vrrp_out_});
    }
  }
  act_on_vrrp();
}

// PROGRAM NAME STATE PRIORITY, as keepalived tells its notify scripts; nobody waits for it.
void Engine::notify(const VrrpTransition& t) {
  const auto config = std::ranges::find(config_.vrrps, t.name, &VrrpConfig::name);
  if (config == config_.vrrps.end() || config->notify.empty()) return;
  std::erase_if(notifiers_, [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
  if (notifiers_.size() >= kMostNotifiers) {
    log_.write(Severity::warning, "vrrp " + t.name + ": " + config->notify + ": too many of them still run: not told");
    return;
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
  if (!run) return warn_once("vrrp " + t.name + ": notify: " + run.error().text);
  notifiers_.push_back(run->pid);
}

void Engine::stop_vrrp() {
  if (!vrrp_socket_) return;
  vrrp_.stop({now_, vrrp_out_});
  act_on_vrrp();
}

Instant Engine::ha_deadline() const {
  Instant first = vrrp_socket_ ? vrrp_.next_deadline() : kNever;
  if (!checks_.empty()) first = std::min(first, ward_.next_deadline());
  if (probes_) first = std::min(first, probes_->next_deadline());
  return first;
}

}  // namespace rawvs
