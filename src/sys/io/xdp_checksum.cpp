// SPDX-License-Identifier: BSD-2-Clause
// xdp_checksum.cpp: checksums of TCP, UDP and SCTP over unfragmented IPv4. RFC 9293, 768, 9260.
#include "sys/io/xdp_checksum.h"

#include "wire/checksum.h"
#include "wire/crc32c.h"
#include "wire/ethernet.h"
#include "wire/ipv4_header.h"
#include "wire/l4_header.h"

namespace rawvs {
namespace {

Offload left_partial(Bytes packet, size_t start, size_t field, Protocol protocol, size_t l4_size) {
  const Ipv4Header ip(packet.subspan(kEthernetSize));
  const uint16_t expected =
      checksum_fold(pseudo_header_sum(ip.source(), ip.destination(), protocol, static_cast<uint32_t>(l4_size)));
  Offload offload;
  if (load_be16(packet, start + field) != expected) return offload;
  offload.flags = Offload::needs_checksum;
  offload.checksum_start = static_cast<uint16_t>(start);
  offload.checksum_offset = static_cast<uint16_t>(field);
  return offload;
}

}  // namespace

Offload offload_found(MutableBytes frame) {
  if (frame.size() < kEthernetSize + kIpv4Size || load_be16(frame, kEthernetTypeAt) != kEtherTypeIpv4) return {};
  const Ipv4Header ip(frame.subspan(kEthernetSize));
  const size_t header = ip.header_size(), total = ip.total();
  const size_t start = kEthernetSize + header;
  if (header < kIpv4Size || total < header || kEthernetSize + total > frame.size()) return {};
  if (ip.fragmented()) return {};
  const size_t l4_size = total - header;
  const Protocol protocol = ip.protocol();
  if (protocol == Protocol::tcp && l4_size >= kTcpChecksumAt + 2) {
    return left_partial(frame, start, kTcpChecksumAt, protocol, l4_size);
  }
  if (protocol == Protocol::udp && l4_size >= kUdpChecksumAt + 2) {
    return left_partial(frame, start, kUdpChecksumAt, protocol, l4_size);
  }
  if (protocol == Protocol::sctp && l4_size >= kSctpSize && load_be32(frame, start + kSctpChecksumAt) == 0) {
    store_be32(frame, start + kSctpChecksumAt, sctp_checksum(frame.subspan(start, l4_size)));
  }
  return {};
}

void complete_checksum(MutableBytes frame, const Offload& offload) {
  const auto sum = checksum(frame.subspan(offload.checksum_start));
  // For UDP 0 means "no checksum" (RFC 768); for TCP both values are equal.
  store_be16(frame, size_t{offload.checksum_start} + offload.checksum_offset, sum == 0 ? uint16_t{0xffff} : sum);
}

}  // namespace rawvs
