// SPDX-License-Identifier: BSD-2-Clause
// xdp_checksum.cpp: checksums of TCP, UDP and SCTP over unfragmented IPv4, and over IPv6. RFC 9293, 768, 8200, 9260.
#include "sys/io/xdp_checksum.h"

#include <optional>

#include "wire/checksum.h"
#include "wire/crc32c.h"
#include "wire/ethernet.h"
#include "wire/ipv4_header.h"
#include "wire/ipv6_header.h"
#include "wire/l4_header.h"

namespace rawvs {
namespace {

struct L4 {  // where it is in the frame
  Ip source{}, destination{};
  size_t at = 0, size = 0;
  Protocol protocol{};
};

std::optional<L4> find_ipv4(Bytes frame) {
  const Ipv4Header ip(frame.subspan(kEthernetSize));
  const size_t header = ip.header_size(), total = ip.total();
  if (header < kIpv4Size || total < header || kEthernetSize + total > frame.size()) return std::nullopt;
  if (ip.fragmented()) return std::nullopt;
  return L4{ip.source(), ip.destination(), kEthernetSize + header, total - header, ip.protocol()};
}

// Only without extension headers: XDP redirects no others.
std::optional<L4> find_ipv6(Bytes frame) {
  if (frame.size() < kEthernetSize + kIpv6Size) return std::nullopt;
  const Ipv6Header ip(frame.subspan(kEthernetSize));
  const size_t size = ip.payload_size();
  if (kEthernetSize + kIpv6Size + size > frame.size()) return std::nullopt;
  return L4{ip.source(), ip.destination(), kEthernetSize + kIpv6Size, size, static_cast<Protocol>(ip.next_header())};
}

std::optional<L4> find_l4(Bytes frame) {
  if (frame.size() < kEthernetSize + kIpv4Size) return std::nullopt;
  switch (load_be16(frame, kEthernetTypeAt)) {
    case kEtherTypeIpv4: return find_ipv4(frame);
    case kEtherTypeIpv6: return find_ipv6(frame);
    default: return std::nullopt;
  }
}

Offload left_partial(Bytes frame, const L4& l4, size_t field) {
  const uint16_t expected =
      checksum_fold(pseudo_header_sum(l4.source, l4.destination, l4.protocol, static_cast<uint32_t>(l4.size)));
  Offload offload;
  if (load_be16(frame, l4.at + field) != expected) return offload;
  offload.flags = Offload::needs_checksum;
  offload.checksum_start = static_cast<uint16_t>(l4.at);
  offload.checksum_offset = static_cast<uint16_t>(field);
  return offload;
}

}  // namespace

Offload offload_found(MutableBytes frame) {
  const auto l4 = find_l4(frame);
  if (!l4) return {};
  if (l4->protocol == Protocol::tcp && l4->size >= kTcpChecksumAt + 2) return left_partial(frame, *l4, kTcpChecksumAt);
  if (l4->protocol == Protocol::udp && l4->size >= kUdpChecksumAt + 2) return left_partial(frame, *l4, kUdpChecksumAt);
  const bool sctp = l4->protocol == Protocol::sctp && l4->size >= kSctpSize;
  if (sctp && load_be32(frame, l4->at + kSctpChecksumAt) == 0) {
    store_be32(frame, l4->at + kSctpChecksumAt, sctp_checksum(frame.subspan(l4->at, l4->size)));
  }
  return {};
}

void complete_checksum(MutableBytes frame, const Offload& offload) {
  const auto sum = checksum(frame.subspan(offload.checksum_start));
  // For UDP 0 means "no checksum" (RFC 768); for TCP both values are equal.
  store_be16(frame, size_t{offload.checksum_start} + offload.checksum_offset, sum == 0 ? uint16_t{0xffff} : sum);
}

}  // namespace rawvs
