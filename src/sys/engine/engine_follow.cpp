// SPDX-License-Identifier: BSD-2-Clause
// engine_follow.cpp: what changes around the loop, and is followed: interfaces, routes, what the director watches.
#include <algorithm>
#include <utility>

#include "rawvs/engine.h"
#include "sys/net/interface_lock.h"

namespace rawvs {
namespace {

constexpr Duration kRetryOpen = 1s;
constexpr Duration kPatience = 4ms, kPatienceAtStart = 2s;  // packets wait for the former, not yet for the latter
constexpr Duration kRewatchPause = 200ms;
constexpr Duration kRetryGuard = 5s;
constexpr Duration kReroutePause = 200ms;  // a router's table may change all the time
constexpr size_t kRoutesAtOnce = 256;      // asked for in one turn: some 2 ms

}  // namespace

void Engine::follow_kernel(KernelNews news) {
  if (!news) return;
  routes_stale_ = true;
  if (news.links) routes_asked_ = Instant{};  // at once: without a way to its servers a service refuses its clients
  for (const Link link : {Link::outside, Link::inside}) {
    if (news.links && !ports_[index(link)].name.empty()) try_link(link);
  }
  follow_routes();
}

// It is tried again and again; what keeps it from being opened is logged once.
void Engine::try_link(Link link) {
  const auto followed = follow_link(link);
  const std::string problem = followed ? "" : followed.error().text;
  if (std::exchange(ports_[index(link)].problem, problem) != problem && !problem.empty())
    log_.write(Severity::error, problem);
}

// Before it is used: the host's own addresses are known, and services can be told which of them are VIPs.
Result<Done> Engine::know_link(Link link) {
  Port& port = ports_[index(link)];
  if (port.name.empty()) return Done{};
  auto facts = netlink_->query(port.name);
  if (!facts) return facts.error();
  if (!facts->unfit.empty()) return Error{"interface " + port.name + " cannot serve: " + facts->unfit};
  port.facts = *facts;
  if (const auto locked = lock_link(port); !locked) return locked.error();
  note_own_addresses();
  facts->up = false;
  director_.link_changed(link, *facts, {now_, outbox_});
  dispatch();
  return Done{};
}

// Before anything is done with the interface; it may be another one by the same name.
Result<Done> Engine::lock_link(Port& port) {
  const auto remark = port.lock->take(port.name, port.facts.ifindex);
  if (!remark) return remark.error();
  if (*remark) log_.write(Severity::warning, **remark);
  return Done{};
}

// Learns what the kernel says of the link now, and opens or closes the packet socket accordingly.
Result<Done> Engine::follow_link(Link link) {
  Port& port = ports_[index(link)];
  const auto asked = netlink_->query(port.name);
  if (!asked) {  // what was known last is the best guess
    port.retry = now_ + kRetryOpen;
    return asked.error();
  }
  const LinkFacts& facts = *asked;
  const bool other = facts.ifindex != port.facts.ifindex || facts.mtu != port.facts.mtu;
  if (port.io && (other || !facts.usable())) close_port(port);
  if (facts != port.facts) routes_stale_ = true;
  port.facts = facts;
  note_own_addresses();
  port.retry = kNever;
  Result<Done> opened = lock_link(port);
  if (opened && !port.io && facts.usable()) opened = open_port(port, link);
  if (!opened) port.retry = now_ + kRetryOpen;
  // Without a socket the link is as good as down, whatever the kernel says of it.
  LinkFacts known = facts;
  if (!port.io) known.up = false;
  director_.link_changed(link, known, {now_, outbox_});
  settle();
  vrrp_link_changed(link);
  sync_link_changed(link);
  return opened;
}

Result<Done> Engine::open_port(Port& port, Link link) {
  auto opened = open_frame_io(config_.io,
                              {.ifindex = port.facts.ifindex,
                               .name = port.name,
                               .link = link,
                               .ring_frames = config_.ring_frames,
                               .mtu = port.facts.mtu,
                               .patience = control_ ? kPatience : kPatienceAtStart},
                              flows_);
  if (!opened) return opened.error();
  port.io = std::move(opened->io);
  tell_io(port, opened->skipped);
  if (config_.guard == GuardMode::off) {
    log_.write(Severity::warning, port.name +
                                      ": guard = off: this host's kernel also handles the frames that rawvsd takes, "
                                      "unless a firewall rule drops them");
  } else if (auto guard = Guard::attach(port.name, port.facts.ifindex, config_.guard, flows_)) {
    port.guard = std::move(*guard);
    note_guards();
    log_.write(Severity::info, port.name + ": guard attached (" + port.guard->way() + ")");
  } else {
    log_.write(Severity::warning, guard.error().text);
  }
  return Done{};
}

void Engine::tell_io(const Port& port, const std::string& skipped) {
  const std::string place = port.name + ": frames are read by " + port.io->name();
  if (skipped.empty()) {
    log_.write(Severity::info, place);
  } else {
    log_.write(Severity::warning, place + ": " + skipped);
  }
  if (const std::string remark = port.io->remark(); !remark.empty()) {
    log_.write(Severity::warning, port.name + ": " + remark);
  }
}

void Engine::close_port(Port& port) {
  if (port.io) port.past += port.io->counters();
  port.guard.reset();
  note_guards();
  port.io.reset();
  port.told = {};  // its deadline, too: it would wake the loop for ever
}

// Connections may begin before there is a guard that looks them up: an interface is missing that comes back later.
void Engine::note_guards() {
  bool any_knows = false, any_does_not = false;
  for (const Port& port : ports_) {
    if (port.guard) (port.guard->knows_flows() ? any_knows : any_does_not) = true;
  }
  const bool may_know = config_.guard != GuardMode::classic && config_.guard != GuardMode::off;
  guard_knows_flows_ = any_knows || (may_know && !any_does_not);
  for (const Link link : {Link::outside, Link::inside}) {
    const Guard* const guard = ports_[index(link)].guard.get();
    director_.guard_knows_flows(link, !guard || guard->knows_flows());
  }
}

std::vector<Mac> Engine::macs_of(const Port& port) const {
  std::vector<Mac> all{port.facts.mac};
  const auto& more = director_.watch().macs[static_cast<size_t>(&port - ports_.data())];
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

// Filter and guard follow the director's VIPs and NAT servers at once, so that they are in effect when their request is
// answered: the filter lets through at least as much. That it lets through no more, and neighbours, may wait a moment:
// compiling a long filter takes milliseconds, and a restored table changes a thousand.
void Engine::follow_watch() {
  const Watch& wanted = director_.watch();
  for (Port& port : ports_) {
    if (!port.io) continue;
    const bool same =
        port.told.version == director_.watch_version() && port.told.hosts == hosts_ && port.told.macs == macs_of(port);
    if (same && now_ < port.told.again) continue;
    const Watch& known = port.told.watch;
    const bool new_place = !port.told.version || port.told.macs != macs_of(port) || port.told.hosts != hosts_;
    const bool new_traffic =
        known.vips != wanted.vips || known.nat_servers != wanted.nat_servers || known.icmp_errors != wanted.icmp_errors;
    port.told.version = director_.watch_version();
    if (new_place || now_ >= port.told.again) {
      watch_port(port);
    } else {
      port.told.again = std::min(port.told.again, now_ + kRewatchPause);
      if (new_traffic) widen_port(port);
    }
  }
}

void Engine::protect(Port& port) {
  port.told.watch = director_.watch();
  port.told.macs = macs_of(port);
  port.told.hosts = hosts_;
  if (!port.guard) return;
  const auto done = port.guard->protect(port.told.watch, port.told.macs, hosts_);
  if (!done) port.told.again = std::min(port.told.again, now_ + kRetryGuard);
  if (std::exchange(port.told.partly, !done) == !done) return;
  const std::string how_many = std::to_string(port.guard->guarded_vips()) + " of " +
                               std::to_string(port.told.watch.vips.size()) + " VIPs guarded (" + port.guard->way() +
                               ")";
  if (done) {
    log_.write(Severity::info, port.name + ": " + how_many);
  } else {
    log_.write(Severity::warning, port.name + ": " + how_many + ": " + done.error().text);
  }
}

void Engine::widen_port(Port& port) {
  protect(port);
  if (const auto done = port.io->widen(port.told.watch, port.told.macs); !done) {
    log_.write(Severity::error, done.error().text);
  }
}

// The guard first: a frame that nobody handles is sent again, one that two handle is not taken back.
void Engine::watch_port(Port& port) {
  port.told.again = kNever;
  protect(port);
  if (const auto done = port.io->watch(port.told.watch, port.told.macs); !done) {
    log_.write(Severity::error, done.error().text);
  } else if (port.io->filter_is_wide() && !std::exchange(port.told.wide, true)) {
    log_.write(Severity::info,
               port.name + ": too many addresses for a socket filter: all IPv4 and ARP frames are looked at");
  }
}

void Engine::note_own_addresses() {
  hosts_.clear();
  for (const Port& port : ports_) {
    for (const LinkAddress& own : port.facts.addresses) hosts_.push_back(own.addr);
  }
  std::ranges::sort(hosts_);
}

Instant Engine::routes_due() const {
  if (asking_routes_) return now_;  // the others
  return routes_stale_ ? routes_asked_ + kReroutePause : kNever;
}

// The way to a new server is asked for at once, so that it is known when its request is answered; those to the others
// when the kernel's routes may have changed, but not each time, and a part of them in each turn.
void Engine::follow_routes() {
  for (auto some = director_.take_unknown_ways(kRoutesAtOnce); !some.empty();
       some = director_.take_unknown_ways(kRoutesAtOnce)) {
    for (const Ip server : some) ask_route(server);
  }
  if (now_ < routes_due()) return;
  if (!asking_routes_) routes_stale_ = false, asking_routes_ = true, route_asked_.reset();
  for (size_t n = 0; n < kRoutesAtOnce; ++n) {
    route_asked_ = director_.next_server_address(route_asked_);
    asking_routes_ = route_asked_.has_value();
    if (!asking_routes_) break;
    if (!ask_route(*route_asked_)) break;
  }
  routes_asked_ = now_;
  if (!asking_routes_ && !routes_stale_) routes_warned_ = false;
}

// What was known last is the best guess when it cannot be asked.
bool Engine::ask_route(Ip server) {
  std::array<int, kLinks> ifindexes{};
  for (size_t i = 0; i < kLinks; ++i) ifindexes[i] = ports_[i].facts.ifindex;
  const auto asked = netlink_->route_to(server, ifindexes);
  if (!asked) {
    if (!std::exchange(routes_warned_, true)) log_.write(Severity::warning, asked.error().text);
    routes_stale_ = true, asking_routes_ = false, routes_asked_ = now_;
    return false;
  }
  director_.route_found(*asked, {now_, outbox_});
  follow_watch();
  dispatch();
  return true;
}

}  // namespace rawvs
