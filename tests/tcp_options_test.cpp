// SPDX-License-Identifier: BSD-2-Clause
// Tests the options of TCP headers, and the segments that the director makes.
#include <gtest/gtest.h>

#include <random>

#include "frames.h"
#include "wire/tcp_segment.h"

namespace rawvs {
namespace {

using namespace test;

// A header with these bytes of options.
FrameBytes header(const FrameBytes& options, int words = 0) {
  FrameBytes tcp(20);
  tcp[12] = static_cast<uint8_t>((words != 0 ? words : static_cast<int>(20 + options.size()) / 4) << 4);
  tcp.insert(tcp.end(), options.begin(), options.end());
  return tcp;
}

TEST(TcpOptions, ReadsThoseOfAHandshake) {
  const TcpOptions linux_syn =
      read_tcp_options(header({2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4, 1, 3, 3, 7}));
  EXPECT_EQ(linux_syn, (TcpOptions{1460, uint8_t{7}, true, TcpStamps{0x102, 0x304}}));
  EXPECT_EQ(read_tcp_options(header({})), TcpOptions{});
  EXPECT_EQ(read_tcp_options(header({1, 1, 1, 3, 3, 15, 4, 2})), (TcpOptions{0, uint8_t{14}, true, {}}));
}

TEST(TcpOptions, StopsAtWhatIsMalformed) {
  EXPECT_EQ(read_tcp_options(header({0, 2, 4, 5})), TcpOptions{}) << "the end of the list";
  EXPECT_EQ(read_tcp_options(header({2, 4, 1, 1, 254, 0, 4, 2})).mss, 257) << "size 0";
  EXPECT_FALSE(read_tcp_options(header({2, 4, 1, 1, 254, 1, 4, 2})).sack) << "size 1";
  EXPECT_FALSE(read_tcp_options(header({2, 4, 1, 1, 8, 10, 0, 0})).stamps) << "longer than the header";
  EXPECT_EQ(read_tcp_options(header({1, 1, 1, 2})), TcpOptions{}) << "without a size";
  EXPECT_EQ(read_tcp_options(header({2, 3, 1, 4, 3, 1, 1, 1})), TcpOptions{}) << "sizes of other options";
  EXPECT_EQ(read_tcp_options(header({2, 4, 1, 1}, 15)).mss, 257) << "a header longer than its bytes";
  EXPECT_EQ(read_tcp_options(header({2, 4, 1, 1}, 5)), TcpOptions{}) << "behind the header: data";
  EXPECT_EQ(read_tcp_options(header({2, 4, 1, 1}, 3)), TcpOptions{}) << "a header shorter than one";
  EXPECT_EQ(read_tcp_options(FrameBytes(19)), TcpOptions{});
  EXPECT_EQ(read_tcp_options({}), TcpOptions{});
}

TEST(TcpOptions, ReadsAnyBytes) {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    FrameBytes options(random() % 41);
    for (uint8_t& b : options) b = static_cast<uint8_t>(random() % (i % 2 != 0 ? 12 : 256));
    const FrameBytes tcp = header(options, static_cast<int>(random() % 16));
    size_t last = kTcpOptionsAt;
    each_tcp_option(tcp, [&](uint8_t, size_t at, size_t size) {
      ASSERT_GE(at, last);
      ASSERT_LE(at + size, tcp.size());
      last = at + size;
    });
    const TcpOptions read = read_tcp_options(tcp);
    ASSERT_LE(read.scale.value_or(0), kMostScale);
  }
}

TEST(TcpOptions, WritesWhatItReads) {
  for (int bits = 0; bits < 16; ++bits) {
    TcpOptions o;
    if (bits & 1) o.mss = 1220;
    if (bits & 2) o.scale = uint8_t{9};
    if (bits & 4) o.sack = true;
    if (bits & 8) o.stamps = TcpStamps{0xdeadbeef, 0x01020304};
    FrameBytes written(kMostTcpOptions);
    written.resize(write_tcp_options(written, o));
    EXPECT_EQ(written.size() % 4, 0u);
    EXPECT_LE(written.size(), 20u);
    EXPECT_EQ(read_tcp_options(header(written)), o) << bits;
  }
}

TcpSegment segment(const char* src, const char* dst) {
  return {.from = kClientMac,
          .to = kDirectorMac,
          .src = {ip(src), Port(1001)},
          .dst = {ip(dst), Port(80)},
          .seq = 7,
          .ack = 9,
          .flags = TcpFlags::syn | TcpFlags::ack,
          .window = 1234,
          .options = {1460, uint8_t{7}, true, TcpStamps{1, 2}},
          .tos = 0x10};
}

TEST(TcpSegment, IsAWholeFrameOfEitherFamily) {
  for (const bool v6 : {false, true}) {
    const TcpSegment s = v6 ? segment("2001:db8::1", "2001:db8::100") : segment("198.51.100.1", "192.0.2.100");
    FrameBytes b(200);
    const size_t size = write_tcp_segment(b, s);
    EXPECT_EQ(size, 14u + (v6 ? 40u : 20u) + 40u);
    EXPECT_EQ(write_tcp_segment(MutableBytes(b).first(size - 1), s), 0u);
    b.resize(size);
    EXPECT_EQ(describe(b), std::string("02:00:00:00:00:01>02:00:00:00:00:10 ") +
                               (v6 ? "[2001:db8::1]:1001 > [2001:db8::100]:80 SA ttl 64"
                                   : "198.51.100.1:1001 > 192.0.2.100:80 SA ttl 64"));
    Packet p;
    ASSERT_FALSE(parse_ip(view(b), p));
    EXPECT_TRUE(l4_checksum_right(view(b), p));
    EXPECT_TRUE(p.dont_fragment);
    EXPECT_EQ(p.tos, 0x10);
    EXPECT_EQ(p.tcp_seq, 7u);
    EXPECT_EQ(p.tcp_ack, 9u);
    const Bytes tcp = Bytes(b).subspan(p.l4_at);
    EXPECT_EQ(load_be16(tcp, kTcpWindowAt), 1234);
    EXPECT_EQ(read_tcp_options(tcp), s.options);
  }
}

TEST(TcpSegment, RepliesTheWayTheOtherCame) {
  FrameBytes b = frame(Tcp{.flags = "SA", .seq = 5, .ack = 6});
  Packet p;
  ASSERT_FALSE(parse_ip(view(b), p));
  const TcpSegment reply = tcp_reply(view(b), p);
  EXPECT_EQ(reply.from, kDirectorMac);
  EXPECT_EQ(reply.to, kClientMac);
  EXPECT_EQ(reply.src, (Endpoint{ip("192.0.2.100"), Port(80)}));
  EXPECT_EQ(reply.dst, (Endpoint{ip("198.51.100.1"), Port(1001)}));
  EXPECT_EQ(tcp_reset(view(b), p).seq, 6u);
}

}  // namespace
}  // namespace rawvs
