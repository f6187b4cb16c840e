// SPDX-License-Identifier: BSD-2-Clause
// discovery.cpp: reads ARP packets (RFC 826 for Ethernet and IPv4, 28 bytes) and neighbour discovery (RFC 4861).
#include "wire/discovery.h"

#include "wire/ethernet.h"
#include "wire/ip_header.h"

namespace rawvs {

namespace {

constexpr uint8_t kDiscoveryHopLimit = 255;  // a router on the way would have lowered it
constexpr size_t kTargetAt = 8, kOptionsAt = 24, kFlagsAt = 4;
constexpr uint8_t kRouterFlag = 0x80, kSolicitedFlag = 0x40, kOverrideFlag = 0x20;
constexpr uint8_t kSourceOption = 1, kTargetOption = 2;
constexpr size_t kOptionUnit = 8, kLinkAddressAt = 2;

bool a_hosts(Mac mac) { return !mac.group() && !mac.zero(); }

struct Options {
  bool sound = false;
  std::optional<Mac> link_address{};
};

// The link-layer address among the options. Their sizes must be sound; other ones are skipped.
Options read_options(Bytes b, uint8_t wanted) {
  Options out;
  while (!b.empty()) {
    if (b.size() < kOptionUnit) return {};
    const size_t size = b[1] * kOptionUnit;
    if (size == 0 || size > b.size()) return {};
    if (b[0] == wanted && size == kOptionUnit) out.link_address = load_mac(b, kLinkAddressAt);
    b = b.subspan(size);
  }
  out.sound = true;
  return out;
}

}  // namespace

std::optional<Exit> parse_arp(const Frame& frame, Discovery& out) {
  constexpr uint16_t kEthernetHardware = 1;
  const Bytes b = Bytes(frame.bytes()).subspan(kEthernetSize);
  if (b.size() < kArpSize) return Exit::truncated;
  if (load_be16(b, kArpHardwareAt) != kEthernetHardware || load_be16(b, kArpProtocolAt) != kEtherTypeIpv4 ||
      b[4] != 6 || b[5] != 4) {
    return Exit::bad_arp;
  }
  const uint16_t op = load_be16(b, kArpOperationAt);
  if (op != kArpRequest && op != kArpReply) return Exit::bad_arp;
  out = Discovery{};
  out.what = op == kArpRequest ? Discovery::What::asks : Discovery::What::says;
  out.sender_mac = load_mac(b, kArpSenderMacAt);
  out.sender = Ip(load_be32(b, kArpSenderAt));
  out.target_mac = load_mac(b, kArpTargetMacAt);
  out.target = Ip(load_be32(b, kArpTargetAt));
  if (!a_hosts(out.sender_mac)) return Exit::bad_arp;  // no host has such an address: it must not enter a cache
  if (!out.sender.unspecified() && !out.sender.unicast()) return Exit::bad_arp;
  return std::nullopt;
}

std::optional<Exit> parse_nd(const Frame& frame, const Packet& p, Discovery& out) {
  const Bytes all = frame.bytes(), b = all.subspan(p.l4_at, p.l4_size());
  if (b.size() < kOptionsAt || p.ttl != kDiscoveryHopLimit || p.icmp_code != 0) return Exit::bad_nd;
  if (!l4_checksum_right(frame, p)) return Exit::bad_nd;
  const bool asks = p.icmp == Icmp::solicitation;
  const Ip target = load_ipv6(b, kTargetAt);
  const Options options = read_options(b.subspan(kOptionsAt), asks ? kSourceOption : kTargetOption);
  if (!options.sound || target.is_v4() || !target.unicast()) return Exit::bad_nd;
  out = Discovery{};
  out.what = asks ? Discovery::What::asks : Discovery::What::says;
  // Without the option, which a unicast may omit, the frame's source is the address (RFC 4861 section 4.3).
  out.sender_mac = options.link_address.value_or(load_mac(all, kEthernetSourceAt));
  out.target_mac = load_mac(all, kEthernetDestinationAt);
  if (!a_hosts(out.sender_mac)) return Exit::bad_nd;
  if (asks) {
    // RFC 4861 section 7.1.1.
    if (p.src.unspecified() && (p.dst != solicited_node(target) || options.link_address)) return Exit::bad_nd;
    out.sender = p.src;
    out.target = target;
    return std::nullopt;
  }
  if (p.src.unspecified()) return Exit::bad_nd;
  const uint8_t flags = b[kFlagsAt];
  out.sender = target;
  out.target = p.dst;
  out.router = (flags & kRouterFlag) != 0;
  out.solicited = (flags & kSolicitedFlag) != 0;
  out.overrides = (flags & kOverrideFlag) != 0;
  return out.solicited && p.dst.multicast() ? std::optional(Exit::bad_nd) : std::nullopt;  // RFC 4861 section 7.1.2
}

size_t write_nd(MutableBytes out, const Discovery& d) {
  const bool asks = d.what == Discovery::What::asks;
  const bool option = !asks || !d.probe();
  const size_t size = kOptionsAt + (option ? kOptionUnit : 0);
  if (out.size() < size) return 0;
  const MutableBytes b = out.first(size);
  std::ranges::fill(b, uint8_t{0});
  b[kIcmpTypeAt] = asks ? icmpv6::kSolicitation : icmpv6::kAdvertisement;
  if (!asks) {
    b[kFlagsAt] = static_cast<uint8_t>((d.router ? kRouterFlag : 0) | (d.solicited ? kSolicitedFlag : 0) |
                                       (d.overrides ? kOverrideFlag : 0));
  }
  store_ipv6(b, kTargetAt, asks ? d.target : d.sender);
  if (!option) return size;
  b[kOptionsAt] = asks ? kSourceOption : kTargetOption;
  b[kOptionsAt + 1] = 1;
  store_mac(b, kOptionsAt + kLinkAddressAt, d.sender_mac);
  return size;
}

}  // namespace rawvs
