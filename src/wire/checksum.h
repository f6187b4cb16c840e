// SPDX-License-Identifier: BSD-2-Clause
// checksum.h: the Internet checksum: computed whole, and updated in place.
// RFC: 1071 (computing), 1624 (incremental update, eqn. 3), 768 (zero in UDP).
#pragma once

#include "rawvs/addr.h"
#include "rawvs/bytes.h"

namespace rawvs {

// Adds the one's complement sum of the bytes to `sum`; the result is neither folded nor complemented. An odd length is
// padded with zero, so only the last of several pieces may be odd. Carries collect in the upper half: good for 64 KB
// and more.
uint64_t checksum_add(Bytes bytes, uint64_t sum = 0);
uint16_t checksum_fold(uint64_t sum);  // to 16 bits; not complemented

inline uint16_t checksum(Bytes bytes) { return static_cast<uint16_t>(~checksum_fold(checksum_add(bytes))); }

// The sum of the pseudo-header (RFC 9293 3.1, RFC 768; RFC 8200 8.1), not folded. protocol: as on the wire.
uint64_t pseudo_header_sum(Ip src, Ip dst, Protocol protocol, uint32_t l4_size);

// RFC 1624 eqn. 3: the new value of a checksum field when one 16-bit word that it covers changes.
constexpr uint16_t checksum_update(uint16_t check, uint16_t before, uint16_t after) {
  uint32_t sum = static_cast<uint16_t>(~check) + uint32_t{static_cast<uint16_t>(~before)} + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

}  // namespace rawvs
