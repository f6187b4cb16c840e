// SPDX-License-Identifier: BSD-2-Clause
// arp.cpp: reads ARP packets (RFC 826 for Ethernet and IPv4, 28 bytes).
#include "wire/arp.h"

#include "wire/ethernet.h"

namespace rawvs {

std::optional<Exit> parse_arp(const Frame& frame, Arp& out) {
  constexpr uint16_t kEthernetHardware = 1;
  const Bytes b = Bytes(frame.bytes()).subspan(kEthernetSize);
  if (b.size() < kArpSize) return Exit::truncated;
  if (load_be16(b, kArpHardwareAt) != kEthernetHardware || load_be16(b, kArpProtocolAt) != kEtherTypeIpv4 ||
      b[4] != 6 || b[5] != 4) {
    return Exit::bad_arp;
  }
  const uint16_t op = load_be16(b, kArpOperationAt);
  if (op != static_cast<uint16_t>(Arp::Op::request) && op != static_cast<uint16_t>(Arp::Op::reply)) {
    return Exit::bad_arp;
  }
  out.op = static_cast<Arp::Op>(op);
  out.sender_mac = load_mac(b, kArpSenderMacAt);
  out.sender = Ip(load_be32(b, kArpSenderAt));
  out.target_mac = load_mac(b, kArpTargetMacAt);
  out.target = Ip(load_be32(b, kArpTargetAt));
  if (out.sender_mac.group() || out.sender_mac.zero())
    return Exit::bad_arp;  // no host has such an address: it must not enter a cache
  if (!out.sender.unspecified() && !out.sender.unicast()) return Exit::bad_arp;
  return std::nullopt;
}

}  // namespace rawvs
