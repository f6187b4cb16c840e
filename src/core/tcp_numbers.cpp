// SPDX-License-Identifier: BSD-2-Clause
// tcp_numbers.cpp: updates the checksum by the words around what changes, which may begin at an odd byte.
#include "core/tcp_numbers.h"

#include <algorithm>
#include <array>

#include "wire/checksum.h"

namespace rawvs {

void store_header(const Frame& frame, const Packet& p, size_t at, Bytes value) {
  const MutableBytes tcp = frame.bytes().subspan(p.l4_at, p.l4_size());
  if (std::ranges::equal(value, tcp.subspan(at, value.size()))) return;
  const size_t from = at & ~size_t{1}, to = (at + value.size() + 1) & ~size_t{1};
  const MutableBytes words = tcp.subspan(from, to - from);
  const uint16_t before = checksum_fold(checksum_add(words));
  std::ranges::copy(value, tcp.subspan(at).begin());
  if (frame.offload.partial_checksum()) return;
  const uint16_t after = checksum_fold(checksum_add(words));
  store_be16(tcp, kTcpChecksumAt, checksum_update(load_be16(tcp, kTcpChecksumAt), before, after));
}

void store_number(const Frame& frame, const Packet& p, size_t at, uint32_t value) {
  std::array<uint8_t, sizeof value> bytes;
  store_be32(bytes, 0, value);
  store_header(frame, p, at, bytes);
}

void store_window(const Frame& frame, const Packet& p, uint16_t window) {
  std::array<uint8_t, sizeof window> bytes;
  store_be16(bytes, 0, window);
  store_header(frame, p, kTcpWindowAt, bytes);
}

void store_quoted_seq(const Frame& frame, const Packet& p, const Quote& quote, uint32_t value) {
  const MutableBytes seq = frame.bytes().subspan(quote.l4_at + kTcpSeqAt, sizeof value),
                     check = frame.bytes().subspan(p.l4_at + kIcmpChecksumAt, 2);
  const uint16_t before = checksum_fold(checksum_add(seq));
  store_be32(seq, 0, value);
  store_be16(check, 0, checksum_update(load_be16(check, 0), before, checksum_fold(checksum_add(seq))));
}

}  // namespace rawvs
