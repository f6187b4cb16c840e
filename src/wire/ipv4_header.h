// SPDX-License-Identifier: BSD-2-Clause
// ipv4_header.h: the IPv4 header: offsets of its fields, and views that read and write them.
// RFC: 791 section 3.1.
//
// A view borrows bytes that begin with the header. REQUIRES: at least kIpv4Size bytes; nothing else is checked here.
// The offsets are for code that cannot use a view (BPF programs).
#pragma once

#include "rawvs/addr.h"
#include "rawvs/bytes.h"
#include "wire/checksum.h"

namespace rawvs {

inline constexpr uint32_t kIpv4Size = 20;         // without options, bytes
inline constexpr uint32_t kMostIpv4Size = 65535;  // of a packet, bytes
inline constexpr size_t kIpv4TosAt = 1, kIpv4TotalAt = 2, kIpv4IdAt = 4, kIpv4FragmentAt = 6, kIpv4TtlAt = 8,
                        kIpv4ProtocolAt = 9, kIpv4ChecksumAt = 10, kIpv4SourceAt = 12, kIpv4DestinationAt = 16;

// The word at kIpv4FragmentAt.
inline constexpr uint16_t kDontFragment = 0x4000, kMoreFragments = 0x2000, kFragmentOffset = 0x1fff;
inline constexpr uint32_t kFragmentBlock = 8;  // the unit of the offset, bytes

template <class Span>
class BasicIpv4Header {
 public:
  explicit BasicIpv4Header(Span bytes) : b_(bytes) {}

  bool version_4() const { return b_[0] >> 4 == 4; }
  uint32_t header_size() const { return (b_[0] & 0x0fu) * 4; }  // bytes, as stated: 0 to 60
  uint8_t tos() const { return b_[kIpv4TosAt]; }                // with the ECN bits
  uint32_t total() const { return load_be16(b_, kIpv4TotalAt); }
  uint16_t id() const { return load_be16(b_, kIpv4IdAt); }
  uint16_t fragment_word() const { return load_be16(b_, kIpv4FragmentAt); }
  bool dont_fragment() const { return (fragment_word() & kDontFragment) != 0; }
  bool more_fragments() const { return (fragment_word() & kMoreFragments) != 0; }
  uint32_t fragment_offset() const { return (fragment_word() & kFragmentOffset) * kFragmentBlock; }  // bytes
  bool fragmented() const { return (fragment_word() & (kMoreFragments | kFragmentOffset)) != 0; }
  uint8_t ttl() const { return b_[kIpv4TtlAt]; }
  Protocol protocol() const { return static_cast<Protocol>(b_[kIpv4ProtocolAt]); }
  uint16_t checksum() const { return load_be16(b_, kIpv4ChecksumAt); }
  Ip source() const { return Ip(load_be32(b_, kIpv4SourceAt)); }
  Ip destination() const { return Ip(load_be32(b_, kIpv4DestinationAt)); }

 protected:
  Span b_;
};
using Ipv4Header = BasicIpv4Header<Bytes>;

class MutableIpv4Header : public BasicIpv4Header<MutableBytes> {
 public:
  using BasicIpv4Header::BasicIpv4Header;

  void set_version_and_size() { b_[0] = 0x45; }  // version 4, no options
  void set_tos(uint8_t v) { b_[kIpv4TosAt] = v; }
  void set_total(uint32_t bytes) { store_be16(b_, kIpv4TotalAt, static_cast<uint16_t>(bytes)); }
  void set_id(uint16_t v) { store_be16(b_, kIpv4IdAt, v); }
  void set_fragment_word(uint16_t v) { store_be16(b_, kIpv4FragmentAt, v); }
  void set_ttl(uint8_t v) { b_[kIpv4TtlAt] = v; }
  void set_protocol(Protocol p) { b_[kIpv4ProtocolAt] = static_cast<uint8_t>(p); }
  void set_checksum(uint16_t v) { store_be16(b_, kIpv4ChecksumAt, v); }
  void set_source(Ip a) { store_be32(b_, kIpv4SourceAt, a.v4()); }
  void set_destination(Ip a) { store_be32(b_, kIpv4DestinationAt, a.v4()); }
  // Sums the whole header anew. REQUIRES: the bytes hold all of it.
  void make_checksum() {
    set_checksum(0);
    set_checksum(rawvs::checksum(b_.first(header_size())));
  }
};

}  // namespace rawvs
