// SPDX-License-Identifier: BSD-2-Clause
// describe.cpp: one line about a frame. Frames come from a wire and may be cut: each length is checked before its
// bytes.
#include "wire/describe.h"

#include "rawvs/frame.h"
#include "wire/discovery.h"
#include "wire/ethernet.h"
#include "wire/formatted.h"
#include "wire/ip_header.h"
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

std::string icmpv6_payload(Bytes l4, int nested) {
  if (l4.size() < kIcmpSize) return "icmpv6, cut";
  const Icmp what = icmpv6_of(l4[kIcmpTypeAt]);
  const bool asks = what == Icmp::solicitation, says = what == Icmp::advertisement;
  constexpr size_t kTargetAt = 8, kWithTarget = 24;
  if ((asks || says) && l4.size() >= kWithTarget) {
    const std::string target = text(load_ipv6(l4, kTargetAt));
    return asks ? "nd who has " + target : "nd " + target + " is here";
  }
  return formatted("icmpv6 {}/{}{}{}", l4[kIcmpTypeAt], l4[kIcmpCodeAt],
                   what == Icmp::too_big ? formatted(" mtu {}", load_be32(l4, kIcmpv6WordAt)) : "",
                   is_error(what) ? inside(l4.subspan(kIcmpSize), nested) : "");
}

// The payload of a whole packet or of its first fragment.
std::string payload(uint8_t protocol, Bytes l4, int nested, bool v6) {
  switch (static_cast<Protocol>(protocol)) {
    case Protocol::tcp: return l4.size() <= kTcpFlagsAt ? "tcp, cut" : "tcp " + flags(TcpHeader(l4).flags());
    case Protocol::udp: return "udp";
    case Protocol::sctp: return l4.size() <= kSctpSize ? "sctp, cut" : formatted("sctp chunk {}", l4[kSctpSize]);
    case Protocol::ipip: return "ipip" + inside(l4, nested);
    case Protocol::ipv6: return "ipv6" + inside(l4, nested);
    case Protocol::gre: {
      const size_t header = l4.empty() || (l4[0] & 0x80) == 0 ? 4 : 8;
      return "gre" + (l4.size() <= header ? "" : inside(l4.subspan(header), nested));
    }
    case Protocol::icmpv6: return v6 ? icmpv6_payload(l4, nested) : formatted("protocol {}", protocol);
    case Protocol::icmp: {
      if (v6) return formatted("protocol {}", protocol);
      if (l4.size() < kIcmpSize) return "icmp, cut";
      const uint8_t type = l4[kIcmpTypeAt], code = l4[kIcmpCodeAt];
      const Icmp what = icmp_of(type, code);
      return formatted("icmp {}/{}{}{}", type, code,
                       what == Icmp::too_big ? formatted(" mtu {}", load_be16(l4, kIcmpMtuAt)) : "",
                       is_error(what) ? inside(l4.subspan(kIcmpSize), nested) : "");
    }
    default: return formatted("protocol {}", protocol);
  }
}

std::string fragment_words(uint32_t offset, uint32_t size, bool more) {
  return formatted(", fragment {}-{}{}", offset, offset + size, more ? "" : " (last)");
}

std::string ipv6_packet(Bytes bytes, int nested) {
  const Ipv6Header ip(bytes);
  const auto from_to = [&](const std::string& rest) {
    return formatted("{} > {} {}", text(ip.source()), text(ip.destination()), rest);
  };
  Ipv6Chain chain;
  if (walk(bytes, chain)) return from_to("broken extension headers");
  const Bytes l4 = bytes.subspan(chain.payload_at);
  const uint32_t offset = chain.fragment_word & kIpv6FragmentOffset;
  const bool more = (chain.fragment_word & kIpv6MoreFragments) != 0;
  std::string tail = formatted(", hop limit {}, {} bytes", ip.hop_limit(), ip.total());
  if (offset != 0 || more) {
    const uint32_t size = ip.total() < chain.payload_at ? 0 : ip.total() - chain.payload_at;
    tail = fragment_words(offset, size, more) + tail;
  }
  const auto protocol = static_cast<Protocol>(chain.protocol);
  if (offset != 0) return from_to(name(protocol) + tail);
  const std::string whole = payload(chain.protocol, l4, nested, true) + tail;
  if (!has_ports(protocol) || l4.size() < kPortsSize) return from_to(whole);
  const L4Header ports(l4);
  return formatted("{} > {} {}", text(Endpoint{ip.source(), ports.source_port()}),
                   text(Endpoint{ip.destination(), ports.destination_port()}), whole);
}

std::string packet(Bytes bytes, int nested) {
  if (bytes.size() >= kIpv6Size && states_ipv6(bytes)) return ipv6_packet(bytes, nested);
  if (bytes.size() < kIpv4Size || !Ipv4Header(bytes).version_4()) return "no IP packet";
  const Ipv4Header ip(bytes);
  const uint32_t header = ip.header_size(), total = ip.total(), offset = ip.fragment_offset();
  const auto from_to = [&](const std::string& rest) {
    return formatted("{} > {} {}", text(ip.source()), text(ip.destination()), rest);
  };
  const std::string tail = formatted(", ttl {}, {} bytes", ip.ttl(), total);
  if (header < kIpv4Size || header > bytes.size()) return from_to("broken header");
  const Bytes l4 = bytes.subspan(header);
  std::string fragment;
  if (ip.fragmented()) {
    fragment = fragment_words(offset, total < header ? 0 : total - header, ip.more_fragments());
  }
  if (offset != 0) return from_to(name(ip.protocol()) + fragment + tail);
  const std::string whole = payload(static_cast<uint8_t>(ip.protocol()), l4, nested, false) + fragment + tail;
  if (!has_ports(ip.protocol()) || l4.size() < kPortsSize) return from_to(whole);
  const L4Header ports(l4);
  return formatted("{} > {} {}", text(Endpoint{ip.source(), ports.source_port()}),
                   text(Endpoint{ip.destination(), ports.destination_port()}), whole);
}

}  // namespace

std::string describe(Bytes frame) {
  if (frame.size() < kEthernetSize) return formatted("a frame of {} bytes", frame.size());
  const uint16_t type = load_be16(frame, kEthernetTypeAt);
  const Bytes rest = frame.subspan(kEthernetSize);
  if (type == kEtherTypeIpv4 || type == kEtherTypeIpv6) return packet(rest, 0);
  if (type != kEtherTypeArp) return "neither IP nor ARP";
  if (rest.size() < kArpSize) return "arp, cut";
  const Ip sender(load_be32(rest, kArpSenderAt)), target(load_be32(rest, kArpTargetAt));
  return load_be16(rest, kArpOperationAt) == kArpRequest
             ? formatted("arp who has {}, tell {}", text(target), text(sender))
             : formatted("arp {} is here", text(sender));
}

}  // namespace rawvs
