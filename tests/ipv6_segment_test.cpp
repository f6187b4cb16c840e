// SPDX-License-Identifier: BSD-2-Clause
// Tests the segments of IPv6's super-frames against a simple model, and the completion of their checksums.
#include <algorithm>

#include "pieces.h"
#include "wire/split.h"

namespace rawvs::test {
namespace {

struct Ipv6Super : Super {
  Ipv6Super(bool tcp, size_t size, uint16_t segment, bool partial, const Extensions& extensions = {}) {
    const std::string src = "2001:db8:1::1", dst = "2001:db8::100";
    bytes = tcp ? frame_of_tcp(src, dst, size, extensions)
                : test::frame(Udp{.src = src, .dst = dst, .data = noise(size), .extensions = extensions});
    offload.segmentation = tcp ? Offload::tcp6 : Offload::udp_l4;
    offload.segment_size = segment;
    if (!partial) return;
    const size_t at = l4_offset(bytes), field = tcp ? 16 : 6;
    set16(bytes, at + field, pseudo_sum(bytes));
    offload.flags = Offload::needs_checksum;
    offload.checksum_start = static_cast<uint16_t>(at);
    offload.checksum_offset = static_cast<uint16_t>(field);
  }
  static FrameBytes frame_of_tcp(const std::string& src, const std::string& dst, size_t size, const Extensions& e) {
    FrameBytes b = test::frame(
        Tcp{.src = src, .dst = dst, .flags = "FPA", .data = noise(12 + size), .seq = 0xfffffc00, .extensions = e});
    b[l4_offset(b) + 12] = 0x80, b[l4_offset(b) + 13] |= 0xc0;  // 12 bytes of options; CWR and ECE
    fix_l4_checksum(b);
    return b;
  }
  static unsigned pseudo_sum(const FrameBytes& b) {
    FrameBytes under(b.begin() + 22, b.begin() + 54);
    const bool tcp = protocol(b) == 6;
    const size_t size = 54 + get16(b, 18) - l4_offset(b);
    under.insert(under.end(), {0, 0, static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size), 0, 0, 0,
                               tcp ? uint8_t{6} : uint8_t{17}});
    return 0xffffu & ~slow_checksum(under.data(), under.size());
  }
  static uint8_t protocol(const FrameBytes& b) { return l4_offset(b) == 54 ? b[20] : b[l4_offset(b) - 8]; }
};

Pieces ipv6_segments_of(const FrameBytes& super, size_t step, bool partial) {
  Pieces all;
  const size_t l4 = l4_offset(super), end = 54 + get16(super, 18);
  const bool tcp = Ipv6Super::protocol(super) == 6;
  const size_t headers = l4 + (tcp ? 32u : 8u);
  for (size_t at = headers; at < end; at += step) {
    const size_t stop = std::min(at + step, end);
    FrameBytes s(super.begin(), super.begin() + static_cast<std::ptrdiff_t>(headers));
    s.insert(s.end(), super.begin() + static_cast<std::ptrdiff_t>(at),
             super.begin() + static_cast<std::ptrdiff_t>(stop));
    set16(s, 18, static_cast<unsigned>(s.size() - 54));
    if (tcp) {
      const unsigned seq = get16(s, l4 + 4) << 16 | get16(s, l4 + 6);
      set32(s, l4 + 4, seq + static_cast<unsigned>(at - headers));
      if (stop < end) s[l4 + 13] &= 0xf6;
      if (at > headers) s[l4 + 13] &= 0x7f;
    } else {
      set16(s, l4 + 4, static_cast<unsigned>(s.size() - l4));
    }
    partial ? set16(s, l4 + (tcp ? 16 : 6), Ipv6Super::pseudo_sum(s)) : fix_l4_checksum(s);
    all.push_back(s);
  }
  return all;
}

TEST(Ipv6Segmenter, CutsAsTheObviousWayDoes) {
  for (const bool tcp : {true, false}) {
    for (const bool partial : {true, false}) {
      for (const Extensions& extensions : {Extensions{}, Extensions{hop_by_hop()}}) {
        for (const size_t size : {1u, 1448u, 1449u, 20001u}) {
          Ipv6Super s(tcp, size, 1448, partial, extensions);
          ASSERT_EQ(s.segments(), ipv6_segments_of(s.bytes, 1448, partial)) << tcp << partial << size;
        }
      }
    }
  }
}

TEST(Ipv6Segmenter, AddressesThatWereRewrittenCount) {
  for (const bool partial : {true, false}) {
    Ipv6Super s(true, 3000, 1448, partial);
    const Packet before = s.packet();
    s.bytes[53] = 9;  // as NAT does after parsing
    EXPECT_EQ(pieces_of(Segmenter(s.frame(), before)), ipv6_segments_of(s.bytes, 1448, partial));
  }
}

TEST(Ipv6Segmenter, EachFamilyHasItsKindOfTcp) {
  Ipv6Super s(true, 3000, 1448, true);
  s.offload.segmentation = Offload::tcp4;
  EXPECT_FALSE(Segmenter(s.frame(), s.packet()).valid());
  s.offload.segmentation = Offload::tcp6 | Offload::ecn;
  EXPECT_TRUE(Segmenter(s.frame(), s.packet()).valid());
}

TEST(CompleteChecksum, OfIpv6LeavesThePaddingOut) {
  for (const bool tcp : {true, false}) {
    Ipv6Super whole(tcp, 999, 0, false), partial(tcp, 999, 0, true);
    partial.bytes.resize(partial.bytes.size() + 7, 0xee);
    Frame f = partial.frame();
    f.offload.segmentation = Offload::none;
    ASSERT_TRUE(complete_checksum(f));
    partial.bytes.resize(whole.bytes.size());
    EXPECT_EQ(partial.bytes, whole.bytes);
  }
}

}  // namespace
}  // namespace rawvs::test
