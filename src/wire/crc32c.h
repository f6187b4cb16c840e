// SPDX-License-Identifier: BSD-2-Clause
// crc32c.h: CRC32c (Castagnoli), the checksum of SCTP: computed whole, and updated for a change near the packet's
// start.
// RFC: 9260 section 6.8 and appendix A.
//
// The results are numbers, the same on every byte order.
#pragma once

#include "rawvs/bytes.h"

namespace rawvs {

uint32_t crc32c(Bytes bytes);  // of "123456789": 0xe3069283

// The checksum of a whole SCTP packet, whose own field counts as zero. store_be32() writes it into the field.
uint32_t sctp_checksum(Bytes packet);

// The new value of the field when 32 bits change that have `behind` bytes after them up to the packet's end. The CRC is
// linear: the payload is not read, and a checksum that was wrong stays wrong, as with RFC 1624's update.
uint32_t sctp_checksum_update(uint32_t check, uint32_t before, uint32_t after, size_t behind);

}  // namespace rawvs
