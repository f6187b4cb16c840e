// SPDX-License-Identifier: BSD-2-Clause
// crc32c.cpp: one table step per byte, least significant bit first. Zeros are skipped in logarithmic time, by
// multiplying with a power of x modulo the polynomial.
#include "rawvs/crc32c.h"

#include <array>

namespace rawvs {

namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // 0x1edc6f41 with its bits mirrored
constexpr uint32_t kOne = 0x80000000;         // x^0, mirrored
constexpr size_t kFieldAt = 8, kFieldSize = 4;

constexpr uint32_t times_x(uint32_t a) { return (a >> 1) ^ (a & 1 ? kPolynomial : 0); }

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = times_x(crc);
    table[i] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = make_table();

uint32_t add(Bytes bytes, uint32_t crc) {
  for (const uint8_t byte : bytes) crc = kTable[(crc ^ byte) & 0xff] ^ (crc >> 8);
  return crc;
}

constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = kOne; bit != 0; bit >>= 1, b = times_x(b)) {
    if (a & bit) product ^= b;
  }
  return product;
}

// What `bytes` zero bytes make of a register: multiplied by x^(8 bytes).
constexpr uint32_t skip_zeros(uint32_t crc, size_t bytes) {
  uint32_t power = kOne >> 8;  // x^8
  for (; bytes != 0; bytes >>= 1, power = multiply(power, power)) {
    if (bytes & 1) crc = multiply(crc, power);
  }
  return crc;
}

// The field carries the remainder least significant byte first (RFC 9260 appendix A).
constexpr uint32_t mirrored_bytes(uint32_t v) { return v << 24 | (v & 0xff00) << 8 | (v >> 8 & 0xff00) | v >> 24; }

}  // namespace

uint32_t crc32c(Bytes bytes) { return ~add(bytes, ~0u); }

uint32_t sctp_checksum(Bytes packet) {
  constexpr std::array<uint8_t, kFieldSize> kZeros{};
  uint32_t crc = add(packet.first(kFieldAt), ~0u);
  crc = add(kZeros, crc);
  return mirrored_bytes(~add(packet.subspan(kFieldAt + kFieldSize), crc));
}

uint32_t sctp_checksum_update(uint32_t check, uint32_t before, uint32_t after, size_t behind) {
  std::array<uint8_t, 4> change{};
  store_be32(change, 0, before ^ after);
  return check ^ mirrored_bytes(skip_zeros(add(change, 0), behind));
}

}  // namespace rawvs
