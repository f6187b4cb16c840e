// SPDX-License-Identifier: BSD-2-Clause
// checksum.cpp: the Internet checksum (RFC 1071).
#include "wire/checksum.h"

namespace rawvs {

uint64_t checksum_add(Bytes bytes, uint64_t sum) {
  size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) sum += load_be32(bytes, at);
  if (at + 2 <= bytes.size()) {
    sum += load_be16(bytes, at);
    at += 2;
  }
  if (at < bytes.size()) sum += static_cast<uint32_t>(bytes[at]) << 8;
  return sum;
}

uint16_t checksum_fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

uint64_t pseudo_header_sum(Ip src, Ip dst, Protocol protocol, uint32_t l4_size) {
  const auto halves = [](uint64_t n) { return (n >> 32) + (n & 0xffffffff); };
  // An IPv4 address adds 0xffff inside, which is zero in one's complement.
  return halves(src.hi()) + halves(src.lo()) + halves(dst.hi()) + halves(dst.lo()) + static_cast<uint8_t>(protocol) +
         l4_size;
}

}  // namespace rawvs
