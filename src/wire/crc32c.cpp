// SPDX-License-Identifier: BSD-2-Clause
// crc32c.cpp: CRC32c by table, least significant bit first, eight bytes per step. Zeros are skipped in logarithmic
// time, by multiplication with a power of x modulo the polynomial.
#include "wire/crc32c.h"

#include <array>

namespace rawvs {

namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // 0x1edc6f41 with its bits mirrored
constexpr uint32_t kOne = 0x80000000;         // x^0, mirrored
constexpr size_t kFieldAt = 8, kFieldSize = 4;

constexpr uint32_t times_x(uint32_t a) { return (a >> 1) ^ (a & 1 ? kPolynomial : 0); }

// kTables[n][b] is the register after byte b and n zero bytes. The CRC is linear, so eight look-ups can run in parallel
// ("slicing-by-8", M. Kounavis and F. Berry, 2005).
constexpr size_t kSlices = 8;
using Tables = std::array<std::array<uint32_t, 256>, kSlices>;
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = times_x(crc);
    tables[0][i] = crc;
  }
  for (size_t zeros = 1; zeros < kSlices; ++zeros) {
    for (uint32_t i = 0; i < 256; ++i) {
      const uint32_t before = tables[zeros - 1][i];
      tables[zeros][i] = tables[0][before & 0xff] ^ (before >> 8);
    }
  }
  return tables;
}
constexpr Tables kTables = make_tables();

constexpr uint32_t mirrored_bytes(uint32_t v) { return v << 24 | (v & 0xff00) << 8 | (v >> 8 & 0xff00) | v >> 24; }

// Adds four bytes to the register; `behind` bytes follow the first of them in this round.
uint32_t step(uint32_t word, size_t behind) {
  return kTables[behind][word & 0xff] ^ kTables[behind - 1][word >> 8 & 0xff] ^ kTables[behind - 2][word >> 16 & 0xff] ^
         kTables[behind - 3][word >> 24];
}

uint32_t add(Bytes bytes, uint32_t crc) {
  for (; bytes.size() >= kSlices; bytes = bytes.subspan(kSlices)) {
    crc = step(mirrored_bytes(load_be32(bytes, 0)) ^ crc, 7) ^ step(mirrored_bytes(load_be32(bytes, 4)), 3);
  }
  for (const uint8_t byte : bytes) crc = kTables[0][(crc ^ byte) & 0xff] ^ (crc >> 8);
  return crc;
}

constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = kOne; bit != 0; bit >>= 1, b = times_x(b)) {
    if (a & bit) product ^= b;
  }
  return product;
}

// The register after `bytes` zero bytes: multiplied by x^(8 bytes).
constexpr uint32_t skip_zeros(uint32_t crc, size_t bytes) {
  uint32_t power = kOne >> 8;  // x^8
  for (; bytes != 0; bytes >>= 1, power = multiply(power, power)) {
    if (bytes & 1) crc = multiply(crc, power);
  }
  return crc;
}

}  // namespace

uint32_t crc32c(Bytes bytes) { return ~add(bytes, ~0u); }

// The field holds the remainder least significant byte first (RFC 9260 appendix A).
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
