// SPDX-License-Identifier: BSD-2-Clause
// arp.h: ARP for IPv4 over Ethernet: bytes to facts. RFC 826; RFC 5227 for probes and announcements.
// Building ARP frames is compose.h's job.
#pragma once

#include <optional>

#include "rawvs/exit.h"
#include "rawvs/frame.h"

namespace rawvs {

// RFC 826 for Ethernet and IPv4: where the fields lie, and the size of all, bytes.
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

// The ARP packet of a frame whose Ethernet header is sound. Refuses other hardware, other sizes, other operations, and
// sender addresses that no host can have; a probe (sender 0.0.0.0) is fine.
std::optional<Exit> parse_arp(const Frame& frame, Arp& out);

}  // namespace rawvs
