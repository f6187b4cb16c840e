// SPDX-License-Identifier: BSD-2-Clause
// compose.cpp: builds frames with libnet from the innermost header outwards: payload, L4, IPv4, Ethernet.
#include "wire/compose.h"

#include <libnet.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "wire/ethernet.h"
#include "wire/ipv4_header.h"

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

size_t Composer::arp(MutableBytes out, Mac from, Mac to, const Arp& arp) {
  if (!net_) return 0;
  const NetworkOrder sender(arp.sender), target(arp.target);
  const bool built =
      libnet_build_arp(ARPHRD_ETHER, ETHERTYPE_IP, 6, 4, static_cast<uint16_t>(arp.op), arp.sender_mac.bytes.data(),
                       sender.bytes, arp.target_mac.bytes.data(), target.bytes, nullptr, 0, net_.get(), 0) != -1 &&
      libnet_build_ethernet(to.bytes.data(), from.bytes.data(), kEtherTypeArp, nullptr, 0, net_.get(), 0) != -1;
  return finish(out, built);
}

size_t Composer::advert(MutableBytes out, Mac from, Ip source, Bytes message) {
  if (!net_ || message.empty()) return 0;
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
              {Icmp::echo_reply, 0, load_be16(request, kIcmpIdAt), load_be16(request, kIcmpSequenceAt),
               request.subspan(kIcmpSize), ping.tos});
}

size_t Composer::tcp_reset(MutableBytes out, const Frame& asked, const Packet& segment) {
  if (!net_) return 0;
  const bool acked = (segment.tcp_flags & TcpFlags::ack) != 0;
  const uint32_t flags_length =
      ((segment.tcp_flags & TcpFlags::syn) ? 1u : 0u) + ((segment.tcp_flags & TcpFlags::fin) ? 1u : 0u);
  const uint32_t seq = acked ? segment.tcp_ack : 0;
  const uint32_t ack = acked ? 0 : segment.tcp_seq + segment.tcp_payload + flags_length;
  const uint8_t control = acked ? TcpFlags::rst : TcpFlags::rst | TcpFlags::ack;
  const bool built = libnet_build_tcp(segment.dport.value, segment.sport.value, seq, ack, control, 0, 0, 0, kTcpSize,
                                      nullptr, 0, net_.get(), 0) != -1 &&
                     back_to_sender(asked, segment, Protocol::tcp, kTcpSize, segment.tos);
  return finish(out, built);
}

size_t Composer::icmp_error(MutableBytes out, const Frame& about, const Packet& packet, const IcmpAnswer& error) {
  constexpr size_t kMost = 576 - kIpv4Size - kIcmpSize;
  const auto tos = static_cast<uint8_t>((packet.tos & kTosBits) | kInternetworkControl);
  const Bytes quoted = Bytes(about.bytes()).subspan(packet.ip_at, std::min<size_t>(packet.ip_size, kMost));
  return icmp(out, about, packet, {error.what, error.code, 0, error.mtu, quoted, tos});
}

// The builder for echoes serves all ICMP types: its identifier and sequence number are the header's second word, which
// in an error is zero or the next hop's MTU. libnet's own builder for unreachables cannot set the MTU.
size_t Composer::icmp(MutableBytes out, const Frame& asked, const Packet& packet, const IcmpMessage& icmp) {
  if (!net_) return 0;
  const auto [type, code] = icmp_numbers(icmp.what, icmp.code);
  const bool built = libnet_build_icmpv4_echo(type, code, 0, icmp.word1, icmp.word2,
                                              icmp.payload.empty() ? nullptr : icmp.payload.data(),
                                              static_cast<uint32_t>(icmp.payload.size()), net_.get(), 0) != -1 &&
                     back_to_sender(asked, packet, Protocol::icmp, kIcmpSize + icmp.payload.size(), icmp.tos);
  return finish(out, built);
}

bool Composer::back_to_sender(const Frame& asked, const Packet& packet, Protocol protocol, size_t l4_size,
                              uint8_t tos) {
  // Linux sends an RST as an atomic datagram (RFC 6864): its identification has no meaning.
  const bool atomic = protocol == Protocol::tcp;
  const uint16_t id = atomic ? 0 : next_id_++;
  const uint8_t* const macs = asked.data;  // the frame that is answered: its source is the new destination
  return libnet_build_ipv4(static_cast<uint16_t>(kIpv4Size + l4_size), tos, id, atomic ? kDontFragment : 0, kTtl,
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
