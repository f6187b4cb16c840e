// SPDX-License-Identifier: BSD-2-Clause
// ethernet.h: offsets of the fields of an Ethernet header (IEEE 802.3); MAC addresses read and written.
// Not: the header's size and the types (frame.h).
#pragma once

#include <algorithm>

#include "rawvs/frame.h"

namespace rawvs {

inline constexpr size_t kEthernetDestinationAt = 0, kEthernetSourceAt = 6, kEthernetTypeAt = 12;

inline Mac load_mac(Bytes b, size_t at) {
  Mac m;
  const Bytes from = b.subspan(at, m.bytes.size());
  std::copy(from.begin(), from.end(), m.bytes.begin());
  return m;
}

inline void store_mac(MutableBytes b, size_t at, Mac m) {
  std::copy(m.bytes.begin(), m.bytes.end(), b.subspan(at, m.bytes.size()).begin());
}

}  // namespace rawvs
