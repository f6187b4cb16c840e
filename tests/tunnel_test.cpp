// SPDX-License-Identifier: BSD-2-Clause
// Tests tunnels: outer headers as a kernel's IPVS makes them, checksums that are right once all are completed, and the
// client's packet in a quoted tunnel packet.
#include "core/tunnel.h"

#include <gtest/gtest.h>

#include "core/rewrite.h"
#include "random_packets.h"

namespace rawvs {
namespace {

using namespace test;

constexpr Ip kDirector(0xc000020a);
using enum TunnelChecksum;

struct Kind {
  Tunnel tunnel;
  uint32_t overhead;  // of a packet whose checksum is not partial
};
constexpr Kind kKinds[] = {
    {{TunnelType::ipip, Port(), none}, 20},        {{TunnelType::gue, Port(6080), none}, 32},
    {{TunnelType::gue, Port(6080), checksum}, 32}, {{TunnelType::gue, Port(6080), remote}, 32},
    {{TunnelType::gre, Port(), none}, 24},         {{TunnelType::gre, Port(), checksum}, 28},
};

FrameBytes hex(const std::string& digits) {
  FrameBytes b;
  for (size_t i = 0; i < digits.size(); i += 2)
    b.push_back(static_cast<uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return b;
}

// A frame with `packet` as its IP packet, as the director has it after the decrement.
Sample sample_of(const FrameBytes& packet, uint32_t headroom = 64) {
  Sample s;
  s.memory.resize(headroom + 14);
  put_be16(s.memory.data() + headroom + 12, 0x0800);
  s.memory.insert(s.memory.end(), packet.begin(), packet.end());
  s.frame.data = s.memory.data() + headroom;
  s.frame.size = static_cast<uint32_t>(14 + packet.size());
  s.frame.headroom = headroom;
  EXPECT_FALSE(parse_ip(s.frame, s.packet));
  return s;
}

FrameBytes ip_bytes(const Frame& f) { return {f.data + 14, f.data + 14 + be16(f.data + 16)}; }

FrameBytes tail(const FrameBytes& b, size_t from) { return {b.begin() + static_cast<std::ptrdiff_t>(from), b.end()}; }

// What a kernel's IPVS (6.1) sent for UDP datagrams to a VIP, by each kind of tunnel, recorded on a veth pair: an outer
// checksum that is the only one to complete is partial. Its GUE source ports are a keyed hash: ours is replaced by the
// recorded one before the comparison, and the outer checksum is adapted.
struct Recorded {
  Tunnel tunnel;
  bool partial;  // the sender left the inner checksum partial
  const char* packet;
};
constexpr Recorded kRecorded[] = {
    {kKinds[0].tunnel, false,
     "45ba0035000040003f04b6f5c000020ac000020b45bb0021000140003f114e77c6336401c000026403e90001000dcb7e68656c6c6f"},
    {kKinds[0].tunnel, false,
     "45b90035000040003f04b6f6c000020ac000020b45b90021000140003f114e79c6336401c000026403e90001000dcb7e68656c6c6f"},
    {kKinds[0].tunnel, true,
     "45000035000040003f04b7afc000020ac000020b45000021f71a40003f11c04bc0000201c000026407d10001000d848468656c6c6f"},
    {kKinds[1].tunnel, false,
     "45ba0041000040003f11b6dbc000020ac000020cec5317c0002d00000004000045bb0021000140003f114e77c6336401c000026403e90002"
     "000dcb7d68656c6c6f"},
    {kKinds[1].tunnel, true,
     "45000041000040003f11b795c000020ac000020cc95d17c0002d00000004000045000021f71e40003f11c047c0000201c000026407d10002"
     "000d848468656c6c6f"},
    {kKinds[2].tunnel, false,
     "45ba0041000040003f11b6dac000020ac000020dd25e17c0002d84560004000045bb0021000140003f114e77c6336401c000026403e90003"
     "000dcb7c68656c6c6f"},
    {kKinds[2].tunnel, true,
     "45000041000040003f11b794c000020ac000020daabb17c0002d3d810004000045000021f72940003f11c03cc0000201c000026407d10003"
     "000d848468656c6c6f"},
    {kKinds[3].tunnel, false,
     "45ba0041000040003f11b6d9c000020ac000020e957917c0002d84570004000045bb0021000140003f114e77c6336401c000026403e90004"
     "000dcb7b68656c6c6f"},
    {kKinds[3].tunnel, true,
     "45000049000040003f11b78bc000020ac000020e869b17c00035845f02040001800000000014001a45000021f78a40003f11bfdbc0000201"
     "c000026407d10004000d848468656c6c6f"},
    {kKinds[4].tunnel, false,
     "45ba0039000040003f2fb6c2c000020ac000020f0000080045bb0021000140003f114e77c6336401c000026403e90005000dcb7a68656c6c"
     "6f"},
    {kKinds[5].tunnel, false,
     "45ba003d000040003f2fb6bdc000020ac0000210800008000000000045bb0021000140003f114e77c6336401c000026403e90006000dcb79"
     "68656c6c6f"},
    {kKinds[5].tunnel, true,
     "4500003d000040003f2fb777c000020ac000021080000800fc83000045000021f83240003f11bf33c0000201c000026407d10006000d8484"
     "68656c6c6f"},
};

TEST(Tunnel, GivesTheKernelsBytes) {
  for (const Recorded& r : kRecorded) {
    FrameBytes want = hex(r.packet);
    if (r.tunnel.checksum != none && (!r.partial || r.tunnel.checksum == remote)) {
      Sample left = sample_of(want);
      left.frame.offload = {.flags = Offload::needs_checksum,
                            .checksum_start = 34,
                            .checksum_offset = static_cast<uint16_t>(r.tunnel.type == TunnelType::gue ? 6 : 4)};
      finish(left.frame);
      want = ip_bytes(left.frame);
    }
    Offload offload;
    if (r.partial) offload = {.flags = Offload::needs_checksum, .checksum_start = 34, .checksum_offset = 6};
    const uint32_t overhead = tunnel_overhead(r.tunnel, Family::ipv4, offload);
    Sample s = sample_of(tail(want, overhead));
    s.frame.offload = offload;
    const auto outer = encapsulate(s.frame, s.packet, r.tunnel, kDirector, Ip(be32(want.data() + 16)), 0, true);
    ASSERT_TRUE(outer);
    FrameBytes got = ip_bytes(*outer);
    if (r.tunnel.type == TunnelType::gue) {
      const uint16_t ours = be16(got.data() + 20), theirs = be16(want.data() + 20);
      EXPECT_GE(ours, 32768);
      EXPECT_LE(ours, 60999);
      put_be16(got.data() + 20, theirs);
      uint8_t* const check = got.data() + 26;
      if (r.tunnel.checksum != none) {  // one word less, another more
        uint32_t sum = static_cast<uint16_t>(~be16(check)) + uint32_t{static_cast<uint16_t>(~ours)} + theirs;
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        put_be16(check, static_cast<uint16_t>(~sum));
      }
    }
    EXPECT_EQ(got, want) << r.packet;
  }
}

TEST(Tunnel, KeepsEveryChecksumRightOnRandomPackets) {
  constexpr Protocol kAll[] = {Protocol::tcp, Protocol::udp, Protocol::sctp, Protocol::icmp};
  RandomPackets random(1);
  for (int round = 0; round < 10000; ++round) {
    const Kind& kind = kKinds[random.below(6)];
    Sample s = random.make(kAll[random.below(4)]);
    if (s.packet.protocol != Protocol::icmp && random.below(2)) make_partial(s);
    const bool options = kind.tunnel.checksum == remote && s.frame.offload.partial_checksum() &&
                         s.packet.protocol != Protocol::sctp;  // whose checksum is settled before
    Sample finished = s;
    settle_sctp_checksum(finished.frame, finished.packet);
    finish(finished.frame);
    const Mac to{{2, 1, 2, 3, 4, 5}}, from{{2, 6, 7, 8, 9, 10}};
    set_macs(s.frame, from, to);
    const Ip destination = random.address();
    const auto id = static_cast<uint16_t>(random.below(65536));

    auto outer = encapsulate(s.frame, s.packet, kind.tunnel, kDirector, destination, id, true);
    ASSERT_TRUE(outer);
    const uint32_t overhead = kind.overhead + (options ? 8 : 0);
    ASSERT_EQ(outer->size, s.frame.size + overhead);
    ASSERT_EQ(outer->headroom, s.frame.headroom - overhead);
    EXPECT_TRUE(std::equal(to.bytes.begin(), to.bytes.end(), outer->data));
    EXPECT_TRUE(std::equal(from.bytes.begin(), from.bytes.end(), outer->data + 6));
    if (options) {  // as the receiver does it
      EXPECT_FALSE(outer->offload.partial_checksum());
      outer->offload = {
          .flags = Offload::needs_checksum,
          .checksum_start = static_cast<uint16_t>(14 + overhead + be16(outer->data + 14 + 36)),
          .checksum_offset = static_cast<uint16_t>(be16(outer->data + 14 + 38) - be16(outer->data + 14 + 36))};
      ASSERT_TRUE(checksums_right({outer->data, outer->data + outer->size}));
    }
    finish(*outer);
    const FrameBytes got(outer->data, outer->data + outer->size);
    ASSERT_EQ(tail(got, 14 + overhead), tail(finished.bytes(), 14)) << round;
    if (!options) {
      ASSERT_TRUE(checksums_right(got)) << round;
    }
    if (kind.tunnel.type == TunnelType::gre && kind.tunnel.checksum != none) {
      ASSERT_EQ(slow_checksum(got.data() + 34, got.size() - 34), 0) << round;
    }
    Packet p;
    ASSERT_FALSE(parse_ip(*outer, p));
    EXPECT_EQ(p.src, kDirector);
    EXPECT_EQ(p.dst, destination);
    EXPECT_EQ(be16(outer->data + 18), id);
    EXPECT_TRUE(p.dont_fragment);
    EXPECT_EQ(p.ttl, s.packet.ttl);
    EXPECT_EQ(tunnel_header(Bytes(outer->bytes()).subspan(p.l4_at, p.l4_size()), kind.tunnel.type), overhead - 20);
  }
}

TEST(Tunnel, NeverShowsAnEarlierCongestionMarkOutside) {
  for (unsigned tos = 0; tos < 256; ++tos) {
    RandomPackets random(2);
    Sample s = random.make(Protocol::udp, 10);
    s.ip()[1] = static_cast<uint8_t>(tos);
    put_ip_checksum(s.ip());
    const auto outer = encapsulate(s.frame, s.packet, {}, kDirector, random.address(), 1, false);
    EXPECT_EQ(outer->data[15], (tos & 3) == 3 ? tos - 1 : tos);
    EXPECT_EQ(be16(outer->data + 20), 0);  // may be fragmented
  }
}

TEST(Tunnel, CutsEthernetPadding) {
  Sample s = sample_of(tail(frame(Udp{.data = "x"}), 14));
  const uint32_t size = s.frame.size;
  s.memory.resize(s.memory.size() + 17, 0xee);
  s.frame.data = s.memory.data() + 64;
  s.frame.size += 17;
  const auto outer = encapsulate(s.frame, s.packet, {}, kDirector, kDirector, 1, false);
  ASSERT_TRUE(outer);
  EXPECT_EQ(outer->size, size + 20);
}

TEST(Tunnel, AlwaysTakesTheSameSourcePortForAConnectionAndManyForMany) {
  std::vector<bool> seen(65536);
  int ports = 0;
  for (unsigned i = 0; i < 1000; ++i) {
    uint16_t port = 0;
    for (int again = 0; again < 2; ++again) {
      const Tcp segment{.sport = static_cast<uint16_t>(1000 + i), .data = again ? "data" : ""};
      Sample s = sample_of(tail(frame(segment), 14));
      const auto outer = encapsulate(s.frame, s.packet, kKinds[1].tunnel, kDirector, kDirector, 1, false);
      ASSERT_TRUE(outer);
      if (again) {
        EXPECT_EQ(be16(outer->data + 34), port);
      }
      port = be16(outer->data + 34);
    }
    ports += !seen[port];
    seen[port] = true;
  }
  EXPECT_GT(ports, 900);
}

TEST(Tunnel, RefusesWhatDoesNotFit) {
  for (const Kind& kind : kKinds) {
    Sample exact = sample_of(tail(frame(Tcp{}), 14), kind.overhead);
    EXPECT_TRUE(encapsulate(exact.frame, exact.packet, kind.tunnel, kDirector, kDirector, 1, true));
    Sample tight = sample_of(tail(frame(Tcp{}), 14), kind.overhead - 1);
    EXPECT_FALSE(encapsulate(tight.frame, tight.packet, kind.tunnel, kDirector, kDirector, 1, true));
    for (const uint32_t over : {0u, 1u}) {
      Sample large = sample_of(tail(frame(Tcp{.data = std::string(65535 - 40 - kind.overhead + over, 'x')}), 14));
      EXPECT_EQ(encapsulate(large.frame, large.packet, kind.tunnel, kDirector, kDirector, 1, true).has_value(),
                over == 0);
    }
    Sample many = sample_of(tail(frame(Tcp{.data = std::string(20000, 'x')}), 14));
    make_partial(many);
    many.frame.offload.segmentation = Offload::tcp4;
    many.frame.offload.segment_size = 1440;
    many.frame.offload.header_size = 54;
    const auto outer = encapsulate(many.frame, many.packet, kind.tunnel, kDirector, kDirector, 1, true);
    ASSERT_EQ(outer.has_value(), kind.tunnel.type == TunnelType::ipip);
    if (!outer) continue;
    EXPECT_EQ(outer->offload.header_size, 74);
    EXPECT_EQ(outer->offload.checksum_start, 54);
    EXPECT_EQ(outer->offload.checksum_offset, 16);
    EXPECT_EQ(outer->offload.segment_size, 1440);
  }
}

TEST(Tunnel, NeverSaysThatItsUdpPacketHasNoChecksum) {
  int ones = 0;
  for (uint32_t low = 0; low < 65536; ++low) {  // one of these destinations makes it zero
    Sample s = sample_of(tail(frame(Udp{.data = ""}), 14));
    const auto outer = encapsulate(s.frame, s.packet, kKinds[2].tunnel, kDirector, Ip(0xcb000000 + low), 1, false);
    ASSERT_NE(be16(outer->data + 40), 0);
    ones += be16(outer->data + 40) == 0xffff;
  }
  EXPECT_EQ(ones, 1);
}

TEST(TunnelHeader, ReadsEveryLengthAndRefusesWhatIsNotTheTunnels) {
  EXPECT_EQ(tunnel_header({}, TunnelType::ipip), 0u);
  for (unsigned words = 0; words < 32; ++words) {
    FrameBytes gue(12 + words * 4);
    gue[8] = static_cast<uint8_t>(words), gue[9] = 4;
    EXPECT_EQ(tunnel_header(gue, TunnelType::gue), gue.size());
    gue.pop_back();
    EXPECT_FALSE(tunnel_header(gue, TunnelType::gue));
  }
  FrameBytes gue(12);
  EXPECT_FALSE(tunnel_header(gue, TunnelType::gue));  // no IPv4 packet in it
  gue[9] = 4, gue[8] = 0x20;
  EXPECT_FALSE(tunnel_header(gue, TunnelType::gue));  // a control message
  gue[8] = 0x40;
  EXPECT_FALSE(tunnel_header(gue, TunnelType::gue));  // version 1
  for (unsigned flags = 0; flags < 16; ++flags) {
    FrameBytes gre{static_cast<uint8_t>(flags << 4), 0, 8, 0};
    gre.resize(4 + 4 * ((flags >> 3 & 1) + (flags >> 1 & 1) + (flags & 1)));
    if (flags & 4) {  // routing
      EXPECT_FALSE(tunnel_header(gre, TunnelType::gre));
    } else {
      EXPECT_EQ(tunnel_header(gre, TunnelType::gre), gre.size()) << flags;
    }
    gre.pop_back();
    EXPECT_FALSE(tunnel_header(gre, TunnelType::gre));
  }
  EXPECT_FALSE(tunnel_header(FrameBytes{0, 1, 8, 0}, TunnelType::gre));         // version 1
  EXPECT_EQ(tunnel_header(FrameBytes{0, 0, 0x86, 0xdd}, TunnelType::gre), 4u);  // IPv6
}

// A router's error about a tunnel packet, quoting `quoted` bytes of it, in memory of exactly its size.
FrameBytes error_about(const Frame& outer, size_t quoted) {
  FrameBytes about(outer.data, outer.data + outer.size);
  FrameBytes b =
      frame(IcmpError{.src = "192.0.2.254", .dst = "192.0.2.10", .mtu = 1300, .about = about, .quoted = quoted});
  b.shrink_to_fit();
  return b;
}

TEST(TunnelQuote, LeadsFromTheTunnelPacketToTheClients) {
  for (const Kind& kind : kKinds) {
    Sample s = sample_of(tail(frame(Tcp{.data = "0123456789"}), 14));
    const auto outer = encapsulate(s.frame, s.packet, kind.tunnel, kDirector, Ip(0xc000020b), 1, true);
    ASSERT_TRUE(outer);
    const size_t all = kind.overhead + s.packet.ip_size;
    for (size_t quoted = 0; quoted <= all; ++quoted) {
      FrameBytes b = error_about(*outer, quoted);
      const Frame f = view(b);
      Packet p;
      ASSERT_FALSE(parse_ip(f, p));
      EXPECT_EQ(p.icmp, Icmp::too_big);
      EXPECT_EQ(p.icmp_mtu, 1300);
      const auto quote = parse_quote(f, p);
      ASSERT_EQ(quote.has_value(), quoted >= (kind.tunnel.type == TunnelType::gue ? 24u : 20u)) << quoted;
      if (!quote) continue;
      EXPECT_EQ(text(quote->src) + '>' + text(quote->dst), "192.0.2.10>192.0.2.11");
      EXPECT_EQ(quote->ip_at, 42);
      EXPECT_EQ(quote->l4_at, 62);
      EXPECT_EQ(quote->size, quoted);
      EXPECT_TRUE(quote->dont_fragment);
      if (kind.tunnel.type == TunnelType::gue) {
        EXPECT_EQ(quote->dport, kind.tunnel.port);
      }
      const auto header = tunnel_header(Bytes(f.bytes()).subspan(quote->l4_at, quote->l4_size()), kind.tunnel.type);
      ASSERT_EQ(header.has_value(), quoted >= kind.overhead) << quoted;
      if (!header) continue;
      const auto inner = parse_inner_quote(f, *quote, *header);
      ASSERT_EQ(inner.has_value(), quoted >= kind.overhead + 28) << quoted;
      if (!inner) continue;
      EXPECT_EQ(text(Endpoint{inner->src, inner->sport}), "198.51.100.1:1001");
      EXPECT_EQ(text(Endpoint{inner->dst, inner->dport}), "192.0.2.100:80");
      EXPECT_EQ(inner->protocol, Protocol::tcp);
      EXPECT_EQ(inner->ip_at, 42 + kind.overhead);
      EXPECT_EQ(inner->size, quoted - kind.overhead);
    }
  }
}

TEST(TunnelQuote, EndsWhereTheQuotedPacketEnds) {  // behind it may lie extensions (RFC 4884)
  FrameBytes about = frame(Udp{.data = ""});
  about.resize(about.size() + 20, 0xee);
  FrameBytes b = frame(IcmpError{.about = about, .quoted = 48});
  const Frame f = view(b);
  Packet p;
  ASSERT_FALSE(parse_ip(f, p));
  EXPECT_EQ(parse_quote(f, p)->size, 28u);
}

TEST(TunnelQuote, NeverLeavesTheError) {  // whatever the quoted bytes say
  RandomPackets random(3);
  int inner_quotes = 0;
  for (int round = 0; round < 100000; ++round) {
    const Kind& kind = kKinds[random.below(6)];
    Sample s = sample_of(tail(frame(Udp{.data = "0123456789"}), 14));
    const auto outer = encapsulate(s.frame, s.packet, kind.tunnel, kDirector, Ip(0xc000020b), 1, true);
    FrameBytes b = error_about(*outer, random.below(kind.overhead + s.packet.ip_size + 1));
    for (unsigned i = 0; i < random.below(4) && b.size() > 42; ++i) {
      b[42 + random.below(static_cast<uint32_t>(b.size()) - 42)] = static_cast<uint8_t>(random.below(256));
    }
    const Frame f = view(b);
    Packet p;
    ASSERT_FALSE(parse_ip(f, p));
    const auto quote = parse_quote(f, p);
    if (!quote) continue;
    ASSERT_LE(quote->ip_at + quote->size, f.size);
    ASSERT_LE(quote->l4_at, quote->ip_at + quote->size);
    const auto header = tunnel_header(Bytes(f.bytes()).subspan(quote->l4_at, quote->l4_size()), kind.tunnel.type);
    if (!header) continue;
    const auto inner = parse_inner_quote(f, *quote, *header);
    if (!inner) continue;
    ++inner_quotes;
    ASSERT_LE(inner->ip_at + inner->size, f.size);
    ASSERT_GE(inner->l4_size(), 8u);
  }
  EXPECT_GT(inner_quotes, 1000);
  Sample s = sample_of(tail(frame(Udp{}), 14));
  FrameBytes b = error_about(s.frame, 33);
  const Frame f = view(b);
  Packet p;
  ASSERT_FALSE(parse_ip(f, p));
  const auto quote = parse_quote(f, p);
  ASSERT_TRUE(quote);
  EXPECT_FALSE(parse_inner_quote(f, *quote, 14));  // behind the end
  b[49] = 1;                                       // a later fragment
  EXPECT_FALSE(parse_quote(f, p));
}

}  // namespace
}  // namespace rawvs
