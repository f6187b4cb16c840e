// SPDX-License-Identifier: BSD-2-Clause
// guard_stack.h: where the guard's program keeps headers and keys on its stack, and their fields. For guard_code.cpp
// only.
#pragma once

#include <cstddef>

#include "sys/guard/guard_code.h"
#include "wire/discovery.h"
#include "wire/ipv4_header.h"
#include "wire/ipv6_header.h"
#include "wire/packet.h"

namespace rawvs::guard_stack {

// As signed numbers, as BPF uses them.
inline constexpr int kFragment = kIpv4FragmentAt, kProtocol = kIpv4ProtocolAt, kSource = kIpv4SourceAt,
                     kDestination = kIpv4DestinationAt, kIpSize = kIpv4Size, kIcmp = kIcmpSize;
// Bits of the byte at kFragment; the next byte is offset, too.
inline constexpr int32_t kMoreOrOffset = (kMoreFragments | kFragmentOffset) >> 8, kOffset = kFragmentOffset >> 8;
inline constexpr int32_t kArpOperation = kEthernetSize + kArpOperationAt, kArpTarget = kEthernetSize + kArpTargetAt;

// Offsets on the stack, aligned for the verifier.
inline constexpr int kKeyAt = -static_cast<int>(sizeof(GuardKey)),
                     kReplyAt = kKeyAt - static_cast<int>(sizeof(ReplyKey)), kIpAt = kReplyAt - kIpSize,
                     kIcmpAt = kIpAt - (kIcmp + kIpSize), kQuoteAt = kIcmpAt + kIcmp;
inline constexpr int kKey6At = kIcmpAt - 24, kIp6Size = kIpv6Size, kIp6At = kKey6At - kIp6Size;  // only with addresses6
inline constexpr int kNext6 = kIpv6NextHeaderAt, kSource6 = kIpv6SourceAt, kDestination6 = kIpv6DestinationAt,
                     kTarget6 = kIcmpSize;
inline constexpr int kReply6At = kIp6At - static_cast<int>(sizeof(ReplyKey6)),
                     kIcmp6At = kReply6At - (kIcmp + kIp6Size),
                     kQuote6At = kIcmp6At + kIcmp;  // only with flows6
static_assert(kReply6At % 8 == 0 && kIcmp6At % 8 == 0 && kIcmp6At >= -512);
static_assert(kKey6At % 8 == 0 && kIp6At % 8 == 0 && kIcmpAt % 8 == 0 && kIpAt % 4 == 0 && kQuoteAt % 4 == 0);
inline constexpr int kReplyServer = kReplyAt + static_cast<int>(offsetof(ReplyKey, server)),
                     kReplyClient = kReplyAt + static_cast<int>(offsetof(ReplyKey, client)),
                     kReplyServerPort = kReplyAt + static_cast<int>(offsetof(ReplyKey, server_port)),
                     kReplyClientPort = kReplyAt + static_cast<int>(offsetof(ReplyKey, client_port)),
                     kReplyProtocol = kReplyAt + static_cast<int>(offsetof(ReplyKey, protocol));

inline constexpr int kReply6Server = kReply6At + static_cast<int>(offsetof(ReplyKey6, server)),
                     kReply6Client = kReply6At + static_cast<int>(offsetof(ReplyKey6, client)),
                     kReply6ServerPort = kReply6At + static_cast<int>(offsetof(ReplyKey6, server_port)),
                     kReply6ClientPort = kReply6At + static_cast<int>(offsetof(ReplyKey6, client_port)),
                     kReply6Protocol = kReply6At + static_cast<int>(offsetof(ReplyKey6, protocol));

}  // namespace rawvs::guard_stack
