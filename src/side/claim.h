// SPDX-License-Identifier: BSD-2-Clause
// claim.h: the VIPs on the LAN: answers ARP and neighbour solicitations for them, announces them, and defends them
// against other hosts that answer.
// In:  which VIPs are claimed and how, ARP and neighbour discovery, the time.
// Out: announcements and probes to send (Say), conflicts found or over.
// Not: building frames, servers' addresses (neighbor.h), which VIPs there are (service.h), mastership (vrrp.h).
// RFC: 826; 5227 section 2 on probes and announcements; 4861 section 7.2.6; 9568 section 8.1 on virtual MAC addresses.
//
// ARP's announcements are sent as request and as reply: some networks use only one of the forms.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/slots.h"
#include "rawvs/settings.h"
#include "side/deadlines.h"
#include "side/defence.h"
#include "wire/discovery.h"

namespace rawvs {

// The way an address is claimed.
struct ClaimedAs {
  LinkSet links{Link{}};  // where requests for it are answered
  Mac mac{};              // the MAC address of the answers on mac_link; zero: the interface's, as on the other links
  Link mac_link{};
  bool standby = false;  // another director is master: requests are not answered, packets to it are dropped
  bool own = false;      // an address of the host on one of our links, whose kernel answers requests for it
  Mac mac_on(Link link) const { return link == mac_link ? mac : Mac{}; }  // zero: the interface's
  friend bool operator==(const ClaimedAs&, const ClaimedAs&) = default;
};

// An address of a VRRP instance. A service's VIP is answered for on all clients' links; an address that is no VIP,
// such as the gateway of NAT servers, on the instance's link, and without open ports.
struct Shared {
  Ip vip{};
  Link link{};        // of the instance
  bool ours = false;  // false: another director is master
  Mac mac{};          // its MAC address on that link, whoever is master; zero: the interface's
  friend bool operator==(const Shared&, const Shared&) = default;
};

struct Say {
  enum class What : uint8_t { announce, probe, repeat };  // repeat: the answer, to `asker`
  What what = What::announce;
  Ip vip{};
  Link link{};
  Mac mac{};  // zero: the interface's
  Defence::Asker asker{};
};

struct Conflict {  // another host claims a VIP
  Ip vip{};
  Mac mac{};
  bool over = false;  // the other host was not heard for a while
};

// The look-up for packets: which addresses are claimed. One memory cell per answer, however many there are.
class ClaimedAddresses {
 public:
  struct Cell {
    Ip vip{};
    Slot claim = kNoSlot;  // kNoSlot: the cell is free
    bool standby = false;
    bool on_host = false;  // an address of the host, too, on any interface
    bool own = false;      // an address of the host on one of our links: the services' ports alone are the director's
  };
  ClaimedAddresses() : cells_(kLeast) {}
  const Cell* find(Ip vip) const {  // null: not claimed
    for (size_t at = place(vip);; at = (at + 1) & (cells_.size() - 1)) {
      if (cells_[at].claim == kNoSlot) return nullptr;
      if (cells_[at].vip == vip) return &cells_[at];
    }
  }
  void put(const Cell& cell);  // replaces the cell of the same address
  void remove(Ip vip);

 private:
  static constexpr size_t kLeast = 16;  // cells, a power of two; at most half of them are used
  size_t place(Ip vip) const { return static_cast<size_t>(mixed(vip)) & (cells_.size() - 1); }
  void grow();
  std::vector<Cell> cells_;
  size_t used_ = 0;
};

class Claims {
 public:
  static constexpr size_t kMostRivals = 8;  // of one VIP; more show a broken network, and the first ones suffice
  static constexpr size_t kAnnouncementFrames = 2;  // on each link: a request and a reply; ND needs one
  struct Rival {
    Mac mac{};
    Instant heard{};
    bool server = false;  // its MAC address was a real server's when it was heard last
  };
  struct Claim {
    Ip vip{};
    ClaimedAs as{};
    Instant since{};  // answered for, on standby, retired, or the host's own
    uint32_t announcements_left = 0;
    LinkSet announced_on{};  // where those are sent; later ones, at intervals, on all its links
    Instant next_announcement = kNever;
    Instant next_probe = kNever;
    std::vector<Rival> rivals{};             // other hosts that answer for it
    std::optional<Instant> defended{};       // when a rival last caused an announcement
    uint64_t repeats = 0;                    // of answers (arp_defend)
    std::optional<Instant> retired_until{};  // its last service was removed: not answered for, but still claimed
    bool answered() const { return !retired_until && !as.standby && !as.own; }
  };

  explicit Claims(const Settings& settings) : settings_(settings) {}

  void claim(Ip vip, const ClaimedAs& as, Instant now);  // announces only what is new
  void retire(Ip vip, Instant now);                      // its last service was removed
  void release(Ip vip);                                  // it is the host's alone: forgotten at once
  void announce_all(Link link, Instant now);             // the link came up: announce all
  void announce(Ip vip, Instant now);
  void settings_changed(Instant now);  // shortens waits to the new intervals

  bool answers_for(Ip vip) const;             // requests for its MAC address are answered
  bool answers_for(Ip vip, Link link) const;  // on this link
  // What is asked of every packet. Null: frames to it are not the director's; else claimed, recently retired, or on
  // standby, which drops them; or the host's own, of which only the services' ports are.
  const ClaimedAddresses::Cell* claimed(Ip vip) const { return claimed_.find(vip); }
  bool takes(Ip vip) const { return claimed(vip) != nullptr; }
  bool stands_by(Ip vip) const {
    const ClaimedAddresses::Cell* const cell = claimed(vip);
    return cell && cell->standby;
  }
  // Another host claims an address. by_server: its MAC address is a real server's.
  bool on_host(Ip vip) const { return std::ranges::binary_search(host_addresses_, vip); }
  bool set_host_addresses(std::vector<Ip> all);  // sorted; on all interfaces. False: nothing has changed
  std::optional<Conflict> heard(const Discovery& d, bool by_server, Link link, Mac own, Instant now);
  // A host asked all for a VIP, and was answered. True: a real server answers, too, and the answer will be repeated
  // (arp_defend). REQUIRES: answers_for(asker.vip).
  bool asked(const Defence::Asker& asker, Instant now);

  // Appends what is due to `say` as far as `frames` frames suffice (on each link an announcement or a repeat takes
  // kAnnouncementFrames, a probe one); the rest stays due. Appends ended conflicts to `over`.
  void time_passed(Instant now, size_t frames, std::vector<Say>& say, std::vector<Conflict>& over);
  Instant next_deadline() const { return std::min(due_.earliest(), defence_.next_deadline()); }

  const Claim* find(Ip vip) const;
  size_t size() const { return order_.size(); }
  const Claim* first_after(std::optional<Ip> vip) const;  // by address, with retired ones; null: there is none
  uint32_t version() const { return version_; }  // changes with the claims, but not with their deadlines and rivals
  // Addresses whose frames became the director's alone (true), or are so no longer (false), since the last call.
  std::vector<std::pair<Ip, bool>> take_changes() { return std::exchange(changes_, {}); }

 private:
  static constexpr uint32_t kAtOnce = 1024;  // claims handled in one call of time_passed()
  Claim* claim_of(Ip vip);
  Duration patience() const;  // how long a silent rival is remembered
  Instant deadline_of(const Claim& claim) const;
  void begin(Claim& claim, LinkSet links, Instant now);  // it is answered for on these from now on
  void schedule(const Claim& claim) { due_.set(slot_of(claim), deadline_of(claim)); }
  void forget(Claim& claim);
  void announce_soon(Claim& claim, LinkSet links, Duration least_pause, Instant now);
  void repeat_due(Instant now, size_t& frames, std::vector<Say>& say);
  bool say_due(Claim& claim, Instant now, size_t& frames, std::vector<Say>& say);
  Slot slot_of(const Claim& claim) const { return static_cast<Slot>(&claim - claims_.data()); }

  const Settings& settings_;
  std::vector<Claim> claims_;  // slots
  FreeSlots free_{kMostSlots};
  ClaimedAddresses claimed_;
  std::vector<Ip> host_addresses_;  // sorted
  std::map<Ip, Slot> order_;
  Deadlines due_;
  Defence defence_;
  std::vector<std::pair<Ip, bool>> changes_;
  uint32_t version_ = 0;
};

}  // namespace rawvs
