// SPDX-License-Identifier: BSD-2-Clause
// icmp_header.h: ICMP messages by meaning, the numbers of their types, the offsets of their fields.
// RFC: 792, 1191 (next-hop MTU).
//
// Only wire/ and the BPF programs use the numbers.
#pragma once

#include <array>
#include <optional>

#include "rawvs/bytes.h"

namespace rawvs {

enum class Icmp : uint8_t { other, echo, echo_reply, unreachable, too_big, source_quench, time_exceeded };

// Messages that quote the packet they are about, as far as IPVS handles them.
constexpr bool is_error(Icmp what) {
  return what == Icmp::unreachable || what == Icmp::too_big || what == Icmp::source_quench ||
         what == Icmp::time_exceeded;
}

struct IcmpAnswer {  // a message to compose
  Icmp what = Icmp::unreachable;
  uint8_t code = 0;  // ignored for too_big
  uint16_t mtu = 0;  // of the next hop, bytes; for too_big only

  static constexpr IcmpAnswer protocol_unreachable() { return {Icmp::unreachable, 2, 0}; }
  static constexpr IcmpAnswer port_unreachable() { return {Icmp::unreachable, 3, 0}; }
  static constexpr IcmpAnswer too_big(uint16_t mtu) { return {Icmp::too_big, 0, mtu}; }
  static constexpr IcmpAnswer ttl_exceeded() { return {Icmp::time_exceeded, 0, 0}; }
  static constexpr IcmpAnswer reassembly_time_exceeded() { return {Icmp::time_exceeded, 1, 0}; }
};

inline constexpr uint32_t kIcmpSize = 8;  // of the header; the quoted packet or the echo's data follows it
inline constexpr size_t kIcmpTypeAt = 0, kIcmpCodeAt = 1, kIcmpChecksumAt = 2, kIcmpIdAt = 4, kIcmpSequenceAt = 6,
                        kIcmpMtuAt = 6;

namespace icmpv4 {
inline constexpr uint8_t kEchoReply = 0, kUnreachable = 3, kSourceQuench = 4, kEcho = 8, kTimeExceeded = 11;  // types
inline constexpr uint8_t kFragmentationNeeded = 4;  // code of kUnreachable
inline constexpr std::array<uint8_t, 3> kErrors{kUnreachable, kSourceQuench, kTimeExceeded};
}  // namespace icmpv4

constexpr Icmp icmp_of(uint8_t type, uint8_t code) {
  switch (type) {
    case icmpv4::kEchoReply: return Icmp::echo_reply;
    case icmpv4::kUnreachable: return code == icmpv4::kFragmentationNeeded ? Icmp::too_big : Icmp::unreachable;
    case icmpv4::kSourceQuench: return Icmp::source_quench;
    case icmpv4::kEcho: return Icmp::echo;
    case icmpv4::kTimeExceeded: return Icmp::time_exceeded;
    default: return Icmp::other;
  }
}

struct IcmpTypeAndCode {
  uint8_t type, code;
};
// REQUIRES: an error or an echo. The director sends nothing else.
constexpr IcmpTypeAndCode icmp_numbers(Icmp what, uint8_t code) {
  switch (what) {
    case Icmp::echo: return {icmpv4::kEcho, 0};
    case Icmp::other:
    case Icmp::echo_reply: return {icmpv4::kEchoReply, 0};
    case Icmp::unreachable: return {icmpv4::kUnreachable, code};
    case Icmp::too_big: return {icmpv4::kUnreachable, icmpv4::kFragmentationNeeded};
    case Icmp::source_quench: return {icmpv4::kSourceQuench, code};
    case Icmp::time_exceeded: return {icmpv4::kTimeExceeded, code};
  }
  return {icmpv4::kUnreachable, code};
}

}  // namespace rawvs
