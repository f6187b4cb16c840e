// SPDX-License-Identifier: BSD-2-Clause
// translate.cpp: moves the Ethernet header to where the other IP header needs it, and writes that one.
#include "wire/translate.h"

#include <algorithm>
#include <array>

#include "wire/checksum.h"
#include "wire/ethernet.h"

namespace rawvs {

namespace {

constexpr uint32_t kSurelyCarried = 1260;  // bytes of an IPv4 packet without DF: of IPv6's least MTU (section 5.1)

uint16_t sum_of(Ip src, Ip dst) { return checksum_fold(pseudo_header_sum(src, dst, Protocol::any, 0)); }

// The pseudo header has other addresses now; its length and protocol are the same.
bool change_checksum(Frame& frame, const Packet& p, Ip src, Ip dst) {
  if (p.protocol == Protocol::sctp) return true;  // its checksum covers no addresses
  if (p.protocol != Protocol::tcp && p.protocol != Protocol::udp) return false;
  const MutableBytes l4 = frame.bytes().subspan(p.l4_at, p.l4_size());
  const size_t at = p.protocol == Protocol::tcp ? kTcpChecksumAt : kUdpChecksumAt;
  const uint16_t check = load_be16(l4, at), before = sum_of(p.src, p.dst), after = sum_of(src, dst);
  const bool udp = p.protocol == Protocol::udp;
  if (frame.offload.partial_checksum() && frame.offload.checksum_start == p.l4_at) {
    const uint16_t sum = checksum_update(static_cast<uint16_t>(~check), before, after);
    store_be16(l4, at, static_cast<uint16_t>(~sum));
    return true;
  }
  if (udp && check == 0) {  // the sender made none, which IPv6 does not allow
    const uint64_t pseudo = pseudo_header_sum(src, dst, p.protocol, p.l4_size());
    if (frame.offload.super_frame()) {
      store_be16(l4, at, checksum_fold(pseudo));
      frame.offload.flags = Offload::needs_checksum;
      frame.offload.checksum_start = p.l4_at;
      frame.offload.checksum_offset = kUdpChecksumAt;
      return true;
    }
    const uint16_t sum = checksum_fold(checksum_add(l4, pseudo));
    store_be16(l4, at, sum == 0xffff ? sum : static_cast<uint16_t>(~sum));
    return true;
  }
  const uint16_t changed = checksum_update(check, before, after);
  store_be16(l4, at, udp && changed == 0 ? uint16_t{0xffff} : changed);
  return true;
}

void change_offload(Offload& offload, int32_t moved, Family now) {
  const auto add = [&](uint16_t& at) { at = static_cast<uint16_t>(at + moved); };
  if (offload.partial_checksum()) add(offload.checksum_start);
  if (offload.header_size != 0) add(offload.header_size);
  const uint8_t kind = offload.segmentation & static_cast<uint8_t>(~Offload::ecn);
  if (kind != Offload::tcp4 && kind != Offload::tcp6) return;
  const uint8_t other = now == Family::ipv6 ? Offload::tcp6 : Offload::tcp4;
  offload.segmentation = static_cast<uint8_t>((offload.segmentation & Offload::ecn) | other);
}

}  // namespace

bool translate(Frame& frame, Packet& p, Ip src, Ip dst, uint16_t id) {
  const Family now = dst.family();
  const uint32_t header = ip_header_size(now), size = header + p.l4_size();
  const auto l4_at = static_cast<uint32_t>(kEthernetSize) + header;
  const int32_t moved = static_cast<int32_t>(l4_at) - p.l4_at;  // the start of the frame, towards the front
  if (p.fragmented() || size > most_ip_bytes(now) || moved > static_cast<int32_t>(frame.headroom)) return false;
  if (!change_checksum(frame, p, src, dst)) return false;
  const Bytes old = Bytes(frame.bytes()).subspan(p.ip_at);
  const bool may_be_cut = p.largest_fragment != 0 || (now == Family::ipv4 && size <= kSurelyCarried);
  const HeaderFacts facts{.src = src,
                          .dst = dst,
                          .protocol = p.protocol,
                          .payload = p.l4_size(),
                          .tos = p.tos,
                          .ttl = old[ttl_at(p.family())],
                          .id = may_be_cut ? id : uint16_t{0},
                          .dont_fragment = !may_be_cut};
  std::array<uint8_t, kEthernetSize> ethernet;
  std::copy_n(frame.data, kEthernetSize, ethernet.begin());
  const uint32_t largest = p.largest_fragment == 0 ? 0 : p.largest_fragment - (p.l4_at - p.ip_at) + header;
  frame.data -= moved;
  frame.headroom = static_cast<uint32_t>(static_cast<int32_t>(frame.headroom) - moved);
  frame.size = static_cast<uint32_t>(kEthernetSize) + size;
  std::ranges::copy(ethernet, frame.data);
  store_be16(frame.bytes(), kEthernetTypeAt, ether_type(now));
  write_ip_header(frame.bytes().subspan(kEthernetSize), facts);
  change_offload(frame.offload, moved, now);
  if (parse_ip(frame, p)) return false;
  p.largest_fragment = static_cast<uint16_t>(largest);
  p.fragment_id = id;
  return true;
}

}  // namespace rawvs
