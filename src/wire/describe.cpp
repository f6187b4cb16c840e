// SPDX-License-Identifier: BSD-2-Clause
// describe.cpp: one line about a frame. Frames come from a wire and may be cut: each length is checked before its
// bytes.
#include "wire/describe.h"

#include "rawvs/frame.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/ipv4_header.h"
#include "wire/packet.h"

namespace rawvs {

namespace {

constexpr int kMostNested = 2;  // nested tunnels that are shown: enough for ICMP about a tunnel packet

std::string packet(Bytes ip, int nested);

std::string flags(uint8_t bits) {
  std::string out;
  for (int i = 0; i < 6; ++i) {
    if ((bits >> i & 1) != 0) out += "FSRPAU"[i];
  }
  return out.empty() ? "no flags" : out;
}

std::string inside(Bytes ip, int nested) { return nested < kMostNested ? " [" + packet(ip, nested + 1) + ']' : ""; }

// The payload of a whole packet or of its first fragment.
std::string payload(uint8_t protocol, Bytes l4, int nested) {
  switch (static_cast<Protocol>(protocol)) {
    case Protocol::tcp: return l4.size() <= kTcpFlagsAt ? "tcp, cut" : "tcp " + flags(TcpHeader(l4).flags());
    case Protocol::udp: return "udp";
    case Protocol::sctp: return l4.size() <= kSctpSize ? "sctp, cut" : "sctp chunk " + std::to_string(l4[kSctpSize]);
    case Protocol::ipip: return "ipip" + inside(l4, nested);
    case Protocol::gre: {
      const size_t header = l4.empty() || (l4[0] & 0x80) == 0 ? 4 : 8;
      return "gre" + (l4.size() <= header ? "" : inside(l4.subspan(header), nested));
    }
    case Protocol::icmp: {
      if (l4.size() < kIcmpSize) return "icmp, cut";
      const uint8_t type = l4[kIcmpTypeAt], code = l4[kIcmpCodeAt];
      const Icmp what = icmp_of(type, code);
      const std::string mtu = what == Icmp::too_big ? " mtu " + std::to_string(load_be16(l4, kIcmpMtuAt)) : "";
      return "icmp " + std::to_string(type) + '/' + std::to_string(code) + mtu +
             (is_error(what) ? inside(l4.subspan(kIcmpSize), nested) : "");
    }
    default: return "protocol " + std::to_string(protocol);
  }
}

std::string packet(Bytes bytes, int nested) {
  if (bytes.size() < kIpv4Size || !Ipv4Header(bytes).version_4()) return "no IPv4 packet";
  const Ipv4Header ip(bytes);
  const uint32_t header = ip.header_size(), total = ip.total(), offset = ip.fragment_offset();
  const std::string from = text(ip.source()), to = text(ip.destination());
  const std::string tail = ", ttl " + std::to_string(ip.ttl()) + ", " + std::to_string(total) + " bytes";
  if (header < kIpv4Size || header > bytes.size()) return from + " > " + to + " broken header";
  const Bytes l4 = bytes.subspan(header);
  std::string fragment;
  if (ip.fragmented()) {
    fragment = ", fragment " + std::to_string(offset) + '-' +
               std::to_string(offset + (total < header ? 0 : total - header)) + (ip.more_fragments() ? "" : " (last)");
  }
  if (offset != 0) return from + " > " + to + ' ' + std::string(name(ip.protocol())) + fragment + tail;
  const std::string whole = payload(static_cast<uint8_t>(ip.protocol()), l4, nested) + fragment + tail;
  if (!has_ports(ip.protocol()) || l4.size() < kPortsSize) return from + " > " + to + ' ' + whole;
  const L4Header ports(l4);
  return text(Endpoint{ip.source(), ports.source_port()}) + " > " +
         text(Endpoint{ip.destination(), ports.destination_port()}) + ' ' + whole;
}

}  // namespace

std::string describe(Bytes frame) {
  if (frame.size() < kEthernetSize) return "a frame of " + std::to_string(frame.size()) + " bytes";
  const uint16_t type = load_be16(frame, kEthernetTypeAt);
  const Bytes rest = frame.subspan(kEthernetSize);
  if (type == kEtherTypeIpv4) return packet(rest, 0);
  if (type != kEtherTypeArp) return "neither IPv4 nor ARP";
  if (rest.size() < kArpSize) return "arp, cut";
  const Ip sender(load_be32(rest, kArpSenderAt)), target(load_be32(rest, kArpTargetAt));
  return load_be16(rest, kArpOperationAt) == static_cast<uint16_t>(Arp::Op::request)
             ? "arp who has " + text(target) + ", tell " + text(sender)
             : "arp " + text(sender) + " is here";
}

}  // namespace rawvs
