// SPDX-License-Identifier: BSD-2-Clause
// bytes.h: views of bytes, and the only place that knows byte order.
// In:  bytes as on a wire, at any alignment.
// Out: numbers in host order, and back.
//
// All other code uses host order. ntohs(), htons() and casts to header structs appear nowhere (tools/check-layers
// refuses them), so the code also works on big-endian and alignment-strict machines.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

namespace rawvs {

using Bytes = std::span<const uint8_t>;   // borrowed: must not outlive the frame
using MutableBytes = std::span<uint8_t>;  // borrowed and writable

inline uint16_t load_be16(Bytes b, size_t at) {
  assert(at + 2 <= b.size());
  return static_cast<uint16_t>(b[at] << 8 | b[at + 1]);
}
inline uint32_t load_be32(Bytes b, size_t at) {
  return static_cast<uint32_t>(load_be16(b, at)) << 16 | load_be16(b, at + 2);
}
inline uint64_t load_be64(Bytes b, size_t at) { return uint64_t{load_be32(b, at)} << 32 | load_be32(b, at + 4); }
inline void store_be16(MutableBytes b, size_t at, uint16_t v) {
  assert(at + 2 <= b.size());
  b[at] = static_cast<uint8_t>(v >> 8);
  b[at + 1] = static_cast<uint8_t>(v);
}
inline void store_be32(MutableBytes b, size_t at, uint32_t v) {
  store_be16(b, at, static_cast<uint16_t>(v >> 16));
  store_be16(b, at + 2, static_cast<uint16_t>(v));
}
inline void store_be64(MutableBytes b, size_t at, uint64_t v) {
  store_be32(b, at, static_cast<uint32_t>(v >> 32));
  store_be32(b, at + 4, static_cast<uint32_t>(v));
}

// How far `to` is after `from`, for numbers that wrap, such as TCP's sequence numbers. Negative: before it.
constexpr int32_t distance(uint32_t from, uint32_t to) { return static_cast<int32_t>(to - from); }

}  // namespace rawvs
