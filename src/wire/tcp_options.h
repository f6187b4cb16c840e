// SPDX-License-Identifier: BSD-2-Clause
// tcp_options.h: the options of a TCP header: walked over, read, written.
// In:  a TCP header of any bytes.
// Out: its options, as far as they are sound; bytes of options.
// Not: changing options in a segment with its checksum (core/tcp_numbers.h).
// RFC: 9293 section 3.1 (segment size), 7323 sections 2.2, 3.2 (window scale, timestamps), 2018 section 2 (SACK).
#pragma once

#include <algorithm>
#include <optional>

#include "rawvs/bytes.h"
#include "wire/l4_header.h"

namespace rawvs {

struct TcpOption {
  enum : uint8_t { end = 0, nothing = 1, mss = 2, scale = 3, sack_permitted = 4, sack = 5, stamps = 8 };
};
inline constexpr size_t kMostTcpOptions = 40;                       // bytes
inline constexpr size_t kTcpMssSize = 4, kTcpStampsSize = 10;       // of the whole option, bytes
inline constexpr size_t kTcpStampValueAt = 2, kTcpStampEchoAt = 6;  // in it
inline constexpr uint8_t kMostScale = 14;                           // RFC 7323 section 2.3

struct TcpStamps {
  uint32_t value = 0, echo = 0;
  friend bool operator==(const TcpStamps&, const TcpStamps&) = default;
};
struct TcpOptions {                // of a SYN, and of other segments
  uint16_t mss = 0;                // largest segment, bytes; 0: not stated
  std::optional<uint8_t> scale{};  // of windows
  bool sack = false;               // permitted
  std::optional<TcpStamps> stamps{};
  friend bool operator==(const TcpOptions&, const TcpOptions&) = default;
};

// Calls visit(kind, at, size) for each option but padding; `at`: where it begins in the header, which is at tcp[0]. A
// malformed option ends the walk.
template <class Visit>
void each_tcp_option(Bytes tcp, Visit&& visit) {
  constexpr size_t kHead = 2;
  if (tcp.size() < kTcpSize) return;
  const size_t header = std::min<size_t>(TcpHeader(tcp).header_size(), tcp.size());
  for (size_t at = kTcpOptionsAt; at < header && tcp[at] != TcpOption::end;) {
    if (tcp[at] == TcpOption::nothing) {
      ++at;
      continue;
    }
    if (at + kHead > header) return;
    const size_t size = tcp[at + 1];
    if (size < kHead || at + size > header) return;
    visit(tcp[at], at, size);
    at += size;
  }
}

// Options of a wrong size are none. A window scale above the greatest is the greatest, as RFC 7323 says.
TcpOptions read_tcp_options(Bytes tcp);

// In Linux's order and alignment. Returns the number of bytes, a multiple of four. REQUIRES: kMostTcpOptions bytes.
size_t write_tcp_options(MutableBytes out, const TcpOptions& options);

}  // namespace rawvs
