// SPDX-License-Identifier: BSD-2-Clause
// Tests fragments in any order, with any boundaries, repeated, contradicting; and cut again as they came.
#include "core/reassembly.h"

#include <map>
#include <numeric>

#include "datagram.h"
#include "links.h"
#include "wire/split.h"

namespace rawvs::test {
namespace {

TEST(Reassembly, AnyOrderOfAnyCutGivesTheOriginalBytes) {
  std::mt19937 random(3);
  const auto below = [&](size_t n) { return random() % n; };
  Reassembly reassembly(16, kSecret);
  for (int round = 0; round < 400; ++round) {
    Datagram d = datagram(17 + below(round % 8 == 0 ? 65400 : 6000), static_cast<uint32_t>(round));
    d.ip_id = static_cast<uint16_t>(round);
    d.options.assign(below(11) * 4, 1);
    if (14 + d.options.size() + 20 + d.payload.size() > 14 + 65535) d.options.clear();
    std::vector<FrameBytes> fragments;
    const size_t most = 1 + below(round % 3 == 0 ? 400 : 180);
    for (size_t at = 0, to; at < d.payload.size(); at = to) {
      to = std::min(at + 8 * (1 + below(most)), d.payload.size());
      if (at == 0 && to == d.payload.size()) to = 8;
      fragments.push_back(d.fragment(at, to));
    }
    std::shuffle(fragments.begin(), fragments.end(), random);
    size_t largest = 0;
    for (const auto& f : fragments) largest = std::max(largest, f.size() - 14);
    for (size_t i = 0; i + 1 < fragments.size(); ++i) {
      ASSERT_EQ(add(reassembly, fragments[i]).exit, Exit::fragment_held) << round;
      if (below(4) == 0) {
        ASSERT_EQ(add(reassembly, fragments[below(i + 1)]).exit, Exit::fragment_held) << round;
      }
    }
    const Kept last = add(reassembly, fragments.back());
    ASSERT_FALSE(last.exit) << round;
    ASSERT_EQ(last.whole, d.whole()) << round;
    ASSERT_EQ(last.largest, largest);
    ASSERT_EQ(reassembly.size(), 0u);
    ASSERT_EQ(reassembly.pages_used(), 0u);
  }
}

TEST(Reassembly, TheWholeIsASoundFrameOfItsOwn) {
  Reassembly reassembly(16, kSecret);
  const Datagram d = datagram(4000);
  const auto cut = d.cut(1480);
  add(reassembly, cut[2]), add(reassembly, cut[1]);
  const Kept whole = add(reassembly, cut[0], kStart, kInLink);  // another link: another datagram
  EXPECT_EQ(whole.exit, Exit::fragment_held);
  const Kept own = add(reassembly, cut[0], kStart, kOutLink);
  ASSERT_FALSE(own.exit);
  EXPECT_EQ(own.frame.link, kOutLink);
  EXPECT_EQ(own.frame.offload, Offload{});
  EXPECT_GE(own.frame.headroom, 128u);
  Packet packet;
  EXPECT_FALSE(parse_ip(own.frame, packet));
  EXPECT_FALSE(packet.fragmented());
  EXPECT_EQ(packet.l4_size(), 4000u);
  EXPECT_EQ(reassembly.size(), 1u);
}

TEST(Reassembly, TheLargestDatagramInFortyFiveFragments) {
  Reassembly reassembly(16, kSecret);
  const Datagram d = datagram(65515);
  auto cut = d.cut(1480);
  ASSERT_EQ(cut.size(), 45u);
  std::reverse(cut.begin(), cut.end());
  for (size_t i = 0; i + 1 < cut.size(); ++i) EXPECT_EQ(add(reassembly, cut[i]).exit, Exit::fragment_held);
  const Kept whole = add(reassembly, cut.back());
  ASSERT_FALSE(whole.exit);
  EXPECT_EQ(whole.whole, d.whole());
  EXPECT_EQ(whole.largest, 1500);
}

TEST(Reassembly, FragmentsOfEightBytesTakeNoMoreMemoryThanOthers) {
  Reassembly reassembly(16, kSecret);
  const Datagram d = datagram(65515);
  const auto cut = d.cut(8);
  ASSERT_EQ(cut.size(), 8190u);
  for (size_t i = 1; i < cut.size(); ++i) {
    const Kept kept = add(reassembly, cut[i]);
    ASSERT_EQ(kept.exit, Exit::fragment_held);
    ASSERT_EQ(kept.gave_way, 0u);
  }
  EXPECT_EQ(reassembly.pages_used(), 32u);
  const Kept whole = add(reassembly, cut[0]);
  ASSERT_FALSE(whole.exit);
  EXPECT_EQ(whole.whole, d.whole());
  EXPECT_EQ(whole.largest, 28);
}

TEST(Reassembly, HeadersAreTheFirstFragments) {
  Reassembly reassembly(16, kSecret);
  Datagram d = datagram(3000);
  d.options = {0x44, 4, 5, 0};  // a timestamp: only the first fragment has it
  d.ttl = 61;
  Datagram later = d;
  later.options.clear();
  later.ttl = 17;
  EXPECT_EQ(add(reassembly, later.fragment(1480, 3000), kStart, kInLink, 9).exit, Exit::fragment_held);
  const Kept whole = add(reassembly, d.fragment(0, 1480), kStart, kInLink, 7);
  ASSERT_FALSE(whole.exit);
  EXPECT_EQ(whole.whole, d.whole());
  EXPECT_EQ(whole.largest, 1540);
  EXPECT_EQ(whole.frame.link, kInLink);
  EXPECT_EQ(whole.frame.vlan, 7);
}

TEST(Reassembly, DontFragmentStaysWhenALargestFragmentHadIt) {
  Reassembly reassembly(16, kSecret);
  Datagram with = datagram(3000), without = with;
  with.df = kDf;
  add(reassembly, with.fragment(0, 1480));
  add(reassembly, with.fragment(1480, 2960));
  EXPECT_EQ(add(reassembly, with.fragment(2960, 3000)).whole, with.whole());
  add(reassembly, without.fragment(0, 1480));
  EXPECT_EQ(add(reassembly, with.fragment(1480, 3000)).whole, with.whole());  // 1540: the largest
  add(reassembly, with.fragment(0, 1480));
  EXPECT_EQ(add(reassembly, without.fragment(1480, 3000)).whole, without.whole());
}

TEST(Reassembly, ACongestionMarkOnAnyFragmentMarksTheWhole) {
  Reassembly reassembly(16, kSecret);
  Datagram capable = datagram(3000), marked = capable;
  capable.tos = 0xb8 | 2;
  marked.tos = 0xb8 | 3;
  add(reassembly, capable.fragment(0, 1480));
  EXPECT_EQ(add(reassembly, marked.fragment(1480, 3000)).whole, marked.whole());
  Datagram incapable = capable;
  incapable.tos = 0xb8;
  add(reassembly, incapable.fragment(0, 1480));
  EXPECT_EQ(add(reassembly, marked.fragment(1480, 3000)).exit, Exit::fragment_bad);
  EXPECT_EQ(reassembly.size(), 0u);
}

TEST(Reassembly, OtherIdsProtocolsAndAddressesAreOtherDatagrams) {
  Reassembly reassembly(16, kSecret);
  const Datagram d = datagram(2000);
  std::vector<Datagram> others(4, d);
  others[0].ip_id = 2;
  others[1].protocol = 99;
  others[2].dst = "192.0.2.101";
  others[3].src = "198.51.100.2";
  EXPECT_EQ(add(reassembly, d.fragment(0, 1000)).exit, Exit::fragment_held);
  for (const Datagram& other : others) {
    EXPECT_EQ(add(reassembly, other.fragment(1000, 2000)).exit, Exit::fragment_held);
  }
  EXPECT_EQ(reassembly.size(), 5u);
  EXPECT_EQ(add(reassembly, d.fragment(1000, 2000)).whole, d.whole());
  for (const Datagram& other : others) EXPECT_EQ(add(reassembly, other.fragment(0, 1000)).whole, other.whole());
  EXPECT_EQ(reassembly.size(), 0u);
}

TEST(Reassembly, ADuplicateIsIgnoredWhateverItSays) {
  Reassembly reassembly(16, kSecret);
  const Datagram d = datagram(3000), forged = datagram(3000, 77);
  add(reassembly, d.fragment(1480, 2960));
  EXPECT_EQ(add(reassembly, d.fragment(1480, 2960)).exit, Exit::fragment_held);
  EXPECT_EQ(add(reassembly, forged.fragment(1480, 2960)).exit, Exit::fragment_held);
  EXPECT_EQ(add(reassembly, forged.fragment(1488, 1496)).exit, Exit::fragment_held);  // all of it is there already
  add(reassembly, d.fragment(2960, 3000));
  EXPECT_EQ(add(reassembly, forged.fragment(2960, 3000)).exit, Exit::fragment_held);
  EXPECT_EQ(add(reassembly, d.fragment(0, 1480)).whole, d.whole());
}

TEST(Reassembly, OverlappingFragmentsThrowTheDatagramAway) {
  const Datagram d = datagram(4000), longer = datagram(5000), shorter = datagram(2000);
  const std::vector<std::vector<FrameBytes>> contradictions = {
      {d.fragment(800, 1600), d.fragment(792, 808)},                            // the beginning
      {d.fragment(800, 1600), d.fragment(1592, 1608)},                          // the end
      {d.fragment(800, 1600), d.fragment(0, 3200)},                             // around it
      {d.fragment(800, 1600), d.fragment(2400, 3200), d.fragment(1592, 2408)},  // between two
      {d.fragment(3200, 4000), longer.fragment(4000, 4800)},                    // behind the end
      {d.fragment(3200, 4000), longer.fragment(4000, 5000)},                    // two ends
      {d.fragment(3200, 4000), shorter.fragment(1600, 2000)},                   // two ends
      {d.fragment(1600, 3200), shorter.fragment(1000, 2000)},                   // an end before what is there
  };
  for (const auto& fragments : contradictions) {
    Reassembly reassembly(16, kSecret);
    add(reassembly, d.fragment(0, 80));
    for (size_t i = 0; i + 1 < fragments.size(); ++i) {
      EXPECT_EQ(add(reassembly, fragments[i]).exit, Exit::fragment_held);
    }
    EXPECT_EQ(add(reassembly, fragments.back()).exit, Exit::fragment_overlap);
    EXPECT_EQ(reassembly.size(), 0u);
    EXPECT_EQ(reassembly.pages_used(), 0u);
    EXPECT_EQ(add(reassembly, d.fragment(80, 4000)).exit, Exit::fragment_held);  // nothing of it was kept
  }
}

TEST(Reassembly, ImpossibleFragmentsAreRefused) {
  Reassembly reassembly(16, kSecret);
  Datagram d = datagram(65535);
  EXPECT_EQ(add(reassembly, d.piece(0, 0, kMore | 10)).exit, Exit::fragment_bad);  // empty
  EXPECT_EQ(add(reassembly, d.piece(0, 0, 10)).exit, Exit::fragment_bad);          // empty, and the last
  EXPECT_EQ(add(reassembly, d.piece(0, 1001, kMore)).exit, Exit::fragment_bad);    // off the grid
  EXPECT_EQ(add(reassembly, d.piece(0, 8, 0x1fff)).exit, Exit::fragment_bad);      // beyond 65,535 bytes
  EXPECT_EQ(add(reassembly, d.piece(0, 8, 0x1fff | kMore)).exit, Exit::fragment_bad);
  EXPECT_EQ(add(reassembly, d.piece(0, 1500, 8190)).exit, Exit::fragment_bad);
  EXPECT_EQ(add(reassembly, d.piece(0, 65515, 8191)).exit, Exit::fragment_bad);
  EXPECT_EQ(reassembly.size(), 0u);
  // 65,516 bytes are too many behind any header, 65,515 are too many behind a header with options.
  EXPECT_EQ(add(reassembly, d.piece(65512, 65516, 8189)).exit, Exit::fragment_bad);
  EXPECT_EQ(add(reassembly, d.piece(65512, 65515, 8189)).exit, Exit::fragment_held);
  EXPECT_EQ(add(reassembly, d.piece(32000, 65512, 4000 | kMore)).exit, Exit::fragment_held);
  d.options.assign(4, 1);
  EXPECT_EQ(add(reassembly, d.piece(0, 32000, kMore)).exit, Exit::fragment_bad);
  EXPECT_EQ(reassembly.size(), 0u);
}

// The simple way: one optional byte per byte, no pages, no bits, no shares.
class SlowReassembly {
 public:
  std::optional<Exit> add(uint16_t id, size_t from, const FrameBytes& payload, bool more, FrameBytes& whole) {
    const size_t to = from + payload.size();
    const bool bad = payload.empty() || (more && to % 8 != 0) || to + 20 > 65535;
    auto& d = waiting_[id];
    size_t there = 0;
    for (size_t i = from; i < to && i < d.bytes.size(); ++i) there += d.bytes[i].has_value();
    const bool two_ends = !more && d.end && *d.end != to;
    const bool behind = (d.end && to > *d.end) || (!more && d.bytes.size() > to);
    if (bad || two_ends || behind || (there != 0 && there != payload.size())) {
      waiting_.erase(id);
      return bad ? Exit::fragment_bad : Exit::fragment_overlap;
    }
    if (there != 0) return Exit::fragment_held;
    d.bytes.resize(std::max(d.bytes.size(), to));
    std::copy(payload.begin(), payload.end(), d.bytes.begin() + static_cast<std::ptrdiff_t>(from));
    if (!more) d.end = to;
    const bool hole = std::any_of(d.bytes.begin(), d.bytes.end(), [](const auto& b) { return !b; });
    if (!d.end || hole) return Exit::fragment_held;
    whole.clear();
    for (const auto& b : d.bytes) whole.push_back(*b);
    waiting_.erase(id);
    return std::nullopt;
  }

 private:
  struct Waiting {
    std::vector<std::optional<uint8_t>> bytes;
    std::optional<size_t> end;
  };
  std::map<uint16_t, Waiting> waiting_;
};

TEST(Reassembly, DecidesAsTheObviousWayDoesOnRandomFragments) {
  std::mt19937 random(11);
  const auto below = [&](size_t n) { return random() % n; };
  Reassembly reassembly(256, kSecret);
  SlowReassembly slow;
  std::map<int, int> seen;
  for (int i = 0; i < 60000; ++i) {
    Datagram d;
    d.protocol = 99;
    d.ip_id = static_cast<uint16_t>(below(6));
    // Small places, so that they meet; around the edge of a page; and now and then anywhere.
    const size_t block = below(50) == 0 ? below(8192) : d.ip_id % 2 == 0 ? below(6) : below(2) * (253 + below(6));
    const bool more = below(3) != 0;
    size_t size = below(30) == 0 ? below(3000) : 8 * (1 + below(block == 0 && d.ip_id % 2 == 1 ? 260 : 3));
    if (!more && below(2) == 0) size += below(8);
    d.payload.resize(size);
    for (auto& byte : d.payload) byte = static_cast<uint8_t>(random());
    FrameBytes expected;
    const auto exit = slow.add(d.ip_id, block * 8, d.payload, more, expected);
    const Kept kept = add(reassembly, d.piece(0, size, static_cast<uint16_t>(block | (more ? kMore : 0u))));
    ASSERT_EQ(kept.exit, exit) << i;
    ++seen[exit ? static_cast<int>(*exit) : -1];
    if (!exit) {
      ASSERT_EQ(FrameBytes(kept.whole.begin() + 34, kept.whole.end()), expected) << i;
    }
  }
  EXPECT_EQ(seen.size(), 4u);
  EXPECT_GT(seen[-1], 300);
}

TEST(Reassembly, StandsAnyBytes) {
  std::mt19937 random(5);
  Reassembly reassembly(8, kSecret, 0);
  Instant now = kStart;
  int added = 0;
  for (int i = 0; i < 100000; ++i) {
    FrameBytes b(34 + random() % 300);
    for (auto& byte : b) byte = static_cast<uint8_t>(random());
    b[14] = static_cast<uint8_t>(0x45 + random() % 11);
    b[16] = static_cast<uint8_t>(random() % 2), b[23] = 99;
    b[26] = 198, b[27] = 51, b[28] = 100, b[29] = static_cast<uint8_t>(random() % 8);
    if (b.size() >= 14 + (b[14] & 15u) * 4) fix_ip_checksum(b);
    Frame f, first;
    f.data = b.data();
    f.size = static_cast<uint32_t>(b.size());
    Packet packet;
    if (parse_ip(f, packet)) continue;
    ++added;
    now += Duration(random() % 3000);
    const auto outcome = reassembly.add(f, packet, now);
    if (!outcome.exit) {
      EXPECT_FALSE(parse_ip(outcome.whole, packet));
    }
    while (reassembly.timed_out(now, first)) {
      if (first.data != nullptr) {
        EXPECT_FALSE(parse_ip(first, packet));
      }
    }
    ASSERT_LE(reassembly.size(), 8u);
    ASSERT_LE(reassembly.pages_used(), reassembly.pages());
  }
  EXPECT_GT(added, 10000);
}

// Cuts it again, where its fragments began.
std::vector<FrameBytes> cut_again(const Kept& whole, uint32_t mtu) {
  Fragmenter again(whole.frame, mtu, Fragmenter::DontFragment::keep,
                   {whole.cuts, static_cast<uint32_t>(whole.frame.size) - 34});
  EXPECT_TRUE(again.valid());
  FrameBytes out(again.largest_piece());
  std::vector<FrameBytes> pieces;
  for (Frame piece; again.next({out.data(), out.size()}, piece);) pieces.push_back(bytes_of(piece));
  return pieces;
}

TEST(Reassembly, CutWhereItWasCutItIsAsItCame) {
  std::mt19937 random(17);
  const auto below = [&](size_t n) { return random() % n; };
  for (int round = 0; round < 200; ++round) {
    Reassembly reassembly(16, kSecret);
    Datagram d = datagram(17 + below(round % 10 == 0 ? 65400 : 5000), static_cast<uint32_t>(round));
    d.df = below(2) == 0 ? kDf : uint16_t{0};
    std::vector<FrameBytes> sent;
    for (size_t at = 0, to; at < d.payload.size(); at = to) {
      to = std::min(at + 8 * (1 + below(round % 10 == 0 ? 400 : 100)), d.payload.size());
      if (at == 0 && to == d.payload.size()) to = 8;
      sent.push_back(d.fragment(at, to));
    }
    auto arriving = sent;
    std::shuffle(arriving.begin(), arriving.end(), random);
    Kept whole{};
    for (const auto& f : arriving) {
      whole = add(reassembly, f);
      if (!whole.exit) break;
      add(reassembly, f);  // a duplicate is no boundary
    }
    ASSERT_FALSE(whole.exit);
    ASSERT_EQ(whole.cuts.size(), sent.size());
    ASSERT_EQ(cut_again(whole, whole.largest), sent) << round;
  }
}

TEST(Reassembly, ADuplicateOfAPartIsNoBoundary) {
  Reassembly reassembly(16, kSecret);
  const Datagram d = datagram(1200);
  add(reassembly, d.fragment(0, 800));
  EXPECT_EQ(add(reassembly, d.fragment(160, 320)).exit, Exit::fragment_held);
  EXPECT_EQ(add(reassembly, d.fragment(800, 1200)).cuts, (std::vector<uint16_t>{0, 100}));
}

TEST(Reassembly, CutsAreOfThisDatagramAlone) {  // pages are used again
  Reassembly reassembly(16, kSecret, 0);
  const Datagram d = datagram(4000);
  for (const auto& f : d.cut(8)) add(reassembly, f);
  add(reassembly, d.fragment(0, 2400));
  EXPECT_EQ(add(reassembly, d.fragment(2400, 4000)).cuts, (std::vector<uint16_t>{0, 300}));
}

}  // namespace
}  // namespace rawvs::test
