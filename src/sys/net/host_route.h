// SPDX-License-Identifier: BSD-2-Clause
// host_route.h: gives packets to the host's kernel, which routes them, or takes them for the host itself.
// In:  packets that the guard kept from the kernel and that are not the director's (Outbox::returned()); packets for
//      the host as a real server (Outbox::delivered()).
// Out: packets sent as if forwarded, or as they came; counters.
// Not: which packets. No ICMP error is sent for a packet that cannot be sent.
//
// A raw socket (raw(7), IP_HDRINCL) sends them, routed ones with the TTL reduced by one; addresses and identification
// stay. What is for an address of the host arrives on lo at once, whatever its source: the kernel keeps the route of
// sending, and looks up none for receiving, which rp_filter would judge. To
// firewalls they are the host's own packets: they pass OUTPUT and POSTROUTING, not PREROUTING and FORWARD, and have no
// incoming interface; `ip rule` sees neither interface nor source. A rule for NAT servers' fragments (with the classic
// guard: for all of their packets) has to be in OUTPUT as well.
#pragma once

#include <memory>

#include "rawvs/frame.h"
#include "rawvs/result.h"

namespace rawvs {

class HostRoute {
 public:
  struct Counters {        // packets, by result
    uint64_t sent = 0;     // each segment of a super-frame counts
    uint64_t expired = 0;  // their time to live ended here
    uint64_t too_long = 0;
    uint64_t failed = 0;       // refused for another reason: no route, a firewall, a full queue
    uint64_t undelivered = 0;  // of both, those for the host itself
  };

  static Result<std::unique_ptr<HostRoute>> open();
  ~HostRoute();
  HostRoute(const HostRoute&) = delete;
  HostRoute& operator=(const HostRoute&) = delete;

  // REQUIRES: the frame holds a valid IP packet (packet.h). Changes the frame. Never blocks.
  void send(Frame frame);
  void deliver(Frame frame);  // to the host itself. REQUIRES: also, its destination is an address of the host
  const Counters& counters(Link from) const;  // for the frames received on this link

 private:
  struct Impl;
  explicit HostRoute(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
