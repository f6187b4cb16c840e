// SPDX-License-Identifier: BSD-2-Clause
// next_numbers.cpp: judges sequence numbers.
#include "core/next_numbers.h"

#include "wire/l4_header.h"

namespace rawvs {

bool ends(const Packet& segment) {
  const uint8_t flags = segment.tcp_flags;
  if ((flags & TcpFlags::rst) != 0) return true;
  if ((flags & TcpFlags::syn) != 0) return false;
  return (flags & TcpFlags::fin) != 0 || (flags & TcpFlags::ack) == 0;
}

uint32_t next_number(uint32_t next, const Packet& segment, bool begins_anew) {
  const uint8_t flags = segment.tcp_flags;
  if ((flags & TcpFlags::rst) != 0) return next;
  if (begins_anew) next = 0;
  if (!near_number(next, segment.tcp_seq) && segment.tcp_seq - next > kNumbersUnseen) return next;
  const bool counts = (flags & (TcpFlags::syn | TcpFlags::fin)) != 0;  // RFC 9293 section 3.4: as one byte
  const uint32_t after = segment.tcp_seq + segment.tcp_payload + (counts ? 1 : 0);
  const bool ahead = next == 0 || static_cast<int32_t>(after - next) > 0;
  if (!ahead) return next;
  return after != 0 ? after : 1;
}

}  // namespace rawvs
