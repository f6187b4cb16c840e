// SPDX-License-Identifier: BSD-2-Clause
// fast_flows.h: the connections that a program in the kernel forwards, in memory that it and the director share.
// In:  connections, as the director has decided about them; servers, next hops, our MAC addresses.
// Out: when the last packet of a connection passed, its TCP numbers; a server's counters.
// Not: which connections are worth it and when they leave (the director), the program (sys/io/fast_path.bpf.c), where
//      the memory comes from.
//
// All changes are plain writes, in effect with the next packet: a new one costs no system call, and a server's new MAC
// address one write, however many connections it has. Nothing is allocated after the start.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/fast_layout.h"
#include "core/flow.h"
#include "core/siphash.h"
#include "rawvs/addr.h"
#include "rawvs/time.h"

namespace rawvs {

struct FastMemory {  // all zero at the start
  fast_head* head = nullptr;
  std::span<fast_bucket> buckets{};  // their number is a power of two
  std::span<fast_flow> flows{};      // the first is not used
  std::span<fast_server> servers{};  // by slot
  std::span<fast_hop> hops{};
  std::span<fast_own> owns{};       // FAST_OWNS
  std::span<fast_counts> counts{};  // of each processor: by slot

  static size_t buckets_for(size_t flows);  // half of the cells are used, where each flow has two
};

struct FastConnection {
  FlowKey key{};
  Endpoint server{}, local{};  // local: of full NAT; else the client
  uint8_t method = FAST_ROUTE;
  uint16_t slot = 0;  // the server's
  uint16_t link = 0;  // the client's, a place in hops
  Mac client_mac{};
  bool from_one_mac = false;  // requests from other MAC addresses are the director's; with NAT they always are
};

class FastFlows {
 public:
  using Id = uint32_t;
  static constexpr Id kNone = 0;
  static constexpr Duration kRest = 1s;  // before a flow's place is used again

  FastFlows(const FastMemory& memory, HashKey secret);

  // A connection none of whose packets is forwarded yet; kNone: there is no room.
  Id add(const FastConnection& connection, Instant now);
  // TCP: a side's next sequence number (next_numbers.h).
  uint32_t& next(Id id, bool replies) {
    return replies ? memory_.flows[id].next_server : memory_.flows[id].next_client;
  }
  // Its requests, or replies, to this one of our MAC addresses are forwarded from now on. False: no room for it, now or
  // while the connections around it stay.
  bool begin(Id id, bool replies, uint8_t own);
  bool has_replies(Id id) const { return known_[id].replies; }  // begin() was called for them
  // The client's packets come from another place: its next reply goes there.
  void move_client(Id id, Mac mac, uint16_t link);
  void remove(Id id, Instant now);  // what was seen of it can be read until another one is added

  struct Seen {
    Instant last{};  // to 17 ms; the time of add() until a packet has passed
    uint32_t next_client = 0, next_server = 0;
    uint32_t requests = 0;
  };
  Seen seen(Id id) const;
  // A deadline counts from its last packet: armed() when it was set, moved() how far packets have moved it since.
  void armed(Id id, Instant when) { known_[id].armed = when; }
  Instant armed(Id id) const { return known_[id].armed; }
  Duration moved(Id id) const;

  void set_on(bool on) { memory_.head->on = on; }
  // Changes take effect as a whole: packets that are forwarded meanwhile go to the director.
  void set_server(uint16_t slot, const fast_server& server);
  void set_hop(uint16_t place, const fast_hop& hop);
  void set_own(uint8_t place, Mac mac, uint32_t ifindex);  // ifindex 0: none
  fast_counts counts(uint16_t slot) const;                 // since the start

  size_t servers() const { return memory_.servers.size(); }
  size_t hops() const { return memory_.hops.size(); }
  uint32_t of_server(uint16_t slot) const { return of_server_[slot]; }  // flows
  uint32_t size() const { return used_; }
  uint32_t capacity() const { return static_cast<uint32_t>(memory_.flows.size() - 1); }

 private:
  struct Rested {
    Id id = kNone;
    Instant since{};
  };
  struct Known {  // of a flow, and of no interest to the program
    Instant armed{};
    bool replies = false;
  };
  static uint64_t hash_of(HashKey key, const fast_flow& flow, bool replies);
  uint32_t* cell_with(uint32_t value, uint64_t hash) const;  // in the hash's bucket; null: none

  FastMemory memory_;
  HashKey secret_;
  std::vector<Known> known_;         // by id
  std::vector<uint32_t> of_server_;  // by slot
  std::vector<Rested> free_;         // a ring: the one that has rested longest at first_
  size_t first_ = 0, free_count_ = 0;
  uint32_t used_ = 0;
};

}  // namespace rawvs
