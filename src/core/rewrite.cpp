// SPDX-License-Identifier: BSD-2-Clause
// rewrite.cpp: the few bytes that forwarding changes.
#include "rawvs/rewrite.h"

#include <algorithm>

#include "rawvs/checksum.h"
#include "rawvs/crc32c.h"

namespace rawvs {

namespace {

constexpr size_t kIpChecksum = 10, kSource = 12, kDestination = 16;  // in the IPv4 header
constexpr size_t kSourcePort = 0, kDestinationPort = 2;              // in the header of TCP, UDP, SCTP
constexpr size_t kTcpChecksum = 16, kUdpChecksum = 6, kSctpChecksum = 8, kIcmpChecksum = 2;

enum class End : uint8_t { source, destination };
constexpr size_t address_at(End end) { return end == End::source ? kSource : kDestination; }
constexpr size_t port_at(End end) { return end == End::source ? kSourcePort : kDestinationPort; }

uint16_t update(uint16_t check, Ip before, Ip after) {
  const uint32_t old = before.v4(), now = after.v4();
  check = checksum_update(check, static_cast<uint16_t>(old >> 16), static_cast<uint16_t>(now >> 16));
  return checksum_update(check, static_cast<uint16_t>(old), static_cast<uint16_t>(now));
}

// One address of an IPv4 header and the header's checksum.
void change_address(MutableBytes ip, End end, Ip now) {
  const size_t at = address_at(end);
  const Ip before(load_be32(ip, at));
  store_be32(ip, at, now.v4());
  store_be16(ip, kIpChecksum, update(load_be16(ip, kIpChecksum), before, now));
}

struct Change {  // of one end
  Ip addr_before, addr;
  Port port_before, port;
};

// TCP's or UDP's field. A partial one holds the pseudo-header's sum, not complemented: addresses are in it, ports not.
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
  const uint32_t check = load_be32(l4, kSctpChecksum);
  store_be32(l4, kSctpChecksum, sctp_checksum_update(check, ports_before, ports, l4.size() - sizeof ports));
}

void rewrite(Frame& frame, Packet& packet, End end, Ip addr, Port port) {
  Ip& known_addr = end == End::source ? packet.src : packet.dst;
  Port& known_port = end == End::source ? packet.sport : packet.dport;
  const Change change{known_addr, addr, known_port, port};
  known_addr = addr;
  change_address(frame.bytes().subspan(packet.ip_at), end, addr);
  if (packet.sport.value == 0) return;  // a protocol without ports, or a fragment

  const MutableBytes l4 = frame.bytes().subspan(packet.l4_at, packet.l4_size());
  const uint32_t ports_before = load_be32(l4, 0);
  store_be16(l4, port_at(end), port.value);
  known_port = port;
  // A frame whose packet carries another one may be partial for the inner one's sake: then this one's is full.
  const bool partial = frame.offload.partial_checksum() && frame.offload.checksum_start == packet.l4_at;
  switch (packet.protocol) {
    case Protocol::tcp: change_checksum(l4.subspan(kTcpChecksum), change, partial); break;
    case Protocol::udp: {
      const MutableBytes field = l4.subspan(kUdpChecksum);
      if (!partial && load_be16(field, 0) == 0) break;  // the sender made none
      change_checksum(field, change, partial);
      if (!partial && load_be16(field, 0) == 0) store_be16(field, 0, 0xffff);
      break;
    }
    case Protocol::sctp: change_sctp_checksum(frame, packet, ports_before); break;
    default: break;
  }
}

// An error's outer address at `outer`, and the other end of what it quotes.
void rewrite_error(Frame& frame, Packet& packet, const Quote& quote, End outer, Ip addr, Port port) {
  const End quoted_end = outer == End::destination ? End::source : End::destination;
  const MutableBytes icmp = frame.bytes().subspan(packet.l4_at, packet.l4_size());
  const MutableBytes ip = frame.bytes().subspan(quote.ip_at, quote.size);
  const MutableBytes l4 = frame.bytes().subspan(quote.l4_at, quote.l4_size());

  const Ip addr_before(load_be32(ip, address_at(quoted_end)));
  const uint16_t ip_check_before = load_be16(ip, kIpChecksum), port_before = load_be16(l4, port_at(quoted_end));
  change_address(ip, quoted_end, addr);
  store_be16(l4, port_at(quoted_end), port.value);

  uint16_t check = update(load_be16(icmp, kIcmpChecksum), addr_before, addr);
  check = checksum_update(check, ip_check_before, load_be16(ip, kIpChecksum));
  store_be16(icmp, kIcmpChecksum, checksum_update(check, port_before, port.value));
  rewrite(frame, packet, outer, addr, Port());
}

}  // namespace

void set_macs(const Frame& frame, Mac from, Mac to) {
  std::copy_n(to.bytes.begin(), 6, frame.data);
  std::copy_n(from.bytes.begin(), 6, frame.data + 6);
}

void decrement_ttl(const Frame& frame, const Packet& packet) {
  constexpr size_t kTtlWord = 8;
  const MutableBytes ip = frame.bytes().subspan(packet.ip_at);
  const uint16_t before = load_be16(ip, kTtlWord);
  const auto after = static_cast<uint16_t>(before - 0x0100);
  store_be16(ip, kTtlWord, after);
  store_be16(ip, kIpChecksum, checksum_update(load_be16(ip, kIpChecksum), before, after));
}

void rewrite_destination(Frame& frame, Packet& packet, Ip addr, Port port) {
  rewrite(frame, packet, End::destination, addr, port);
}

void rewrite_source(Frame& frame, Packet& packet, Ip addr, Port port) {
  rewrite(frame, packet, End::source, addr, port);
}

void rewrite_error_to_server(Frame& frame, Packet& packet, const Quote& quote, Ip server, Port port) {
  rewrite_error(frame, packet, quote, End::destination, server, port);
}

void rewrite_error_to_client(Frame& frame, Packet& packet, const Quote& quote, Ip vip, Port port) {
  rewrite_error(frame, packet, quote, End::source, vip, port);
}

void settle_sctp_checksum(Frame& frame, const Packet& packet) {
  if (packet.protocol != Protocol::sctp || !frame.offload.partial_checksum() || packet.fragmented()) return;
  const MutableBytes l4 = frame.bytes().subspan(packet.l4_at, packet.l4_size());
  store_be32(l4, kSctpChecksum, sctp_checksum(l4));
  frame.offload.flags &= static_cast<uint8_t>(~Offload::needs_checksum);
}

}  // namespace rawvs
