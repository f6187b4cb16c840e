// SPDX-License-Identifier: BSD-2-Clause
// tcp_segment.cpp: writes a segment from the outermost header inwards.
#include "wire/tcp_segment.h"

#include <array>

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ip_header.h"

namespace rawvs {

size_t write_tcp_segment(MutableBytes out, const TcpSegment& s) {
  std::array<uint8_t, kMostTcpOptions> options{};
  const size_t options_size = write_tcp_options(options, s.options);
  const Family family = s.dst.addr.family();
  const size_t l4_at = kEthernetSize + ip_header_size(family), l4_size = kTcpSize + options_size;
  if (out.size() < l4_at + l4_size) return 0;
  store_mac(out, kEthernetDestinationAt, s.to);
  store_mac(out, kEthernetSourceAt, s.from);
  store_be16(out, kEthernetTypeAt, ether_type(family));
  write_ip_header(out.subspan(kEthernetSize), {.src = s.src.addr,
                                               .dst = s.dst.addr,
                                               .protocol = Protocol::tcp,
                                               .payload = static_cast<uint32_t>(l4_size),
                                               .tos = s.tos,
                                               .ttl = s.ttl,
                                               .dont_fragment = true});
  const MutableBytes tcp = out.subspan(l4_at, l4_size);
  store_be16(tcp, kSourcePortAt, s.src.port.value);
  store_be16(tcp, kDestinationPortAt, s.dst.port.value);
  store_be32(tcp, kTcpSeqAt, s.seq);
  store_be32(tcp, kTcpAckAt, s.ack);
  tcp[kTcpHeaderSizeAt] = static_cast<uint8_t>(l4_size / 4 << 4);
  tcp[kTcpFlagsAt] = s.flags;
  store_be16(tcp, kTcpWindowAt, s.window);
  store_be16(tcp, kTcpChecksumAt, 0);
  store_be16(tcp, kTcpUrgentAt, 0);
  std::ranges::copy(Bytes(options).first(options_size), tcp.subspan(kTcpSize).begin());
  const uint64_t pseudo = pseudo_header_sum(s.src.addr, s.dst.addr, Protocol::tcp, static_cast<uint32_t>(l4_size));
  store_be16(tcp, kTcpChecksumAt, static_cast<uint16_t>(~checksum_fold(checksum_add(tcp, pseudo))));
  return l4_at + l4_size;
}

TcpSegment tcp_reply(const Frame& asked, const Packet& segment) {
  return {.from = load_mac(asked.bytes(), kEthernetDestinationAt),
          .to = load_mac(asked.bytes(), kEthernetSourceAt),
          .src = {segment.dst, segment.dport},
          .dst = {segment.src, segment.sport},
          .tos = segment.tos};
}

TcpSegment tcp_reset(const Frame& asked, const Packet& segment) {
  TcpSegment reset = tcp_reply(asked, segment);
  if ((segment.tcp_flags & TcpFlags::ack) != 0) {
    reset.seq = segment.tcp_ack;
    reset.flags = TcpFlags::rst;
    return reset;
  }
  const uint32_t flags_length =
      ((segment.tcp_flags & TcpFlags::syn) ? 1u : 0u) + ((segment.tcp_flags & TcpFlags::fin) ? 1u : 0u);
  reset.ack = segment.tcp_seq + segment.tcp_payload + flags_length;
  reset.flags = TcpFlags::rst | TcpFlags::ack;
  return reset;
}

}  // namespace rawvs
