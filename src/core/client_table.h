// SPDX-License-Identifier: BSD-2-Clause
// client_table.h: what the networks of clients have of a service: connections, and their part of a rate.
// In:  the service, the client's address, the time.
// Out: numbers for each service and network: a /24, or a /64 of IPv6.
// Not: the limits (limits.h), what follows from them (director/flows_limits.cpp).
//
// A network with connections is always counted exactly: there is room for as many networks as the connection table has
// places. A network without any is kept for its rate alone, and the one that was idle longest gives way: it begins with
// a full bucket when it comes back. Networks are known by a keyed hash of 64 bits. A place takes 32 bytes, its index 4
// to 8; all is reserved at the start and touched when used.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "core/siphash.h"
#include "core/token_bucket.h"

namespace rawvs {

// What counts as one client.
constexpr Network client_network(Ip client) {
  const uint8_t length = client.is_v4() ? 24 : 64;
  return {Netmask(client.family(), length).of(client), length};
}

class ClientTable {
 public:
  using Id = uint64_t;  // of a service and a network

  ClientTable(uint32_t connections, HashKey secret, Instant epoch);

  bool reserved() const { return memory_ != nullptr; }  // false: there was no memory, and nothing may be counted
  Id id(uint64_t service, Ip client) const;             // service: a hash of its key
  uint32_t connections(Id id) const;
  bool has_token(Id id, uint32_t per_second, Instant now) const;
  // REQUIRES: has_token().
  void take_token(Id id, uint32_t per_second, Instant now);
  void joined(Id id);                      // a connection. REQUIRES: fewer than `connections` are counted
  void left(Id id);                        // REQUIRES: it has joined
  uint32_t size() const { return used_; }  // networks that are known

 private:
  struct Place {
    Id id;
    uint32_t connections;
    uint32_t level, last;   // tokens, in thousandths, at the time `last`, milliseconds modulo 2^32
    uint32_t next;          // with the same index; or among the free ones
    uint32_t older, newer;  // without connections: in the order of use
  };
  static_assert(sizeof(Place) == 32);
  static constexpr uint32_t kNone = 0;
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };

  uint32_t find(Id id) const;
  uint32_t place(Id id);  // finds it, or makes it
  uint32_t& first(Id id) const { return heads_[id & mask_]; }
  void forget(uint32_t at);
  void link(uint32_t at);
  void unlink(uint32_t at);
  uint32_t tick(Instant now) const { return static_cast<uint32_t>((now - epoch_) / 1ms); }
  uint32_t level(uint32_t at, uint32_t per_second, Instant now) const;

  std::unique_ptr<void, Free> memory_;
  Place* places_ = nullptr;    // places_[0] is the ends of the idle list: the oldest is newer than it
  uint32_t* heads_ = nullptr;  // kNone: no place
  uint64_t mask_ = 0;
  uint32_t capacity_ = 0, used_ = 0;
  HashKey secret_;
  Instant epoch_;
};

}  // namespace rawvs
