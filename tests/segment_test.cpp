// SPDX-License-Identifier: BSD-2-Clause
// Tests the segments of super-frames against a simple model, and the completion of checksums.
#include <algorithm>

#include "pieces.h"
#include "wire/split.h"

namespace rawvs::test {
namespace {

size_t l4_at(const FrameBytes& b) { return 14 + (b[14] & 15u) * 4; }
size_t checksum_at(const FrameBytes& b) { return l4_at(b) + (b[23] == 6 ? 16u : 6u); }

unsigned l4_sum(const FrameBytes& b, bool header_only) {  // the pseudo-header's, with what is behind it or without
  FrameBytes under(b.begin() + 26, b.begin() + 34);
  const size_t size = 14 + get16(b, 16) - l4_at(b);
  under.insert(under.end(), {0, b[23], static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size)});
  const auto l4 = b.begin() + static_cast<std::ptrdiff_t>(l4_at(b));
  if (!header_only) under.insert(under.end(), l4, l4 + static_cast<std::ptrdiff_t>(size));
  return 0xffffu & ~slow_checksum(under.data(), under.size());
}

void make_partial(FrameBytes& b, Offload& offload) {
  set16(b, checksum_at(b), l4_sum(b, true));
  offload.flags = Offload::needs_checksum;
  offload.checksum_start = static_cast<uint16_t>(l4_at(b));
  offload.checksum_offset = static_cast<uint16_t>(checksum_at(b) - l4_at(b));
}

void make_full(FrameBytes& b) {
  set16(b, checksum_at(b), 0);
  const unsigned sum = 0xffffu & ~l4_sum(b, false);
  set16(b, checksum_at(b), b[23] == 17 && sum == 0 ? 0xffff : sum);
}

Super tcp_super(size_t size, uint16_t segment, bool partial, const FrameBytes& ip_options = {},
                size_t tcp_options = 12) {
  Super s;
  s.bytes = with_options(frame(Tcp{.flags = "FPA", .data = noise(tcp_options + size), .seq = 0xfffffc00}), ip_options);
  const size_t l4 = l4_at(s.bytes);
  s.bytes[l4 + 12] = static_cast<uint8_t>((20 + tcp_options) * 4);
  s.bytes[l4 + 13] |= 0xc0;  // CWR and ECE
  set16(s.bytes, 18, 0xfffe);
  fix_ip_checksum(s.bytes);
  make_full(s.bytes);
  s.offload.segmentation = Offload::tcp4 | Offload::ecn;
  s.offload.segment_size = segment;
  if (partial) make_partial(s.bytes, s.offload);
  return s;
}

Super udp_super(size_t size, uint16_t segment, bool partial) {
  Super s;
  s.bytes = frame(Udp{.data = noise(size), .dont_fragment = true});
  s.offload.segmentation = Offload::udp_l4;
  s.offload.segment_size = segment;
  if (partial) make_partial(s.bytes, s.offload);
  return s;
}

// The obvious way: the headers, some payload, and every field that depends on it.
Pieces segments_of(const FrameBytes& super, size_t step, bool partial) {
  Pieces all;
  const size_t l4 = l4_at(super), end = 14 + get16(super, 16);
  const bool tcp = super[23] == 6;
  const size_t headers = l4 + (tcp ? super[l4 + 12] / 16 * 4u : 8u);
  size_t at = headers;
  do {
    const size_t stop = std::min(at + step, end);
    FrameBytes s(super.begin(), super.begin() + static_cast<std::ptrdiff_t>(headers));
    s.insert(s.end(), super.begin() + static_cast<std::ptrdiff_t>(at),
             super.begin() + static_cast<std::ptrdiff_t>(stop));
    set16(s, 16, static_cast<unsigned>(s.size() - 14));
    set16(s, 18, static_cast<unsigned>(get16(super, 18) + all.size()) & 0xffff);
    fix_ip_checksum(s);
    if (tcp) {
      const unsigned seq = get16(s, l4 + 4) << 16 | get16(s, l4 + 6);
      set32(s, l4 + 4, seq + static_cast<unsigned>(at - headers));
      if (stop < end) s[l4 + 13] &= 0xf6;
      if (at > headers) s[l4 + 13] &= 0x7f;
    } else {
      set16(s, l4 + 4, static_cast<unsigned>(s.size() - l4));
    }
    if (partial) {
      set16(s, checksum_at(s), l4_sum(s, true));
    } else {
      make_full(s);
    }
    all.push_back(s);
    at = stop;
  } while (at < end);
  return all;
}

TEST(Segmenter, CutsTcpAsTheObviousWayDoes) {
  for (const bool partial : {true, false}) {
    for (const size_t size : {0u, 1u, 1447u, 1448u, 1449u, 2896u, 20001u, 65000u}) {
      for (const uint16_t segment : {uint16_t{1448}, uint16_t{536}, uint16_t{7}, uint16_t{65535}}) {
        Super s = tcp_super(size, segment, partial, size % 2 == 0 ? FrameBytes{} : FrameBytes{0x94, 4, 0, 0});
        ASSERT_EQ(s.segments(), segments_of(s.bytes, segment, partial)) << size << ' ' << segment << ' ' << partial;
      }
    }
  }
}

TEST(Segmenter, CutsUdpAsTheObviousWayDoes) {
  for (const bool partial : {true, false}) {
    for (const size_t size : {0u, 1u, 1200u, 1201u, 2400u, 60001u, 65507u}) {
      for (const uint16_t segment : {uint16_t{1200}, uint16_t{1}, uint16_t{65535}}) {
        if (size / segment > 9000) continue;
        Super s = udp_super(size, segment, partial);
        ASSERT_EQ(s.segments(), segments_of(s.bytes, segment, partial)) << size << ' ' << segment << ' ' << partial;
      }
    }
  }
}

TEST(Segmenter, FlagsAndSequenceAreEachSegmentsOwn) {
  Super s = tcp_super(3000, 1448, false);
  const auto segments = s.segments();
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[0][34 + 13], 0xd0);      // CWR ECE ACK
  EXPECT_EQ(segments[1][34 + 13], 0x50);      // ECE ACK
  EXPECT_EQ(segments[2][34 + 13], 0x59);      // ECE ACK PSH FIN
  EXPECT_EQ(get16(segments[2], 34 + 4), 0u);  // the sequence number went around
  EXPECT_EQ(get16(segments[2], 34 + 6), 0xfc00u + 2 * 1448 - 0x10000u);
  EXPECT_EQ(get16(segments[2], 18), 0u);  // and so did the IP identification
  for (const auto& segment : segments) EXPECT_EQ(describe(segment).find("BAD"), std::string::npos);
}

TEST(Segmenter, OffloadFactsAreTrue) {
  for (const bool partial : {true, false}) {
    Super s = tcp_super(3000, 1448, partial);
    if (!partial) s.offload.flags = Offload::checksum_valid;
    std::vector<Offload> offloads;
    auto segments = s.segments(&offloads);
    ASSERT_EQ(offloads.size(), 3u);
    for (size_t i = 0; i < offloads.size(); ++i) {
      EXPECT_FALSE(offloads[i].super_frame());
      EXPECT_EQ(offloads[i].segment_size, 0);
      EXPECT_EQ(offloads[i].flags, partial ? Offload::needs_checksum : Offload::checksum_valid);
      EXPECT_EQ(offloads[i].checksum_start, partial ? 34 : 0);
      EXPECT_EQ(offloads[i].checksum_offset, partial ? 16 : 0);
      Frame f = frame_of(segments[i]);
      f.offload = offloads[i];
      EXPECT_EQ(complete_checksum(f), partial);
      EXPECT_EQ(describe(segments[i]).find("BAD"), std::string::npos);
    }
  }
}

TEST(Segmenter, UdpWithoutAChecksumStaysSo) {
  Super s = udp_super(3000, 1200, false);
  set16(s.bytes, 40, 0);
  for (const auto& segment : s.segments()) EXPECT_EQ(get16(segment, 40), 0u);
}

TEST(Segmenter, AUdpChecksumOfZeroIsWrittenAsItsOther) {
  Super s = udp_super(2400, 1200, false);
  set16(s.bytes, 42, 0);
  set16(s.bytes, 42, get16(s.segments()[0], 40));  // the first segment's sum is now zero
  EXPECT_EQ(get16(s.segments()[0], 40), 0xffffu);
  EXPECT_EQ(s.segments(), segments_of(s.bytes, 1200, false));
}

TEST(Segmenter, AddressesThatWereRewrittenCount) {
  for (const bool partial : {true, false}) {
    Super s = tcp_super(3000, 1448, partial);
    const Packet before = s.packet();
    s.bytes[33] = 9;  // as NAT does after parsing
    fix_ip_checksum(s.bytes);
    EXPECT_EQ(pieces_of(Segmenter(s.frame(), before)), segments_of(s.bytes, 1448, partial));
  }
}

TEST(Segmenter, RefusesWhatIsNoSuperFrame) {
  Super s = tcp_super(3000, 0, true);
  EXPECT_FALSE(Segmenter(s.frame(), s.packet()).valid());
  EXPECT_TRUE(s.segments().empty());
  for (const uint8_t kind : {Offload::none, Offload::udp, Offload::tcp6, Offload::udp_l4, Offload::ecn}) {
    s = tcp_super(3000, 1448, true);
    s.offload.segmentation = kind;
    EXPECT_FALSE(Segmenter(s.frame(), s.packet()).valid()) << int{kind};
  }
  s = udp_super(3000, 1448, true);
  s.offload.segmentation = Offload::tcp4;
  EXPECT_FALSE(Segmenter(s.frame(), s.packet()).valid());
  s = udp_super(3000, 1448, false);
  set16(s.bytes, 20, kMore);
  fix_ip_checksum(s.bytes);
  EXPECT_FALSE(Segmenter(s.frame(), s.packet()).valid());
}

TEST(Segmenter, TooSmallABufferLosesNothing) {
  Super s = tcp_super(3000, 1448, true);
  Segmenter segmenter(s.frame(), s.packet());
  EXPECT_EQ(segmenter.largest_piece(), 14u + 20 + 32 + 1448);
  FrameBytes out(segmenter.largest_piece());
  Frame piece;
  EXPECT_FALSE(segmenter.next({out.data(), out.size() - 1}, piece));
  EXPECT_EQ(pieces_of(segmenter), segments_of(s.bytes, 1448, true));
}

TEST(Segmenter, StandsAnyBytes) {
  std::mt19937 random(9);
  int cut = 0;
  for (int i = 0; i < 30000; ++i) {
    Super s;
    s.bytes.resize(34 + random() % 400);
    for (auto& byte : s.bytes) byte = static_cast<uint8_t>(random());
    s.bytes[14] = static_cast<uint8_t>(0x45 + random() % 3);
    set16(s.bytes, 16, static_cast<unsigned>(s.bytes.size() - 14 - random() % 3));
    set16(s.bytes, 20, random() % 4 == 0 ? static_cast<unsigned>(random() & 0xffff) : 0);
    s.bytes[23] = random() % 2 == 0 ? 6 : 17;
    s.bytes[26] = 198;
    if (s.bytes.size() > 80) set16(s.bytes, l4_at(s.bytes) + 4, 8 + static_cast<unsigned>(random() % 30));
    if (s.bytes.size() >= l4_at(s.bytes)) fix_ip_checksum(s.bytes);
    s.offload.flags = static_cast<uint8_t>(random() % 4);
    s.offload.segmentation = static_cast<uint8_t>(s.bytes[23] == 6 ? Offload::tcp4 : Offload::udp_l4);
    s.offload.segment_size = static_cast<uint16_t>(random() % 40);
    s.offload.checksum_start = static_cast<uint16_t>(random() % 100);
    s.offload.checksum_offset = random() % 2 == 0 ? 16 : 6;
    Frame f = s.frame();
    Packet packet;
    if (!parse_ip(f, packet)) {
      const auto segments = pieces_of(Segmenter(f, packet));
      ASSERT_LE(segments.size(), 400u);
      cut += segments.size() > 1;
    }
    complete_checksum(f);
    pieces_of(Fragmenter(f, static_cast<uint32_t>(random() % 500), DontFragment::clear));
  }
  EXPECT_GT(cut, 1000);
}

// ---- Checksums

TEST(CompleteChecksum, MakesThePartialOneWhole) {
  for (const size_t size : {0u, 1u, 2u, 999u, 1400u}) {
    for (const bool padded : {false, true}) {
      for (FrameBytes b : {frame(Udp{.data = noise(size)}), frame(Tcp{.flags = "PA", .data = noise(size)})}) {
        const FrameBytes right = b;
        Offload offload;
        make_partial(b, offload);
        ASSERT_NE(b, right);
        if (padded) b.resize(b.size() + 7, 0xee);
        Frame f = frame_of(b);
        f.offload = offload;
        EXPECT_TRUE(complete_checksum(f));
        EXPECT_EQ(FrameBytes(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(right.size())), right);
        EXPECT_EQ(f.offload, Offload{});
        EXPECT_FALSE(complete_checksum(f));  // there is nothing left to do
      }
    }
  }
}

TEST(CompleteChecksum, ZeroIsWrittenAsItsOther) {
  FrameBytes b = frame(Udp{.data = std::string(2, 0)});
  set16(b, 42, get16(b, 40));  // the sum of all is now zero
  Offload offload;
  make_partial(b, offload);
  Frame f = frame_of(b);
  f.offload = offload;
  ASSERT_TRUE(complete_checksum(f));
  EXPECT_EQ(get16(b, 40), 0xffffu);
  EXPECT_EQ(describe(b).find("BAD"), std::string::npos);
}

TEST(CompleteChecksum, LeavesAloneWhatItCannotDo) {
  FrameBytes b = frame(Udp{});
  const FrameBytes before = b;
  for (const unsigned start : {34u, 35u, 46u, 47u, 65535u}) {
    for (const unsigned offset : {6u, 8u, 16u, 65535u}) {
      if (start < 40 && offset == 6) continue;  // these lie inside
      Frame f = frame_of(b);
      f.offload = {Offload::needs_checksum, 0, 0, 0, static_cast<uint16_t>(start), static_cast<uint16_t>(offset)};
      EXPECT_FALSE(complete_checksum(f)) << start << ' ' << offset;
      EXPECT_TRUE(f.offload.partial_checksum());
    }
  }
  FrameBytes tiny(20);
  Frame f = frame_of(tiny);
  f.offload = {Offload::needs_checksum, 0, 0, 0, 0, 6};
  EXPECT_FALSE(complete_checksum(f));
  EXPECT_EQ(b, before);
}

}  // namespace
}  // namespace rawvs::test
