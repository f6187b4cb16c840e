// SPDX-License-Identifier: BSD-2-Clause
// Tests fragments that are missing, and too many of them: what is dropped, and when.
#include "core/reassembly.h"
#include "datagram.h"

namespace rawvs::test {
namespace {

TEST(Reassembly, ThirtySecondsAfterTheFirstFragmentItIsOver) {
  Reassembly reassembly(16, kSecret);
  const Datagram d = datagram(4000);
  Datagram headless = d;
  headless.ip_id = 2;
  Frame first;
  EXPECT_EQ(reassembly.next_deadline(), kNever);
  EXPECT_FALSE(reassembly.timed_out(kStart + 24h, first));
  add(reassembly, d.fragment(1480, 2960), kStart);
  add(reassembly, headless.fragment(1480, 2960), kStart + 10s);
  const FrameBytes beginning = d.fragment(0, 1480);
  add(reassembly, beginning, kStart + 20s);
  EXPECT_EQ(reassembly.next_deadline(), kStart + 30s);
  EXPECT_FALSE(reassembly.timed_out(kStart + 30s - 1ms, first));
  ASSERT_TRUE(reassembly.timed_out(kStart + 30s, first));
  EXPECT_EQ(bytes_of(first), beginning);  // as it came: for the ICMP error
  Packet packet;
  EXPECT_FALSE(parse_ip(first, packet));
  EXPECT_TRUE(packet.more_fragments);
  EXPECT_FALSE(reassembly.timed_out(kStart + 30s, first));
  EXPECT_EQ(reassembly.next_deadline(), kStart + 40s);
  ASSERT_TRUE(reassembly.timed_out(kStart + 24h, first));
  EXPECT_EQ(first.data, nullptr);
  EXPECT_EQ(reassembly.next_deadline(), kNever);
  EXPECT_EQ(reassembly.pages_used(), 0u);
  EXPECT_EQ(add(reassembly, d.fragment(2960, 4000), kStart + 31s).exit, Exit::fragment_held);  // too late
}

TEST(Reassembly, OneSourceThrowsOnlyItsOwnOut) {
  Reassembly reassembly(1024, kSecret);
  const Datagram honest = datagram(4000);
  add(reassembly, honest.fragment(0, 1480));
  Datagram flood = datagram(4000, 2);
  flood.src = "203.0.113.66";
  uint32_t gave_way = 0;
  for (uint32_t i = 0; i < 20000; ++i) {
    flood.ip_id = static_cast<uint16_t>(i);
    const Kept kept = add(reassembly, flood.fragment(0, 1480));
    ASSERT_EQ(kept.exit, Exit::fragment_held);
    gave_way += kept.gave_way;
    ASSERT_LE(reassembly.size(), 1u + 64u);
  }
  EXPECT_EQ(gave_way, 20000u - 64u);
  EXPECT_EQ(add(reassembly, flood.fragment(1480, 4000)).whole, flood.whole());  // its newest is there
  add(reassembly, honest.fragment(1480, 2960));
  EXPECT_EQ(add(reassembly, honest.fragment(2960, 4000)).whole, honest.whole());
}

TEST(Reassembly, OneSourceHasAQuarterOfTheMemory) {
  Reassembly reassembly(1024, kSecret);
  const Datagram honest = datagram(4000);
  add(reassembly, honest.fragment(0, 1480));
  Datagram flood = datagram(65000, 2);
  flood.src = "203.0.113.66";
  for (uint32_t i = 0; i < 200; ++i) {
    flood.ip_id = static_cast<uint16_t>(i);
    add(reassembly, flood.fragment(0, 64000));
    ASSERT_LE(reassembly.pages_used(), reassembly.pages() / 4 + 1);
  }
  EXPECT_EQ(reassembly.size(), 1 + reassembly.pages() / 4 / 32);  // 64,000 bytes are 32 pages
  EXPECT_EQ(add(reassembly, honest.fragment(1480, 4000)).whole, honest.whole());
}

TEST(Reassembly, WhenManySourcesFillItTheOldestGivesWay) {
  Reassembly reassembly(256, kSecret);
  const Datagram honest = datagram(4000);
  Datagram flood = datagram(4000, 2);
  const size_t reserved = reassembly.reserved_bytes();
  uint32_t sent = 0, gave_way = 0;
  const auto burst = [&](uint32_t n) {
    for (uint32_t i = 0; i < n; ++i, ++sent) {
      flood.src = "203.0.113." + std::to_string(1 + sent % 250);
      flood.ip_id = static_cast<uint16_t>(sent);
      gave_way += add(reassembly, flood.fragment(1480, 2960)).gave_way;
      ASSERT_LE(reassembly.size(), 256u);
    }
  };
  burst(10000);
  EXPECT_EQ(gave_way, 10000u - 256u);
  add(reassembly, honest.fragment(0, 1480));
  burst(255);
  EXPECT_EQ(add(reassembly, honest.fragment(1480, 4000)).whole, honest.whole());
  add(reassembly, honest.fragment(0, 1480));
  burst(256);  // now it was the oldest itself
  EXPECT_EQ(add(reassembly, honest.fragment(1480, 4000)).exit, Exit::fragment_held);
  EXPECT_EQ(reassembly.reserved_bytes(), reserved);
}

TEST(Reassembly, WhenManySourcesFillItsMemoryTheOldestGivesWay) {
  Reassembly reassembly(1024, kSecret, 128 * 2082);  // the least: four datagrams of the largest kind
  EXPECT_EQ(reassembly.pages(), 128u);
  std::vector<Datagram> large(5, datagram(65515, 5));
  for (size_t i = 0; i < large.size(); ++i) large[i].src = "203.0.113." + std::to_string(i + 1);
  for (const Datagram& d : large) add(reassembly, d.fragment(0, 65512));
  EXPECT_EQ(reassembly.size(), 4u);
  EXPECT_EQ(reassembly.pages_used(), 128u);
  for (size_t i = 1; i < large.size(); ++i) {
    EXPECT_EQ(add(reassembly, large[i].fragment(65512, 65515)).whole, large[i].whole());
  }
  EXPECT_EQ(add(reassembly, large[0].fragment(65512, 65515)).exit, Exit::fragment_held);
}

TEST(Reassembly, WhoTakesThePlaceOfOthersNeverGivesWayItself) {
  Reassembly reassembly(1024, kSecret, 0);
  // The oldest of all and of its source grows, one page after another, until its source's share is used up by it.
  const Datagram oldest = datagram(65515, 3);
  Datagram kin = datagram(65515, 4), other = kin;
  kin.ip_id = 2;
  add(reassembly, oldest.fragment(0, 2048));
  add(reassembly, kin.fragment(0, 24 * 2048));
  for (int i = 0; i < 3; ++i) {
    other.src = "203.0.113." + std::to_string(i + 1);
    add(reassembly, other.fragment(0, 65512));
  }
  uint32_t gave_way = 0;
  for (size_t at = 2048; at < 65515; at += 2048) {
    const Kept kept = add(reassembly, oldest.fragment(at, std::min<size_t>(at + 2048, 65515)));
    gave_way += kept.gave_way;
    if (at + 2048 > 65515) {
      EXPECT_EQ(kept.whole, oldest.whole());
    }
  }
  EXPECT_EQ(gave_way, 1u);
  EXPECT_EQ(reassembly.size(), 3u);
  EXPECT_EQ(reassembly.pages_used(), 96u);
}

TEST(Reassembly, SourcesThatCameAndWentTakeNoRoom) {
  Reassembly reassembly(4, kSecret, 0);
  Datagram d = datagram(2000);
  for (int i = 0; i < 500; ++i) {
    d.src = (i < 250 ? "203.0.113." : "198.51.100.") + std::to_string(1 + i % 250);
    ASSERT_EQ(add(reassembly, d.fragment(0, 1000)).exit, Exit::fragment_held);
    ASSERT_EQ(add(reassembly, d.fragment(1000, 2000)).whole, d.whole());
  }
  EXPECT_EQ(reassembly.size(), 0u);
}

TEST(Reassembly, HoldsAsManyAsItSays) {
  Reassembly least(0, kSecret, 0), most(~0u, kSecret, ~0u);
  EXPECT_EQ(least.capacity(), Reassembly::kLeast);
  EXPECT_EQ(most.capacity(), Reassembly::kMost);
  EXPECT_LE(Reassembly(1024, kSecret).reserved_bytes(), (4u << 20) + 1024 * 300 + 82 * 1024);
  Datagram d = datagram(2000);
  for (uint16_t i = 0; i < 20; ++i) {  // one source's share of four is one
    d.ip_id = i;
    EXPECT_EQ(add(least, d.fragment(0, 1000)).gave_way, i == 0 ? 0u : 1u);
  }
  EXPECT_EQ(least.size(), 1u);
  EXPECT_EQ(add(least, d.fragment(1000, 2000)).whole, d.whole());
}

}  // namespace
}  // namespace rawvs::test
