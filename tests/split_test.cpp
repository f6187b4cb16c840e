// SPDX-License-Identifier: BSD-2-Clause
// Tests fragments against a simple model.
#include "wire/split.h"

#include <algorithm>

#include "pieces.h"

namespace rawvs::test {
namespace {

// The obvious way to cut a frame without options.
Pieces fragments_of(const FrameBytes& whole, size_t mtu, bool df) {
  Pieces all;
  const size_t end = 14 + get16(whole, 16), step = (mtu - 20) / 8 * 8, word = get16(whole, 20);
  for (size_t at = 34; at < end; at += step) {
    const size_t stop = std::min(at + step, end);
    FrameBytes f(whole.begin(), whole.begin() + 34);
    f.insert(f.end(), whole.begin() + static_cast<std::ptrdiff_t>(at),
             whole.begin() + static_cast<std::ptrdiff_t>(stop));
    set16(f, 16, static_cast<unsigned>(f.size() - 14));
    set16(f, 20,
          static_cast<unsigned>((df ? kDf : 0u) | (stop < end ? kMore : word & kMore) |
                                ((word & 0x1fff) + (at - 34) / 8)));
    fix_ip_checksum(f);
    all.push_back(f);
  }
  return all;
}

TEST(Fragmenter, CutsAsTheObviousWayDoes) {
  for (const size_t size : {0u, 1u, 100u, 1472u, 1473u, 2952u, 2953u, 9000u, 65507u}) {
    for (const uint32_t mtu : {28u, 29u, 68u, 576u, 1500u, 1503u, 9000u, 65535u}) {
      FrameBytes whole = frame(Udp{.data = noise(size), .dont_fragment = false});
      const auto pieces = pieces_of(Fragmenter(frame_of(whole), mtu));
      EXPECT_EQ(pieces, size + 28 <= mtu ? Pieces{whole} : fragments_of(whole, mtu, false)) << size << ' ' << mtu;
      for (const auto& piece : pieces) ASSERT_LE(piece.size(), 14 + mtu);
    }
  }
}

TEST(Fragmenter, EthernetsPaddingIsInNoPiece) {
  FrameBytes whole = frame(Udp{.data = "1", .dont_fragment = false}), padded = whole;
  padded.resize(60, 0xee);
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(padded), 1500)), Pieces{whole});
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(padded), 28)), fragments_of(whole, 28, false));
}

TEST(Fragmenter, DontFragmentIsRefusedKeptOrCleared) {
  FrameBytes whole = frame(Udp{.data = noise(3000), .dont_fragment = true});
  EXPECT_FALSE(Fragmenter(frame_of(whole), 1500).valid());
  EXPECT_TRUE(pieces_of(Fragmenter(frame_of(whole), 1500)).empty());
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 1500, DontFragment::keep)), fragments_of(whole, 1500, true));
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 1500, DontFragment::clear)), fragments_of(whole, 1500, false));
  for (const auto df : {DontFragment::refuse, DontFragment::keep, DontFragment::clear}) {
    EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 3028, df)), Pieces{whole});  // it fits: nothing changes
  }
}

TEST(Fragmenter, AFragmentIsCutFurther) {
  const FrameBytes data(2960, 7);
  for (const uint16_t word : {uint16_t{kMore | 185}, uint16_t{185}, uint16_t{kMore}}) {
    FrameBytes fragment = ipv4_frame(kClientMac, kDirectorMac, "198.51.100.1", "192.0.2.100", 17, 64, word, data);
    const auto pieces = pieces_of(Fragmenter(frame_of(fragment), 1000));
    EXPECT_EQ(pieces, fragments_of(fragment, 1000, false));
    ASSERT_EQ(pieces.size(), 4u);
    EXPECT_EQ(get16(pieces[3], 20), (word & kMore) + (word & 0x1fffu) + 3 * 976 / 8);
  }
}

TEST(Fragmenter, OnlyCopiedOptionsAreInLaterFragments) {
  // Timestamp (not copied), router alert (copied), no-operation, record route (not copied), end, rest.
  const FrameBytes options{0x44, 4, 5, 0, 0x94, 4, 0, 0, 1, 7, 3, 4, 0, 7, 3, 4};
  const FrameBytes later{1, 1, 1, 1, 0x94, 4, 0, 0, 1, 1, 1, 1, 0, 7, 3, 4};
  FrameBytes whole = with_options(frame(Udp{.data = noise(200), .dont_fragment = false}), options);
  const auto pieces = pieces_of(Fragmenter(frame_of(whole), 120));
  ASSERT_EQ(pieces.size(), 3u);
  for (const auto& piece : pieces) {
    EXPECT_EQ(FrameBytes(piece.begin() + 34, piece.begin() + 50), &piece == pieces.data() ? options : later);
    EXPECT_EQ(slow_checksum(piece.data() + 14, 36), 0);
  }
  EXPECT_EQ(get16(pieces[0], 16), 36u + 80u);
  EXPECT_EQ(get16(pieces[2], 20), 20u);
}

TEST(Fragmenter, StopsAtOptionsThatMakeNoSense) {
  for (const FrameBytes& options :
       {FrameBytes{7, 0, 7, 7}, FrameBytes{7, 1, 7, 7}, FrameBytes{7, 5, 7, 7}, FrameBytes{1, 1, 1, 7}}) {
    FrameBytes whole = with_options(frame(Udp{.data = noise(200), .dont_fragment = false}), options);
    for (const auto& piece : pieces_of(Fragmenter(frame_of(whole), 120))) {
      EXPECT_EQ(FrameBytes(piece.begin() + 34, piece.begin() + 38), options);
    }
  }
}

TEST(Fragmenter, RefusesWhatCannotBeCut) {
  FrameBytes whole = frame(Udp{.data = noise(3000), .dont_fragment = false});
  Frame f = frame_of(whole);
  for (const uint32_t mtu : {0u, 8u, 20u, 27u}) EXPECT_FALSE(Fragmenter(f, mtu).valid()) << mtu;
  EXPECT_TRUE(Fragmenter(f, 28).valid());
  f.offload.flags = Offload::needs_checksum;
  EXPECT_FALSE(Fragmenter(f, 1500).valid());
  EXPECT_TRUE(Fragmenter(f, 3028).valid());
  f.offload = {};
  f.offload.segmentation = Offload::udp_l4;
  EXPECT_FALSE(Fragmenter(f, 1500).valid());
  f.offload.segmentation = Offload::tcp4 | Offload::ecn;
  EXPECT_FALSE(Fragmenter(f, 1500).valid());
  f.offload.segmentation = Offload::udp;  // just to be cut into fragments
  EXPECT_EQ(pieces_of(Fragmenter(f, 1500)).size(), 3u);
  FrameBytes far =
      ipv4_frame(kClientMac, kDirectorMac, "198.51.100.1", "192.0.2.100", 99, 64, 0x1f00, FrameBytes(3000));
  EXPECT_FALSE(Fragmenter(frame_of(far), 1500).valid());  // its offsets would run into the flags
  FrameBytes none;
  EXPECT_FALSE(Fragmenter(frame_of(none), 1500).valid());
}

TEST(Fragmenter, TooSmallABufferLosesNothing) {
  FrameBytes whole = frame(Udp{.data = noise(3000), .dont_fragment = false});
  Fragmenter fragmenter(frame_of(whole), 1500);
  EXPECT_EQ(fragmenter.largest_piece(), 1514u);
  FrameBytes out(1514);
  Frame piece;
  EXPECT_FALSE(fragmenter.next({out.data(), 1513}, piece));
  EXPECT_FALSE(fragmenter.next({}, piece));
  EXPECT_EQ(pieces_of(fragmenter), fragments_of(whole, 1500, false));
}

// Cuts of the whole payload.
Cuts cuts_of(const FrameBytes& whole, const std::vector<uint16_t>& at) {
  const bool v6 = get16(whole, 12) == 0x86dd;
  return {at, static_cast<uint32_t>(whole.size()) - (v6 ? 54 : 34)};
}

// A simple model: fragments at the given offsets.
Pieces given_fragments_of(const FrameBytes& whole, const std::vector<uint16_t>& cuts, bool df) {
  Pieces all;
  const size_t end = 14 + get16(whole, 16);
  for (size_t i = 0; i < cuts.size(); ++i) {
    const size_t at = 34 + cuts[i] * size_t{8}, stop = i + 1 < cuts.size() ? 34 + cuts[i + 1] * size_t{8} : end;
    FrameBytes f(whole.begin(), whole.begin() + 34);
    f.insert(f.end(), whole.begin() + static_cast<std::ptrdiff_t>(at),
             whole.begin() + static_cast<std::ptrdiff_t>(stop));
    set16(f, 16, static_cast<unsigned>(f.size() - 14));
    set16(f, 20, static_cast<unsigned>((df ? kDf : 0u) | (stop < end ? kMore : 0u) | cuts[i]));
    fix_ip_checksum(f);
    all.push_back(f);
  }
  return all;
}

TEST(Fragmenter, CutsWhereItIsTold) {
  FrameBytes whole = frame(Udp{.data = noise(1992), .dont_fragment = false});  // a payload of 2000
  const std::vector<uint16_t> half{0, 125};
  for (const std::vector<uint16_t>& cuts : {std::vector<uint16_t>{0, 1}, {0, 249}, {0, 100, 101, 180}, {0, 125}}) {
    for (const uint32_t mtu : {2012u, 2020u, 9000u}) {  // whether it would fit or not
      const Fragmenter fragments(frame_of(whole), mtu, DontFragment::refuse, cuts_of(whole, cuts));
      EXPECT_EQ(pieces_of(fragments), given_fragments_of(whole, cuts, false));
    }
  }
  EXPECT_EQ(Fragmenter(frame_of(whole), 1500, DontFragment::refuse, Cuts{half, 2000}).largest_piece(), 34u + 1000);
}

TEST(Fragmenter, AGivenPieceThatIsTooLargeMakesAllEqual) {
  FrameBytes whole = frame(Udp{.data = noise(1992), .dont_fragment = false});
  const std::vector<uint16_t> cuts{0, 10, 100};  // the last has 1200 bytes
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 1220, DontFragment::keep, cuts_of(whole, cuts))),
            given_fragments_of(whole, cuts, false));
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 1219, DontFragment::keep, cuts_of(whole, cuts))),
            fragments_of(whole, 1219, false));
}

TEST(Fragmenter, GivenPiecesOfAnUnevenEndAreGiven) {
  FrameBytes whole = frame(Udp{.data = noise(13), .dont_fragment = false});  // a payload of 21
  const std::vector<uint16_t> cuts{0, 1};
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 33, DontFragment::keep, cuts_of(whole, cuts))),
            given_fragments_of(whole, cuts, false));
}

TEST(Fragmenter, DontFragmentHoldsForGivenPiecesToo) {
  FrameBytes whole = frame(Udp{.data = noise(1000), .dont_fragment = true});
  const std::vector<uint16_t> cuts{0, 50};
  EXPECT_FALSE(Fragmenter(frame_of(whole), 1500, DontFragment::refuse, cuts_of(whole, cuts)).valid());
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 1500, DontFragment::keep, cuts_of(whole, cuts))),
            given_fragments_of(whole, cuts, true));
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 1500, DontFragment::clear, cuts_of(whole, cuts))),
            given_fragments_of(whole, cuts, false));
}

TEST(Fragmenter, CutsThatCannotBeAreNone) {
  FrameBytes whole = frame(Udp{.data = noise(992), .dont_fragment = false});
  for (const std::vector<uint16_t>& cuts :
       {std::vector<uint16_t>{}, {0}, {1, 2}, {0, 0}, {0, 20, 10}, {0, 125}, {0, 60, 9000}}) {
    EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 1500, DontFragment::keep, cuts_of(whole, cuts))), Pieces{whole});
    EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 500, DontFragment::keep, cuts_of(whole, cuts))),
              fragments_of(whole, 500, false));
  }
}

// ---- IPv6

// The obvious way: the headers before `headers_end`, a fragment header, and a part of the rest. cuts: as Fragmenter's.
Pieces ipv6_fragments_of(const FrameBytes& whole, size_t headers_end, size_t named_at, uint32_t id,
                         const std::vector<size_t>& offsets) {
  Pieces all;
  const size_t end = 54 + get16(whole, 18);
  for (size_t i = 0; i < offsets.size(); ++i) {
    const bool last = i + 1 == offsets.size();
    FrameBytes f(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(headers_end));
    f.insert(f.end(), {f[named_at], 0, 0, 0, 0, 0, 0, 0});
    f[named_at] = 44;
    set16(f, headers_end + 2, static_cast<unsigned>(offsets[i]) | (last ? 0u : 1u));
    set32(f, headers_end + 4, id);
    const auto at = [&](size_t offset) { return whole.begin() + static_cast<std::ptrdiff_t>(headers_end + offset); };
    f.insert(f.end(), at(offsets[i]), last ? whole.begin() + static_cast<std::ptrdiff_t>(end) : at(offsets[i + 1]));
    set16(f, 18, static_cast<unsigned>(f.size() - 54));
    all.push_back(f);
  }
  return all;
}

std::vector<size_t> steps(size_t payload, size_t step) {
  std::vector<size_t> offsets;
  for (size_t at = 0; at < payload; at += step) offsets.push_back(at);
  return offsets;
}

FrameBytes ipv6_udp(size_t size, const Extensions& extensions = {}) {
  return frame(Udp{.src = "2001:db8:1::1", .dst = "2001:db8::100", .data = noise(size), .extensions = extensions});
}

TEST(Ipv6Fragmenter, CutsAsTheObviousWayDoes) {
  for (const size_t size : {0u, 1u, 1232u, 1233u, 1452u, 1453u, 9000u, 65527u}) {
    for (const uint32_t mtu : {56u, 63u, 1280u, 1500u, 9000u, 65535u, 65575u}) {
      FrameBytes whole = ipv6_udp(size);
      const auto pieces = pieces_of(Fragmenter(frame_of(whole), mtu, DontFragment::refuse, {}, 0xabcd1234));
      if (size + 48 <= mtu) {
        EXPECT_EQ(pieces, Pieces{whole});
      } else {
        EXPECT_EQ(pieces, ipv6_fragments_of(whole, 54, 20, 0xabcd1234, steps(size + 8, (mtu - 48) / 8 * 8)));
      }
      for (const auto& piece : pieces) ASSERT_LE(piece.size(), 14 + mtu);
    }
  }
}

TEST(Ipv6Fragmenter, HeadersForRoutersAreInEachPiece) {  // RFC 8200 section 4.5
  FrameBytes options = ipv6_udp(2000, {hop_by_hop(), destination_options()});
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(options), 1280, DontFragment::refuse, {}, 7)),
            ipv6_fragments_of(options, 70, 62, 7, steps(2008, 1216)));
  FrameBytes routed = ipv6_udp(2000, {hop_by_hop(), destination_options(), routing(2, 0), destination_options()});
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(routed), 1280, DontFragment::refuse, {}, 7)),
            ipv6_fragments_of(routed, 94, 70, 7, steps(2016, 1192)));
}

TEST(Ipv6Fragmenter, CutsWhereItIsTold) {
  FrameBytes whole = ipv6_udp(1992);
  const std::vector<uint16_t> ten{0, 10};
  for (const std::vector<uint16_t>& cuts : {std::vector<uint16_t>{0, 1}, {0, 249}, {0, 100, 101, 180}, {0, 125}}) {
    std::vector<size_t> offsets;
    for (const uint16_t cut : cuts) offsets.push_back(cut * size_t{8});
    for (const uint32_t mtu : {2040u, 2048u, 9000u}) {
      EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), mtu, DontFragment::keep, cuts_of(whole, cuts), 9)),
                ipv6_fragments_of(whole, 54, 20, 9, offsets));
    }
  }
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 1300, DontFragment::keep, Cuts{ten, 2000}, 9)),
            ipv6_fragments_of(whole, 54, 20, 9, steps(2000, 1248)));
}

TEST(Ipv6Fragmenter, TheFirstPieceHasWhatWasPutBeforeIt) {  // a tunnel's headers
  FrameBytes whole = ipv6_udp(1992);
  const std::vector<uint16_t> cuts{0, 100, 180};
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 1500, DontFragment::keep, {cuts, 1960}, 9)),
            ipv6_fragments_of(whole, 54, 20, 9, {0, 840, 1480}));
  // 44 bytes, as GRE's: no multiple of eight
  EXPECT_EQ(pieces_of(Fragmenter(frame_of(whole), 1280, DontFragment::keep, {cuts, 1956}, 9)),
            ipv6_fragments_of(whole, 54, 20, 9, steps(2000, 1232)));
}

TEST(Ipv6Fragmenter, RefusesWhatCannotBeCut) {
  FrameBytes whole = ipv6_udp(3000);
  for (const uint32_t mtu : {0u, 40u, 48u, 55u}) EXPECT_FALSE(Fragmenter(frame_of(whole), mtu).valid()) << mtu;
  EXPECT_TRUE(Fragmenter(frame_of(whole), 56).valid());
  Frame f = frame_of(whole);
  f.offload.flags = Offload::needs_checksum;
  EXPECT_FALSE(Fragmenter(f, 1280).valid());
  FrameBytes fragment = ipv6_udp(3000, {fragment_header(8, true)});  // it would have two fragment headers
  EXPECT_FALSE(Fragmenter(frame_of(fragment), 1280).valid());
  EXPECT_TRUE(Fragmenter(frame_of(fragment), 3056).valid());
  FrameBytes broken = ipv6_udp(3000, {destination_options(), hop_by_hop()});
  EXPECT_FALSE(Fragmenter(frame_of(broken), 1280).valid());
}

}  // namespace
}  // namespace rawvs::test
