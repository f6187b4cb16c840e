// SPDX-License-Identifier: BSD-2-Clause
// bare_link.h: links without Ethernet: the header that received packets get, and sending without it.
// In:  IP packets of the kernel; frames of the director.
// Out: frames that begin with an Ethernet header (kBareOwn, kBarePeer); IP packets with whole checksums.
// Not: which interfaces are such links (sys/net/interface_kind.h).
//
// Packets are sent by a socket that leaves the link's header to the kernel (SOCK_DGRAM): PPP and others have room for
// headers that are no part of what is written. It takes no offload facts, so super-frames are segmented here.
#pragma once

#include <array>
#include <string>

#include "core/link.h"
#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

// Puts the header before the IP packet at frame.data, and changes the offload facts accordingly. REQUIRES: as much
// headroom. False: it is no IP packet.
bool give_ethernet(Frame& frame);

class BareSender {
 public:
  Result<Done> open(const std::string& interface, int ifindex);
  // The bytes are changed. True: the interface is down.
  bool send(Frame frame, LinkCounters& counters);

 private:
  bool send_packet(Frame frame, LinkCounters& counters);

  Fd fd_{};
  int ifindex_ = 0;
  std::array<uint8_t, 9728> segment_{};  // jumbo frames; no card merges larger segments
};

}  // namespace rawvs
