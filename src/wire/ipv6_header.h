// SPDX-License-Identifier: BSD-2-Clause
// ipv6_header.h: the IPv6 header and its extension headers: offsets of fields, views that read and write them, and the
// way from the first header to the payload.
// RFC: 8200 sections 3, 4; 5095 (routing header type 0), 2675 (jumbograms, which are refused).
//
// A view borrows bytes that begin with the header. REQUIRES: at least kIpv6Size bytes; nothing else is checked here.
// The offsets are for code that cannot use a view (BPF programs).
#pragma once

#include <optional>

#include "rawvs/addr.h"
#include "rawvs/bytes.h"
#include "rawvs/exit.h"
#include "wire/ip_bytes.h"

namespace rawvs {

inline constexpr uint32_t kIpv6Size = 40;                 // bytes
inline constexpr uint32_t kIpv6LeastMtu = 1280;           // of every link, bytes (section 5)
inline constexpr uint32_t kMostIpv6Size = 40 + 65535;     // of a packet, bytes: the length field excludes the header
inline constexpr uint32_t kIpv6FragmentSize = 8;          // of a fragment header, bytes
inline constexpr uint32_t kMostIpv6Extensions = 8;        // headers that are walked
inline constexpr uint32_t kMostIpv6ExtensionBytes = 256;  // in all
inline constexpr size_t kIpv6PayloadAt = 4, kIpv6NextHeaderAt = 6, kIpv6HopLimitAt = 7, kIpv6SourceAt = 8,
                        kIpv6DestinationAt = 24;

namespace ipv6_next {  // numbers of extension headers
inline constexpr uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kNone = 59, kDestinationOptions = 60;
}

template <class Span>
class BasicIpv6Header {
 public:
  explicit BasicIpv6Header(Span bytes) : b_(bytes) {}

  bool version_6() const { return b_[0] >> 4 == 6; }
  uint8_t traffic_class() const { return static_cast<uint8_t>(load_be16(b_, 0) >> 4); }  // with the ECN bits
  uint32_t payload_size() const { return load_be16(b_, kIpv6PayloadAt); }                // bytes after this header
  uint32_t total() const { return kIpv6Size + payload_size(); }
  uint8_t next_header() const { return b_[kIpv6NextHeaderAt]; }
  uint8_t hop_limit() const { return b_[kIpv6HopLimitAt]; }
  Ip source() const { return load_ipv6(b_, kIpv6SourceAt); }
  Ip destination() const { return load_ipv6(b_, kIpv6DestinationAt); }

 protected:
  Span b_;
};
using Ipv6Header = BasicIpv6Header<Bytes>;

class MutableIpv6Header : public BasicIpv6Header<MutableBytes> {
 public:
  using BasicIpv6Header::BasicIpv6Header;

  void set_version_and_class(uint8_t traffic_class) {  // and flow label 0
    store_be32(b_, 0, uint32_t{6} << 28 | uint32_t{traffic_class} << 20);
  }
  void set_traffic_class(uint8_t v) { store_be16(b_, 0, static_cast<uint16_t>((load_be16(b_, 0) & 0xf00f) | v << 4)); }
  void set_payload_size(uint32_t bytes) { store_be16(b_, kIpv6PayloadAt, static_cast<uint16_t>(bytes)); }
  void set_total(uint32_t bytes) { set_payload_size(bytes - kIpv6Size); }
  void set_next_header(uint8_t v) { b_[kIpv6NextHeaderAt] = v; }
  void set_next_header(Protocol p) { set_next_header(static_cast<uint8_t>(p)); }
  void set_hop_limit(uint8_t v) { b_[kIpv6HopLimitAt] = v; }
  void set_source(Ip a) { store_ipv6(b_, kIpv6SourceAt, a); }
  void set_destination(Ip a) { store_ipv6(b_, kIpv6DestinationAt, a); }
};

// The word of a fragment header at offset 2: the offset in units of eight bytes, already a multiple of eight; the flag.
inline constexpr size_t kIpv6FragmentWordAt = 2, kIpv6FragmentIdAt = 4;
inline constexpr uint16_t kIpv6FragmentOffset = 0xfff8, kIpv6MoreFragments = 1;

struct Ipv6Chain {                  // what the walk found; offsets from the IPv6 header on
  uint8_t protocol = 0;             // of the payload: the first number that is no extension header
  uint16_t payload_at = 0;          // where the payload starts: of a fragment, right after the fragment header
  uint16_t named_at = 0;            // where the byte is that names it
  uint16_t fragment_at = 0;         // where the fragment header starts; 0: there is none
  uint16_t fragment_word = 0;       // of it; 0 in an atomic fragment, too
  uint16_t fragment_named_at = 0;   // where the byte is that names it
  uint16_t fragmentable_at = 0;     // where a fragment header belongs if the packet is cut (section 4.5)
  uint16_t fragmentable_named = 0;  // where the byte is that names what is there
  bool is_fragment() const { return (fragment_word & (kIpv6FragmentOffset | kIpv6MoreFragments)) != 0; }
};

// Walks the headers of a packet, of which the bytes may be a part. Refuses (Exit::bad_extension): a hop-by-hop header
// that is not the first, or has an option that may not be skipped, such as a jumbogram's; routing header type 0 with
// segments left; a second fragment header; more or longer headers than the limits above; headers that the bytes cut.
// REQUIRES: at least kIpv6Size bytes.
std::optional<Exit> walk(Bytes packet, Ipv6Chain& out);

}  // namespace rawvs
