// SPDX-License-Identifier: BSD-2-Clause
// crc32c.h: CRC32c (Castagnoli), SCTP's checksum: whole, and updated for a change near the packet's start.
// RFC 9260 section 6.8 and appendix A. The numbers are the same on every byte order.
#pragma once

#include "rawvs/bytes.h"

namespace rawvs {

uint32_t crc32c(Bytes bytes);  // of "123456789": 0xe3069283

// The checksum of a whole SCTP packet (its own field counts as zero) as store_be32() puts it into the field.
uint32_t sctp_checksum(Bytes packet);

// What the field becomes when 32 bits, with `behind` bytes behind them to the packet's end, change: linear in the
// change alone, so the payload is not read, and what was wrong before stays wrong, as with RFC 1624's update.
uint32_t sctp_checksum_update(uint32_t check, uint32_t before, uint32_t after, size_t behind);

}  // namespace rawvs
