// SPDX-License-Identifier: BSD-2-Clause
#include "core/client_table.h"

#include <algorithm>
#include <bit>

namespace rawvs {

namespace {

constexpr uint32_t kMostTokens = UINT32_MAX / kToken;

}  // namespace

// One place more than connections: a packet that may begin one has a place even when each of the others has its own.
ClientTable::ClientTable(uint32_t connections, HashKey secret, Instant epoch)
    : capacity_(connections + 1), secret_{secret.k0 ^ 0x6e6574776f726b73u, secret.k1}, epoch_(epoch) {
  const uint64_t cells = std::bit_ceil(uint64_t{capacity_});
  mask_ = cells - 1;
  const size_t places = (size_t{capacity_} + 1) * sizeof(Place);
  memory_.reset(std::calloc(places + cells * sizeof(uint32_t), 1));
  if (!memory_) return;
  places_ = static_cast<Place*>(memory_.get());
  heads_ = reinterpret_cast<uint32_t*>(static_cast<char*>(memory_.get()) + places);
}

ClientTable::Id ClientTable::id(uint64_t service, Ip client) const {
  return siphash13(secret_, service, client.is_v4() ? client.v4() >> 8 : client.hi());
}

uint32_t ClientTable::find(Id id) const {
  uint32_t at = first(id);
  while (at != kNone && places_[at].id != id) at = places_[at].next;
  return at;
}

uint32_t ClientTable::place(Id id) {
  if (const uint32_t at = find(id); at != kNone) return at;
  const uint32_t at = used_ < capacity_ ? used_ + 1 : places_[0].newer;
  used_ < capacity_ ? void(++used_) : forget(at);
  places_[at] = {id, 0, UINT32_MAX, 0, first(id), 0, 0};
  first(id) = at;
  link(at);
  return at;
}

// REQUIRES: it has no connections.
void ClientTable::forget(uint32_t at) {
  unlink(at);
  uint32_t* before = &first(places_[at].id);
  while (*before != at) before = &places_[*before].next;
  *before = places_[at].next;
}

void ClientTable::link(uint32_t at) {  // as the newest
  const uint32_t newest = places_[0].older;
  places_[at].older = newest;
  places_[at].newer = 0;
  places_[newest].newer = at;
  places_[0].older = at;
}

void ClientTable::unlink(uint32_t at) {
  places_[places_[at].older].newer = places_[at].newer;
  places_[places_[at].newer].older = places_[at].older;
}

uint32_t ClientTable::connections(Id id) const { return places_[find(id)].connections; }

uint32_t ClientTable::level(uint32_t at, uint32_t per_second, Instant now) const {
  const Rate rate{per_second, std::min(per_second, kMostTokens)};
  const Place& p = places_[at];
  return static_cast<uint32_t>(refilled(at == kNone ? UINT32_MAX : p.level, tick(now) - p.last, rate));
}

bool ClientTable::has_token(Id id, uint32_t per_second, Instant now) const {
  return level(find(id), per_second, now) >= kToken;
}

void ClientTable::take_token(Id id, uint32_t per_second, Instant now) {
  const uint32_t at = place(id);
  Place& p = places_[at];
  p.level = level(at, per_second, now) - kToken;
  p.last = tick(now);
  if (p.connections == 0) unlink(at), link(at);
}

void ClientTable::joined(Id id) {
  const uint32_t at = place(id);
  if (places_[at].connections++ == 0) unlink(at);
}

void ClientTable::left(Id id) {
  const uint32_t at = find(id);
  if (--places_[at].connections == 0) link(at);
}

}  // namespace rawvs
