// SPDX-License-Identifier: BSD-2-Clause
// frame.h: a frame with its link, its VLAN and its offload facts.
//
// Offload facts are those of PACKET_VNET_HDR (struct virtio_net_hdr, VIRTIO 1.1 section 5.1.6). Code that rewrites the
// frame updates them: a checksum may be partial, and one frame may stand for many (a TCP super-frame).
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "rawvs/addr.h"
#include "rawvs/bytes.h"

namespace rawvs {

// An interface's place in the list of those that rawvsd uses, from 0 on. An interface keeps its place while the program
// runs, also while it is missing.
enum class Link : uint8_t {};
inline constexpr size_t kMostLinks = 32;
inline constexpr size_t index(Link link) { return static_cast<size_t>(link); }

inline constexpr std::array<Link, kMostLinks> kEveryLink = [] {
  std::array<Link, kMostLinks> links{};
  for (size_t n = 0; n < kMostLinks; ++n) links[n] = static_cast<Link>(n);
  return links;
}();
constexpr std::span<const Link> first_links(size_t count) { return std::span(kEveryLink).first(count); }

class LinkSet {
 public:
  constexpr LinkSet() = default;
  constexpr explicit LinkSet(Link link) { add(link); }
  constexpr bool has(Link link) const { return (bits_ >> index(link) & 1) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr uint32_t size() const { return static_cast<uint32_t>(std::popcount(bits_)); }
  constexpr void add(Link link) { bits_ |= 1u << index(link); }
  constexpr void add(LinkSet links) { bits_ |= links.bits_; }
  constexpr void remove(Link link) { bits_ &= ~(1u << index(link)); }
  constexpr void remove(LinkSet links) { bits_ &= ~links.bits_; }
  constexpr Link take() {  // removes the first one; REQUIRES: not empty
    const auto first = static_cast<Link>(std::countr_zero(bits_));
    remove(first);
    return first;
  }
  constexpr bool operator==(const LinkSet&) const = default;

 private:
  static_assert(kMostLinks <= 32);
  uint32_t bits_ = 0;
};

struct Offload {                                              // host order; offsets from the first byte of the frame
  enum : uint8_t { needs_checksum = 1, checksum_valid = 2 };  // flags
  enum : uint8_t { none = 0, tcp4 = 1, udp = 3, tcp6 = 4, udp_l4 = 5, ecn = 0x80 };  // segmentation
  uint8_t flags = 0;
  uint8_t segmentation = none;
  uint16_t header_size = 0;      // Ethernet, IP and TCP header: a hint for the segmenter
  uint16_t segment_size = 0;     // payload bytes per segment of a super-frame
  uint16_t checksum_start = 0;   // needs_checksum: sum from here to the end
  uint16_t checksum_offset = 0;  // and store it at checksum_start + checksum_offset
  bool partial_checksum() const { return (flags & needs_checksum) != 0; }
  bool super_frame() const { return (segmentation & ~ecn) != none; }
  friend bool operator==(const Offload&, const Offload&) = default;
};

struct Frame {  // borrowed bytes, from the Ethernet header on; writable in place
  uint8_t* data = nullptr;
  uint32_t size = 0;
  uint32_t headroom = 0;  // bytes before data that are free for an outer header
  Offload offload{};
  uint16_t vlan = 0;  // VLAN id that the card or kernel removed from the frame; 0 = none (or priority only)
  Link link{};        // where it was received
  MutableBytes bytes() const { return {data, size}; }
};

inline constexpr size_t kEthernetSize = 14;
inline constexpr uint16_t kEtherTypeIpv4 = 0x0800, kEtherTypeArp = 0x0806, kEtherTypeIpv6 = 0x86dd,
                          kEtherTypeVlan = 0x8100, kEtherTypeQinQ = 0x88a8;

}  // namespace rawvs
