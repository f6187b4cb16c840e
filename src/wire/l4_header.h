// SPDX-License-Identifier: BSD-2-Clause
// l4_header.h: TCP, UDP and SCTP headers: offsets of their fields, and views that read them.
// RFC: 9293 section 3.1, 768, 9260 section 3.1.
//
// A view borrows bytes that begin with the header. REQUIRES: at least kTcpSize, kUdpSize or kSctpSize bytes.
#pragma once

#include <optional>

#include "rawvs/addr.h"
#include "rawvs/bytes.h"

namespace rawvs {

inline constexpr uint32_t kTcpSize = 20, kUdpSize = 8, kSctpSize = 12;  // without options and chunks, bytes

// The same for all three.
inline constexpr size_t kSourcePortAt = 0, kDestinationPortAt = 2;
inline constexpr uint32_t kPortsSize = 4;

inline constexpr size_t kTcpSeqAt = 4, kTcpAckAt = 8, kTcpHeaderSizeAt = 12, kTcpFlagsAt = 13, kTcpWindowAt = 14,
                        kTcpChecksumAt = 16, kTcpUrgentAt = 18, kTcpOptionsAt = 20;
inline constexpr size_t kUdpLengthAt = 4, kUdpChecksumAt = 6;
inline constexpr size_t kSctpChecksumAt = 8;

struct TcpFlags {
  enum : uint8_t { fin = 1, syn = 2, rst = 4, psh = 8, ack = 16, urg = 32, ece = 64, cwr = 128 };
};
inline constexpr uint8_t kTcpFlagsKnown = 0x3f;  // the flags in Packet::tcp_flags: all but those of ECN

struct SctpChunk {  // RFC 9260 section 3.2: the chunks that change a state
  enum : uint8_t {
    data = 0,
    init = 1,
    init_ack = 2,
    abort = 6,
    shutdown = 7,
    shutdown_ack = 8,
    error = 9,
    cookie_echo = 10,
    cookie_ack = 11,
    shutdown_complete = 14
  };
};

class L4Header {
 public:
  explicit L4Header(Bytes bytes) : b_(bytes) {}
  Port source_port() const { return Port(load_be16(b_, kSourcePortAt)); }
  Port destination_port() const { return Port(load_be16(b_, kDestinationPortAt)); }

 protected:
  Bytes b_;
};

class TcpHeader : public L4Header {
 public:
  using L4Header::L4Header;
  uint32_t seq() const { return load_be32(b_, kTcpSeqAt); }
  uint32_t ack() const { return load_be32(b_, kTcpAckAt); }
  uint32_t header_size() const { return (b_[kTcpHeaderSizeAt] >> 4) * 4u; }  // bytes, as stated: 0 to 60
  uint8_t flags() const { return b_[kTcpFlagsAt] & kTcpFlagsKnown; }
};

class UdpHeader : public L4Header {
 public:
  using L4Header::L4Header;
  uint32_t length() const { return load_be16(b_, kUdpLengthAt); }  // of header and data, bytes
  bool has_checksum() const { return load_be16(b_, kUdpChecksumAt) != 0; }
};

// The offset of the checksum in an L4 header. None: rawvs knows no checksum of this protocol.
constexpr std::optional<size_t> l4_checksum_at(Protocol p) {
  switch (p) {
    case Protocol::tcp: return kTcpChecksumAt;
    case Protocol::udp: return kUdpChecksumAt;
    case Protocol::sctp: return kSctpChecksumAt;
    default: return std::nullopt;
  }
}

}  // namespace rawvs
