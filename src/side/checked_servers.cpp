// SPDX-License-Identifier: BSD-2-Clause
// checked_servers.cpp: verdicts of health.h in the table of servers.
#include "side/checked_servers.h"

#include <algorithm>

#include "core/called.h"
#include "side/slow_start.h"
#include "wire/discovery.h"
#include "wire/formatted.h"

namespace rawvs {
static_assert(kRampSteps == kFullShare);  // a step of the slow start is a part of the weight

CheckedServers::CheckedService* CheckedServers::service_of(uint32_t id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

const CheckedServers::CheckedServer* CheckedServers::server_of(const CheckedService& service, Endpoint at) {
  const auto found = service.by_address.find(at);
  return found == service.by_address.end() ? nullptr : &service.servers[found->second];
}

CheckedServers::CheckedServer* CheckedServers::server_of(CheckedService& service, Endpoint at) {
  return const_cast<CheckedServer*>(server_of(std::as_const(service), at));
}

const CheckedServers::CheckedServer* CheckedServers::server_of(const CheckedService& service, TargetId id) {
  const auto found = service.by_number.find(id.server);
  return found == service.by_number.end() ? nullptr : &service.servers[found->second];
}

void CheckedServers::settle(ServerGate& gate, Turn turn) {
  const std::vector<Touched> more = gate.take_touched();
  if (services_.empty()) return;
  for (const Touched& touched : more) touched_.push(touched);
  settle_some(gate, turn);
}

void CheckedServers::settle_some(ServerGate& gate, Turn turn) {
  for (size_t left = std::min(touched_.size(), kPortion); left > 0; --left, touched_.pop()) {
    const Touched touched = touched_.first();
    const auto found = services_.find(touched.service);
    if (found == services_.end()) continue;
    CheckedService& service = found->second;
    CheckedServer* const checked = touched.server ? server_of(service, *touched.server) : nullptr;
    if (checked) settle(service, *checked, gate, turn.now);
    if (!touched.server || (service.sorry && service.sorry->at == *touched.server)) apply_sorry(service, gate, turn);
  }
}

// A server that comes back from an order starts slowly, as after a check's failure.
void CheckedServers::settle(CheckedService& service, CheckedServer& checked, ServerGate& gate, Instant now) {
  if (const Server* const server = gate.find(service.key, checked.at)) {
    health_.set_weight(checked.id, server->counted_weight());
    const bool out = server->order.out();
    if (std::exchange(checked.ordered_out, out) && !out) health_.start_slowly(checked.id, now);
  }
  apply(service, checked, gate, now);
}

// What the verdict is, in the table. While the sorry server is used nobody else gets new connections.
void CheckedServers::apply(const CheckedService& service, const CheckedServer& checked, ServerGate& gate, Instant now) {
  const Server* const server = gate.find(service.key, checked.at);
  if (!server) return;  // an operator has removed it
  const Verdict verdict = health_.verdict(checked.id, now);
  const bool stands_in = service.in_use && service.sorry && service.sorry->at == checked.at;
  const bool serves = verdict.serves || stands_in, in_table = verdict.in_table || stands_in;
  const int32_t most = stands_in || (verdict.serves && !service.in_use) ? INT32_MAX : 0;
  const int32_t least = stands_in ? std::max(service.sorry->weight, 1) : 0;
  const Standing standing = serves ? Standing::serves : fallen(service.policy.on_down);
  gate.set_standing(service.key, checked.at, standing, most, verdict.serves ? verdict.share : kFullShare, least);
  if (in_table && server->taken_out) gate.put_back(service.key, checked.at);
  if (!in_table && !server->taken_out) gate.take_out(service.key, checked.at);
}

void CheckedServers::recall(const ServiceKey& service, Endpoint server, bool well, Instant from, ServerGate& gate,
                            Instant now) {
  const auto found = services_.find(service);
  const CheckedServer* const checked = found == services_.end() ? nullptr : server_of(found->second, server);
  if (checked && health_.recall(checked->id, well, from, now)) apply(found->second, *checked, gate, now);
}

// It stays in the table, with weight 0 while it is not used, so that its connections may end in peace. One of the
// virtual's own servers is there anyway: see apply(). It serves until all others may again.
void CheckedServers::apply_sorry(CheckedService& service, ServerGate& gate, Turn turn) {
  if (!service.sorry || !gate.has_service(service.key)) return;
  const Endpoint at = service.sorry->at;
  if (!own_sorry(service)) {
    if (!gate.find(service.key, at)) gate.add(service.key, *service.sorry, turn);
    gate.set_standing(service.key, at, Standing::serves, service.in_use || service.next ? INT32_MAX : 0);
  }
  const Server* const server = gate.find(service.key, at);
  const bool reachable = server && server->reachable && !server->order.out();
  if (reachable == std::exchange(service.sorry_reachable, reachable)) return;
  HealthPolicy policy = service.policy;
  policy.sorry_server = policy.sorry_server && reachable;
  static_cast<void>(health_.set_service(service.id, policy, turn.now));  // it is known, and so has its place
}

void CheckedServers::postponed(ProbeId id, Instant now) {
  constexpr Duration kLater = 1s;
  static_cast<void>(health_.postponed(id, kLater, now));
}

void CheckedServers::answered(ProbeId id, bool well, std::string_view text, ServerGate& gate, Turn turn) {
  if (health_.answered(id, well, text, turn.now, news_)) carry_out(gate, turn);
}

const CheckedServers::Asking& CheckedServers::time_passed(ServerGate& gate, Turn turn) {
  asking_.start.clear();
  asking_.cancelled.clear();
  probes_.clear();
  follow_some(kFollowed, gate, turn);
  health_.time_passed(turn.now, kMostAtOnce, probes_, news_);
  for (const ProbeToStart& probe : probes_) {
    const CheckedService* const service = service_of(probe.target->id.service);
    const CheckedServer* const checked = service ? server_of(*service, probe.target->id) : nullptr;
    const Server* const server = checked ? gate.find(service->key, checked->at) : nullptr;
    if (answer_by_arp(probe, server, gate, turn.now) || answer_for_silent(probe, server, gate, turn.now)) continue;
    asking_.start.push_back({probe.id, probe.target->check.get(), probe.target->at, probe.target->vip,
                             service ? std::string_view(service->name) : std::string_view(), server});
  }
  asking_.cancelled = news_.cancelled;
  carry_out(gate, turn);
  settle_some(gate, turn);
  apply_some(gate, turn);
  return asking_;
}

// The other servers' addresses are asked for anyway, and it is known who is silent.
bool CheckedServers::answer_by_arp(const ProbeToStart& probe, const Server* server, const ServerGate& gate,
                                   Instant now) {
  if (probe.target->check->kind != CheckKind::arp) return false;
  const auto hop = server ? gate.next_hop(*server) : std::nullopt;
  const bool itself = server && server->local && server->reachable;
  const bool well = itself || (hop && hop->mac);
  std::string said = itself ? "it is this host itself" : server ? "no route" : "it is not in the table";
  if (hop)
    said = text(hop->addr) +
           (well ? " is at " + text(*hop->mac) : std::string(" does not answer ") + what_is_answered(hop->addr));
  static_cast<void>(health_.answered(probe.id, well, said, now, news_));
  return true;
}

// With via = vip the director sends the probe's packets. Without the server's MAC address it can only drop them, and no
// error would tell a probe that takes silence for well.
bool CheckedServers::answer_for_silent(const ProbeToStart& probe, const Server* server, const ServerGate& gate,
                                       Instant now) {
  if (probe.target->check->via != CheckSpec::Via::vip) return false;
  const auto hop = server ? gate.next_hop(*server) : std::nullopt;
  if (!hop || !hop->silent) return false;
  static_cast<void>(health_.answered(probe.id, false,
                                     text(hop->addr) + " does not answer " + what_is_answered(hop->addr), now, news_));
  return true;
}

void CheckedServers::carry_out(ServerGate& gate, Turn turn) {
  for (const TargetChange& change : news_.changes) note(change, gate, turn);
  for (const QuorumChange& change : news_.quorums) note(change, gate, turn);
  news_.clear();
}

namespace {

std::string why_unused(const Server* sorry) {
  if (!sorry || !sorry->order.out()) return "packets cannot be sent to it";
  return formatted("it is {} by an operator", name(sorry->order.what));
}

std::optional<HealthEvent> event_of(Condition condition) {
  switch (condition) {
    case Condition::up: return HealthEvent::up;
    case Condition::down: return HealthEvent::down;
    case Condition::damped: return HealthEvent::damped;
    case Condition::unknown: break;
  }
  return std::nullopt;
}

}  // namespace

void CheckedServers::note(const TargetChange& change, ServerGate& gate, Turn turn) {
  CheckedService* const service = service_of(change.id.service);
  const CheckedServer* const checked = service ? server_of(*service, change.id) : nullptr;
  if (!checked) return;
  if (change.what != TargetChange::What::ramped) {
    if (const auto event = event_of(change.condition)) told_.push_back({service->key, *event, checked->at});
    const bool bad = change.what == TargetChange::What::went;
    const Server* const server = gate.find(service->key, checked->at);
    turn.out.say(bad ? Severity::warning : Severity::notice,
                 formatted("{}: server {} is {}: {}", service->name,
                           called(server ? server->spec.name : ShortName(), text(checked->at)), name(change.condition),
                           change.reason),
                 Topic::server);
  }
  apply(*service, *checked, gate, turn.now);
}

void CheckedServers::note(const QuorumChange& change, ServerGate& gate, Turn turn) {
  CheckedService* const service = service_of(change.service);
  if (!service) return;
  quorums_.push_back({service->key, change.enough});
  told_.push_back({service->key, change.enough ? HealthEvent::quorum : HealthEvent::no_quorum, {}});
  const bool sorry_was_used = std::exchange(service->in_use, change.sorry);
  if (sorry_was_used != change.sorry) {
    const auto at = service->sorry ? std::optional(service->sorry->at) : std::nullopt;
    told_.push_back({service->key, change.sorry ? HealthEvent::sorry : HealthEvent::no_sorry, at});
  }
  std::string sorry;
  if (change.sorry) {
    sorry = ": sorry server " + called(service->sorry->name, text(service->sorry->at)) + " is used";
  } else if (sorry_was_used) {
    sorry = ": sorry server is not used any more";
  } else if (!change.enough && service->sorry) {
    sorry = ": sorry server " + called(service->sorry->name, text(service->sorry->at)) +
            " is not used: " + why_unused(gate.find(service->key, service->sorry->at));
  }
  turn.out.say(change.enough ? Severity::notice : Severity::warning,
               service->name + ": " + (change.enough ? "enough servers are well" : "too few servers are well") + " (" +
                   change.reason + ")" + sorry,
               Topic::service);
  if (change.sorry == sorry_was_used) return;  // no server's share of the work is another one
  if (!service->next) applying_.push(service->id);
  service->next = 0;
  apply_sorry(*service, gate, turn);
  const CheckedServer* const own = service->sorry ? server_of(*service, service->sorry->at) : nullptr;
  if (own && service->in_use) apply(*service, *own, gate, turn.now);
}

void CheckedServers::apply_some(ServerGate& gate, Turn turn) {
  for (size_t left = kPortion; left > 0 && !applying_.empty(); applying_.pop()) {
    CheckedService* const service = service_of(applying_.first());
    if (service && !apply_some(*service, left, gate, turn)) break;
  }
}

// False: there are more.
bool CheckedServers::apply_some(CheckedService& service, size_t& left, ServerGate& gate, Turn turn) {
  for (size_t& next = *service.next; next < service.servers.size(); ++next, --left) {
    if (left == 0) return false;
    apply(service, service.servers[next], gate, turn.now);
  }
  service.next.reset();
  left -= std::min<size_t>(left, 1);
  apply_sorry(service, gate, turn);
  return true;
}

const TargetHealth* CheckedServers::find(const ServiceKey& service, Endpoint server) const {
  const auto found = services_.find(service);
  if (found == services_.end()) return nullptr;
  const CheckedServer* const checked = server_of(found->second, server);
  return checked ? health_.find(checked->id) : nullptr;
}

std::optional<Endpoint> CheckedServers::sorry_of(const ServiceKey& service) const {
  const auto found = services_.find(service);
  if (found == services_.end() || !found->second.sorry) return std::nullopt;
  return found->second.sorry->at;
}

bool CheckedServers::stands_in(const ServiceKey& service, Endpoint server) const {
  const auto found = services_.find(service);
  return found != services_.end() && found->second.in_use && found->second.sorry && found->second.sorry->at == server;
}

const ServiceHealth* CheckedServers::find(const ServiceKey& service) const {
  const auto found = services_.find(service);
  return found == services_.end() ? nullptr : health_.find_service(found->second.id);
}

}  // namespace rawvs
