// SPDX-License-Identifier: BSD-2-Clause
// neighbor.h: the MAC addresses of real servers and gateways.
// In:  wanted addresses, ARP and neighbour discovery, packets that wait for an address, the time.
// Out: requests to send (Ask), packets that may leave now, notices for the log.
// Not: sockets, building frames (the director composes the requests), our own VIPs (claim.h).
// RFC: 826; 4861 section 7.2; 1122 section 2.3.2 on ageing and floods.
//
// A wanted address is asked for at once, refreshed by unicast before it ages, and asked for with growing pauses while
// nobody answers: the first packet of a connection seldom waits.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/changes.h"
#include "core/link.h"
#include "core/outbox.h"
#include "core/service.h"
#include "core/slots.h"
#include "core/tell_once.h"
#include "core/turn.h"
#include "rawvs/settings.h"
#include "side/deadlines.h"
#include "wire/discovery.h"

namespace rawvs {

struct Ask {  // an ARP request or a neighbour solicitation: by unicast (are you still there?) or to all
  Link link{};
  Ip target{};
  std::optional<Mac> to{};
};

enum class Hold : uint8_t { held, full, silent };  // silent: several requests were not answered

class Neighbors {
 public:
  enum class State : uint8_t { asking, fresh, refreshing, silent, fixed };
  struct Neighbor {
    Ip addr{};
    Link link{};
    State state = State::asking;
    uint32_t wanted = 0;    // number of servers that need it; 0 = the slot is free
    Mac mac{};              // valid in fresh, refreshing, fixed
    Instant moved{};        // when a new MAC address was last accepted
    Mac rival{};            // another host that claims the address, until that is settled; zero: none
    uint32_t disputes = 0;  // claims by other hosts while this one still answered
    Mac disputant{};        // the last of them
    uint32_t asked = 0;     // requests since the last reply
    Instant last_asked{};
    Instant next = kNever;  // the next action: ask again, refresh
    Instant valid_until{};  // when the reply ages out
    uint32_t holding = 0;   // packets held for it
    bool knows_mac() const { return state == State::fresh || state == State::refreshing || state == State::fixed; }
  };

  // changes: of MAC addresses, and whether they are known; outlives this.
  Neighbors(const Settings& settings, uint32_t capacity, Changes& changes);

  // Wanted addresses are counted: each want() needs one unwant(). kNoNeighbor: no slot left.
  uint16_t want(Ip addr, Link link, std::optional<Mac> fixed, Instant now);
  void unwant(uint16_t slot);
  void ask_anew(uint16_t slot, Instant now);  // its fixed address was removed
  // The link came up, or is another one: all neighbours there are asked for anew. The link is down: no requests until
  // it comes up. With many neighbours, each call of time_passed() does a part, until sweeping() is false.
  void forget_link(Link link, Instant now);
  void pause_link(Link link);
  bool sweeping() const {
    return std::ranges::any_of(swept_, [&](size_t n) { return n < free_.used(); });
  }

  const Neighbor& at(uint16_t slot) const { return neighbors_[slot]; }
  std::optional<uint16_t> find(Ip addr, Link link) const;
  std::optional<Ip> who_has(Mac mac) const;  // the wanted address of a MAC address
  template <class IsIt>
  bool any_at(Mac mac, IsIt is_it) const {  // is_it(slot): of one of the MAC address's wanted addresses
    const auto fits = [&](Slot slot) {
      return neighbors_[slot].knows_mac() && neighbors_[slot].mac == mac && is_it(slot);
    };
    return by_mac_.find(hash(mac), fits) != kNoSlot;
  }
  uint16_t slots() const { return static_cast<uint16_t>(free_.used()); }

  // Copies the frame and keeps it until the reply comes. At most arp_hold frames wait per neighbour.
  Hold hold(uint16_t slot, const Frame& frame, Instant now);

  // True: it came from a wanted address. Frames that waited for it get their destination MAC and
  // go to turn.out; their bytes are valid until the next recycle().
  bool heard(const Discovery& d, Link link, Mac own, Turn turn);
  void recycle();                                                     // REQUIRES: the outbox was cleared
  uint64_t take_discarded() { return std::exchange(discarded_, 0); }  // held frames given up since the last call

  // Appends at most `most` requests to asks; the rest stays due.
  void time_passed(size_t most, std::vector<Ask>& asks, Turn turn);
  Instant next_deadline() const { return due_.earliest(); }

 private:
  static constexpr uint32_t kHeldFrames = 64;  // in all
  static constexpr uint32_t kHeldSize = 2048;  // bytes with headroom; longer frames are not held
  struct Held {
    uint16_t neighbor = kNoNeighbor;  // kNoNeighbor: this place is free
    bool leaving = false;             // borrowed by the outbox until recycle()
    uint64_t order = 0;
    Frame frame{};
  };
  void doubt(Neighbor& n, Mac rival, Instant now);
  void answered(Neighbor& n, Mac mac, Turn turn);
  void ask_again(Neighbor& n, std::vector<Ask>& asks, Turn turn);
  void release(uint16_t slot, Mac own, Outbox& out);
  void discard(uint16_t slot);
  void set_next(Neighbor& n, Instant when);
  void set_mac(Neighbor& n, Mac mac);
  void set_state(Neighbor& n, State state);
  void sweep(Link link, Instant now);
  uint16_t slot_of(const Neighbor& n) const { return static_cast<uint16_t>(&n - neighbors_.data()); }
  static uint64_t hash(Ip addr, Link link) { return mixed(mixed(addr) + index(link)); }
  static uint64_t hash(Mac mac) {
    uint64_t bits = 0;
    for (const uint8_t byte : mac.bytes) bits = bits << 8 | byte;
    return mixed(bits);
  }
  std::span<const Neighbor> used() const { return std::span(neighbors_).first(free_.used()); }

  const Settings& settings_;
  Changes& changes_;
  std::vector<Neighbor> neighbors_;  // all slots
  FreeSlots free_;
  SlotHash by_addr_, by_mac_;  // by_mac_: those whose MAC address is, or was, known
  Deadlines due_;
  LinkSet paused_{};
  std::array<size_t, kMostLinks> swept_{};  // slots that know of their link's change
  std::vector<Held> held_;
  std::unique_ptr<uint8_t[]> held_bytes_;
  uint64_t order_ = 0, discarded_ = 0;
  SlowLimit moves_told_{16, 10s};
  TellOnce rivals_told_;
};

const char* name(Neighbors::State state);

}  // namespace rawvs
