// SPDX-License-Identifier: BSD-2-Clause
// ports.cpp: interfaces that appear and disappear.
#include "sys/engine/ports.h"

#include <algorithm>
#include <utility>

#include "core/link.h"
#include "core/sort.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr Duration kRetryOpen = 1s;
// How long to retry a back end: packets wait during the former, not yet during the latter.
constexpr Duration kOpenPatience = 4ms, kOpenPatienceAtStart = 2s;

// Connections may begin before there is a guard that looks them up: a missing interface may come back.
bool may_know_flows(GuardMode mode) { return mode != GuardMode::classic && mode != GuardMode::off; }

}  // namespace

Ports::Ports(EngineContext& context) : context_(context), names_(context.config.interface, context.config.inside) {
  for (const LinkName& one : names_.named()) add(one.name, one.role, true);
  context_.frames.set_guard_knows_flows(may_know_flows(context_.config.guard));
}

// The place of an interface that is gone is used again when there is no other: packets of its old connections would go
// out by the new one until their clients send again.
std::unique_ptr<Ports::Port>* Ports::place_for_one() {
  if (ports_.size() < kMostLinks) return &ports_.emplace_back();
  const auto gone = std::ranges::find_if(
      ports_, [](const auto& port) { return !port->named && port->interface.facts().ifindex == 0; });
  return gone == ports_.end() ? nullptr : &*gone;
}

std::optional<Link> Ports::add(const std::string& name, LinkRole role, bool named, const Tun* tun) {
  std::unique_ptr<Port>* const place = place_for_one();
  if (!place) {
    if (!std::exchange(full_, true)) {
      context_.log.write(Severity::warning,
                         formatted("interface {} is not used: {} are in use, and there is no room "
                                   "for more",
                                   name, kMostLinks),
                         Topic::interface);
    }
    return std::nullopt;
  }
  const auto link = static_cast<Link>(place - ports_.data());
  place->reset(new Port{Interface(context_, link, name, tun), role, named});
  return link;
}

bool Ports::knows(const std::string& name) const {
  return std::ranges::any_of(ports_, [&](const auto& port) { return port->interface.name() == name; });
}

void Ports::serve_host(const Tun& tun) { add(tun.name(), LinkRole::clients, false, &tun); }

// Adds the interfaces that match a pattern and are new.
void Ports::find_matching() {
  if (!names_.patterns()) return;
  const auto all = context_.netlink->interfaces();
  if (!all) return;  // what changed meanwhile is notified, too
  for (const std::string& name : *all) {
    const auto role = names_.role_of(name);
    if (role && !knows(name)) add(name, *role, false);
  }
}

bool Ports::open_for(const Route& route) {
  const std::string& name = route.interface;
  if (!context_.config.auto_interfaces || name.empty() || knows(name) || useless_.contains(name)) return false;
  const auto facts = context_.netlink->query(name);
  if (!facts || facts->ifindex == 0 || !facts->unfit.empty()) {
    useless_.insert(name);
    if (facts && !facts->unfit.empty()) {
      context_.log.write(Severity::warning, formatted("interface {} cannot serve: {}", name, facts->unfit),
                         Topic::interface);
    }
    return false;
  }
  const auto link = add(name, LinkRole::servers, false);
  if (!link) return useless_.insert(name), false;
  context_.log.write(
      Severity::notice,
      formatted("interface {} is used, too: the route to real server {} leaves by it", name, text(route.to)),
      Topic::interface);
  try_one(*link);
  return true;
}

Result<Done> Ports::know_all() {
  find_matching();
  for (const Link link : links()) {
    const auto known = know(link);
    if (!known && ports_[index(link)]->named) return known.error();
  }
  return Done{};
}

Result<Done> Ports::know(Link link) {
  Interface& interface = ports_[index(link)]->interface;
  auto facts = query(link);
  if (!facts) return facts.error();
  if (!facts->unfit.empty()) return Error{formatted("interface {} cannot serve: {}", interface.name(), facts->unfit)};
  if (const auto taken = interface.take(*facts); !taken) return taken.error();
  note_own_addresses();
  facts->up = false;
  context_.director.link_changed(link, *facts, context_.turn());
  context_.dispatch();
  return Done{};
}

Result<LinkFacts> Ports::query(Link link) {
  auto facts = context_.netlink->query(name(link));
  if (facts) facts->role = ports_[index(link)]->role, facts->named = ports_[index(link)]->named;
  return facts;
}

Result<Done> Ports::open_all() {
  for (const Link link : links()) {
    const auto followed = follow(link);
    if (!followed && ports_[index(link)]->named) return followed.error();
    if (!followed) context_.log.write(Severity::error, followed.error().text, Topic::interface);
    if (facts(link).usable()) continue;
    context_.log.write(Severity::warning,
                       formatted("interface {} {}: waiting for it", name(link),
                                 facts(link).ifindex == 0 ? "does not exist" : "is down"),
                       Topic::interface);
  }
  at_start_ = false;
  if (ports_.empty()) {
    context_.log.write(Severity::warning,
                       formatted("no interface matches {} yet: waiting for one", context_.config.interface),
                       Topic::interface);
  }
  return Done{};
}

void Ports::close() {
  for (const auto& port : ports_) port->interface.close();
  note_guards();
}

void Ports::release() {
  for (const auto& port : ports_) port->interface.release();
}

void Ports::take_back() {
  for (const auto& port : ports_) {
    if (const auto back = port->interface.take_back(); back) continue;
    port->interface.close();  // try_all() opens it again
  }
  try_all();
}

void Ports::try_all() {
  useless_.clear(), full_ = false;
  find_matching();
  for (const Link link : links()) try_one(link);
}

// Tries again; logs the reason of a failure once.
void Ports::try_one(Link link) {
  const auto followed = follow(link);
  const std::string problem = followed ? "" : followed.error().text;
  if (std::exchange(ports_[index(link)]->problem, problem) != problem && !problem.empty()) {
    context_.log.write(Severity::error, problem, Topic::interface);
  }
}

// Reads the kernel's facts about the link, and opens or closes the packet socket accordingly.
Result<Done> Ports::follow(Link link) {
  Interface& interface = ports_[index(link)]->interface;
  Instant& again = ports_[index(link)]->again;
  const auto asked = query(link);
  if (!asked) {  // the last known facts are the best guess
    again = context_.now + kRetryOpen;
    return asked.error();
  }
  const LinkFacts& facts = *asked;
  const bool other = facts.ifindex != interface.facts().ifindex || facts.mtu != interface.facts().mtu;
  if (interface.is_open() && (other || !facts.usable())) {
    interface.close();
    note_guards();
  }
  Result<Done> opened = interface.take(facts);
  note_own_addresses();
  if (opened && !interface.is_open() && facts.usable()) {
    opened = interface.open(at_start_ ? kOpenPatienceAtStart : kOpenPatience);
    note_guards();
  }
  again = opened ? kNever : context_.now + kRetryOpen;
  // Without a socket the link counts as down, whatever the kernel reports.
  LinkFacts known = facts;
  if (!interface.is_open()) known.up = false;
  context_.director.link_changed(link, known, context_.turn());
  follow_watch();
  context_.dispatch();
  for (Part* const part : context_.parts) part->link_changed(link);
  return opened;
}

void Ports::note_guards() {
  bool any_knows = false, any_does_not = false;
  for (const auto& port : ports_) {
    if (const Guard* const guard = port->interface.guard()) (guard->knows_flows() ? any_knows : any_does_not) = true;
  }
  context_.frames.set_guard_knows_flows(any_knows || (may_know_flows(context_.config.guard) && !any_does_not));
  for (const Link link : links()) {
    const Guard* const guard = ports_[index(link)]->interface.guard();
    context_.director.guard_knows_flows(link, !guard || guard->knows_flows());
  }
}

void Ports::note_own_addresses() {
  own_addresses_.clear();
  for (const auto& port : ports_) {
    for (const LinkAddress& own : port->interface.facts().addresses) own_addresses_.push_back(own.addr);
  }
  sort_addresses(own_addresses_);
}

std::optional<Ip> Ports::address_of(const std::string& interface, Family family) const {
  for (const Link link : links()) {
    if (name(link) != interface) continue;
    for (const LinkAddress& a : facts(link).addresses) {
      if (a.addr.family() == family && !(a.addr.is_v6() && a.addr.link_local())) return a.addr;
    }
  }
  return std::nullopt;
}

void Ports::follow_watch() {
  for (const auto& port : ports_) port->interface.follow_watch(own_addresses_);
}

void Ports::count() {
  for (const Link link : links()) {
    const Interface& interface = ports_[index(link)]->interface;
    LinkCounters counters = interface.counters();
    const HostRoute::Counters& back = context_.frames.returned(link);
    counters.returned = back.sent;
    counters.return_failed = back.expired + back.too_long + back.failed;
    const bool by_flow = interface.guard() && interface.guard()->knows_flows();
    if (interface.of_host()) counters.vips = counters.guarded_vips = host_vips_;
    if (by_flow) counters.unguarded = context_.frames.flows().refused();
    context_.director.link_counted(link, counters);
  }
}

void Ports::end_fast() {
  for (const auto& port : ports_) port->interface.end_fast();
}

void Ports::leave_guards(bool stay) {
  for (const auto& port : ports_) port->interface.leave_guard(stay);
}

// Called last in a turn: filter and guard follow the other parts' changes.
void Ports::serve(Instant now) {
  follow_watch();
  for (const auto& port : ports_) port->interface.end_former_guard();
  for (const Link link : links()) {
    if (now >= ports_[index(link)]->again) try_one(link);
  }
}

Instant Ports::deadline() const {
  Instant first = kNever;
  for (const auto& port : ports_) first = std::min({first, port->interface.deadline(), port->again});
  return first;
}

}  // namespace rawvs
