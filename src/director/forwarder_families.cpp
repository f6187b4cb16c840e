// SPDX-License-Identifier: BSD-2-Clause
// forwarder_families.cpp: full NAT between the families (NAT64, NAT46): packets get the other family's header, and an
// ICMP error is composed anew about the packet that its receiver sent.
#include <algorithm>
#include <array>

#include "core/outbox.h"
#include "core/rewrite.h"
#include "director/forwarder.h"
#include "wire/ethernet.h"
#include "wire/translate.h"

namespace rawvs {

namespace {

constexpr size_t kMostQuoted = 1280;  // as in forwarder_errors.cpp
constexpr uint32_t kUnquoted = 65535 - kIpv4Size;

}  // namespace

// False: it cannot be; it must not be sent.
bool Forwarder::change_family(Arrival& a, Ip src, Ip dst, Turn turn) {
  if (a.frame->headroom < kFamilyGrowth) {  // the frame's source left too little room
    const MutableBytes buffer = turn.out.buffer();
    if (buffer.size() < a.frame->size) return false;
    std::copy_n(a.frame->data, a.frame->size, buffer.begin());
    edited_frame_ = *a.frame;
    edited_frame_.data = buffer.data();
    edited_frame_.headroom = Outbox::kBufferRoom;
    turn.out.keep_buffer();
    a.frame = &edited_frame_;
  }
  if (++next_tunnel_id_ == 0) ++next_tunnel_id_;
  return rawvs::translate(*a.frame, a.packet, src, dst, next_tunnel_id_);
}

// An ICMP error that arrived, about a packet from `src` to `dst` in the other family: to its sender, by its next hop.
Exit Forwarder::tell_in_family(const Arrival& a, Endpoint src, Endpoint dst, const Hop& hop, Turn turn) {
  const Family family = src.addr.family();
  const uint32_t header = ip_header_size(family), quoted = std::min<uint32_t>(a.quote.l4_size(), kMostQuoted - header);
  std::array<uint8_t, kEthernetSize + kMostQuoted> bytes{};
  Frame about;
  about.data = bytes.data();
  about.size = static_cast<uint32_t>(kEthernetSize) + header + quoted;
  const uint32_t whole = a.quote.total > a.quote.l4_at - a.quote.ip_at
                             ? std::min<uint32_t>(a.quote.total - (a.quote.l4_at - a.quote.ip_at), kUnquoted)
                             : quoted;
  write_ip_header(
      about.bytes().subspan(kEthernetSize),
      {.src = src.addr, .dst = dst.addr, .protocol = a.quote.protocol, .payload = whole, .dont_fragment = true});
  const MutableBytes l4 = about.bytes().subspan(kEthernetSize + header);
  std::copy_n(a.frame->data + a.quote.l4_at, quoted, l4.begin());
  store_be16(l4, kSourcePortAt, src.port.value);
  store_be16(l4, kDestinationPortAt, dst.port.value);
  set_macs(about, hop.mac, surroundings_.link(hop.link).mac);
  store_be16(about.bytes(), kEthernetTypeAt, ether_type(family));
  Packet packet;
  packet.src = src.addr;
  packet.dst = dst.addr;
  packet.ip_at = kEthernetSize;
  packet.ip_size = about.size - static_cast<uint32_t>(kEthernetSize);
  const Icmp what = a.packet.icmp;
  const uint16_t mtu = what == Icmp::too_big
                           ? static_cast<uint16_t>(std::min<uint32_t>(
                                 mtu_in_other_family(a.packet.icmp_mtu, a.packet.family()), UINT16_MAX))
                           : uint16_t{0};
  const IcmpAnswer error{what, a.packet.icmp_code, mtu, a.packet.family(), 0};
  return host_.error_about(about, packet, error, hop.link, turn) ? Exit::forwarded : Exit::answer_limited;
}

}  // namespace rawvs
