// SPDX-License-Identifier: BSD-2-Clause
// rewrite.cpp: the few bytes that forwarding changes.
#include "core/rewrite.h"

#include <algorithm>
#include <array>

#include "core/tcp_numbers.h"
#include "wire/checksum.h"
#include "wire/crc32c.h"
#include "wire/ethernet.h"
#include "wire/ip_header.h"

namespace rawvs {

namespace {

enum class End : uint8_t { source, destination };
constexpr size_t port_at(End end) { return end == End::source ? kSourcePortAt : kDestinationPortAt; }
uint16_t update(uint16_t check, uint32_t before, uint32_t after) {
  check = checksum_update(check, static_cast<uint16_t>(before >> 16), static_cast<uint16_t>(after >> 16));
  return checksum_update(check, static_cast<uint16_t>(before), static_cast<uint16_t>(after));
}

uint16_t update(uint16_t check, uint64_t before, uint64_t after) {
  check = update(check, static_cast<uint32_t>(before >> 32), static_cast<uint32_t>(after >> 32));
  return update(check, static_cast<uint32_t>(before), static_cast<uint32_t>(after));
}

uint16_t update(uint16_t check, Ip before, Ip after) {
  if (after.is_v4()) return update(check, before.v4(), after.v4());
  return update(update(check, before.hi(), after.hi()), before.lo(), after.lo());
}

// Changes one address of an IP header, and an IPv4 header's checksum. Returns the address before.
Ip change_address(MutableBytes header, End end, Ip now) {
  const auto change = [&](auto ip) {
    const Ip before = end == End::source ? ip.source() : ip.destination();
    end == End::source ? ip.set_source(now) : ip.set_destination(now);
    return before;
  };
  if (now.is_v6()) return change(MutableIpv6Header(header));
  MutableIpv4Header ip(header);
  const Ip before = change(ip);
  ip.set_checksum(update(ip.checksum(), before, now));
  return before;
}

struct Change {  // to one end
  Ip addr_before, addr;
  Port port_before, port;
};

// TCP's or UDP's field. A partial one holds the pseudo-header's sum, not complemented: it covers addresses, not ports.
void change_checksum(MutableBytes field, const Change& c, bool partial) {
  const uint16_t check = load_be16(field, 0);
  if (partial) {
    const uint16_t sum = update(static_cast<uint16_t>(~check), c.addr_before, c.addr);
    return store_be16(field, 0, static_cast<uint16_t>(~sum));
  }
  store_be16(field, 0, checksum_update(update(check, c.addr_before, c.addr), c.port_before.value, c.port.value));
}

void change_sctp_checksum(Frame& frame, const Packet& packet, uint32_t ports_before) {
  if (frame.offload.partial_checksum()) return settle_sctp_checksum(frame, packet);
  const MutableBytes l4 = frame.bytes().subspan(packet.l4_at, packet.l4_size());
  const uint32_t ports = load_be32(l4, 0);
  if (ports == ports_before) return;
  const uint32_t check = load_be32(l4, kSctpChecksumAt);
  store_be32(l4, kSctpChecksumAt, sctp_checksum_update(check, ports_before, ports, l4.size() - sizeof ports));
}

void rewrite(Frame& frame, Packet& packet, End end, Ip addr, Port port) {
  Ip& known_addr = end == End::source ? packet.src : packet.dst;
  Port& known_port = end == End::source ? packet.sport : packet.dport;
  const Change change{known_addr, addr, known_port, port};
  known_addr = addr;
  change_address(frame.bytes().subspan(packet.ip_at), end, addr);
  // ICMPv6's checksum covers the addresses (RFC 4443 section 2.3).
  if (packet.protocol == Protocol::icmp && addr.is_v6() && packet.fragment_offset == 0)
    change_checksum(frame.bytes().subspan(packet.l4_at + kIcmpChecksumAt), change, false);
  if (packet.sport.value == 0) return;  // a protocol without ports, or a fragment

  const MutableBytes l4 = frame.bytes().subspan(packet.l4_at, packet.l4_size());
  const uint32_t ports_before = load_be32(l4, 0);
  store_be16(l4, port_at(end), port.value);
  known_port = port;
  // In a tunnel packet the partial checksum may be the inner packet's: then this one is whole.
  const bool partial = frame.offload.partial_checksum() && frame.offload.checksum_start == packet.l4_at;
  switch (packet.protocol) {
    case Protocol::tcp: change_checksum(l4.subspan(kTcpChecksumAt), change, partial); break;
    case Protocol::udp: {
      const MutableBytes field = l4.subspan(kUdpChecksumAt);
      if (!partial && load_be16(field, 0) == 0) break;  // the sender made no checksum
      change_checksum(field, change, partial);
      if (!partial && load_be16(field, 0) == 0) store_be16(field, 0, 0xffff);
      break;
    }
    case Protocol::sctp: change_sctp_checksum(frame, packet, ports_before); break;
    default: break;
  }
}

// Changes the error's outer address at `outer`, and the other end of the quoted packet.
void rewrite_error(Frame& frame, Packet& packet, const Quote& quote, End outer, Ip addr, Port port) {
  const End quoted_end = outer == End::destination ? End::source : End::destination;
  const MutableBytes icmp = frame.bytes().subspan(packet.l4_at, packet.l4_size());
  const MutableBytes quoted = frame.bytes().subspan(quote.ip_at, quote.size);
  const MutableBytes l4 = frame.bytes().subspan(quote.l4_at, quote.l4_size());

  const auto header_check = [&] { return addr.is_v4() ? Ipv4Header(quoted).checksum() : uint16_t{0}; };
  const uint16_t header_check_before = header_check(), port_before = load_be16(l4, port_at(quoted_end));
  const Ip addr_before = change_address(quoted, quoted_end, addr);
  store_be16(l4, port_at(quoted_end), port.value);

  uint16_t check = update(load_be16(icmp, kIcmpChecksumAt), addr_before, addr);
  check = checksum_update(check, header_check_before, header_check());
  store_be16(icmp, kIcmpChecksumAt, checksum_update(check, port_before, port.value));
  rewrite(frame, packet, outer, addr, Port());
}

}  // namespace

void set_macs(const Frame& frame, Mac from, Mac to) {
  store_mac(frame.bytes(), kEthernetDestinationAt, to);
  store_mac(frame.bytes(), kEthernetSourceAt, from);
}

void decrement_ttl(const Frame& frame, const Packet& packet) {
  if (packet.family() == Family::ipv6) {
    MutableIpv6Header ip(frame.bytes().subspan(packet.ip_at));
    return ip.set_hop_limit(static_cast<uint8_t>(ip.hop_limit() - 1));
  }
  MutableIpv4Header ip(frame.bytes().subspan(packet.ip_at));
  constexpr uint16_t kOne = 0x0100;  // of TTL, in the 16-bit word of TTL and protocol
  const auto word = static_cast<uint16_t>(ip.ttl() << 8);
  ip.set_ttl(static_cast<uint8_t>(ip.ttl() - 1));
  ip.set_checksum(checksum_update(ip.checksum(), word, static_cast<uint16_t>(word - kOne)));
}

void rewrite_destination(Frame& frame, Packet& packet, Ip addr, Port port) {
  rewrite(frame, packet, End::destination, addr, port);
}

void rewrite_source(Frame& frame, Packet& packet, Ip addr, Port port) {
  rewrite(frame, packet, End::source, addr, port);
}

void rewrite_error_destination(Frame& frame, Packet& packet, const Quote& quote, Ip addr, Port port) {
  rewrite_error(frame, packet, quote, End::destination, addr, port);
}

void rewrite_error_source(Frame& frame, Packet& packet, const Quote& quote, Ip addr, Port port) {
  rewrite_error(frame, packet, quote, End::source, addr, port);
}

void lower_mss(const Frame& frame, const Packet& packet, uint32_t most) {
  if (packet.protocol != Protocol::tcp || (packet.tcp_flags & TcpFlags::syn) == 0) return;
  const Bytes tcp = Bytes(frame.bytes()).subspan(packet.l4_at, packet.l4_size());
  each_tcp_option(tcp, [&](uint8_t kind, size_t at, size_t size) {
    if (kind != TcpOption::mss || size != kTcpMssSize || load_be16(tcp, at + 2) <= most) return;
    std::array<uint8_t, 2> lower;
    store_be16(lower, 0, static_cast<uint16_t>(most));
    store_header(frame, packet, at + 2, lower);
  });
}

void settle_sctp_checksum(Frame& frame, const Packet& packet) {
  if (packet.protocol != Protocol::sctp || !frame.offload.partial_checksum() || packet.fragmented()) return;
  const MutableBytes l4 = frame.bytes().subspan(packet.l4_at, packet.l4_size());
  store_be32(l4, kSctpChecksumAt, sctp_checksum(l4));
  frame.offload.flags &= static_cast<uint8_t>(~Offload::needs_checksum);
}

}  // namespace rawvs
