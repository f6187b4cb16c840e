// SPDX-License-Identifier: BSD-2-Clause
// Tests the translation between the families: headers, checksums, offload facts, and there and back.
#include <gtest/gtest.h>

#include "frames.h"
#include "wire/checksum.h"
#include "wire/translate.h"

namespace rawvs {
namespace {

using namespace test;

constexpr uint32_t kRoom = 64;

struct Moved {  // a frame with headroom
  explicit Moved(const FrameBytes& of) : bytes(kRoom + of.size()) {
    std::ranges::copy(of, bytes.begin() + kRoom);
    frame.data = bytes.data() + kRoom;
    frame.size = static_cast<uint32_t>(of.size());
    frame.headroom = kRoom;
    EXPECT_FALSE(parse_ip(frame, packet));
  }
  FrameBytes now() const { return {frame.data, frame.data + frame.size}; }
  FrameBytes bytes;
  Frame frame{};
  Packet packet{};
};

const Ip kFrom6 = ip("2001:db8:3::10"), kTo6 = ip("2001:db8:3::11"), kFrom4 = ip("203.0.113.10"),
         kTo4 = ip("203.0.113.11");

TEST(Translate, AnIpv4SegmentBecomesAnIpv6Segment) {
  FrameBytes b = frame(Tcp{.flags = "PA", .data = "hello", .ttl = 63});
  b[15] = 0xb9;  // TOS
  fix_ip_checksum(b);
  Moved m(b);
  ASSERT_TRUE(translate(m.frame, m.packet, kFrom6, kTo6, 1));
  EXPECT_EQ(describe(m.now()).substr(36), "[2001:db8:3::10]:1001 > [2001:db8:3::11]:80 PA ttl 63");
  EXPECT_EQ(m.packet.tos, 0xb9);
  EXPECT_TRUE(l4_checksum_right(m.frame, m.packet));
  EXPECT_EQ(m.frame.size, b.size() + 20);
  EXPECT_EQ(m.frame.headroom, kRoom - 20);
}

TEST(Translate, AnIpv6SegmentLosesItsExtensionHeaders) {
  const FrameBytes b = frame(Tcp{.src = "2001:db8::1",
                                 .dst = "2001:db8::100",
                                 .flags = "PA",
                                 .data = std::string(1300, 'x'),
                                 .traffic_class = 0x2e,
                                 .extensions = {destination_options()}});
  Moved m(b);
  ASSERT_TRUE(translate(m.frame, m.packet, kFrom4, kTo4, 77));
  EXPECT_EQ(m.frame.size, b.size() - 28);
  EXPECT_EQ(m.packet.tos, 0x2e);
  EXPECT_TRUE(m.packet.dont_fragment) << "it is longer than what every IPv6 link carries";
  EXPECT_TRUE(l4_checksum_right(m.frame, m.packet));
  Moved small(frame(Tcp{.src = "2001:db8::1", .dst = "2001:db8::100"}));
  ASSERT_TRUE(translate(small.frame, small.packet, kFrom4, kTo4, 77));
  EXPECT_FALSE(small.packet.dont_fragment);
  EXPECT_EQ(Ipv4Header(Bytes(small.frame.bytes()).subspan(14)).id(), 77);
}

TEST(Translate, ThereAndBackIsTheSame) {
  for (const size_t size : {0u, 1u, 2u, 100u, 1401u}) {
    for (const bool udp : {false, true}) {
      const std::string data(size, 'q');
      const FrameBytes b = udp ? frame(Udp{.data = data}) : frame(Tcp{.flags = "A", .data = data});
      Moved m(b);
      ASSERT_TRUE(translate(m.frame, m.packet, kFrom6, kTo6, 1));
      EXPECT_TRUE(l4_checksum_right(m.frame, m.packet));
      ASSERT_TRUE(translate(m.frame, m.packet, ip("198.51.100.1"), ip("192.0.2.100"), 1));
      EXPECT_TRUE(l4_checksum_right(m.frame, m.packet));
      FrameBytes now = m.now(), was = b;
      for (FrameBytes* const f : {&now, &was}) (*f)[18] = (*f)[19] = (*f)[20] = (*f)[21] = 0, fix_ip_checksum(*f);
      EXPECT_EQ(now, was);
    }
  }
}

TEST(Translate, AWrongChecksumStaysWrong) {
  FrameBytes b = frame(Tcp{.data = "hello"});
  b[50] = static_cast<uint8_t>(b[50] + 1);
  Moved m(b);
  ASSERT_TRUE(translate(m.frame, m.packet, kFrom6, kTo6, 1));
  EXPECT_FALSE(l4_checksum_right(m.frame, m.packet));
}

TEST(Translate, UdpWithoutChecksumGetsOne) {
  FrameBytes b = frame(Udp{.data = "odd"});
  b[40] = b[41] = 0;
  Moved m(b);
  ASSERT_TRUE(translate(m.frame, m.packet, kFrom6, kTo6, 1));
  EXPECT_TRUE(UdpHeader(Bytes(m.frame.bytes()).subspan(m.packet.l4_at)).has_checksum());
  EXPECT_TRUE(l4_checksum_right(m.frame, m.packet));
}

TEST(Translate, ASuperFrameWithAPartialChecksumStaysOne) {
  Moved m(frame(Tcp{.flags = "A", .data = std::string(9000, 'x')}));
  const uint64_t pseudo = pseudo_header_sum(m.packet.src, m.packet.dst, Protocol::tcp, 9020);
  store_be16(m.frame.bytes(), 34 + 16, checksum_fold(pseudo));
  m.frame.offload = {.flags = Offload::needs_checksum,
                     .segmentation = Offload::tcp4 | Offload::ecn,
                     .header_size = 54,
                     .segment_size = 1448,
                     .checksum_start = 34,
                     .checksum_offset = 16};
  ASSERT_TRUE(translate(m.frame, m.packet, kFrom6, kTo6, 1));
  const Offload want{.flags = Offload::needs_checksum,
                     .segmentation = Offload::tcp6 | Offload::ecn,
                     .header_size = 74,
                     .segment_size = 1448,
                     .checksum_start = 54,
                     .checksum_offset = 16};
  EXPECT_EQ(m.frame.offload, want);
  EXPECT_EQ(load_be16(m.frame.bytes(), 54 + 16), checksum_fold(pseudo_header_sum(kFrom6, kTo6, Protocol::tcp, 9020)));
}

TEST(Translate, NeedsRoomAndAProtocolThatItKnows) {
  Moved m(frame(Tcp{}));
  m.frame.headroom = 19;
  EXPECT_FALSE(translate(m.frame, m.packet, kFrom6, kTo6, 1));
  Moved ping(frame(Ping{}));
  EXPECT_FALSE(translate(ping.frame, ping.packet, kFrom6, kTo6, 1));
}

}  // namespace
}  // namespace rawvs
