// SPDX-License-Identifier: BSD-2-Clause
// claim.h: the VIPs as the LAN sees them: answered for, announced, and defended against others who answer for them.
// In:  which VIPs are ours, which of them several directors share, ARP frames seen, the time.   Out: what to say (Say),
// conflicts found or over.
// Not: building frames, real servers' addresses (neighbor.h), deciding which VIPs are ours (the services) and whose
// turn it is to have them (vrrp.h). RFC 826; RFC 5227 section 2 on probes and announcements; RFC 9568 section 8.1 on
// virtual MAC addresses. Both forms of the announcement are sent, because some networks heed only the request form and
// others only the reply form.
#pragma once

#include <optional>
#include <vector>

#include "rawvs/arp.h"
#include "rawvs/settings.h"

namespace rawvs {

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
    Link link = Link::outside;
    Mac mac{};  // zero: the interface's
    uint32_t announcements_left = 0;
    Instant next_announcement = kNever;
    Instant next_probe = kNever;
    std::vector<Rival> rivals{};             // who else answers for it
    std::optional<Instant> defended{};       // when that last made us announce it
    std::optional<Instant> retired_until{};  // no service any more: not answered for, but not forgotten either
    bool standby = false;                    // another director is its master (VRRP): as retired, but without end
    bool answered() const { return !retired_until && !standby; }
  };

  explicit Claims(const Settings& settings) : settings_(settings) {}

  void set(std::vector<Ip> vips, Instant now);          // exactly these are services' now; sorted
  void share(std::vector<Shared> shared, Instant now);  // exactly these are VRRP instances'; sorted by address
  void announce_all(Link link, Instant now);            // the link came (back): tell everybody
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
  Instant next_deadline() const { return earliest_; }

  const Claim* find(Ip vip) const;
  const std::vector<Claim>& all() const { return claims_; }  // sorted by address, retired ones included

 private:
  Claim* claim_of(Ip vip);
  Duration patience() const;  // how long a silent rival is remembered
  Instant deadline_of(const Claim& claim) const;

  std::vector<Claim> wanted() const;  // sorted by address, with nothing due
  void follow(Instant now);
  void begin(Claim& claim, Instant now);  // it is answered for from now on

  const Settings& settings_;
  std::vector<Claim> claims_;
  std::vector<Ip> vips_;  // sorted
  std::vector<Shared> shared_;
  Instant earliest_ = kNever;  // nothing is due before; may be too early, never too late
};

}  // namespace rawvs
