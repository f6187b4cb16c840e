// SPDX-License-Identifier: BSD-2-Clause
// arp.h: reads ARP packets for IPv4 over Ethernet.
// In:  a frame whose Ethernet header is sound.
// Out: an Arp, or Exit::bad_arp.
// Not: building ARP frames (compose.h).
// RFC: 826; 5227 for probes and announcements.
#pragma once

#include <optional>

#include "rawvs/exit.h"
#include "rawvs/frame.h"

namespace rawvs {

// Offsets of the fields and the size of the packet, bytes (RFC 826 for Ethernet and IPv4).
inline constexpr size_t kArpSize = 28, kArpHardwareAt = 0, kArpProtocolAt = 2, kArpOperationAt = 6, kArpSenderMacAt = 8,
                        kArpSenderAt = 14, kArpTargetMacAt = 18, kArpTargetAt = 24;

struct Arp {
  enum class Op : uint16_t { request = 1, reply = 2 };
  Op op = Op::request;
  Mac sender_mac{};
  Ip sender{};
  Mac target_mac{};  // meaningless in a request
  Ip target{};
};

// Refuses other hardware, sizes and operations, and sender addresses that no host can have. A probe (sender 0.0.0.0) is
// accepted.
std::optional<Exit> parse_arp(const Frame& frame, Arp& out);

}  // namespace rawvs
