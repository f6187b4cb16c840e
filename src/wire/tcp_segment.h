// SPDX-License-Identifier: BSD-2-Clause
// tcp_segment.h: TCP segments without data that the director makes: of a handshake, and resets.
// In:  what the headers say.
// Out: a whole frame, of either family, with its checksums.
// Not: segments that are forwarded (core/rewrite.h, core/tcp_numbers.h).
// RFC: 9293 section 3.1; 6864 (an atomic datagram's identification has no meaning).
#pragma once

#include "rawvs/frame.h"
#include "wire/packet.h"
#include "wire/tcp_options.h"

namespace rawvs {

struct TcpSegment {
  Mac from{}, to{};
  Endpoint src{}, dst{};
  uint32_t seq = 0, ack = 0;
  uint8_t flags = 0;  // TcpFlags
  uint16_t window = 0;
  TcpOptions options{};
  uint8_t tos = 0, ttl = 64;
};

// Returns the frame's size; 0: `out` is too small. REQUIRES: both addresses are of one family.
size_t write_tcp_segment(MutableBytes out, const TcpSegment& segment);

// A segment from the receiver of this one to its sender: addresses, ports and traffic class. REQUIRES: the frame holds
// the segment as it came.
TcpSegment tcp_reply(const Frame& asked, const Packet& segment);

// The RST that a closed port sends (RFC 9293 section 3.10.7.1).
TcpSegment tcp_reset(const Frame& asked, const Packet& segment);

}  // namespace rawvs
