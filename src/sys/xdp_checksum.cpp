// SPDX-License-Identifier: BSD-2-Clause
// xdp_checksum.cpp: IPv4's TCP, UDP and SCTP, unfragmented. RFC 9293, 768, 9260.
#include "xdp_checksum.h"

#include "rawvs/checksum.h"
#include "rawvs/crc32c.h"

namespace rawvs {
namespace {

constexpr size_t kTcpChecksum = 16, kUdpChecksum = 6, kSctpChecksum = 8;  // bytes into the header
constexpr size_t kLeastHeader = 20, kSctpHeader = 12;

Offload left_partial(Bytes packet, size_t start, size_t field, Protocol protocol, size_t l4_size) {
  const Ip from(load_be32(packet, kEthernetSize + 12)), to(load_be32(packet, kEthernetSize + 16));
  const uint16_t expected = checksum_fold(pseudo_header_sum(from, to, protocol, static_cast<uint32_t>(l4_size)));
  Offload offload;
  if (load_be16(packet, start + field) != expected) return offload;
  offload.flags = Offload::needs_checksum;
  offload.checksum_start = static_cast<uint16_t>(start);
  offload.checksum_offset = static_cast<uint16_t>(field);
  return offload;
}

}  // namespace

Offload offload_found(MutableBytes frame) {
  if (frame.size() < kEthernetSize + kLeastHeader || load_be16(frame, 12) != kEtherTypeIpv4) return {};
  constexpr uint16_t kMoreOrOffset = 0x3fff;
  const size_t header = (frame[kEthernetSize] & 0x0fu) * 4u, total = load_be16(frame, kEthernetSize + 2);
  const size_t start = kEthernetSize + header;
  if (header < kLeastHeader || total < header || kEthernetSize + total > frame.size()) return {};
  if ((load_be16(frame, kEthernetSize + 6) & kMoreOrOffset) != 0) return {};
  const size_t l4_size = total - header;
  const auto protocol = static_cast<Protocol>(frame[kEthernetSize + 9]);
  if (protocol == Protocol::tcp && l4_size >= kTcpChecksum + 2) {
    return left_partial(frame, start, kTcpChecksum, protocol, l4_size);
  }
  if (protocol == Protocol::udp && l4_size >= kUdpChecksum + 2) {
    return left_partial(frame, start, kUdpChecksum, protocol, l4_size);
  }
  if (protocol == Protocol::sctp && l4_size >= kSctpHeader && load_be32(frame, start + kSctpChecksum) == 0) {
    store_be32(frame, start + kSctpChecksum, sctp_checksum(frame.subspan(start, l4_size)));
  }
  return {};
}

void complete_checksum(MutableBytes frame, const Offload& offload) {
  const auto sum = checksum(frame.subspan(offload.checksum_start));
  // UDP's 0 means that there is none (RFC 768), and to TCP both are the same.
  store_be16(frame, size_t{offload.checksum_start} + offload.checksum_offset, sum == 0 ? uint16_t{0xffff} : sum);
}

}  // namespace rawvs
