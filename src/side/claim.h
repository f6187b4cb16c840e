// SPDX-License-Identifier: BSD-2-Clause
// claim.h: the VIPs as the LAN sees them: answered for, announced, and defended against others who answer for them.
// In:  which VIPs are claimed and how, ARP frames seen, the time.   Out: what to say (Say), conflicts found or over.
// Not: building frames, real servers' addresses (neighbor.h), deciding which VIPs are ours (the services) and whose
// turn it is to have them (vrrp.h). RFC 826; RFC 5227 section 2 on probes and announcements; RFC 9568 section 8.1 on
// virtual MAC addresses. Both forms of the announcement are sent, because some networks heed only the request form and
// others only the reply form.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/slots.h"
#include "rawvs/settings.h"
#include "side/deadlines.h"
#include "wire/arp.h"

namespace rawvs {

// How an address is claimed.
struct ClaimedAs {
  Link link = Link::outside;  // ARP about it is answered there
  Mac mac{};                  // by this one; zero: the interface's
  bool standby = false;       // another director has it now: it is not answered for, packets to it are dropped
  friend bool operator==(const ClaimedAs&, const ClaimedAs&) = default;
};

// An address that a VRRP instance has. A service's VIP is answered for on the outside link; an address that is no VIP,
// like that of the NAT servers' gateway, on the instance's link, and there it is a host's that has nothing listening.
struct Shared {
  Ip vip{};
  Link link = Link::outside;  // the instance's
  bool ours = false;          // false: another director has it now: it is not answered for
  Mac mac{};                  // its MAC address on that link, whoever has it; zero: the interface's
  friend bool operator==(const Shared&, const Shared&) = default;
};

struct Say {
  enum class What : uint8_t { announce, probe };
  What what = What::announce;
  Ip vip{};
  Link link = Link::outside;
  Mac mac{};  // zero: the interface's
};

struct Conflict {  // another machine says that a VIP is its own
  Ip vip{};
  Mac mac{};
  bool over = false;  // it has not been heard for a while
};

// Which addresses are claimed, as packets ask: one cell of memory for each answer, however many there are.
class ClaimedAddresses {
 public:
  struct Cell {
    Ip vip{};
    Slot claim = kNoSlot;  // none: the cell is free
    bool standby = false;
  };
  ClaimedAddresses() : cells_(kLeast) {}
  const Cell* find(Ip vip) const {  // null: it is not claimed
    for (size_t at = place(vip);; at = (at + 1) & (cells_.size() - 1)) {
      if (cells_[at].claim == kNoSlot) return nullptr;
      if (cells_[at].vip == vip) return &cells_[at];
    }
  }
  void put(const Cell& cell);  // in place of one with the same address
  void remove(Ip vip);

 private:
  static constexpr size_t kLeast = 16;  // cells, a power of two; half of them at most are used
  size_t place(Ip vip) const { return static_cast<size_t>(mixed(vip.v4())) & (cells_.size() - 1); }
  void grow();
  std::vector<Cell> cells_;
  size_t used_ = 0;
};

class Claims {
 public:
  static constexpr size_t kMostRivals = 8;          // of one VIP; more are a broken network, and the first ones show it
  static constexpr size_t kAnnouncementFrames = 2;  // a request and a reply
  struct Rival {
    Mac mac{};
    Instant heard{};
  };
  struct Claim {
    Ip vip{};
    ClaimedAs as{};
    uint32_t announcements_left = 0;
    Instant next_announcement = kNever;
    Instant next_probe = kNever;
    std::vector<Rival> rivals{};             // who else answers for it
    std::optional<Instant> defended{};       // when that last made us announce it
    std::optional<Instant> retired_until{};  // no service any more: not answered for, but not forgotten either
    bool answered() const { return !retired_until && !as.standby; }
  };

  explicit Claims(const Settings& settings) : settings_(settings) {}

  void claim(Ip vip, const ClaimedAs& as, Instant now);  // from now on; nothing is announced anew that is so already
  void retire(Ip vip, Instant now);                      // nobody wants it any more
  void announce_all(Link link, Instant now);             // the link came (back): tell everybody
  void announce(Ip vip, Instant now);
  void settings_changed(Instant now);  // intervals are others now: none is waited for longer than it is

  bool answers_for(Ip vip) const;             // ARP requests for it are answered
  bool answers_for(Ip vip, Link link) const;  // on this link
  bool takes(Ip vip) const;      // frames to it are ours: claimed, or retired a short while ago, or on standby
  bool stands_by(Ip vip) const;  // frames to it are ours, and dropped: its master is another
  std::optional<Conflict> heard(const Arp& arp, Link link, Mac own, Instant now);

  // What is due is added to say, as far as so many frames suffice (an announcement takes kAnnouncementFrames, a probe
  // one); the rest stays due. Conflicts that ended are added to over.
  void time_passed(Instant now, size_t frames, std::vector<Say>& say, std::vector<Conflict>& over);
  Instant next_deadline() const { return due_.earliest(); }

  const Claim* find(Ip vip) const;
  size_t size() const { return order_.size(); }
  const Claim* first_after(std::optional<Ip> vip) const;  // by address, retired ones included; null: that was the last
  // Addresses that came (true), or are not remembered any more (false), since the last call.
  std::vector<std::pair<Ip, bool>> take_changes() { return std::exchange(changes_, {}); }

 private:
  static constexpr uint32_t kAtOnce = 1024;  // claims that are looked at in one call of time_passed()
  Claim* claim_of(Ip vip);
  Duration patience() const;  // how long a silent rival is remembered
  Instant deadline_of(const Claim& claim) const;
  void begin(Claim& claim, Instant now);  // it is answered for from now on
  void schedule(const Claim& claim) { due_.set(slot_of(claim), deadline_of(claim)); }
  void forget(Claim& claim);
  bool say_due(Claim& claim, Instant now, size_t& frames, std::vector<Say>& say);
  Slot slot_of(const Claim& claim) const { return static_cast<Slot>(&claim - claims_.data()); }

  const Settings& settings_;
  std::vector<Claim> claims_;  // slots
  FreeSlots free_{kMostSlots};
  ClaimedAddresses claimed_;
  std::map<Ip, Slot> order_;
  Deadlines due_;
  std::vector<std::pair<Ip, bool>> changes_;
};

}  // namespace rawvs
