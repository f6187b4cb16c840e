// SPDX-License-Identifier: BSD-2-Clause
// describe.cpp: a frame in words. Every length is looked at before a byte is: frames come from a wire, and are cut.
#include "rawvs/describe.h"

#include "rawvs/frame.h"
#include "rawvs/packet.h"

namespace rawvs {

namespace {

constexpr size_t kLeastIp = 20;
constexpr int kMostNested = 2;  // tunnels in tunnels: enough for ICMP about a tunnel packet

std::string packet(Bytes ip, int nested);

std::string flags(uint8_t bits) {
  std::string out;
  for (int i = 0; i < 6; ++i) {
    if ((bits >> i & 1) != 0) out += "FSRPAU"[i];
  }
  return out.empty() ? "no flags" : out;
}

std::string inside(Bytes ip, int nested) { return nested < kMostNested ? " [" + packet(ip, nested + 1) + ']' : ""; }

// What stands behind the IP header of a whole packet, or of its first fragment.
std::string payload(uint8_t protocol, Bytes l4, int nested) {
  switch (static_cast<Protocol>(protocol)) {
    case Protocol::tcp: return l4.size() < 14 ? "tcp, cut" : "tcp " + flags(l4[13] & 0x3f);
    case Protocol::udp: return "udp";
    case Protocol::sctp: return l4.size() < 13 ? "sctp, cut" : "sctp chunk " + std::to_string(l4[12]);
    case Protocol::ipip: return "ipip" + inside(l4, nested);
    case Protocol::gre: {
      const size_t header = l4.empty() || (l4[0] & 0x80) == 0 ? 4 : 8;
      return "gre" + (l4.size() <= header ? "" : inside(l4.subspan(header), nested));
    }
    case Protocol::icmp: {
      if (l4.size() < 8) return "icmp, cut";
      const bool too_big = l4[0] == IcmpType::unreachable && l4[1] == kFragmentationNeeded;
      const std::string mtu = too_big ? " mtu " + std::to_string(load_be16(l4, 6)) : "";
      const bool error =
          l4[0] == IcmpType::unreachable || l4[0] == IcmpType::source_quench || l4[0] == IcmpType::time_exceeded;
      return "icmp " + std::to_string(l4[0]) + '/' + std::to_string(l4[1]) + mtu +
             (error ? inside(l4.subspan(8), nested) : "");
    }
    default: return "protocol " + std::to_string(protocol);
  }
}

std::string packet(Bytes ip, int nested) {
  if (ip.size() < kLeastIp || ip[0] >> 4 != 4) return "no IPv4 packet";
  const size_t header = (ip[0] & 15u) * 4;
  const Ip src(load_be32(ip, 12)), dst(load_be32(ip, 16));
  const uint16_t total = load_be16(ip, 2), word = load_be16(ip, 6);
  const uint8_t protocol = ip[9];
  const std::string tail = ", ttl " + std::to_string(ip[8]) + ", " + std::to_string(total) + " bytes";
  if (header < kLeastIp || header > ip.size()) return text(src) + " > " + text(dst) + " broken header";
  const size_t offset = (word & 0x1fffu) * 8;
  const Bytes l4 = ip.subspan(header);
  std::string fragment;
  if ((word & 0x3fff) != 0) {
    fragment = ", fragment " + std::to_string(offset) + '-' +
               std::to_string(offset + (total < header ? 0 : total - header)) + ((word & 0x2000) != 0 ? "" : " (last)");
  }
  if (offset != 0) {
    return text(src) + " > " + text(dst) + ' ' + std::string(name(static_cast<Protocol>(protocol))) + fragment + tail;
  }
  const auto kind = static_cast<Protocol>(protocol);
  const bool ports = (kind == Protocol::tcp || kind == Protocol::udp || kind == Protocol::sctp) && l4.size() >= 4;
  const auto end = [&](Ip addr, size_t at) {
    return ports ? text(Endpoint{addr, Port(load_be16(l4, at))}) : text(addr);
  };
  return end(src, 0) + " > " + end(dst, 2) + ' ' + payload(protocol, l4, nested) + fragment + tail;
}

}  // namespace

std::string describe(Bytes frame) {
  if (frame.size() < kEthernetSize) return "a frame of " + std::to_string(frame.size()) + " bytes";
  const uint16_t type = load_be16(frame, 12);
  const Bytes rest = frame.subspan(kEthernetSize);
  if (type == kEtherTypeIpv4) return packet(rest, 0);
  if (type != kEtherTypeArp) return "neither IPv4 nor ARP";
  if (rest.size() < 28) return "arp, cut";
  const Ip sender(load_be32(rest, 14)), target(load_be32(rest, 24));
  return load_be16(rest, 6) == 1 ? "arp who has " + text(target) + ", tell " + text(sender)
                                 : "arp " + text(sender) + " is here";
}

}  // namespace rawvs
