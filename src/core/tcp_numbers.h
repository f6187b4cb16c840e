// SPDX-License-Identifier: BSD-2-Clause
// tcp_numbers.h: changes numbers in the header of a TCP segment, with its checksum.
// In:  a segment.
// Out: the same, changed in place.
// Not: by how much (ftp.h, proxy.h, syn_proxy.h).
// RFC: 9293 section 3.1, 2018 section 3 (SACK).
#pragma once

#include "wire/packet.h"
#include "wire/tcp_options.h"

namespace rawvs {

// Of sequence numbers, which wrap: how far b is behind a.
constexpr int32_t ahead(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b); }

// Changes bytes of the TCP header, at any alignment, and the checksum, by 16 bits of difference. A partial one does not
// cover them. REQUIRES: they lie in the header, and are not the checksum.
void store_header(const Frame& frame, const Packet& p, size_t at, Bytes value);
void store_number(const Frame& frame, const Packet& p, size_t at, uint32_t value);
void store_window(const Frame& frame, const Packet& p, uint16_t window);

// Changes the sequence number in the TCP segment that an ICMP error quotes, and the error's checksum. REQUIRES: it is
// quoted.
void store_quoted_seq(const Frame& frame, const Packet& p, const Quote& quote, uint32_t value);

// Changes both ends of each block of its SACK option. A malformed option is left to the receiver.
template <class Map>
void map_sack(const Frame& frame, const Packet& p, Map&& map) {
  constexpr size_t kHead = 2, kBlock = 8;
  const Bytes tcp = Bytes(frame.bytes()).subspan(p.l4_at, p.l4_size());
  each_tcp_option(tcp, [&](uint8_t kind, size_t at, size_t size) {
    if (kind != TcpOption::sack || (size - kHead) % kBlock != 0) return;
    for (size_t block = at + kHead; block < at + size; block += kBlock) {
      uint32_t left = load_be32(tcp, block), right = load_be32(tcp, block + 4);
      map(left, right);
      store_number(frame, p, block, left);
      store_number(frame, p, block + 4, right);
    }
  });
}

}  // namespace rawvs
