// SPDX-License-Identifier: BSD-2-Clause
// host_route.h: hands IPv4 packets back to the host's kernel, which routes them: what the guard has kept from it and
// was none of the director's. A raw socket (raw(7), IP_HDRINCL) sends them as if they were forwarded: the time to live
// is one less, addresses and identification stay. To firewalls, however, they are the host's own packets: they pass
// OUTPUT and POSTROUTING, not PREROUTING and FORWARD, have no incoming interface, and `ip rule` sees neither interface
// nor source. A rule that must hold for NAT servers' fragments (with the classic guard: for all they send) has to stand
// in OUTPUT, too. What cannot go on is counted; no ICMP error is sent. Not: which packets (the director says so,
// Outbox::returned()).
#pragma once

#include <memory>

#include "rawvs/frame.h"
#include "rawvs/result.h"

namespace rawvs {

class HostRoute {
 public:
  struct Counters {        // packets: what became of them
    uint64_t sent = 0;     // segments of super-frames are counted one by one
    uint64_t expired = 0;  // their time to live ended here
    uint64_t too_long = 0;
    uint64_t failed = 0;  // refused for another reason: no route, a firewall, a full queue
  };

  static Result<std::unique_ptr<HostRoute>> open();
  ~HostRoute();
  HostRoute(const HostRoute&) = delete;
  HostRoute& operator=(const HostRoute&) = delete;

  // REQUIRES: the frame holds a sound IPv4 packet (packet.h). Changes it. Never blocks.
  void send(Frame frame);
  const Counters& counters(Link from) const;  // what became of the frames that came in there

 private:
  struct Impl;
  explicit HostRoute(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
