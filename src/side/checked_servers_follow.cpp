// SPDX-License-Identifier: BSD-2-Clause
// checked_servers_follow.cpp: from the checks that were wanted to those that are, in portions.
#include <utility>

#include "core/called.h"
#include "side/checked_servers.h"

namespace rawvs {

// It is not asked, or not any more: it is as well as the operator says.
void CheckedServers::leave(const CheckedService& service, Endpoint at, ServerGate& gate) {
  gate.put_back(service.key, at);
  gate.set_standing(service.key, at, Standing::serves, INT32_MAX);
}

void CheckedServers::follow(std::span<const WantedChecks> wanted, bool at_start, ServerGate& gate, Turn turn) {
  const bool in_between = step_ > Step::enter && step_ <= Step::decide;
  if (in_between) decide(*entered_, gate, turn);
  wanted_ = wanted;
  at_start_ = at_start;
  ++follows_;
  step_ = Step::mark;
  at_ = next_wanted_ = 0;
  given_up_to_.reset();
  follow_some(at_start ? SIZE_MAX : kFollowed, gate, turn);
  if (!at_start) return;
  gate.take_touched();
  touched_.clear();
}

void CheckedServers::follow_some(size_t left, ServerGate& gate, Turn turn) {
  while (left > 0 && step_ != Step::done) {
    if (!follow_step(left, gate, turn)) return;
    const bool service_done = step_ == Step::apply;
    if (service_done) ++next_wanted_;
    step_ = service_done ? Step::enter : static_cast<Step>(static_cast<uint8_t>(step_) + 1);
    if (step_ == Step::enter && next_wanted_ == wanted_.size()) step_ = Step::done;
    at_ = 0;
  }
}

// False: the step is not over.
bool CheckedServers::follow_step(size_t& left, ServerGate& gate, Turn turn) {
  const auto each = [&](size_t count, auto one) {
    for (; at_ < count && left > 0; ++at_, --left) one(at_);
    return at_ >= count;
  };
  CheckedService* const service = entered_;
  switch (step_) {
    case Step::mark:
      return each(wanted_.size(), [&](size_t i) {
        const auto known = services_.find(wanted_[i].service);
        if (known != services_.end()) known->second.wanted_by = follows_;
      });
    case Step::give_up: return give_up_some(left, gate, turn);
    case Step::enter:
      --left;
      if (enter(wanted_[next_wanted_], turn.now, turn.out)) return true;
      for (const WantedChecks::Server& server : wanted_[next_wanted_].servers) leave(*entered_, server.at, gate);
      step_ = Step::apply;
      return true;
    case Step::mark_servers:
      return each(wanted_[next_wanted_].servers.size(), [&](size_t i) {
        const auto known = service->by_address.find(wanted_[next_wanted_].servers[i].at);
        if (known != service->by_address.end()) service->servers[known->second].wanted_by = follows_;
      });
    case Step::drop_servers:
      for (; at_ < service->servers.size() && left > 0; --left) {
        service->servers[at_].wanted_by == follows_ ? static_cast<void>(++at_) : drop(*service, at_, gate);
      }
      return at_ >= service->servers.size();
    case Step::set_servers:
      return each(wanted_[next_wanted_].servers.size(),
                  [&](size_t i) { set_server(*service, wanted_[next_wanted_].servers[i], gate, turn); });
    case Step::decide: return decide(*service, gate, turn), true;
    case Step::apply:
      return each(service->servers.size(), [&](size_t i) { settle(*service, service->servers[i], gate, turn.now); });
    case Step::done: break;
  }
  return true;
}

bool CheckedServers::give_up_some(size_t& left, ServerGate& gate, Turn turn) {
  auto next = given_up_to_ ? services_.lower_bound(*given_up_to_) : services_.begin();
  while (next != services_.end()) {
    CheckedService& service = next->second;
    given_up_to_ = next->first;
    if (left == 0) return false;
    --left;
    if (service.wanted_by == follows_) {
      ++next;
      continue;
    }
    if (!std::exchange(service.given_up, true)) {
      health_.hold_quorum(service.id);
      if (service.sorry && !own_sorry(service)) gate.remove(service.key, service.sorry->at, turn);
      service.sorry.reset();  // so that nothing adds it again
    }
    for (; left > 0 && !service.servers.empty(); --left) drop(service, service.servers.size() - 1, gate);
    if (!service.servers.empty()) return false;
    health_.remove_service(service.id);
    by_id_.erase(service.id);
    next = services_.erase(next);
  }
  return true;
}

// False: there is no room for it.
bool CheckedServers::enter(const WantedChecks& wanted, Instant now, Outbox& out) {
  const auto [place, is_new] = services_.try_emplace(wanted.service);
  CheckedService& service = place->second;
  entered_ = &service;
  if (is_new) {
    service.id = next_id_++;
    service.key = wanted.service;
    service.name = called(ShortName::of(wanted.name), text(wanted.service));
    by_id_[service.id] = &service;
  }
  service.wanted_by = follows_;
  service.given_up = false;
  old_sorry_ = service.sorry && !own_sorry(service) ? std::optional(service.sorry->at) : std::nullopt;
  service.policy = wanted.policy;
  service.sorry = wanted.sorry;
  service.vip = wanted.vip;
  if (!health_.find_service(service.id) && !health_.set_service(service.id, service.policy, now)) {
    out.say(Severity::error, service.name + ": its servers are not checked: no room, see max_servers", Topic::server);
    return false;
  }
  health_.hold_quorum(service.id);
  return true;
}

void CheckedServers::drop(CheckedService& service, size_t place, ServerGate& gate) {
  const CheckedServer gone = std::exchange(service.servers[place], service.servers.back());
  service.by_address[service.servers[place].at] = service.by_number[service.servers[place].id.server] =
      static_cast<uint32_t>(place);
  service.servers.pop_back();
  service.by_address.erase(gone.at);
  service.by_number.erase(gone.id.server);
  health_.remove_target(gone.id);
  leave(service, gone.at, gate);
}

void CheckedServers::set_server(CheckedService& service, const WantedChecks::Server& wanted, ServerGate& gate,
                                Turn turn) {
  const auto& [at, check] = wanted;
  const auto known = service.by_address.find(at);
  const bool is_new = known == service.by_address.end();
  const CheckedServer checked =
      is_new ? CheckedServer{{service.id, service.next_number++}, at, follows_} : service.servers[known->second];
  const Server* const server = gate.find(service.key, at);
  Target target;
  target.id = checked.id;
  target.check = check;
  target.at = {at.addr, check ? check->port : at.port};
  target.vip = {service.vip, target.at.port};
  target.weight = server ? server->wanted_weight : 1;
  target.ramps = !at_start_;
  if (!health_.set_target(target, turn.now)) {
    turn.out.say(Severity::error, service.name + ": server " + text(at) + " is not checked: no room, see max_servers",
                 Topic::server);
    return leave(service, at, gate);
  }
  if (server) health_.set_weight(checked.id, server->counted_weight());
  if (!is_new) return;
  service.by_address[at] = service.by_number[checked.id.server] = static_cast<uint32_t>(service.servers.size());
  service.servers.push_back(checked);
}

void CheckedServers::decide(CheckedService& service, ServerGate& gate, Turn turn) {
  const bool other = old_sorry_ && (!service.sorry || service.sorry->at != *old_sorry_);
  if (other && !server_of(service, *old_sorry_)) gate.remove(service.key, *old_sorry_, turn);
  HealthPolicy policy = service.policy;
  policy.sorry_server = policy.sorry_server && service.sorry_reachable;
  static_cast<void>(health_.set_service(service.id, policy, turn.now));  // it is known, and so has its place
  apply_sorry(service, gate, turn);
}

}  // namespace rawvs
