// SPDX-License-Identifier: BSD-2-Clause
// ward_follow.cpp: from the checks that were wanted to those that are, in portions.
#include <utility>

#include "control/ward.h"

namespace rawvs {

// It is not asked any more: it is as well as the operator says.
void Ward::leave(const Room& room, Endpoint at, Director& director) {
  director.put_back(room.key, at);
  director.set_standing(room.key, at, Standing::serves, INT32_MAX);
}

void Ward::follow(std::span<const WantedChecks> wanted, bool at_start, Director& director, Turn turn) {
  const bool in_between = step_ > Step::enter && step_ <= Step::decide;
  if (in_between) decide(*entered_, director, turn);
  wanted_ = wanted;
  at_start_ = at_start;
  ++follows_;
  step_ = Step::mark;
  at_ = service_ = 0;
  given_up_to_.reset();
  follow_some(at_start ? SIZE_MAX : kFollowed, director, turn);
  if (!at_start) return;
  director.take_touched();
  touched_.clear();
}

void Ward::follow_some(size_t left, Director& director, Turn turn) {
  while (left > 0 && step_ != Step::done) {
    if (!follow_step(left, director, turn)) return;
    const bool service_done = step_ == Step::apply;
    if (service_done) ++service_;
    step_ = service_done ? Step::enter : static_cast<Step>(static_cast<uint8_t>(step_) + 1);
    if (step_ == Step::enter && service_ == wanted_.size()) step_ = Step::done;
    at_ = 0;
  }
}

// False: the step is not over.
bool Ward::follow_step(size_t& left, Director& director, Turn turn) {
  const auto each = [&](size_t count, auto one) {
    for (; at_ < count && left > 0; ++at_, --left) one(at_);
    return at_ >= count;
  };
  Room* const room = entered_;
  switch (step_) {
    case Step::mark:
      return each(wanted_.size(), [&](size_t i) {
        const auto known = rooms_.find(wanted_[i].service);
        if (known != rooms_.end()) known->second.wanted_by = follows_;
      });
    case Step::give_up: return give_up_some(left, director, turn);
    case Step::enter:
      --left;
      if (!enter(wanted_[service_], turn.now, turn.out)) step_ = Step::apply;
      return true;
    case Step::mark_servers:
      return each(wanted_[service_].servers.size(), [&](size_t i) {
        const auto known = room->by_address.find(wanted_[service_].servers[i].at);
        if (known != room->by_address.end()) room->beds[known->second].wanted_by = follows_;
      });
    case Step::drop_servers:
      for (; at_ < room->beds.size() && left > 0; --left) {
        room->beds[at_].wanted_by == follows_ ? static_cast<void>(++at_) : drop(*room, at_, director);
      }
      return at_ >= room->beds.size();
    case Step::set_servers:
      return each(wanted_[service_].servers.size(),
                  [&](size_t i) { set_server(*room, wanted_[service_].servers[i], director, turn); });
    case Step::decide: return decide(*room, director, turn), true;
    case Step::apply:
      return each(room->beds.size(), [&](size_t i) { settle(*room, room->beds[i], director, turn.now); });
    case Step::done: break;
  }
  return true;
}

bool Ward::give_up_some(size_t& left, Director& director, Turn turn) {
  auto next = given_up_to_ ? rooms_.lower_bound(*given_up_to_) : rooms_.begin();
  while (next != rooms_.end()) {
    Room& room = next->second;
    given_up_to_ = next->first;
    if (left == 0) return false;
    --left;
    if (room.wanted_by == follows_) {
      ++next;
      continue;
    }
    const bool own = own_sorry(room);
    if (!std::exchange(room.given_up, true) && room.sorry && !own)
      director.remove_server(room.key, room.sorry->at, turn);
    for (; left > 0 && !room.beds.empty(); --left) drop(room, room.beds.size() - 1, director);
    if (!room.beds.empty()) return false;
    health_.remove_service(room.id);
    by_id_.erase(room.id);
    next = rooms_.erase(next);
  }
  return true;
}

// False: there is no room for it.
bool Ward::enter(const WantedChecks& wanted, Instant now, Outbox& out) {
  const auto [place, is_new] = rooms_.try_emplace(wanted.service);
  Room& room = place->second;
  entered_ = &room;
  if (is_new) {
    room.id = next_room_++;
    room.key = wanted.service;
    room.name = text(wanted.service);
    by_id_[room.id] = &room;
  }
  room.wanted_by = follows_;
  room.given_up = false;
  old_sorry_ = room.sorry && !own_sorry(room) ? std::optional(room.sorry->at) : std::nullopt;
  room.policy = wanted.policy;
  room.sorry = wanted.sorry;
  room.vip = wanted.vip;
  if (!health_.find_service(room.id) && !health_.set_service(room.id, room.policy, now)) {
    out.say(Severity::error, room.name + ": its servers are not checked: no room, see max_servers");
    return false;
  }
  health_.hold_quorum(room.id);
  return true;
}

void Ward::drop(Room& room, size_t place, Director& director) {
  const Bed gone = std::exchange(room.beds[place], room.beds.back());
  room.by_address[room.beds[place].at] = room.by_number[room.beds[place].id.server] = static_cast<uint32_t>(place);
  room.beds.pop_back();
  room.by_address.erase(gone.at);
  room.by_number.erase(gone.id.server);
  health_.remove_target(gone.id);
  leave(room, gone.at, director);
}

void Ward::set_server(Room& room, const WantedChecks::Server& wanted, Director& director, Turn turn) {
  const auto& [at, check] = wanted;
  const auto known = room.by_address.find(at);
  const bool is_new = known == room.by_address.end();
  const Bed bed = is_new ? Bed{{room.id, room.next_bed++}, at, follows_} : room.beds[known->second];
  const Server* const server = server_at(director, room.key, at);
  Target target;
  target.id = bed.id;
  target.check = check;
  target.at = {at.addr, check ? check->port : at.port};
  target.vip = {room.vip, target.at.port};
  target.weight = server ? server->wanted_weight : 1;
  target.ramps = !at_start_;
  if (!health_.set_target(target, turn.now)) {
    turn.out.say(Severity::error, room.name + ": server " + text(at) + " is not checked: no room, see max_servers");
    return;
  }
  if (server) health_.set_weight(bed.id, server->reachable ? server->wanted_weight : 0);
  if (!is_new) return;
  room.by_address[at] = room.by_number[bed.id.server] = static_cast<uint32_t>(room.beds.size());
  room.beds.push_back(bed);
}

void Ward::decide(Room& room, Director& director, Turn turn) {
  const bool other = old_sorry_ && (!room.sorry || room.sorry->at != *old_sorry_);
  if (other && !bed_of(room, *old_sorry_)) director.remove_server(room.key, *old_sorry_, turn);
  HealthPolicy policy = room.policy;
  policy.sorry_server = policy.sorry_server && room.sorry_reachable;
  static_cast<void>(health_.set_service(room.id, policy, turn.now));  // it is known, and so has its place
  apply_sorry(room, director, turn);
}

}  // namespace rawvs
