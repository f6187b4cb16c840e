// SPDX-License-Identifier: BSD-2-Clause
// compose.cpp: builds frames with libnet from the innermost header outwards: payload, L4, IPv4, Ethernet. libnet's
// builders for IPv6 know neither neighbour discovery nor all ICMPv6 messages: IPv6 is written by the headers' views.
#include "wire/compose.h"

#include <libnet.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "wire/ethernet.h"
#include "wire/ip_header.h"

namespace rawvs {

namespace {

constexpr uint8_t kTtl = 64;
constexpr uint8_t kTosBits = 0x1e;  // an error copies these bits of its cause, as Linux does; the precedence differs
constexpr uint8_t kInternetworkControl = 0xc0;  // the precedence of ICMP errors, RFC 1812 section 4.3.2.5

struct NetworkOrder {  // an address as libnet expects it: its bytes in network order in memory
  explicit NetworkOrder(Ip a) { store_be32(bytes, 0, a.v4()); }
  uint32_t number() const {
    uint32_t n = 0;
    std::memcpy(&n, bytes, sizeof n);
    return n;
  }
  uint8_t bytes[4]{};
};

}  // namespace

void Composer::Destroy::operator()(libnet_context* context) const { libnet_destroy(context); }

Composer::Composer() {
  char error[LIBNET_ERRBUF_SIZE];
  net_.reset(libnet_init(LIBNET_NONE, nullptr, error));  // fails only without memory: then nothing is composed
}

Composer::~Composer() = default;

size_t Composer::discovery(MutableBytes out, Mac from, Mac to, const Discovery& d) {
  const bool asks = d.what == Discovery::What::asks;
  if (d.family() == Family::ipv6) {
    std::array<uint8_t, kMostNdSize> message;
    const Bytes written = Bytes(message).first(write_nd(message, d));
    Ipv6Packet packet{.from = from,
                      .to = to,
                      .source = d.probe() ? Ip::any(Family::ipv6) : d.sender,
                      .hop_limit = 255,
                      .next = Protocol::icmpv6};
    packet.checksum_at = kIcmpChecksumAt;
    packet.destination =
        asks ? (to.group() ? solicited_node(d.target) : d.target) : (d.target.unspecified() ? kAllNodes : d.target);
    return ipv6(out, packet, written);
  }
  if (!net_) return 0;
  const NetworkOrder sender(d.sender), target(d.target);
  const bool built =
      libnet_build_arp(ARPHRD_ETHER, ETHERTYPE_IP, 6, 4, asks ? kArpRequest : kArpReply, d.sender_mac.bytes.data(),
                       sender.bytes, d.target_mac.bytes.data(), target.bytes, nullptr, 0, net_.get(), 0) != -1 &&
      libnet_build_ethernet(to.bytes.data(), from.bytes.data(), kEtherTypeArp, nullptr, 0, net_.get(), 0) != -1;
  return finish(out, built);
}

// The message is head and payload, one after the other.
size_t Composer::ipv6(MutableBytes out, const Ipv6Packet& p, Bytes head, Bytes payload) {
  constexpr size_t kL4At = kEthernetSize + kIpv6Size;
  const size_t l4_size = head.size() + payload.size();
  if (out.size() < kL4At + l4_size || l4_size > UINT16_MAX) return 0;
  store_mac(out, kEthernetDestinationAt, p.to);
  store_mac(out, kEthernetSourceAt, p.from);
  store_be16(out, kEthernetTypeAt, kEtherTypeIpv6);
  MutableIpv6Header ip(out.subspan(kEthernetSize));
  ip.set_version_and_class(p.traffic_class);
  ip.set_payload_size(static_cast<uint32_t>(l4_size));
  ip.set_next_header(p.next);
  ip.set_hop_limit(p.hop_limit);
  ip.set_source(p.source);
  ip.set_destination(p.destination);
  const MutableBytes l4 = out.subspan(kL4At, l4_size);
  std::ranges::copy(head, l4.begin());
  std::ranges::copy(payload, l4.begin() + static_cast<std::ptrdiff_t>(head.size()));
  if (p.checksum_at) {
    const uint64_t pseudo = pseudo_header_sum(p.source, p.destination, p.next, static_cast<uint32_t>(l4_size));
    store_be16(l4, *p.checksum_at, static_cast<uint16_t>(~checksum_fold(checksum_add(l4, pseudo))));
  }
  return kL4At + l4_size;
}

Composer::Ipv6Packet Composer::back_to_sender(const Frame& asked, const Packet& packet, Protocol next,
                                              uint8_t traffic_class) {
  const Bytes frame = asked.bytes();
  Ipv6Packet back{.from = load_mac(frame, kEthernetDestinationAt), .to = load_mac(frame, kEthernetSourceAt)};
  back.source = packet.dst;
  back.destination = packet.src;
  back.traffic_class = traffic_class;
  back.next = next;
  return back;
}

size_t Composer::advert(MutableBytes out, Mac from, Ip source, Bytes message) {
  if (!net_ || message.empty()) return 0;
  if (source.is_v6()) {
    const Ip group = vrrp_group(Family::ipv6);
    return ipv6(out,
                {.from = from,
                 .to = multicast_mac(group),
                 .source = source,
                 .destination = group,
                 .traffic_class = kVrrpTos,
                 .hop_limit = kVrrpTtl,
                 .next = static_cast<Protocol>(kVrrpProtocol)},
                message);
  }
  const bool built =
      libnet_build_ipv4(static_cast<uint16_t>(kIpv4Size + message.size()), kVrrpTos, next_id_++, 0, kVrrpTtl,
                        kVrrpProtocol, 0, NetworkOrder(source).number(), NetworkOrder(kVrrpGroup).number(),
                        message.data(), static_cast<uint32_t>(message.size()), net_.get(), 0) != -1 &&
      libnet_build_ethernet(kVrrpGroupMac.bytes.data(), from.bytes.data(), kEtherTypeIpv4, nullptr, 0, net_.get(), 0) !=
          -1;
  return finish(out, built);
}

size_t Composer::echo_reply(MutableBytes out, const Frame& asked, const Packet& ping) {
  const Bytes request = Bytes(asked.bytes()).subspan(ping.l4_at, ping.l4_size());
  return icmp(out, asked, ping,
              {{Icmp::echo_reply},
               load_be16(request, kIcmpIdAt),
               load_be16(request, kIcmpSequenceAt),
               request.subspan(kIcmpSize),
               ping.tos});
}

size_t Composer::icmp_error(MutableBytes out, const Frame& about, const Packet& packet, const IcmpAnswer& error) {
  if (error.what == Icmp::other_error) return 0;  // what it says is not known
  const bool v6 = packet.family() == Family::ipv6;
  const size_t most = v6 ? kIpv6LeastMtu - kIpv6Size - kIcmpSize : 576 - kIpv4Size - kIcmpSize;
  const Bytes quoted = Bytes(about.bytes()).subspan(packet.ip_at, std::min<size_t>(packet.ip_size, most));
  if (v6) {
    if (error.what == Icmp::source_quench) return 0;  // ICMPv6 has none (RFC 7915 section 4.2)
    const auto [type, code] = icmpv6_numbers(error);
    const bool header_unknown = error.what == Icmp::unreachable && type == icmpv6::kParameterProblem;
    const bool known = header_unknown && packet.next_at > packet.ip_at;
    const auto pointer = known ? static_cast<uint16_t>(packet.next_at - packet.ip_at) : error.pointer;
    return icmp(out, about, packet, {error, 0, error.what == Icmp::too_big ? error.mtu : pointer, quoted, 0});
  }
  const auto tos = static_cast<uint8_t>((packet.tos & kTosBits) | kInternetworkControl);
  return icmp(out, about, packet, {error, 0, error.mtu, quoted, tos});
}

// The builder for echoes serves all ICMP types: its identifier and sequence number are the header's second word, which
// in an error is zero, the next hop's MTU, or IPv6's pointer. libnet's own builder for unreachables cannot set the MTU.
size_t Composer::icmp(MutableBytes out, const Frame& asked, const Packet& packet, const IcmpMessage& icmp) {
  if (!net_) return 0;
  if (packet.family() == Family::ipv6) {
    std::array<uint8_t, kIcmpSize> header{};
    const auto [type, code] = icmpv6_numbers(icmp.what);
    header[kIcmpTypeAt] = type;
    header[kIcmpCodeAt] = code;
    store_be16(header, kIcmpIdAt, icmp.word1);
    store_be16(header, kIcmpSequenceAt, icmp.word2);
    Ipv6Packet back = back_to_sender(asked, packet, Protocol::icmpv6, icmp.tos);
    back.checksum_at = kIcmpChecksumAt;
    return ipv6(out, back, header, icmp.payload);
  }
  const auto [type, code] = icmpv4_numbers(icmp.what);
  const bool built = libnet_build_icmpv4_echo(type, code, 0, icmp.word1, icmp.word2,
                                              icmp.payload.empty() ? nullptr : icmp.payload.data(),
                                              static_cast<uint32_t>(icmp.payload.size()), net_.get(), 0) != -1 &&
                     back_to_sender(asked, packet, Protocol::icmp, kIcmpSize + icmp.payload.size(), icmp.tos);
  return finish(out, built);
}

bool Composer::back_to_sender(const Frame& asked, const Packet& packet, Protocol protocol, size_t l4_size,
                              uint8_t tos) {
  const uint8_t* const macs = asked.data;  // the frame that is answered: its source is the new destination
  return libnet_build_ipv4(static_cast<uint16_t>(kIpv4Size + l4_size), tos, next_id_++, 0, kTtl,
                           static_cast<uint8_t>(protocol), 0, NetworkOrder(packet.dst).number(),
                           NetworkOrder(packet.src).number(), nullptr, 0, net_.get(), 0) != -1 &&
         libnet_build_ethernet(macs + kEthernetSourceAt, macs + kEthernetDestinationAt, kEtherTypeIpv4, nullptr, 0,
                               net_.get(), 0) != -1;
}

size_t Composer::finish(MutableBytes out, bool built) {
  uint8_t* frame = nullptr;
  uint32_t size = 0;
  const bool joined = built && libnet_pblock_coalesce(net_.get(), &frame, &size) != -1;
  const bool fits = joined && size <= out.size();
  if (fits) std::copy_n(frame, size, out.begin());
  std::free(frame);  // LIBNET_NONE joins without alignment, so this pointer is the start of the allocation
  libnet_clear_packet(net_.get());
  return fits ? size : 0;
}

}  // namespace rawvs
