// SPDX-License-Identifier: BSD-2-Clause
// tcp_numbers.h: changes sequence and acknowledgement numbers in a TCP segment, with its checksum.
// In:  a segment.
// Out: the same, changed in place.
// Not: by how much (ftp.h, proxy.h).
// RFC: 9293 section 3.1, 2018 section 3 (SACK).
#pragma once

#include "wire/packet.h"

namespace rawvs {

// Of sequence numbers, which wrap: how far b is behind a.
constexpr int32_t ahead(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b); }

// Changes a 32-bit number in the TCP header, at any alignment, and the checksum. A partial one does not cover it.
void store_number(const Frame& frame, const Packet& p, size_t at, uint32_t value);

// Changes both ends of each block of its SACK option. A malformed option is left to the receiver.
template <class Map>
void map_sack(const Frame& frame, const Packet& p, Map&& map) {
  constexpr uint8_t kEnd = 0, kNop = 1, kSack = 5, kHead = 2, kBlock = 8;
  const size_t header = p.l4_size() - p.tcp_payload;
  const Bytes tcp = Bytes(frame.bytes()).subspan(p.l4_at, p.l4_size());
  for (size_t at = kTcpOptionsAt; at < header && tcp[at] != kEnd;) {
    if (tcp[at] == kNop) {
      ++at;
      continue;
    }
    if (at + kHead > header) return;
    const size_t size = tcp[at + 1];
    if (size < kHead || at + size > header) return;
    if (tcp[at] == kSack && (size - kHead) % kBlock == 0) {
      for (size_t block = at + kHead; block < at + size; block += kBlock) {
        uint32_t left = load_be32(tcp, block), right = load_be32(tcp, block + 4);
        map(left, right);
        store_number(frame, p, block, left);
        store_number(frame, p, block + 4, right);
      }
    }
    at += size;
  }
}

}  // namespace rawvs
