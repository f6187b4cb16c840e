// SPDX-License-Identifier: BSD-2-Clause
// siphash.h: SipHash-1-3 of four or sixteen bytes: a keyed hash whose collisions cannot be chosen.
//
// J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF" (2012), with c = 1 and d = 3. The input is
// numbers, so the result is the same on every byte order.
#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>

#include "rawvs/addr.h"

namespace rawvs {

struct HashKey {
  uint64_t k0 = 0, k1 = 0;
};

// REQUIRES: whole words; the highest byte of the last one holds the message's length, as SipHash defines.
constexpr uint64_t siphash13_of(HashKey key, std::initializer_list<uint64_t> words) {
  uint64_t v0 = key.k0 ^ 0x736f6d6570736575u, v1 = key.k1 ^ 0x646f72616e646f6du;
  uint64_t v2 = key.k0 ^ 0x6c7967656e657261u, v3 = key.k1 ^ 0x7465646279746573u;
  const auto round = [&] {
    v0 += v1, v1 = std::rotl(v1, 13), v1 ^= v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16), v3 ^= v2;
    v0 += v3, v3 = std::rotl(v3, 21), v3 ^= v0;
    v2 += v1, v1 = std::rotl(v1, 17), v1 ^= v2, v2 = std::rotl(v2, 32);
  };
  for (const uint64_t m : words) {
    v3 ^= m;
    round();
    v0 ^= m;
  }
  v2 ^= 0xff;
  round(), round(), round();
  return v0 ^ v1 ^ v2 ^ v3;
}

// SipHash-1-3 of the 16 bytes of m0 and m1, little-endian.
constexpr uint64_t siphash13(HashKey key, uint64_t m0, uint64_t m1) {
  return siphash13_of(key, {m0, m1, uint64_t{16} << 56});
}

// Of two addresses and a number: with IPv4 alone of 16 bytes, else of 40.
constexpr uint64_t siphash13(HashKey key, Ip a, Ip b, uint64_t n) {
  if (a.is_v4() && b.is_v4()) return siphash13(key, uint64_t{a.v4()} << 32 | b.v4(), n);
  return siphash13_of(key, {a.hi(), a.lo(), b.hi(), b.lo(), n, uint64_t{40} << 56});
}

// SipHash-1-3 of the 4 bytes of m, little-endian.
constexpr uint64_t siphash13(HashKey key, uint32_t m) { return siphash13_of(key, {uint64_t{4} << 56 | m}); }

}  // namespace rawvs
