// SPDX-License-Identifier: BSD-2-Clause
// link.h: what the director knows of a network interface. sys/net/netlink reads these facts.
#pragma once

#include <string>
#include <vector>

#include "rawvs/frame.h"

namespace rawvs {

struct LinkAddress {
  Ip addr{};
  uint8_t prefix = 32;
  Network network() const { return {Netmask(addr.family(), prefix).of(addr), prefix}; }
  Ip broadcast() const {  // REQUIRES: IPv4
    return prefix >= 31 ? Ip(0xffffffff) : Ip(addr.v4() | ~Netmask(Family::ipv4, prefix).v4().v4());
  }
  friend bool operator==(const LinkAddress&, const LinkAddress&) = default;
};

// The guard of a link whose packets the kernel has given away.
inline constexpr const char* kNoGuardNeeded = "none-needed";

struct LinkCounters {           // frames since the start
  uint64_t received = 0;        // given to the director
  uint64_t kernel_dropped = 0;  // lost: the ring, or the socket's queue for large frames, was full
  uint64_t cut = 0;             // lost: larger than a ring slot, and no room for the whole frame
  uint64_t sent = 0;
  uint64_t send_failed = 0;  // lost: refused by the kernel: queue full, interface down, too long
  // Packets that were received and given to the host's kernel: to route, or for the host itself (Local).
  uint64_t returned = 0;
  uint64_t return_failed = 0;  // lost: no route, too long, a firewall's OUTPUT chain, time to live over
  uint64_t unguarded = 0;      // NAT connections for which the guard has no room: the kernel routes their replies, too
  // Not counts of frames: the VIPs on this link, and how many of them the guard keeps from the host's kernel; and how
  // it does: tcx, clsact, classic, none-needed; off: not at all.
  uint64_t vips = 0, guarded_vips = 0;
  const char* guard = "off";
  uint64_t missing_groups = 0;  // solicited-node groups of IPv6 VIPs that the kernel did not let us join
  LinkCounters& operator+=(const LinkCounters& more) {
    received += more.received, kernel_dropped += more.kernel_dropped, cut += more.cut;
    sent += more.sent, send_failed += more.send_failed;
    returned += more.returned, return_failed += more.return_failed, unguarded += more.unguarded;
    return *this;
  }
};

enum class LinkRole : uint8_t {
  clients,  // [director] interface: VIPs are answered for here; servers may be here, too
  servers   // [director] inside
};

// The invented MAC addresses of a link without Ethernet: ours and the other end's. Of the block for documentation
// (RFC 7042 section 2.1.1): no host's card has one.
inline constexpr Mac kBareOwn{{0, 0, 0x5e, 0, 0x53, 1}}, kBarePeer{{0, 0, 0x5e, 0, 0x53, 2}};

struct LinkFacts {
  std::string name;
  LinkRole role = LinkRole::clients;  // as configured
  int ifindex = 0;                    // 0: no such interface now
  bool named = true;                  // false: found by a pattern or a route; nobody misses it when it is gone
  bool up = false;                    // administratively up: frames can be read and sent
  bool carrier = false;               // the cable is plugged in
  // False: frames are bare IP packets, as of PPP, tun, WireGuard and tunnels; all of them go to and come from the other
  // end. sys/io gives them the Ethernet header of kBareOwn and kBarePeer, and sends them without it.
  bool ethernet = true;
  Mac mac{};                           // kBareOwn without Ethernet
  uint16_t mtu = 1500;                 // bytes of an IP packet
  uint16_t mtu6 = 0;                   // of an IPv6 packet, where a router advertises less; 0: the same
  std::vector<LinkAddress> addresses;  // IPv4, primary ones first; then IPv6, link-local ones last
  std::string unfit{};                 // why the interface can never be used; empty: it can
  uint16_t mtu_of(Family family) const { return family == Family::ipv6 && mtu6 != 0 ? mtu6 : mtu; }
  bool usable() const { return ifindex != 0 && up && unfit.empty(); }
  friend bool operator==(const LinkFacts&, const LinkFacts&) = default;
};

}  // namespace rawvs
