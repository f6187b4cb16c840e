// SPDX-License-Identifier: BSD-2-Clause
// flows_fast.cpp: gives connections to the program in the kernel, and takes them back.
#include "director/flows.h"

namespace rawvs {

bool Flows::hasten(Connection& c, const FastConnection& as, uint8_t own, Instant now) {
  const FastFlows::Id id = fast_->add(as, now);
  if (id == FastFlows::kNone) return false;
  if (c.protocol == Protocol::tcp) {
    for (const Direction d : {Direction::input, Direction::output}) {
      if (const uint32_t* const next = next_of(c, d)) fast_->next(id, d == Direction::output) = *next;
    }
  }
  if (!fast_->begin(id, false, own)) return fast_->remove(id, now), false;
  connections_.set_fast(c, id);
  return true;
}

bool Flows::proves_itself(const Connection& c) const {
  return c.is_unproven() && (c.protocol != Protocol::udp || !translates(c.method()) || unproven_.was_answered(c));
}

void Flows::slow(Connection& c, Instant now) {
  const FastFlows::Id id = connections_.fast_id(c);
  fast_->remove(id, now);
  connections_.set_fast(c, FastFlows::kNone);
  const FastFlows::Seen seen = fast_->seen(id);
  c.packets = static_cast<uint8_t>(c.packets + seen.requests);
  if (uint32_t* const next = next_of(c, Direction::input)) *next = seen.next_client;
  if (uint32_t* const next = next_of(c, Direction::output)) *next = seen.next_server;
}

bool Flows::slow_some(ConnectionId& from, Instant now) {
  constexpr uint32_t kSlowed = 4096;
  const ConnectionId end = std::min(from + kSlowed, connections_.id_limit());
  for (; from < end; ++from) {
    Connection* const c = connections_.at(from);
    if (c && c->is_fast()) slow(*c, now);
  }
  return from >= connections_.id_limit();
}

}  // namespace rawvs
