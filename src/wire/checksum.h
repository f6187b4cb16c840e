// SPDX-License-Identifier: BSD-2-Clause
// checksum.h: the Internet checksum: whole, and updated in place.
// RFC 1071 (computing), RFC 1624 (incremental update, eqn. 3), RFC 768 (UDP's zero).
#pragma once

#include "rawvs/addr.h"
#include "rawvs/bytes.h"

namespace rawvs {

// The one's complement sum of bytes added to `sum`; not folded, not complemented. Odd lengths are padded with zero,
// so only the last piece of several may be odd. Good for 64 KB and more: carries are kept in the upper half.
uint64_t checksum_add(Bytes bytes, uint64_t sum = 0);
uint16_t checksum_fold(uint64_t sum);  // to 16 bits, not complemented

inline uint16_t checksum(Bytes bytes) { return static_cast<uint16_t>(~checksum_fold(checksum_add(bytes))); }

// The sum of the IPv4 pseudo-header (RFC 9293 3.1, RFC 768), not folded.
uint64_t pseudo_header_sum(Ip src, Ip dst, Protocol protocol, uint32_t l4_size);

// RFC 1624 eqn. 3: what a checksum field becomes when one 16-bit word under it changes.
constexpr uint16_t checksum_update(uint16_t check, uint16_t before, uint16_t after) {
  uint32_t sum = static_cast<uint16_t>(~check) + uint32_t{static_cast<uint16_t>(~before)} + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

}  // namespace rawvs
