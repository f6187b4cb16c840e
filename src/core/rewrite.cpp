// SPDX-License-Identifier: BSD-2-Clause
// rewrite.cpp: the few bytes that forwarding changes.
#include "rawvs/rewrite.h"

#include <algorithm>

#include "rawvs/checksum.h"

namespace rawvs {

void set_macs(const Frame& frame, Mac from, Mac to) {
  std::copy_n(to.bytes.begin(), 6, frame.data);
  std::copy_n(from.bytes.begin(), 6, frame.data + 6);
}

void decrement_ttl(const Frame& frame, const Packet& packet) {
  constexpr size_t kTtlWord = 8, kChecksum = 10;
  const MutableBytes ip = frame.bytes().subspan(packet.ip_at);
  const uint16_t before = load_be16(ip, kTtlWord);
  const auto after = static_cast<uint16_t>(before - 0x0100);
  store_be16(ip, kTtlWord, after);
  store_be16(ip, kChecksum, checksum_update(load_be16(ip, kChecksum), before, after));
}

}  // namespace rawvs
