// SPDX-License-Identifier: BSD-2-Clause
// connection.cpp: the entries and their indexes. Deadlines: connection_wheel.cpp.
//
// Indexes: linear probing from cells[hash & mask], at most half full. A cell is 0 or (tag << 24 | id); the tag is the
// hash's top byte, so nearly every cell of another connection is skipped without touching its entry. Removal moves
// later cells of the run back: there are no tombstones.
//
// Places: two neighbours, the first at an even id, are a pair. A free place is in the list of pairs when its neighbour
// is free, too, and else in the list of single places. An IPv4 connection takes a single place first, a wide entry a
// pair, so the families share all of the memory. The place with id 1 has no neighbour.
#include "core/connection.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace rawvs {

namespace {

constexpr uint32_t kIdMask = 0xffffff;

uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 56) << 24; }

}  // namespace

ConnectionTable::ConnectionTable(uint32_t capacity, HashKey secret, Instant epoch)
    : capacity_(std::clamp<uint32_t>(capacity, 1, kMostConnections)), secret_(secret), epoch_(epoch) {
  const size_t cells = std::bit_ceil(size_t{capacity_} * 2);  // 2^25 at most: fits 32 bits
  last_ = last_id(capacity_);
  const size_t entry_bytes = (size_t{last_} + 1) * sizeof(Connection);
  const size_t cells_at = (entry_bytes + 63) / 64 * 64;
  const size_t beside_at = cells_at + 2 * cells * sizeof(uint32_t);
  bytes_ = beside_at + (size_t{last_} + 1) * sizeof(Beside);
  // calloc: the kernel's zero pages take no memory until an entry is used.
  memory_.reset(std::calloc(1, bytes_));
  if (!memory_) {  // capacity() is 0 then; the daemon refuses to start
    capacity_ = 0;
    return;
  }
  auto* const base = static_cast<uint8_t*>(memory_.get());
  entries_ = reinterpret_cast<Connection*>(base);
  cells_[0] = reinterpret_cast<uint32_t*>(base + cells_at);
  cells_[1] = cells_[0] + cells;
  beside_ = reinterpret_cast<Beside*>(base + beside_at);
  cell_mask_ = cells - 1;
  entries_[1].state = Connection::kFree;
  link_free(free_places_, 1);
}

void begin_entry(Connection places[2], const FlowKey& key, Ip server, Method method) {
  Connection& c = *new (places) Connection{};
  c.set_method(method);
  if (needs_wide(key, server, method)) {
    c.flags |= Connection::wide;
    new (places + 1) WideAddresses{};
  }
  if (key.persistence) c.flags |= Connection::persistence;
  c.set_client_address(key.client);
  c.set_vip_address(key.vip);
  c.set_server_address(server);
  c.cport = key.cport;
  c.vport = key.vport;
  c.protocol = key.protocol;
  c.server = kNoServer;
}

uint64_t ConnectionTable::hash(const FlowKey& key) const {
  const uint64_t ports = uint64_t{key.cport.value} << 32 | uint64_t{key.vport.value} << 16 |
                         uint64_t{static_cast<uint8_t>(key.protocol)} << 1 | uint64_t{key.persistence};
  return siphash13(secret_, key.client, key.vip, ports);
}

void ConnectionTable::prefetch_cell(Side side, uint64_t hash) const {
  __builtin_prefetch(&cells_of(side)[hash & cell_mask_]);
}

void ConnectionTable::prefetch_entry(Side side, uint64_t hash, bool wide) const {
  const uint32_t* const cells = cells_of(side);
  uint64_t i = hash & cell_mask_;
  while (cells[i] != 0 && (cells[i] & ~kIdMask) != tag_of(hash)) i = (i + 1) & cell_mask_;
  const Connection* const entry = &entries_[cells[i] & kIdMask];  // in a cell not yet filled: the unused entry 0
  __builtin_prefetch(entry, 1);
  __builtin_prefetch(reinterpret_cast<const uint8_t*>(entry) + sizeof(Connection) - 1, 1);
  if (wide) __builtin_prefetch(reinterpret_cast<const uint8_t*>(entry) + 2 * sizeof(Connection) - 1);
  __builtin_prefetch(&beside_[id(*entry)], 1);
}

const Connection* ConnectionTable::find(Side side, const FlowKey& key, uint64_t hash) const {
  const uint32_t* const cells = cells_of(side);
  const uint32_t tag = tag_of(hash);
  for (uint64_t i = hash & cell_mask_; cells[i] != 0; i = (i + 1) & cell_mask_) {
    if ((cells[i] & ~kIdMask) != tag) continue;
    const Connection& c = entries_[cells[i] & kIdMask];
    if (c.key(side) == key) return &c;
  }
  return nullptr;
}

bool ConnectionTable::crowded(Side side, const FlowKey& key, uint64_t hash) const {
  const uint32_t* const cells = cells_of(side);
  uint32_t alike = 0;
  for (uint64_t i = hash & cell_mask_; cells[i] != 0; i = (i + 1) & cell_mask_) {
    if ((cells[i] & ~kIdMask) == tag_of(hash) && entries_[cells[i] & kIdMask].key(side) == key) ++alike;
  }
  return alike >= kMostAlike;
}

// The new entry takes the place of an older one with the same key, which moves on: a look-up meets the newest first.
void ConnectionTable::insert(Side side, ConnectionId id, uint64_t hash) {
  uint32_t* const cells = cells_of(side);
  const FlowKey key = entries_[id].key(side);
  uint32_t cell = tag_of(hash) | id;
  uint64_t i = hash & cell_mask_;
  for (; cells[i] != 0; i = (i + 1) & cell_mask_) {
    if ((cells[i] & ~kIdMask) == tag_of(hash) && entries_[cells[i] & kIdMask].key(side) == key)
      std::swap(cell, cells[i]);
  }
  cells[i] = cell;
}

void ConnectionTable::erase(Side side, const Connection& c) {
  uint32_t* const cells = cells_of(side);
  const uint64_t h = hash(c.key(side));
  const uint32_t cell = tag_of(h) | id(c);
  uint64_t hole = h & cell_mask_;
  while (cells[hole] != cell) hole = (hole + 1) & cell_mask_;
  // Move later cells of the run into the hole, except those whose home lies after it.
  for (uint64_t i = (hole + 1) & cell_mask_; cells[i] != 0; i = (i + 1) & cell_mask_) {
    const uint64_t home = hash(entries_[cells[i] & kIdMask].key(side)) & cell_mask_;
    if (((i - home) & cell_mask_) < ((i - hole) & cell_mask_)) continue;
    cells[hole] = cells[i];
    hole = i;
  }
  cells[hole] = 0;
}

void ConnectionTable::link_free(ConnectionId& list, ConnectionId id) {
  entries_[id].timer_prev = kNoConnection;
  entries_[id].set_timer_next(list);
  if (list != kNoConnection) entries_[list].timer_prev = id;
  list = id;
}

void ConnectionTable::unlink_free(ConnectionId& list, ConnectionId id) {
  const ConnectionId next = entries_[id].timer_next(), before = entries_[id].timer_prev;
  if (before != kNoConnection) {
    entries_[before].set_timer_next(next);
  } else {
    list = next;
  }
  if (next != kNoConnection) entries_[next].timer_prev = before;
}

bool ConnectionTable::has_room(bool wide) const {
  if (capacity_ - places_ < (wide ? 2u : 1u)) return false;
  return free_pairs_ != kNoConnection || fresh_ < last_ || (!wide && free_places_ != kNoConnection);
}

// REQUIRES: has_room(). It is marked as used by whoever takes it.
ConnectionId ConnectionTable::take_pair() {
  const ConnectionId id = free_pairs_;
  if (id == kNoConnection) return fresh_ += 2, fresh_ - 2;
  unlink_free(free_pairs_, id);
  return id;
}

ConnectionId ConnectionTable::take_place() {
  if (const ConnectionId id = free_places_; id != kNoConnection) return unlink_free(free_places_, id), id;
  const ConnectionId id = take_pair();
  entries_[id + 1].state = Connection::kFree;
  link_free(free_places_, id + 1);
  return id;
}

void ConnectionTable::give_back(ConnectionId id, bool pair) {
  entries_[id] = Connection{};
  entries_[id].state = Connection::kFree;
  const ConnectionId neighbour = id ^ 1;
  if (pair) {
    entries_[neighbour] = Connection{};
    entries_[neighbour].state = Connection::kFree;
  } else if (id == 1 || entries_[neighbour].state != Connection::kFree) {
    return link_free(free_places_, id);
  } else {
    unlink_free(free_places_, neighbour);
  }
  link_free(free_pairs_, std::min(id, neighbour));
}

Connection* ConnectionTable::create(const FlowKey& key, uint64_t hash, Ip server, Method method) {
  const bool wide = needs_wide(key, server, method);
  if (!has_room(wide) || crowded(Side::client, key, hash)) return nullptr;
  const ConnectionId id = wide ? take_pair() : take_place();
  begin_entry(entries_ + id, key, server, method);
  beside_[id].next = {};
  insert(Side::client, id, hash);
  ++used_;
  places_ += wide ? 2 : 1;
  return &entries_[id];
}

bool ConnectionTable::add_server_side(Connection& c) {
  const FlowKey key = c.key(Side::server);
  const uint64_t h = hash(key);
  if (crowded(Side::server, key, h)) return false;
  c.flags |= Connection::two_sided;
  insert(Side::server, id(c), h);
  ++two_sided_;
  return true;
}

void ConnectionTable::rename(Connection& c, const FlowKey& key) {
  const bool two_sided = (c.flags & Connection::two_sided) != 0;
  erase(Side::client, c);
  if (two_sided) erase(Side::server, c);
  c.set_client_address(key.client);
  c.set_vip_address(key.vip);
  c.cport = key.cport;
  c.vport = key.vport;
  insert(Side::client, id(c), hash(key));
  if (two_sided) insert(Side::server, id(c), hash(c.key(Side::server)));
}

void ConnectionTable::remove(Connection& c) {
  unplace(c);
  erase(Side::client, c);
  if (c.flags & Connection::two_sided) {
    erase(Side::server, c);
    --two_sided_;
  }
  --used_;
  places_ -= c.is_wide() ? 2 : 1;
  give_back(id(c), c.is_wide());
}

const Connection* ConnectionTable::at(ConnectionId id) const {
  if (id == kNoConnection || id >= fresh_) return nullptr;
  // The first place tells whether the second has addresses. (Entry 0 is all zero.)
  const Connection& first = entries_[id & ~1u];
  if ((id & 1) != 0 && first.state != Connection::kFree && first.is_wide()) return nullptr;
  return entries_[id].state != Connection::kFree ? &entries_[id] : nullptr;
}

}  // namespace rawvs
