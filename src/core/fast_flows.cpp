// SPDX-License-Identifier: BSD-2-Clause
// fast_flows.cpp: writes the shared memory: a flow first, then the cell that names it.
#include "core/fast_flows.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "wire/ip_bytes.h"

namespace rawvs {
namespace {

static_assert(sizeof(fast_bucket) == 64 && sizeof(fast_flow) == 128 && sizeof(fast_counts) == 32);
static_assert(sizeof(fast_server) == 8 && sizeof(fast_hop) == 32 && sizeof(fast_own) == 16);

// A field of the shared memory that is as on the wire.
template <class Field>
MutableBytes bytes_of(Field& field) {
  return {reinterpret_cast<uint8_t*>(&field), sizeof field};
}
template <class Field>
Bytes bytes_of(const Field& field) {
  return {reinterpret_cast<const uint8_t*>(&field), sizeof field};
}

void put_address(Ip a, uint32_t& v4, uint32_t (&v6)[4]) { store_ip(a.is_v4() ? bytes_of(v4) : bytes_of(v6), 0, a); }
Ip address(const uint32_t& v4, const uint32_t (&v6)[4], uint8_t family) {
  return family == 4 ? Ip(load_be32(bytes_of(v4), 0)) : load_ipv6(bytes_of(v6), 0);
}
void put_port(Port port, uint16_t& field) { store_be16(bytes_of(field), 0, port.value); }
uint16_t port(const uint16_t& field) { return load_be16(bytes_of(field), 0); }

uint64_t units_of(Instant at) {
  return static_cast<uint64_t>(std::chrono::nanoseconds(at.time_since_epoch()).count()) >> FAST_SEEN_SHIFT;
}

// What the program reads on another processor is not to be half of a value.
uint32_t read(const uint32_t& shared) {
  return std::atomic_ref(const_cast<uint32_t&>(shared)).load(std::memory_order_relaxed);
}
void write(uint32_t& shared, uint32_t value) { std::atomic_ref(shared).store(value, std::memory_order_release); }

}  // namespace

size_t FastMemory::buckets_for(size_t flows) { return std::bit_ceil(std::max<size_t>(flows * 4 / FAST_CELLS, 1)); }

FastFlows::FastFlows(const FastMemory& memory, HashKey secret)
    : memory_(memory),
      secret_(secret),
      known_(memory.flows.size()),
      of_server_(memory.servers.size()),
      free_(memory.flows.size() - 1),
      free_count_(free_.size()) {
  for (size_t i = 0; i < free_.size(); ++i) free_[i].id = static_cast<Id>(i + 1);
  memory_.head->bucket_mask = static_cast<uint32_t>(memory_.buckets.size() - 1);
  memory_.head->key[0] = secret.k0;
  memory_.head->key[1] = secret.k1;
}

FastFlows::Id FastFlows::add(const FastConnection& c, Instant now) {
  if (free_count_ == 0) return kNone;
  const Rested longest = free_[first_];
  if (longest.since != Instant{} && now < longest.since + kRest) return kNone;
  first_ = (first_ + 1) % free_.size();
  --free_count_;
  ++used_;
  fast_flow& flow = memory_.flows[longest.id];
  flow = {};
  put_address(c.key.client, flow.client4, flow.client6);
  put_address(c.key.vip, flow.vip4, flow.vip6);
  if (c.method != FAST_ROUTE) {  // whose server may be of the other family, behind a tunnel
    put_address(c.server.addr, flow.server4, flow.server6);
    put_address(c.local.addr, flow.local4, flow.local6);
  }
  put_port(c.key.cport, flow.cport);
  put_port(c.key.vport, flow.vport);
  put_port(c.server.port, flow.rport);
  put_port(c.local.port, flow.lport);
  flow.family = c.key.client.is_v4() ? 4 : 6;
  flow.protocol = static_cast<uint8_t>(c.key.protocol);
  flow.method = c.method;
  flow.server = c.slot;
  flow.link = c.link;
  flow.one_mac = c.from_one_mac || c.method != FAST_ROUTE;
  std::ranges::copy(c.client_mac.bytes, flow.client_mac);
  flow.seen = static_cast<uint32_t>(units_of(now));
  known_[longest.id] = {now, false};
  ++of_server_[c.slot];
  return longest.id;
}

uint64_t FastFlows::hash_of(HashKey key, const fast_flow& f, bool replies) {
  const Ip src = replies ? address(f.server4, f.server6, f.family) : address(f.client4, f.client6, f.family);
  const Ip dst = replies ? address(f.local4, f.local6, f.family) : address(f.vip4, f.vip6, f.family);
  const uint16_t sport = port(replies ? f.rport : f.cport), dport = port(replies ? f.lport : f.vport);
  return siphash13(key, src, dst, uint64_t{sport} << 24 | uint64_t{dport} << 8 | f.protocol);
}

namespace {

uint32_t cell_for(FastFlows::Id id, uint64_t hash) { return static_cast<uint32_t>(hash >> 56) << FAST_ID_BITS | id; }

}  // namespace

uint32_t* FastFlows::cell_with(uint32_t value, uint64_t hash) const {
  fast_bucket& bucket = memory_.buckets[hash & memory_.head->bucket_mask];
  uint32_t* const cell = std::ranges::find(bucket.cell, value);
  return cell == std::ranges::end(bucket.cell) ? nullptr : cell;
}

bool FastFlows::begin(Id id, bool replies, uint8_t own) {
  fast_flow& flow = memory_.flows[id];
  const uint64_t hash = hash_of(secret_, flow, replies);
  uint32_t* const cell = cell_with(0, hash);
  if (!cell) return false;
  (replies ? flow.own_out : flow.own_in) = own;
  if (replies) known_[id].replies = true;
  write(*cell, cell_for(id, hash));
  return true;
}

void FastFlows::remove(Id id, Instant now) {
  bool named = false;
  for (const bool replies : {false, true}) {
    const uint64_t hash = hash_of(secret_, memory_.flows[id], replies);
    uint32_t* const cell = cell_with(cell_for(id, hash), hash);
    if (cell) write(*cell, 0), named = true;
  }
  --of_server_[memory_.flows[id].server];
  if (named) {
    free_[(first_ + free_count_) % free_.size()] = {id, now};
  } else {  // no program has read of it: it need not rest
    first_ = (first_ + free_.size() - 1) % free_.size();
    free_[first_] = {id, Instant{}};
  }
  ++free_count_;
  --used_;
}

FastFlows::Seen FastFlows::seen(Id id) const {
  const fast_flow& flow = memory_.flows[id];
  // The units wrap after two years; a deadline is never set so long before a packet.
  const uint64_t armed = units_of(known_[id].armed), seen = read(flow.seen);
  const uint64_t units = armed + static_cast<uint64_t>(int64_t{static_cast<int32_t>(seen - armed)});
  const auto since_boot = std::chrono::nanoseconds(static_cast<int64_t>(units << FAST_SEEN_SHIFT));
  return {Instant(std::chrono::floor<Duration>(since_boot)), read(flow.next_client), read(flow.next_server),
          read(flow.requests)};
}

// Units are rounded down: so that a connection never lives too short, the last packet counts as one unit later.
Duration FastFlows::moved(Id id) const {
  constexpr Duration kUnit = std::chrono::ceil<Duration>(std::chrono::nanoseconds(1 << FAST_SEEN_SHIFT));
  return std::max(seen(id).last + kUnit - known_[id].armed, Duration::zero());
}

void FastFlows::move_client(Id id, Mac mac, uint16_t link) {
  fast_flow& flow = memory_.flows[id];
  std::ranges::copy(mac.bytes, flow.client_mac);
  flow.link = link;
}

namespace {

// `on` is the last field that is written.
template <class Row>
void replace(Row& row, const Row& with) {
  if (std::memcmp(&row, &with, sizeof row) == 0) return;
  Row off = with;
  off.on = 0;
  std::atomic_ref(row.on).store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  row = off;
  std::atomic_ref(row.on).store(with.on, std::memory_order_release);
}

}  // namespace

void FastFlows::set_server(uint16_t slot, const fast_server& server) { replace(memory_.servers[slot], server); }
void FastFlows::set_hop(uint16_t place, const fast_hop& hop) { replace(memory_.hops[place], hop); }

void FastFlows::set_own(uint8_t place, Mac mac, uint32_t ifindex) {
  fast_own& own = memory_.owns[place];
  if (own.ifindex == ifindex && std::ranges::equal(own.mac, mac.bytes)) return;
  write(own.ifindex, 0);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  std::ranges::copy(mac.bytes, own.mac);
  write(own.ifindex, ifindex);
}

fast_counts FastFlows::counts(uint16_t slot) const {
  fast_counts sum{};
  for (size_t at = slot; at < memory_.counts.size(); at += memory_.servers.size()) {
    const fast_counts& one = memory_.counts[at];
    sum.in_packets += one.in_packets, sum.in_bytes += one.in_bytes;
    sum.out_packets += one.out_packets, sum.out_bytes += one.out_bytes;
  }
  return sum;
}

}  // namespace rawvs
