// SPDX-License-Identifier: BSD-2-Clause
// quorums.cpp: the table of services, their sums, and the comparison of these with quorum and hysteresis.
#include "side/quorums.h"

#include <algorithm>
#include <utility>

#include "wire/formatted.h"

namespace rawvs {

namespace {

// At most what is configured, and at least one server.
uint64_t quorum_of(const ServiceHealth& service) {  // lost below this
  return std::max<uint64_t>(std::min<uint64_t>(service.policy.quorum, service.configured), 1);
}

uint64_t return_of(const ServiceHealth& service) {  // regained at this
  const uint64_t wanted = uint64_t{service.policy.quorum} + service.policy.hysteresis;
  return std::max<uint64_t>(std::min(wanted, service.configured), 1);
}

// Servers without a result yet may work: the sorry server does not replace them, or every start of the daemon would
// send its first clients there. But they do not restore the quorum, either.
bool has_enough(const ServiceHealth& service) {
  return service.enough ? service.alive + service.undecided >= quorum_of(service) : service.alive >= return_of(service);
}

std::string reason_of(const ServiceHealth& service) {
  const uint64_t need = quorum_of(service), more = return_of(service) - need;
  return formatted("weight {} of {} alive, quorum {}{}", service.alive, service.configured, need,
                   more > 0 ? formatted(" + {}", more) : "");
}

}  // namespace

uint32_t Quorums::find(uint32_t service) const {
  const auto known = slot_of_.find(service);
  return known == slot_of_.end() ? kNone : known->second;
}

uint32_t Quorums::add(uint32_t service, Instant now) {
  uint32_t slot = static_cast<uint32_t>(entries_.size());
  if (free_.empty()) {
    entries_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slot_of_.emplace(service, slot);
  entries_[slot].id = service;
  entries_[slot].since = now;
  return slot;
}

void Quorums::set(uint32_t slot, const HealthPolicy& policy) {
  Entry& entry = entries_[slot];
  entry.policy = policy;
  if (std::exchange(entry.held, false)) entry.changed = false;  // so that touch() has it looked at
  touch(slot);
}

void Quorums::remove(uint32_t slot) {
  slot_of_.erase(entries_[slot].id);
  entries_[slot] = Entry{};  // changed_ may still refer to it
  free_.push_back(slot);
}

void Quorums::hold(uint32_t slot) { entries_[slot].held = true; }

uint32_t Quorums::join(uint32_t slot, uint32_t target) {
  entries_[slot].members.push_back(target);
  return static_cast<uint32_t>(entries_[slot].members.size() - 1);
}

uint32_t Quorums::leave(uint32_t slot, uint32_t place) {
  std::vector<uint32_t>& members = entries_[slot].members;
  const uint32_t moved = members.back();
  members[place] = moved;
  members.pop_back();
  return moved;
}

void Quorums::change(uint32_t slot, Part& counted, const Part& now) {
  Entry& entry = entries_[slot];
  entry.alive += uint64_t{now.alive} - counted.alive;
  entry.undecided += uint64_t{now.undecided} - counted.undecided;
  entry.configured += uint64_t{now.configured} - counted.configured;
  entry.damped += (now.damped ? 1u : 0u) - (counted.damped ? 1u : 0u);
  counted = now;
  touch(slot);
}

void Quorums::touch(uint32_t slot) {
  if (std::exchange(entries_[slot].changed, true)) return;
  changed_.push(slot);
}

void Quorums::review(size_t left, Instant now, const std::function<void(uint32_t)>& release,
                     std::vector<QuorumChange>& news) {
  while (left > 0 && !changed_.empty() && judge(entries_[changed_.first()], left, now, release, news)) changed_.pop();
}

bool Quorums::judge(Entry& entry, size_t& left, Instant now, const std::function<void(uint32_t)>& release,
                    std::vector<QuorumChange>& news) {
  if (!entry.changed || entry.held) return true;  // removed meanwhile, or not to be judged yet
  --left;
  // A server that may go down again is better than none. Once begun, releases all damped servers.
  if (!entry.releasing && entry.damped > 0 && !has_enough(entry) && !entry.policy.sorry_server) entry.releasing = 0;
  if (entry.releasing) {
    for (uint32_t& place = *entry.releasing; place < entry.members.size(); ++place, --left) {
      if (left == 0) return false;
      release(entry.members[place]);
    }
    entry.releasing.reset();
  }
  entry.changed = false;
  const bool enough = has_enough(entry), sorry = !enough && entry.policy.sorry_server;
  if (enough == entry.enough && sorry == entry.sorry) return true;
  entry.enough = enough;
  entry.sorry = sorry;
  entry.since = now;
  entry.reason = reason_of(entry);
  news.push_back({entry.id, enough, sorry, entry.reason});
  return true;
}

}  // namespace rawvs
