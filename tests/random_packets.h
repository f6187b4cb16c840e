// SPDX-License-Identifier: BSD-2-Clause
// random_packets.h: packets of every kind, length and alignment, in frames with headroom; and models of the kernel's or
// card's completion of a partial checksum, and a bitwise CRC32c. Independent of the product's code.
#pragma once

#include <random>

#include "frames.h"
#include "wire/packet.h"

namespace rawvs::test {

inline uint16_t be16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
inline uint32_t be32(const uint8_t* p) { return static_cast<uint32_t>(be16(p)) << 16 | be16(p + 2); }
inline void put_be16(uint8_t* p, unsigned v) { p[0] = static_cast<uint8_t>(v >> 8), p[1] = static_cast<uint8_t>(v); }
inline void put_be32(uint8_t* p, uint32_t v) { put_be16(p, v >> 16), put_be16(p + 2, v & 0xffff); }

// RFC 9260 appendix A, bit by bit: least significant bit first, stored least significant byte first.
inline void put_slow_crc32c(uint8_t* sctp, size_t size) {
  put_be32(sctp + 8, 0);
  uint32_t crc = ~0u;
  for (size_t i = 0; i < size; ++i) {
    crc ^= sctp[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  crc = ~crc;
  for (int i = 0; i < 4; ++i) sctp[8 + i] = static_cast<uint8_t>(crc >> (8 * i));
}

inline FrameBytes pseudo_header(const uint8_t* ip_header, size_t l4_size) {
  FrameBytes b(ip_header + 12, ip_header + 20);
  b.insert(b.end(), {0, ip_header[9], static_cast<uint8_t>(l4_size >> 8), static_cast<uint8_t>(l4_size)});
  return b;
}

struct Sample {  // a frame somewhere in memory that it owns
  Sample() = default;
  Sample(Sample&&) = default;
  Sample(const Sample& o) : memory(o.memory), frame(o.frame), packet(o.packet) {
    frame.data = memory.data() + (o.frame.data - o.memory.data());
  }
  std::vector<uint8_t> memory{};
  Frame frame{};
  Packet packet{};
  FrameBytes bytes() const { return {frame.data, frame.data + frame.size}; }
  uint8_t* ip() const { return frame.data + 14; }
  uint8_t* l4() const { return frame.data + packet.l4_at; }
};

inline size_t checksum_at(Protocol p) {
  return p == Protocol::tcp ? 16u : p == Protocol::udp ? 6u : p == Protocol::sctp ? 8u : 2u;
}

inline void put_ip_checksum(uint8_t* ip_header) {
  put_be16(ip_header + 10, 0);
  put_be16(ip_header + 10, slow_checksum(ip_header, (ip_header[0] & 15u) * 4));
}

// The right checksum, the slow way.
inline void put_l4_checksum(uint8_t* ip_header, uint8_t* l4, size_t size) {
  const auto protocol = static_cast<Protocol>(ip_header[9]);
  if (protocol == Protocol::sctp) return put_slow_crc32c(l4, size);
  uint8_t* const field = l4 + checksum_at(protocol);
  put_be16(field, 0);
  FrameBytes b = protocol == Protocol::icmp ? FrameBytes() : pseudo_header(ip_header, size);
  b.insert(b.end(), l4, l4 + size);
  const unsigned sum = slow_checksum(b.data(), b.size());
  put_be16(field, sum == 0 && protocol == Protocol::udp ? 0xffff : sum);
}

// The field as a sender with checksum offload leaves it, and the offload facts.
inline void make_partial(Sample& s) {
  const size_t at = checksum_at(s.packet.protocol);
  const FrameBytes pseudo = pseudo_header(s.ip(), s.packet.l4_size());
  if (s.packet.protocol == Protocol::sctp) {
    put_be32(s.l4() + at, 0);
  } else {
    put_be16(s.l4() + at, static_cast<uint16_t>(~slow_checksum(pseudo.data(), pseudo.size())));
  }
  s.frame.offload = {
      .flags = Offload::needs_checksum, .checksum_start = s.packet.l4_at, .checksum_offset = static_cast<uint16_t>(at)};
}

// What the kernel or the card does with a partial checksum before the frame is on the wire.
inline void finish(Frame& f) {
  if (!f.offload.partial_checksum()) return;
  const size_t start = f.offload.checksum_start, end = 14u + be16(f.data + 16);
  const unsigned sum = slow_checksum(f.data + start, end - start);
  put_be16(f.data + start + f.offload.checksum_offset, sum == 0 ? 0xffff : sum);
  f.offload = {};
}

class RandomPackets {
 public:
  explicit RandomPackets(unsigned seed) : engine_(seed) {}
  uint32_t below(uint32_t end) { return static_cast<uint32_t>(engine_()) % end; }
  Ip address() { return Ip((1 + below(100)) << 24 | below(1u << 24)); }
  Port port() { return Port(static_cast<uint16_t>(1 + below(65535))); }

  Sample make(Protocol protocol, size_t most_payload = 1400) {
    const size_t header = 20 + below(3) * below(4) * 4;
    const size_t least = protocol == Protocol::tcp ? 20 : protocol == Protocol::sctp ? 16 : 8;
    const size_t size = least + below(static_cast<uint32_t>(most_payload) + 1);
    constexpr size_t kHeadroom = 64;
    const size_t start = kHeadroom + below(4);
    Sample s;
    s.memory.resize(start + 14 + header + size);
    const uint32_t style = below(4);
    for (uint8_t& b : s.memory) b = static_cast<uint8_t>(style == 0 ? 0 : style == 1 ? 0xff : below(256));
    s.frame.data = s.memory.data() + start;
    s.frame.size = static_cast<uint32_t>(14 + header + size);
    s.frame.headroom = static_cast<uint32_t>(start);
    uint8_t* const ip_header = s.ip();
    uint8_t* const l4 = ip_header + header;
    put_be16(s.frame.data + 12, 0x0800);
    ip_header[0] = static_cast<uint8_t>(0x40 | header / 4);
    ip_header[1] = static_cast<uint8_t>(below(256));
    put_be16(ip_header + 2, static_cast<unsigned>(header + size));
    put_be16(ip_header + 6, below(2) * 0x4000);
    ip_header[8] = static_cast<uint8_t>(2 + below(254));
    ip_header[9] = static_cast<uint8_t>(protocol);
    put_be32(ip_header + 12, address().v4()), put_be32(ip_header + 16, address().v4());
    if (protocol == Protocol::icmp) {
      l4[0] = 8;
    } else {
      put_be16(l4, port().value), put_be16(l4 + 2, port().value);
    }
    if (protocol == Protocol::tcp) l4[12] = 0x50;
    if (protocol == Protocol::udp) put_be16(l4 + 4, static_cast<unsigned>(size));
    put_ip_checksum(ip_header);
    put_l4_checksum(ip_header, l4, size);
    parse_ip(s.frame, s.packet);
    return s;
  }

 private:
  std::mt19937 engine_;
};

inline bool checksums_right(const FrameBytes& frame) {
  FrameBytes b = frame;
  uint8_t* const ip_header = b.data() + 14;
  const size_t header = (ip_header[0] & 15u) * 4;
  put_ip_checksum(ip_header);
  const auto protocol = static_cast<Protocol>(ip_header[9]);
  const bool none = (protocol == Protocol::udp && be16(ip_header + header + 6) == 0) || protocol == Protocol::ipip ||
                    protocol == Protocol::gre;
  if (!none) put_l4_checksum(ip_header, ip_header + header, be16(ip_header + 2) - header);
  return b == frame;
}

}  // namespace rawvs::test
