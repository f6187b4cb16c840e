// SPDX-License-Identifier: BSD-2-Clause
// Tests NAT: in-place updates equal full computation, on random packets of every kind.
#include "core/rewrite.h"

#include <gtest/gtest.h>

#include "random_packets.h"

namespace rawvs {
namespace {

using namespace test;

constexpr Protocol kWithPorts[] = {Protocol::tcp, Protocol::udp, Protocol::sctp};
constexpr Protocol kAll[] = {Protocol::tcp, Protocol::udp, Protocol::sctp, Protocol::icmp};

struct New {
  Ip addr;
  Port port;
};

// The frame that a rewriting must give, computed the slow way; `source`: which end.
FrameBytes expected(const Sample& s, bool source, New now) {
  FrameBytes b = s.bytes();
  uint8_t* const ip_header = b.data() + 14;
  uint8_t* const l4 = b.data() + s.packet.l4_at;
  put_be32(ip_header + (source ? 12 : 16), now.addr.v4());
  put_ip_checksum(ip_header);
  if (s.packet.protocol == Protocol::icmp) return b;
  const bool none = s.packet.protocol == Protocol::udp && be16(l4 + 6) == 0;
  put_be16(l4 + (source ? 0 : 2), now.port.value);
  if (!none) put_l4_checksum(ip_header, l4, s.packet.l4_size());
  return b;
}

void rewrite(Sample& s, bool source, New now) {
  source ? rewrite_source(s.frame, s.packet, now.addr, now.port)
         : rewrite_destination(s.frame, s.packet, now.addr, now.port);
}

void expect_facts_of_the_bytes(const Sample& s) {
  Packet again;
  ASSERT_FALSE(parse_ip(s.frame, again));
  EXPECT_EQ(again.src, s.packet.src);
  EXPECT_EQ(again.dst, s.packet.dst);
  EXPECT_EQ(again.sport, s.packet.sport);
  EXPECT_EQ(again.dport, s.packet.dport);
}

TEST(Rewrite, GivesTheBytesThatSlowSumsGive) {
  RandomPackets random(1);
  for (int round = 0; round < 20000; ++round) {
    Sample s = random.make(kAll[random.below(4)]);
    const bool source = random.below(2) == 0;
    const New now{random.address(), random.port()};
    if (s.packet.protocol == Protocol::udp && random.below(4) == 0) put_be16(s.l4() + 6, 0);
    const FrameBytes want = expected(s, source, now);
    rewrite(s, source, now);
    ASSERT_EQ(s.bytes(), want) << "round " << round;
    ASSERT_TRUE(l4_checksum_right(s.frame, s.packet));
    expect_facts_of_the_bytes(s);
  }
}

TEST(Rewrite, ThereAndBackGivesTheOriginalBytes) {
  RandomPackets random(2);
  for (int round = 0; round < 10000; ++round) {
    Sample s = random.make(kAll[random.below(4)]);
    if (s.packet.protocol != Protocol::icmp && random.below(2)) make_partial(s);
    if (s.packet.protocol == Protocol::sctp) s.frame.offload = {}, put_l4_checksum(s.ip(), s.l4(), s.packet.l4_size());
    const FrameBytes before = s.bytes();
    const Packet facts = s.packet;
    const bool source = random.below(2) == 0;
    rewrite(s, source, {random.address(), random.port()});
    EXPECT_NE(s.bytes(), before);
    rewrite(s, source, source ? New{facts.src, facts.sport} : New{facts.dst, facts.dport});
    ASSERT_EQ(s.bytes(), before) << "round " << round;
  }
}

TEST(Rewrite, KeepsAPartialChecksumPartialAndRight) {
  RandomPackets random(3);
  for (int round = 0; round < 10000; ++round) {
    const Protocol protocol = random.below(2) ? Protocol::tcp : Protocol::udp;
    const bool super = protocol == Protocol::tcp && random.below(4) == 0;
    Sample s = random.make(protocol, super ? 60000 : 1400);
    make_partial(s);
    if (super) s.frame.offload.segmentation = Offload::tcp4, s.frame.offload.segment_size = 1448;
    const Offload facts = s.frame.offload;
    const bool source = random.below(2) == 0;
    const New now{random.address(), random.port()};
    const FrameBytes want = expected(s, source, now);
    rewrite(s, source, now);
    EXPECT_EQ(s.frame.offload, facts);
    finish(s.frame);
    FrameBytes got = s.bytes();
    // The kernel writes 0xffff for zero, of TCP, too: both mean the same.
    if (protocol == Protocol::tcp && be16(s.l4() + 16) == 0xffff) put_be16(got.data() + s.packet.l4_at + 16, 0);
    ASSERT_EQ(got, want) << "round " << round;
  }
}

TEST(Rewrite, LeavesTheInnerPartialChecksumOfAnEncapsulatedPacketAlone) {
  RandomPackets random(4);
  for (int round = 0; round < 1000; ++round) {
    Sample s = random.make(Protocol::udp);
    if (s.packet.l4_size() < 60) continue;
    s.frame.offload = {.flags = Offload::needs_checksum,
                       .checksum_start = static_cast<uint16_t>(s.packet.l4_at + 36),
                       .checksum_offset = 16};
    const New now{random.address(), random.port()};
    const FrameBytes want = expected(s, false, now);
    rewrite(s, false, now);
    ASSERT_EQ(s.bytes(), want);
  }
}

TEST(Rewrite, NeverMakesAUdpChecksumZeroNorTouchesOne) {
  RandomPackets random(5);
  int ones = 0;
  for (int packet = 0; packet < 3; ++packet) {
    Sample s = random.make(Protocol::udp, 20);
    for (unsigned port = 1; port < 65536; ++port) {
      rewrite_destination(s.frame, s.packet, s.packet.dst, Port(static_cast<uint16_t>(port)));
      ASSERT_NE(be16(s.l4() + 6), 0);
      ones += be16(s.l4() + 6) == 0xffff;
    }
    ASSERT_TRUE(checksums_right(s.bytes()));
    put_be16(s.l4() + 6, 0);
    rewrite_destination(s.frame, s.packet, random.address(), random.port());
    rewrite_source(s.frame, s.packet, random.address(), random.port());
    EXPECT_EQ(be16(s.l4() + 6), 0);
  }
  EXPECT_GE(ones, 2);  // the case that the test is about did occur
}

TEST(Rewrite, KeepsWhatWasWrongWrong) {
  RandomPackets random(6);
  for (int round = 0; round < 5000; ++round) {
    Sample s = random.make(kWithPorts[random.below(3)]);
    if (s.packet.l4_size() < 24) continue;  // the last byte is to be payload
    uint8_t& last = s.frame.data[s.frame.size - 1];
    last ^= 0x10;  // damaged on its way here
    rewrite(s, random.below(2) == 0, {random.address(), random.port()});
    ASSERT_FALSE(l4_checksum_right(s.frame, s.packet));
    last ^= 0x10;
    ASSERT_TRUE(checksums_right(s.bytes()));
  }
}

TEST(Rewrite, ChangesOnlyAddressesInFragments) {
  RandomPackets random(7);
  for (int round = 0; round < 1000; ++round) {
    Sample part = random.make(round % 2 ? Protocol::tcp : Protocol::udp);
    put_be16(part.ip() + 6, round % 3 ? 0x0003 : 0x2000);
    put_ip_checksum(part.ip());
    ASSERT_FALSE(parse_ip(part.frame, part.packet));
    const New now{random.address(), random.port()};
    FrameBytes want = part.bytes();
    put_be32(want.data() + 30, now.addr.v4());
    put_ip_checksum(want.data() + 14);
    rewrite(part, false, now);
    EXPECT_EQ(part.bytes(), want);
  }
}

TEST(Rewrite, FinishesAPartialSctpChecksumItself) {
  RandomPackets random(8);
  for (int round = 0; round < 2000; ++round) {
    Sample s = random.make(Protocol::sctp);
    const FrameBytes right = s.bytes();
    make_partial(s);
    Sample rewritten = s;
    settle_sctp_checksum(s.frame, s.packet);
    EXPECT_FALSE(s.frame.offload.partial_checksum());
    ASSERT_EQ(s.bytes(), right);
    rewrite(rewritten, false, {random.address(), rewritten.packet.dport});  // the port stays: still it must be settled
    EXPECT_FALSE(rewritten.frame.offload.partial_checksum());
    ASSERT_TRUE(checksums_right(rewritten.bytes()));
  }
  Sample tcp = random.make(Protocol::tcp);
  make_partial(tcp);
  const FrameBytes before = tcp.bytes();
  settle_sctp_checksum(tcp.frame, tcp.packet);
  EXPECT_TRUE(tcp.frame.offload.partial_checksum());
  EXPECT_EQ(tcp.bytes(), before);
}

TEST(Rewrite, DoesNotFinishTheSctpChecksumOfAFragment) {  // it is the whole's
  RandomPackets random(11);
  Sample s = random.make(Protocol::sctp);
  make_partial(s);
  put_be16(s.ip() + 6, 0x2000);
  put_ip_checksum(s.ip());
  ASSERT_FALSE(parse_ip(s.frame, s.packet));
  const FrameBytes before = s.bytes();
  settle_sctp_checksum(s.frame, s.packet);
  EXPECT_EQ(s.bytes(), before);
}

TEST(Parse, RefusesAPartialChecksumWhosePlaceIsNotInThePayload) {
  RandomPackets random(12);
  Sample s = random.make(Protocol::tcp);
  make_partial(s);
  const auto end = static_cast<uint16_t>(14 + s.packet.ip_size);
  const auto with = [&](uint16_t start, uint16_t offset) {
    s.frame.offload.checksum_start = start, s.frame.offload.checksum_offset = offset;
    Packet p;
    return parse_ip(s.frame, p);
  };
  const uint16_t l4 = s.packet.l4_at;
  EXPECT_FALSE(with(l4, 16));
  EXPECT_FALSE(with(static_cast<uint16_t>(end - 2), 0));
  EXPECT_EQ(with(static_cast<uint16_t>(l4 - 1), 16), Exit::bad_length);
  EXPECT_EQ(with(static_cast<uint16_t>(end - 1), 0), Exit::bad_length);
  EXPECT_EQ(with(l4, 65535), Exit::bad_length);
  EXPECT_EQ(with(65535, 65535), Exit::bad_length);
}

// An ICMP error from `src` to `dst` about a packet, quoting `quoted` bytes of it.
Sample error_about(RandomPackets& random, const Sample& about, size_t quoted, Ip src, Ip dst) {
  Sample s = random.make(Protocol::icmp, 0);
  const size_t header = s.packet.l4_at - 14u, start = static_cast<size_t>(s.frame.data - s.memory.data());
  s.memory.resize(start + 14 + header + 8);
  s.memory.insert(s.memory.end(), about.ip(), about.ip() + quoted);
  s.frame.data = s.memory.data() + start;
  s.frame.size = static_cast<uint32_t>(14 + header + 8 + quoted);
  put_be16(s.ip() + 2, static_cast<unsigned>(header + 8 + quoted));
  put_be32(s.ip() + 12, src.v4()), put_be32(s.ip() + 16, dst.v4());
  uint8_t* const icmp = s.ip() + header;
  icmp[0] = 3, icmp[1] = 4;
  put_be32(icmp + 4, 1400);
  put_ip_checksum(s.ip());
  put_l4_checksum(s.ip(), icmp, 8 + quoted);
  EXPECT_FALSE(parse_ip(s.frame, s.packet));
  return s;
}

TEST(RewriteError, GivesTheBytesThatSlowSumsGiveInBothDirections) {
  RandomPackets random(9);
  for (int round = 0; round < 10000; ++round) {
    const bool to_server = random.below(2) == 0;
    const Sample about = random.make(kWithPorts[random.below(3)]);
    const size_t least = about.packet.l4_at - 14u + 8;
    const size_t quoted = least + random.below(static_cast<uint32_t>(about.packet.ip_size - least + 1));
    Sample s = error_about(random, about, quoted, about.packet.dst, about.packet.src);
    const auto quote = parse_quote(s.frame, s.packet);
    ASSERT_TRUE(quote);
    const New now{random.address(), random.port()};

    FrameBytes want = s.bytes();
    uint8_t* const inner = want.data() + quote->ip_at;
    put_be32(want.data() + 14 + (to_server ? 16 : 12), now.addr.v4());
    put_be32(inner + (to_server ? 12 : 16), now.addr.v4());
    put_be16(want.data() + quote->l4_at + (to_server ? 0 : 2), now.port.value);
    put_ip_checksum(inner);
    put_ip_checksum(want.data() + 14);
    put_l4_checksum(want.data() + 14, want.data() + s.packet.l4_at, s.packet.l4_size());

    to_server ? rewrite_error_destination(s.frame, s.packet, *quote, now.addr, now.port)
              : rewrite_error_source(s.frame, s.packet, *quote, now.addr, now.port);
    ASSERT_EQ(s.bytes(), want) << "round " << round;
    ASSERT_TRUE(l4_checksum_right(s.frame, s.packet));
    EXPECT_EQ(to_server ? s.packet.dst : s.packet.src, now.addr);
    const auto again = parse_quote(s.frame, s.packet);
    ASSERT_TRUE(again);
    EXPECT_EQ(to_server ? again->src : again->dst, now.addr);
    EXPECT_EQ(to_server ? again->sport : again->dport, now.port);
  }
}

TEST(RewriteError, KeepsTheOuterChecksumRightWhenTheQuotedHeadersIsNot) {
  RandomPackets random(10);
  Sample about = random.make(Protocol::tcp);
  put_be16(about.ip() + 10, 0x5555);  // quoted by a host that had changed the header before
  Sample s = error_about(random, about, about.packet.l4_at - 14u + 8, about.packet.dst, about.packet.src);
  const auto quote = parse_quote(s.frame, s.packet);
  ASSERT_TRUE(quote);
  rewrite_error_destination(s.frame, s.packet, *quote, random.address(), Port(8080));
  EXPECT_TRUE(checksums_right(s.bytes()));
}

}  // namespace
}  // namespace rawvs
