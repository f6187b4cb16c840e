// SPDX-License-Identifier: BSD-2-Clause
// ward.cpp: verdicts of health.h, carried out on the director's tables.
#include "control/ward.h"

#include <algorithm>

namespace rawvs {
namespace {

static_assert(kRampSteps == kFullShare);  // a step of the slow start is a part of the weight

Standing fallen(OnDown on_down) {
  switch (on_down) {
    case OnDown::keep: return Standing::keeps;
    case OnDown::drain: return Standing::drains;
    case OnDown::reset: return Standing::resets;
  }
  return Standing::keeps;
}

}  // namespace

// In the table, or taken out of it.
const Server* Ward::server_at(const Director& director, const ServiceKey& key, Endpoint at) {
  return director.services().known(key, at);
}

Ward::Room* Ward::room_of(uint32_t id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

const Ward::Bed* Ward::bed_of(const Room& room, Endpoint at) {
  const auto found = room.by_address.find(at);
  return found == room.by_address.end() ? nullptr : &room.beds[found->second];
}

const Ward::Bed* Ward::bed_of(const Room& room, TargetId id) {
  const auto found = room.by_number.find(id.server);
  return found == room.by_number.end() ? nullptr : &room.beds[found->second];
}

void Ward::settle(Director& director, Turn turn) {
  const std::vector<Director::Touched> more = director.take_touched();
  if (rooms_.empty()) return;
  touched_.insert(touched_.end(), more.begin(), more.end());
  settle_some(director, turn);
}

void Ward::settle_some(Director& director, Turn turn) {
  const size_t some = std::min(touched_.size(), kPortion);
  for (size_t i = 0; i < some; ++i) {
    const Director::Touched& touched = touched_[i];
    const auto found = rooms_.find(touched.service);
    if (found == rooms_.end()) continue;
    Room& room = found->second;
    const Bed* const bed = touched.server ? bed_of(room, *touched.server) : nullptr;
    if (bed) settle(room, *bed, director, turn.now);
    if (!touched.server || (room.sorry && room.sorry->at == *touched.server)) apply_sorry(room, director, turn);
  }
  touched_.erase(touched_.begin(), touched_.begin() + static_cast<std::ptrdiff_t>(some));
}

// A server that cannot be reached is not alive, whatever its check says: it may have found the way of this host's own
// kernel.
void Ward::settle(Room& room, const Bed& bed, Director& director, Instant now) {
  const Server* const server = server_at(director, room.key, bed.at);
  if (server) health_.set_weight(bed.id, server->reachable ? server->wanted_weight : 0);
  apply(room, bed, director, now);
}

// What the verdict is, in the table. While the sorry server is used nobody else gets new connections.
void Ward::apply(const Room& room, const Bed& bed, Director& director, Instant now) {
  const Server* const server = server_at(director, room.key, bed.at);
  if (!server) return;  // an operator has removed it
  const Verdict verdict = health_.verdict(bed.id, now);
  const bool stands_in = room.in_use && room.sorry && room.sorry->at == bed.at;
  const bool serves = verdict.serves || stands_in, in_table = verdict.in_table || stands_in;
  const int32_t most = stands_in || (verdict.serves && !room.in_use) ? INT32_MAX : 0;
  const int32_t least = stands_in ? std::max(room.sorry->weight, 1) : 0;
  const Standing standing = serves ? Standing::serves : fallen(room.policy.on_down);
  director.set_standing(room.key, bed.at, standing, most, verdict.serves ? verdict.share : kFullShare, least);
  if (in_table && server->taken_out) director.put_back(room.key, bed.at);
  if (!in_table && !server->taken_out) director.take_out(room.key, bed.at);
}

// It stays in the table, with weight 0 while it is not used, so that its connections may end in peace. One of the
// virtual's own servers is there anyway: see apply(). It serves until all others may again.
void Ward::apply_sorry(Room& room, Director& director, Turn turn) {
  if (!room.sorry || !director.services().find(room.key)) return;
  const Endpoint at = room.sorry->at;
  if (!own_sorry(room)) {
    if (!server_at(director, room.key, at)) director.add_server(room.key, *room.sorry, turn);
    director.set_standing(room.key, at, Standing::serves, room.in_use || room.next ? INT32_MAX : 0);
  }
  const Server* const server = server_at(director, room.key, at);
  const bool reachable = server && server->reachable;
  if (reachable == std::exchange(room.sorry_reachable, reachable)) return;
  HealthPolicy policy = room.policy;
  policy.sorry_server = policy.sorry_server && reachable;
  static_cast<void>(health_.set_service(room.id, policy, turn.now));  // it is known, and so has its place
}

void Ward::postponed(ProbeId id, Instant now) {
  constexpr Duration kLater = 1s;
  static_cast<void>(health_.postponed(id, kLater, now));
}

void Ward::answered(ProbeId id, bool well, std::string_view text, Director& director, Turn turn) {
  if (health_.answered(id, well, text, turn.now, news_)) carry_out(director, turn);
}

const Ward::Asking& Ward::time_passed(Director& director, Turn turn) {
  asking_.start.clear();
  asking_.cancelled.clear();
  probes_.clear();
  follow_some(kFollowed, director, turn);
  health_.time_passed(turn.now, kMostAtOnce, probes_, news_);
  for (const ProbeToStart& probe : probes_) {
    if (answer_by_arp(probe, director, turn.now) || answer_for_silent(probe, director, turn.now)) continue;
    const Room* const room = room_of(probe.target->id.service);
    ToAsk ask{probe.id, probe.target->check.get(), probe.target->at, probe.target->vip, {}, nullptr};
    if (room) {
      ask.service = room->name;
      const Bed* const bed = bed_of(*room, probe.target->id);
      if (bed) ask.server = server_at(director, room->key, bed->at);
    }
    asking_.start.push_back(ask);
  }
  asking_.cancelled = news_.cancelled;
  carry_out(director, turn);
  settle_some(director, turn);
  apply_some(director, turn);
  return asking_;
}

// The director asks for its servers' addresses anyway, and knows who is silent.
bool Ward::answer_by_arp(const ProbeToStart& probe, Director& director, Instant now) {
  if (probe.target->check->kind != CheckKind::arp) return false;
  const Room* const room = room_of(probe.target->id.service);
  const Bed* const bed = room ? bed_of(*room, probe.target->id) : nullptr;
  const Server* const server = bed ? server_at(director, room->key, bed->at) : nullptr;
  bool well = false;
  std::string said = "it is not in the table";
  if (server && server->neighbor == kNoNeighbor) {
    said = "no route";
  } else if (server) {
    const Neighbors::Neighbor& neighbor = director.neighbors().at(server->neighbor);
    well = neighbor.knows_mac();
    said = well ? text(neighbor.addr) + " is at " + text(neighbor.mac) : text(neighbor.addr) + " does not answer ARP";
  }
  static_cast<void>(health_.answered(probe.id, well, said, now, news_));
  return true;
}

// With via = vip the probe's packets are the director's to send. Those for whom it has no MAC address it would only
// throw away, and not even an error could tell a probe that takes silence for well.
bool Ward::answer_for_silent(const ProbeToStart& probe, Director& director, Instant now) {
  if (probe.target->check->via != CheckSpec::Via::vip) return false;
  const Room* const room = room_of(probe.target->id.service);
  if (!room) return false;
  const Bed* const bed = bed_of(*room, probe.target->id);
  const Server* const server = bed ? server_at(director, room->key, bed->at) : nullptr;
  if (!server || director.reach(*server) != Director::Reach::silent) return false;
  const Ip next_hop = director.neighbors().at(server->neighbor).addr;
  static_cast<void>(health_.answered(probe.id, false, text(next_hop) + " does not answer ARP", now, news_));
  return true;
}

void Ward::carry_out(Director& director, Turn turn) {
  for (const TargetChange& change : news_.changes) note(change, director, turn);
  for (const QuorumChange& change : news_.quorums) note(change, director, turn);
  news_.clear();
}

void Ward::note(const TargetChange& change, Director& director, Turn turn) {
  Room* const room = room_of(change.id.service);
  const Bed* const bed = room ? bed_of(*room, change.id) : nullptr;
  if (!bed) return;
  if (change.what != TargetChange::What::ramped) {
    const bool bad = change.what == TargetChange::What::went;
    turn.out.say(bad ? Severity::warning : Severity::notice,
                 room->name + ": server " + text(bed->at) + " is " + name(change.condition) + ": " + change.reason);
  }
  apply(*room, *bed, director, turn.now);
}

void Ward::note(const QuorumChange& change, Director& director, Turn turn) {
  Room* const room = room_of(change.service);
  if (!room) return;
  quorums_.push_back({room->key, change.enough});
  const bool sorry_was_used = std::exchange(room->in_use, change.sorry);
  std::string sorry;
  if (change.sorry) {
    sorry = ": sorry server " + text(room->sorry->at) + " is used";
  } else if (sorry_was_used) {
    sorry = ": sorry server is not used any more";
  } else if (!change.enough && room->sorry) {
    sorry = ": sorry server " + text(room->sorry->at) + " is not used: packets cannot be sent to it";
  }
  turn.out.say(change.enough ? Severity::notice : Severity::warning,
               room->name + ": " + (change.enough ? "enough servers are well" : "too few servers are well") + " (" +
                   change.reason + ")" + sorry);
  if (change.sorry == sorry_was_used) return;  // no server's share of the work is another one
  if (!room->next) applying_.push_back(room->id);
  room->next = 0;
  apply_sorry(*room, director, turn);
  const Bed* const own = room->sorry ? bed_of(*room, room->sorry->at) : nullptr;
  if (own && room->in_use) apply(*room, *own, director, turn.now);
}

void Ward::apply_some(Director& director, Turn turn) {
  size_t left = kPortion, done = 0;
  while (left > 0 && done < applying_.size()) {
    Room* const room = room_of(applying_[done]);
    if (room && !apply_some(*room, left, director, turn)) break;
    ++done;
  }
  applying_.erase(applying_.begin(), applying_.begin() + static_cast<std::ptrdiff_t>(done));
}

// False: there are more.
bool Ward::apply_some(Room& room, size_t& left, Director& director, Turn turn) {
  for (size_t& next = *room.next; next < room.beds.size(); ++next, --left) {
    if (left == 0) return false;
    apply(room, room.beds[next], director, turn.now);
  }
  room.next.reset();
  left -= std::min<size_t>(left, 1);
  apply_sorry(room, director, turn);
  return true;
}

const Health::TargetHealth* Ward::find(const ServiceKey& service, Endpoint server) const {
  const auto room = rooms_.find(service);
  if (room == rooms_.end()) return nullptr;
  const Bed* const bed = bed_of(room->second, server);
  return bed ? health_.find(bed->id) : nullptr;
}

const Health::ServiceHealth* Ward::find(const ServiceKey& service) const {
  const auto room = rooms_.find(service);
  return room == rooms_.end() ? nullptr : health_.find_service(room->second.id);
}

}  // namespace rawvs
