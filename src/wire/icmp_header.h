// SPDX-License-Identifier: BSD-2-Clause
// icmp_header.h: ICMP and ICMPv6 messages by meaning, the numbers of their types, the offsets of their fields.
// RFC: 792, 1191 (next-hop MTU); 4443 (ICMPv6), 4861 (neighbour discovery), 7915 sections 4.2, 5.2 (codes translated).
//
// Only wire/ and the BPF programs use the numbers.
#pragma once

#include <array>
#include <optional>

#include "rawvs/addr.h"
#include "rawvs/bytes.h"

namespace rawvs {

enum class Icmp : uint8_t {
  other,
  echo,
  echo_reply,
  unreachable,
  too_big,
  source_quench,  // IPv4
  time_exceeded,
  parameter_problem,  // IPv6
  other_error,        // IPv6: of a type that nobody has defined yet
  solicitation,       // IPv6: of a neighbour
  advertisement,      // IPv6: of a neighbour
};

// Messages that quote the packet they are about, as far as IPVS handles them.
constexpr bool is_error(Icmp what) {
  return what == Icmp::unreachable || what == Icmp::too_big || what == Icmp::source_quench ||
         what == Icmp::time_exceeded || what == Icmp::parameter_problem || what == Icmp::other_error;
}

struct IcmpAnswer {  // a message to compose
  Icmp what = Icmp::unreachable;
  uint8_t code = 0;               // ignored for too_big
  uint16_t mtu = 0;               // of the next hop, bytes; for too_big only
  Family code_of = Family::ipv4;  // whose numbers `code` is one of: translated for a packet of the other family
  uint16_t pointer = 0;           // of ICMPv6's parameter_problem: where in the packet that is quoted the fault is

  static constexpr IcmpAnswer protocol_unreachable() { return {Icmp::unreachable, 2, 0}; }
  static constexpr IcmpAnswer port_unreachable() { return {Icmp::unreachable, 3, 0}; }
  static constexpr IcmpAnswer too_big(uint16_t mtu) { return {Icmp::too_big, 0, mtu}; }
  static constexpr IcmpAnswer ttl_exceeded() { return {Icmp::time_exceeded, 0, 0}; }
  static constexpr IcmpAnswer reassembly_time_exceeded() { return {Icmp::time_exceeded, 1, 0}; }
};

inline constexpr uint32_t kIcmpSize = 8;  // of the header; the quoted packet or the echo's data follows it
inline constexpr size_t kIcmpTypeAt = 0, kIcmpCodeAt = 1, kIcmpChecksumAt = 2, kIcmpIdAt = 4, kIcmpSequenceAt = 6,
                        kIcmpMtuAt = 6;
inline constexpr size_t kIcmpv6WordAt = 4;  // 32 bits: of too_big the MTU, of parameter_problem the pointer

namespace icmpv4 {
inline constexpr uint8_t kEchoReply = 0, kUnreachable = 3, kSourceQuench = 4, kEcho = 8, kTimeExceeded = 11,
                         kParameterProblem = 12;                                                           // types
inline constexpr uint8_t kHost = 1, kProtocol = 2, kPort = 3, kFragmentationNeeded = 4, kProhibited = 10;  // codes
inline constexpr std::array<uint8_t, 3> kErrors{kUnreachable, kSourceQuench, kTimeExceeded};
}  // namespace icmpv4

namespace icmpv6 {
inline constexpr uint8_t kUnreachable = 1, kTooBig = 2, kTimeExceeded = 3, kParameterProblem = 4, kEcho = 128,
                         kEchoReply = 129, kSolicitation = 135, kAdvertisement = 136;  // types
inline constexpr uint8_t kNoRoute = 0, kProhibited = 1, kPort = 4;                     // codes of kUnreachable
inline constexpr uint8_t kNextHeader = 1;                                              // code of kParameterProblem
inline constexpr uint8_t kInformational = 0x80;                                        // bit of the types: no error
}  // namespace icmpv6

constexpr Icmp icmpv6_of(uint8_t type) {
  switch (type) {
    case icmpv6::kUnreachable: return Icmp::unreachable;
    case icmpv6::kTooBig: return Icmp::too_big;
    case icmpv6::kTimeExceeded: return Icmp::time_exceeded;
    case icmpv6::kParameterProblem: return Icmp::parameter_problem;
    case icmpv6::kEcho: return Icmp::echo;
    case icmpv6::kEchoReply: return Icmp::echo_reply;
    case icmpv6::kSolicitation: return Icmp::solicitation;
    case icmpv6::kAdvertisement: return Icmp::advertisement;
    default: return (type & icmpv6::kInformational) != 0 ? Icmp::other : Icmp::other_error;
  }
}

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
// REQUIRES: an error or an echo. The director sends nothing else by this way.
constexpr IcmpTypeAndCode icmpv4_numbers(const IcmpAnswer& a) {
  const bool translated = a.code_of == Family::ipv6;
  switch (a.what) {
    case Icmp::echo: return {icmpv4::kEcho, 0};
    case Icmp::unreachable: {
      if (!translated) return {icmpv4::kUnreachable, a.code};
      const uint8_t code = a.code == icmpv6::kPort         ? icmpv4::kPort
                           : a.code == icmpv6::kProhibited ? icmpv4::kProhibited
                                                           : icmpv4::kHost;
      return {icmpv4::kUnreachable, code};
    }
    case Icmp::too_big: return {icmpv4::kUnreachable, icmpv4::kFragmentationNeeded};
    case Icmp::source_quench: return {icmpv4::kSourceQuench, a.code};
    case Icmp::time_exceeded: return {icmpv4::kTimeExceeded, a.code};
    case Icmp::parameter_problem:
      if (a.code == icmpv6::kNextHeader) return {icmpv4::kUnreachable, icmpv4::kProtocol};
      return {icmpv4::kParameterProblem, 0};
    default: return {icmpv4::kEchoReply, 0};
  }
}

// REQUIRES: the same, and no source_quench.
constexpr IcmpTypeAndCode icmpv6_numbers(const IcmpAnswer& a) {
  const bool translated = a.code_of == Family::ipv4;
  switch (a.what) {
    case Icmp::echo: return {icmpv6::kEcho, 0};
    case Icmp::unreachable:
      if (!translated) return {icmpv6::kUnreachable, a.code};
      switch (a.code) {
        case icmpv4::kProtocol: return {icmpv6::kParameterProblem, icmpv6::kNextHeader};
        case icmpv4::kPort: return {icmpv6::kUnreachable, icmpv6::kPort};
        case 9:
        case icmpv4::kProhibited:
        case 13:
        case 15: return {icmpv6::kUnreachable, icmpv6::kProhibited};
        default: return {icmpv6::kUnreachable, icmpv6::kNoRoute};
      }
    case Icmp::too_big: return {icmpv6::kTooBig, 0};
    case Icmp::time_exceeded: return {icmpv6::kTimeExceeded, a.code};
    case Icmp::parameter_problem: return {icmpv6::kParameterProblem, a.code};
    default: return {icmpv6::kEchoReply, 0};
  }
}

}  // namespace rawvs
