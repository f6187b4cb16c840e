// SPDX-License-Identifier: BSD-2-Clause
// ward.cpp: verdicts of health.h, carried out on the director's tables.
#include "rawvs/ward.h"

#include <algorithm>

namespace rawvs {
namespace {

static_assert(kRampSteps == kFullShare);  // a step of the slow start is a part of the weight

const Server* server_at(const Director& director, const ServiceKey& key, Endpoint at) {
  return director.services().find(key, at);
}

Standing fallen(OnDown on_down) {
  switch (on_down) {
    case OnDown::keep: return Standing::keeps;
    case OnDown::drain: return Standing::drains;
    case OnDown::reset: return Standing::resets;
  }
  return Standing::keeps;
}

}  // namespace

Ward::Room* Ward::room_of(uint32_t id) {
  const auto service = services_.find(id);
  return service == services_.end() ? nullptr : &rooms_.at(service->second);
}

Ward::Bed* Ward::bed_of(Room& room, Endpoint at) {
  const auto found = std::ranges::find(room.beds, at, &Bed::at);
  return found == room.beds.end() ? nullptr : &*found;
}

void Ward::follow(std::span<const WantedChecks> wanted, bool at_start, Director& director, Instant now, Outbox& out) {
  health_.begin_replacing();
  Rooms left = std::move(rooms_);
  rooms_.clear();
  services_.clear();
  for (const WantedChecks& one : wanted) {
    auto known = left.extract(one.service);
    Room room;
    if (known) {
      room = std::move(known.mapped());
    } else {
      room.id = next_room_++;
      room.key = one.service;
      room.name = text(one.service);
    }
    services_.emplace(room.id, one.service);
    furnish(rooms_.emplace(one.service, std::move(room)).first->second, one, at_start, director, now, out);
  }
  health_.end_replacing();
  // Who is not asked any more is as well as the operator says.
  for (auto& [key, room] : left) {
    for (const Bed& bed : room.beds) director.set_standing(key, bed.at, Standing::serves, INT32_MAX);
    if (room.sorry) director.remove_server(key, room.sorry->at, now, out);
  }
  settle(director, now, out);
}

void Ward::furnish(Room& room, const WantedChecks& wanted, bool at_start, Director& director, Instant now,
                   Outbox& out) {
  if (!health_.set_service(room.id, wanted.policy, now)) {
    out.say(Severity::error, room.name + ": its servers are not checked: no room, see max_servers");
    return;
  }
  if (room.sorry && (!wanted.sorry || wanted.sorry->at != room.sorry->at)) {
    director.remove_server(room.key, room.sorry->at, now, out);
  }
  room.sorry = wanted.sorry;
  room.vip = wanted.vip;
  std::vector<Bed> beds;
  for (const auto& [at, check] : wanted.servers) {
    const Bed* const known = bed_of(room, at);
    Bed bed;
    if (known) {
      bed = *known;
    } else {
      bed.id = {room.id, room.next_bed++};
      bed.at = at;
    }
    bed.fallen = fallen(wanted.policy.on_down);
    const Server* const server = server_at(director, room.key, at);
    Target target;
    target.id = bed.id;
    target.check = check;
    target.at = {at.addr, check ? check->port : at.port};
    target.vip = {room.vip, target.at.port};
    target.weight = server ? server->wanted_weight : bed.taken_out ? bed.taken_out->weight : 1;
    target.ramps = !at_start;
    if (health_.set_target(target, now)) {
      beds.push_back(bed);
    } else {
      out.say(Severity::error, room.name + ": server " + text(at) + " is not checked: no room, see max_servers");
    }
  }
  for (const Bed& bed : room.beds) {
    if (std::ranges::find(beds, bed.at, &Bed::at) != beds.end()) continue;
    director.set_standing(room.key, bed.at, Standing::serves, INT32_MAX);
  }
  room.beds = std::move(beds);
}

void Ward::settle(Director& director, Instant now, Outbox& out) {
  for (auto& [key, room] : rooms_) settle(key, room, director, now, out);
}

void Ward::settle(std::span<const ServiceKey> touched, Director& director, Instant now, Outbox& out) {
  std::vector<ServiceKey> keys(touched.begin(), touched.end());
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  for (const ServiceKey& key : keys) {
    if (const auto found = rooms_.find(key); found != rooms_.end()) settle(key, found->second, director, now, out);
  }
}

void Ward::settle(const ServiceKey& key, Room& room, Director& director, Instant now, Outbox& out) {
  if (!director.services().find(key)) {  // removed by an operator: if it comes back, it comes without servers
    for (Bed& bed : room.beds) bed.taken_out.reset();
    return;
  }
  apply_sorry(room, director, now, out);
  for (Bed& bed : room.beds) {
    const Server* const server = server_at(director, key, bed.at);
    if (server) {
      bed.taken_out.reset();  // an operator has brought it back
      health_.set_weight(bed.id, server->wanted_weight);
    }
    apply(room, bed, director, now, out);
  }
}

// What the verdict is, in the table. While the sorry server is used nobody else gets new connections.
void Ward::apply(Room& room, Bed& bed, Director& director, Instant now, Outbox& out) {
  const Verdict verdict = health_.verdict(bed.id, now);
  if (verdict.in_table && bed.taken_out) {
    const ServerSpec spec = *std::exchange(bed.taken_out, std::nullopt);
    director.add_server(room.key, spec, now, out);
  }
  const Server* const server = server_at(director, room.key, bed.at);
  if (!server) return;
  if (!verdict.in_table) {
    bed.taken_out = server->wanted();
    director.remove_server(room.key, bed.at, now, out);
    return;
  }
  const int32_t most = verdict.serves && !room.in_use ? INT32_MAX : 0;
  const uint8_t share = verdict.serves ? verdict.share : kFullShare;
  director.set_standing(room.key, bed.at, verdict.serves ? Standing::serves : bed.fallen, most, share);
}

// It stays in the table, with weight 0 while it is not used, so that its connections may end in peace.
void Ward::apply_sorry(Room& room, Director& director, Instant now, Outbox& out) {
  if (!room.sorry) return;
  if (!server_at(director, room.key, room.sorry->at)) director.add_server(room.key, *room.sorry, now, out);
  director.set_standing(room.key, room.sorry->at, Standing::serves, room.in_use ? INT32_MAX : 0);
}

void Ward::postponed(ProbeId id, Instant now) {
  constexpr Duration kLater = 1s;
  static_cast<void>(health_.postponed(id, kLater, now));
}

void Ward::answered(ProbeId id, bool well, std::string_view text, Director& director, Instant now, Outbox& out) {
  if (health_.answered(id, well, text, now, news_)) carry_out(director, now, out);
}

const Ward::Asking& Ward::time_passed(Director& director, Instant now, Outbox& out) {
  asking_.start.clear();
  asking_.cancelled.clear();
  probes_.clear();
  health_.time_passed(now, kMostAtOnce, probes_, news_);
  for (const ProbeToStart& probe : probes_) {
    if (answer_by_arp(probe, director, now) || answer_for_silent(probe, director, now)) continue;
    const Room* const room = room_of(probe.target->id.service);
    ToAsk ask{probe.id, probe.target->check.get(), probe.target->at, probe.target->vip, {}, nullptr};
    if (room) {
      ask.service = room->name;
      const auto bed = std::ranges::find(room->beds, probe.target->id, &Bed::id);
      if (bed != room->beds.end()) ask.server = server_at(director, room->key, bed->at);
    }
    asking_.start.push_back(ask);
  }
  asking_.cancelled = news_.cancelled;
  carry_out(director, now, out);
  return asking_;
}

// The director asks for its servers' addresses anyway, and knows who is silent.
bool Ward::answer_by_arp(const ProbeToStart& probe, Director& director, Instant now) {
  if (probe.target->check->kind != CheckKind::arp) return false;
  const Room* const found = room_of(probe.target->id.service);
  const Room nobody, &room = found ? *found : nobody;
  bool well = false;
  std::string said = "it is not in the table";
  for (const Bed& bed : room.beds) {
    if (bed.id != probe.target->id) continue;
    const Server* const server = server_at(director, room.key, bed.at);
    if (!server && !bed.taken_out) break;
    if (!server || server->neighbor == kNoNeighbor) {
      said = "no route";
      break;
    }
    const Neighbors::Neighbor& neighbor = director.neighbors().at(server->neighbor);
    well = neighbor.knows_mac();
    said = well ? text(neighbor.addr) + " is at " + text(neighbor.mac) : text(neighbor.addr) + " does not answer ARP";
    break;
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
  const auto bed = std::ranges::find(room->beds, probe.target->id, &Bed::id);
  const Server* const server = bed == room->beds.end() ? nullptr : server_at(director, room->key, bed->at);
  if (!server || director.reach(*server) != Director::Reach::silent) return false;
  const Ip next_hop = director.neighbors().at(server->neighbor).addr;
  static_cast<void>(health_.answered(probe.id, false, text(next_hop) + " does not answer ARP", now, news_));
  return true;
}

void Ward::carry_out(Director& director, Instant now, Outbox& out) {
  for (const TargetChange& change : news_.changes) note(change, director, now, out);
  for (const QuorumChange& change : news_.quorums) note(change, director, now, out);
  news_.clear();
}

void Ward::note(const TargetChange& change, Director& director, Instant now, Outbox& out) {
  Room* const room = room_of(change.id.service);
  const auto bed = room ? std::ranges::find(room->beds, change.id, &Bed::id) : std::vector<Bed>::iterator();
  if (!room || bed == room->beds.end()) return;
  if (change.what != TargetChange::What::ramped) {
    const bool bad = change.what == TargetChange::What::went;
    out.say(bad ? Severity::warning : Severity::notice,
            room->name + ": server " + text(bed->at) + " is " + name(change.condition) + ": " + change.reason);
  }
  apply(*room, *bed, director, now, out);
}

void Ward::note(const QuorumChange& change, Director& director, Instant now, Outbox& out) {
  Room* const room = room_of(change.service);
  if (!room) return;
  room->in_use = change.sorry;
  const std::string sorry = !room->sorry   ? ""
                            : change.sorry ? ": sorry server " + text(room->sorry->at) + " is used"
                                           : ": sorry server is not used any more";
  out.say(change.enough ? Severity::notice : Severity::warning,
          room->name + ": " + (change.enough ? "enough servers are well" : "too few servers are well") + " (" +
              change.reason + ")" + sorry);
  apply_sorry(*room, director, now, out);
  for (Bed& bed : room->beds) apply(*room, bed, director, now, out);
}

const Health::TargetHealth* Ward::find(const ServiceKey& service, Endpoint server) const {
  const auto room = rooms_.find(service);
  if (room == rooms_.end()) return nullptr;
  const auto bed = std::ranges::find(room->second.beds, server, &Bed::at);
  return bed == room->second.beds.end() ? nullptr : health_.find(bed->id);
}

const ServerSpec* Ward::taken_out(const ServiceKey& service, Endpoint server) const {
  const auto room = rooms_.find(service);
  if (room == rooms_.end()) return nullptr;
  const auto bed = std::ranges::find(room->second.beds, server, &Bed::at);
  return bed == room->second.beds.end() || !bed->taken_out ? nullptr : &*bed->taken_out;
}

const Health::ServiceHealth* Ward::find(const ServiceKey& service) const {
  const auto room = rooms_.find(service);
  return room == rooms_.end() ? nullptr : health_.find_service(room->second.id);
}

}  // namespace rawvs
