// SPDX-License-Identifier: BSD-2-Clause
// ipv6_header.cpp: walks extension headers.
#include "wire/ipv6_header.h"

namespace rawvs {

namespace {

// A router skips options that it does not know if their number's first two bits are 0; all others it must discard the
// packet for (RFC 8200 section 4.2). Linux does so before its IPVS.
bool may_be_skipped(Bytes options) {
  constexpr uint8_t kPad1 = 0, kAction = 0xc0;
  for (size_t at = 0; at < options.size();) {
    if (options[at] == kPad1) {
      ++at;
      continue;
    }
    if ((options[at] & kAction) != 0 || at + 2 > options.size()) return false;
    at += size_t{2} + options[at + 1];
    if (at > options.size()) return false;
  }
  return true;
}

// Whether a header of this number is walked over.
bool is_extension(uint8_t number) {
  using namespace ipv6_next;
  return number == kHopByHop || number == kRouting || number == kFragment || number == kDestinationOptions;
}

bool acceptable(uint8_t number, Bytes header, bool first) {
  constexpr size_t kRoutingTypeAt = 2, kSegmentsLeftAt = 3;
  if (number == ipv6_next::kHopByHop) return first && may_be_skipped(header.subspan(2));
  return number != ipv6_next::kRouting || header[kRoutingTypeAt] != 0 || header[kSegmentsLeftAt] == 0;
}

}  // namespace

std::optional<Exit> walk(Bytes packet, Ipv6Chain& out) {
  size_t at = kIpv6Size, named = kIpv6NextHeaderAt;
  out = Ipv6Chain{};
  out.fragmentable_at = kIpv6Size;
  out.fragmentable_named = kIpv6NextHeaderAt;
  uint8_t number = packet[named];
  bool routed = false;
  for (uint32_t walked = 0; is_extension(number); ++walked) {
    if (walked == kMostIpv6Extensions || at + 8 > packet.size()) return Exit::bad_extension;
    const bool fragment = number == ipv6_next::kFragment;
    const size_t size = fragment ? kIpv6FragmentSize : (packet[at + 1] + size_t{1}) * 8;
    if (at + size > packet.size() || at + size > kIpv6Size + kMostIpv6ExtensionBytes) return Exit::bad_extension;
    if (!fragment && !acceptable(number, packet.subspan(at, size), walked == 0)) return Exit::bad_extension;
    if (fragment) {
      if (out.fragment_at != 0) return Exit::bad_extension;
      out.fragment_at = static_cast<uint16_t>(at);
      out.fragment_named_at = static_cast<uint16_t>(named);
      out.fragment_word = load_be16(packet, at + kIpv6FragmentWordAt);
    }
    // Destination options before a routing header are read on the way; the kernel takes them so if there is none, too.
    const bool options = number == ipv6_next::kDestinationOptions && !routed;
    const bool en_route = number == ipv6_next::kHopByHop || number == ipv6_next::kRouting || options;
    routed = routed || number == ipv6_next::kRouting;
    named = at;
    number = packet[at];
    at += size;
    if (en_route && out.fragment_at == 0) {
      out.fragmentable_at = static_cast<uint16_t>(at);
      out.fragmentable_named = static_cast<uint16_t>(named);
    }
    // What follows in a fragment is read when the packet is whole.
    if (fragment && out.is_fragment()) break;
  }
  out.protocol = number;
  out.payload_at = static_cast<uint16_t>(at);
  out.named_at = static_cast<uint16_t>(named);
  return std::nullopt;
}

}  // namespace rawvs
