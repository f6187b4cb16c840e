// SPDX-License-Identifier: BSD-2-Clause
// tcp_numbers.cpp: updates the checksum by the words around the number, which may begin at an odd byte.
#include "core/tcp_numbers.h"

#include "wire/checksum.h"

namespace rawvs {

void store_number(const Frame& frame, const Packet& p, size_t at, uint32_t value) {
  const MutableBytes tcp = frame.bytes().subspan(p.l4_at, p.l4_size());
  if (load_be32(tcp, at) == value) return;
  const size_t from = at & ~size_t{1}, to = (at + 5) & ~size_t{1};
  const MutableBytes words = tcp.subspan(from, to - from);
  const uint16_t before = checksum_fold(checksum_add(words));
  store_be32(tcp, at, value);
  if (frame.offload.partial_checksum()) return;
  const uint16_t after = checksum_fold(checksum_add(words));
  store_be16(tcp, kTcpChecksumAt, checksum_update(load_be16(tcp, kTcpChecksumAt), before, after));
}

}  // namespace rawvs
