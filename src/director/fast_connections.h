// SPDX-License-Identifier: BSD-2-Clause
// fast_connections.h: chooses the connections whose packets the program in the kernel forwards, and keeps what it knows
// of servers, next hops and links true.
// In:  forwarded packets, changes of servers and of their surroundings, on which links the program is.
// Out: entries of FastFlows (core/fast_flows.h); what the program has forwarded, in servers' and services' counters.
// Not: what becomes of a connection's deadline and numbers (flows_fast.cpp), the program (sys/io/fast_path.h).
//
// The program repeats what the director would decide. So a connection is chosen when a packet of it has just been
// forwarded in the way that the program knows: unchanged, or translated by NAT within a family, over Ethernet, with
// nothing to be read or added. It goes over when no packet waits for the director any more: a later one would overtake
// it. Whatever changes for a server or a link is one write, and while many change, or an observer wants to see packets,
// all packets go to the director.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "core/fast_flows.h"
#include "core/fast_use.h"
#include "director/arrival.h"
#include "director/flows.h"
#include "director/surroundings.h"
#include "rawvs/exit.h"
#include "rawvs/settings.h"

namespace rawvs {

class FastConnections {
 public:
  FastConnections(const Settings& settings, Services& services, Flows& flows, Surroundings& surroundings,
                  ExitCounters& exits)
      : settings_(settings), services_(services), flows_(flows), surroundings_(surroundings), exits_(exits) {}

  void use(const FastMemory& memory, HashKey secret);
  void set_link(Link link, bool works);  // the program is on the link, and the director does not get its packets
  void hold(bool held) { held_ = held; }

  // A request, or a reply, of the connection was forwarded: it is chosen, and goes over soon.
  void request_passed(const Arrival& a, const Connection& c, const Server& server, Instant now) {
    if (!on_) return;
    if (!c.is_fast() && c.packets >= settings_.fast_after) return choose(a, c, false, now);
    if (server.path_mtu != 0 && now >= server.path_mtu_until) surroundings_.changes().server(c.server);
  }
  void reply_passed(const Arrival& a, const Connection& c, Instant now) {
    if (on_ && c.is_fast() && !flows_.has_fast_replies(c)) choose(a, c, true, now);
  }

  // all: no packet waits for the director, and what it forwarded has left. Else those that have waited for this too
  // long go over all the same.
  void caught_up(bool all, Instant now);
  bool choosing() const { return waiting_count_ != 0; }

  // Brings the program's knowledge up to date, in portions, which stale() announces; until then it forwards nothing.
  // REQUIRES: stale(). watched: an observer wants to see packets.
  void settle(Instant now, bool watched);
  void settle_now();  // after a change, at the time of the last call
  void watch() {
    watched_ = true;
    settle_now();
  }
  bool stale(bool watched) const {
    return fast_ && (surroundings_.changes().any() || at_ != kDone || slowing_ != kNoConnection || watched != watched_);
  }
  // Connections begin anew with the director: in portions. For changes that an entry does not follow by itself.
  void begin_anew() {
    if (fast_ && fast_->size() != 0) slowing_ = 1;
  }
  void collect();  // what the program has counted, of a very large table in portions
  void collect(ServerSlot slot);
  bool counts() const { return fast_ && fast_->size() != 0; }
  FastUse use() const;

 private:
  static constexpr uint32_t kDone = UINT32_MAX;
  struct Own {
    Mac mac{};
    Link link{};
    bool here = false;  // frames to it are the director's, and the program is there
  };
  struct Waiting {
    ConnectionId id = kNoConnection;
    FlowKey key{};
    bool replies = false;
    uint8_t own = 0;  // our MAC address, to which they were sent
    Instant since{};
  };
  static constexpr size_t kMostWaiting = 64;  // others come again
  void choose(const Arrival& a, const Connection& c, bool replies, Instant now);
  void go_over(const Waiting& waiting);
  FastConnection fast(const Connection& c) const;
  bool fits(const Connection& c) const;
  std::optional<uint8_t> own_for(const Arrival& a);
  uint32_t ifindex_of(const Own& own) const;
  uint32_t hop_of(uint16_t neighbor) const { return static_cast<uint32_t>(kMostLinks) + neighbor; }
  bool stands_by(const ServiceKey& key);
  void look_at_server(ServerSlot slot);
  void look_at_neighbor(uint16_t slot);
  void look_at_links();
  uint32_t rows() const;  // of servers and of neighbors, whichever are more
  void look_at_some();
  void follow_changes();
  void switch_on();
  FastOff why_off() const;

  const Settings& settings_;
  Services& services_;
  Flows& flows_;
  Surroundings& surroundings_;
  ExitCounters& exits_;
  std::optional<FastFlows> fast_{};
  LinkSet links_{};                   // with the program
  std::vector<Own> owns_;             // by place
  std::vector<fast_counts> counted_;  // by server slot: what collect() has counted
  std::vector<uint8_t> counting_;     // by server slot: the program may have counted more
  std::array<Waiting, kMostWaiting> waiting_{};
  size_t waiting_count_ = 0;
  size_t processors_ = 1, collect_at_ = 0;  // the slot whose counters are read next
  uint32_t at_ = kDone;                     // the next slot to look at
  ConnectionId slowing_ = kNoConnection;
  struct {
    ServiceKey key{};
    bool stands_by = false;
    bool known = false;
  } last_{};  // what stands_by() said, until changes come
  Instant now_{};
  bool on_ = false, held_ = false, watched_ = false;
  FastUse use_{};
};

}  // namespace rawvs
