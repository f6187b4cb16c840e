// SPDX-License-Identifier: BSD-2-Clause
// Tests src/wire with IPv6: what ICMPv6 errors quote, numbers of both families, composed frames, and their description.
#include <gtest/gtest.h>

#include "compose_fixture.h"
#include "frames.h"
#include "wire/describe.h"
#include "wire/ip_header.h"

namespace rawvs {
namespace {

using namespace test;

const std::string kClient = "2001:db8:1::1", kVip = "2001:db8::100";

std::optional<Exit> parsed(FrameBytes b, Packet* out) { return parse_ip(view(b), *out); }

Tcp tcp(const Extensions& extensions = {}) { return {.src = kClient, .dst = kVip, .extensions = extensions}; }

// ---- What errors quote

std::optional<Quote> quote_of(const FrameBytes& about, size_t quoted, uint8_t type = 1) {
  FrameBytes b =
      frame(IcmpError{.src = "2001:db8:2::1", .dst = kVip, .type = type, .code = 0, .about = about, .quoted = quoted});
  Packet p;
  EXPECT_FALSE(parsed(b, &p));
  return parse_quote(view(b), p);
}

TEST(Ipv6Quote, IsFoundBehindExtensionHeaders) {
  for (const uint8_t type : {uint8_t{0}, uint8_t{1}, uint8_t{2}, uint8_t{3}, uint8_t{4}, uint8_t{127}}) {
    const auto q = quote_of(frame(tcp({hop_by_hop(), fragment_header(0, true)})), 64, type);
    ASSERT_TRUE(q) << int{type};
    EXPECT_EQ(text(Endpoint{q->src, q->sport}), "[2001:db8:1::1]:1001");
    EXPECT_EQ(q->dport, Port(80));
    EXPECT_EQ(q->ip_at, 62u);
    EXPECT_EQ(q->l4_at, 62u + 56);
    EXPECT_EQ(q->size, 64u);
    EXPECT_EQ(q->total, 76u);
    EXPECT_TRUE(q->dont_fragment);
  }
}

TEST(Ipv6Quote, IsNoneWithoutPortsOrOfALaterFragment) {
  const FrameBytes plain = frame(tcp()), behind = frame(tcp({hop_by_hop()}));
  for (const size_t quoted : {0u, 1u, 39u, 43u}) EXPECT_FALSE(quote_of(plain, quoted)) << quoted;
  EXPECT_TRUE(quote_of(plain, 44));
  for (const size_t quoted : {40u, 47u, 51u}) EXPECT_FALSE(quote_of(behind, quoted)) << quoted;
  EXPECT_TRUE(quote_of(behind, 52));
  EXPECT_FALSE(quote_of(frame(tcp({fragment_header(8, true)})), 1000));
  EXPECT_FALSE(quote_of(frame(Ping{.src = kClient, .dst = kVip}), 1000));
  EXPECT_FALSE(quote_of(frame(Tcp{}), 1000));  // of the other family
  EXPECT_FALSE(quote_of(plain, 1000, 128));    // a ping
}

TEST(Ipv6Quote, ShowsThePacketInATunnel) {
  for (const bool inner_v6 : {true, false}) {
    FrameBytes inner = inner_v6 ? frame(tcp()) : frame(Tcp{});
    for (const uint8_t protocol : {uint8_t(inner_v6 ? 41 : 4), uint8_t{47}}) {
      FrameBytes payload(protocol == 47 ? 4 : 0);
      payload.insert(payload.end(), inner.begin() + 14, inner.end());
      FrameBytes b = frame(IcmpError{.src = "2001:db8:2::1",
                                     .dst = kVip,
                                     .type = 2,
                                     .code = 0,
                                     .about = ipv6_frame(kDirectorMac, kClientMac, kVip, "2001:db8:3::1", protocol, 64,
                                                         payload, {destination_options()}),
                                     .quoted = 1000});
      Packet p;
      ASSERT_FALSE(parsed(b, &p));
      const auto outer = parse_quote(view(b), p);
      ASSERT_TRUE(outer);
      const auto quote = parse_inner_quote(view(b), *outer, protocol == 47 ? 4 : 0);
      ASSERT_TRUE(quote);
      EXPECT_EQ(text(Endpoint{quote->dst, quote->dport}), inner_v6 ? "[2001:db8::100]:80" : "192.0.2.100:80");
      EXPECT_FALSE(parse_inner_quote(view(b), *outer, 5000));
    }
  }
}

TEST(IcmpNumbers, AreTranslatedBetweenTheFamilies) {
  using A = IcmpAnswer;
  const auto v4 = [](const A& a) {
    const auto n = icmpv4_numbers(a);
    return std::to_string(n.type) + '/' + std::to_string(n.code);
  };
  const auto v6 = [](const A& a) {
    const auto n = icmpv6_numbers(a);
    return std::to_string(n.type) + '/' + std::to_string(n.code);
  };
  const struct {
    A answer;
    const char *v4, *v6;
  } kRows[] = {
      {A::port_unreachable(), "3/3", "1/4"},
      {A::protocol_unreachable(), "3/2", "4/1"},
      {A::too_big(1400), "3/4", "2/0"},
      {A::ttl_exceeded(), "11/0", "3/0"},
      {A::reassembly_time_exceeded(), "11/1", "3/1"},
      {{Icmp::unreachable, 1, 0}, "3/1", "1/0"},
      {{Icmp::unreachable, 13, 0}, "3/13", "1/1"},
      {{Icmp::unreachable, 0, 0, Family::ipv6}, "3/1", "1/0"},
      {{Icmp::unreachable, 1, 0, Family::ipv6}, "3/10", "1/1"},
      {{Icmp::unreachable, 4, 0, Family::ipv6}, "3/3", "1/4"},
      {{Icmp::parameter_problem, 1, 0, Family::ipv6}, "3/2", "4/1"},
      {{Icmp::parameter_problem, 0, 0, Family::ipv6}, "12/0", "4/0"},
      {{Icmp::echo_reply}, "0/0", "129/0"},
  };
  for (const auto& row : kRows) EXPECT_EQ(v4(row.answer) + ' ' + v6(row.answer), std::string(row.v4) + ' ' + row.v6);
}

// ---- Composed

class Ipv6ComposeTest : public WithComposer {
 protected:
  FrameBytes error(FrameBytes about, const IcmpAnswer& answer) {
    return composed(composer_.icmp_error(buffer_, view(about), packet_of(about), answer));
  }
};

const std::string kBack = "02:00:00:00:00:10>02:00:00:00:00:01 ";

TEST_F(Ipv6ComposeTest, AnswersAPingWithItsOwnData) {
  FrameBytes ping = frame(
      Ping{.src = kClient, .dst = kVip, .data = "012345678", .traffic_class = 0xa5, .extensions = {hop_by_hop()}});
  const FrameBytes reply = composed(composer_.echo_reply(buffer_, view(ping), packet_of(ping)));
  EXPECT_EQ(describe(reply), kBack + "2001:db8::100 > 2001:db8:1::1 icmpv6 129/0 ttl 64");
  EXPECT_EQ(load_be16(reply, 14), 0x6a50);
  EXPECT_EQ(FrameBytes(reply.begin() + 58, reply.end()), FrameBytes(ping.begin() + 66, ping.end()));
  EXPECT_EQ(composer_.echo_reply(MutableBytes(buffer_).first(60), view(ping), packet_of(ping)), 0u);
}

TEST_F(Ipv6ComposeTest, ResetsAsRfc9293Says) {
  FrameBytes syn = frame(Tcp{.src = kClient, .dst = kVip, .flags = "S", .seq = 1000});
  FrameBytes rst = composed(write_tcp_segment(buffer_, tcp_reset(view(syn), packet_of(syn))));
  EXPECT_EQ(describe(rst), kBack + "[2001:db8::100]:80 > [2001:db8:1::1]:1001 RA ttl 64");
  EXPECT_EQ(load_be32(rst, 58), 0u);
  EXPECT_EQ(load_be32(rst, 62), 1001u);
  FrameBytes ack = frame(Tcp{.src = kClient, .dst = kVip, .flags = "A", .seq = 5, .ack = 77});
  rst = composed(write_tcp_segment(buffer_, tcp_reset(view(ack), packet_of(ack))));
  EXPECT_EQ(describe(rst), kBack + "[2001:db8::100]:80 > [2001:db8:1::1]:1001 R ttl 64");
  EXPECT_EQ(load_be32(rst, 58), 77u);
}

TEST_F(Ipv6ComposeTest, ErrorsHaveTheNumbersOfIcmpv6) {
  const std::string from_to = kBack + "2001:db8::100 > 2001:db8:1::1 ";
  EXPECT_EQ(describe(error(frame(tcp()), IcmpAnswer::port_unreachable())), from_to + "icmpv6 1/4 ttl 64");
  EXPECT_EQ(describe(error(frame(tcp()), IcmpAnswer::too_big(1400))), from_to + "icmpv6 2/0 mtu 1400 ttl 64");
  EXPECT_EQ(describe(error(frame(tcp()), IcmpAnswer::ttl_exceeded())), from_to + "icmpv6 3/0 ttl 64");
  EXPECT_EQ(describe(error(frame(tcp()), IcmpAnswer::reassembly_time_exceeded())), from_to + "icmpv6 3/1 ttl 64");
  EXPECT_TRUE(error(frame(tcp()), {Icmp::source_quench}).empty());
  EXPECT_TRUE(error(frame(tcp()), {Icmp::other_error}).empty());
}

TEST_F(Ipv6ComposeTest, AnUnknownProtocolIsPointedAt) {
  const auto about = [&](const Extensions& e) {
    return ipv6_frame(kClientMac, kDirectorMac, kClient, kVip, 99, 64, FrameBytes(9), e);
  };
  FrameBytes problem = error(about({}), IcmpAnswer::protocol_unreachable());
  EXPECT_EQ(describe(problem), kBack + "2001:db8::100 > 2001:db8:1::1 icmpv6 4/1 ttl 64");
  EXPECT_EQ(load_be32(problem, 58), 6u);
  problem = error(about({hop_by_hop(), routing(2, 0)}), IcmpAnswer::protocol_unreachable());
  EXPECT_EQ(load_be32(problem, 58), 48u);
  EXPECT_EQ(problem[62 + 48], 99);  // the byte itself, in the quoted packet
}

TEST_F(Ipv6ComposeTest, QuotesAsMuchAs1280BytesHold) {
  FrameBytes large = frame(Udp{.src = kClient, .dst = kVip, .data = std::string(1400, 'x')});
  const FrameBytes big = error(large, IcmpAnswer::too_big(1280));
  EXPECT_EQ(big.size(), 14u + 1280u);
  EXPECT_TRUE(std::equal(big.begin() + 62, big.end(), large.begin() + 14));
  FrameBytes small = frame(Udp{.src = kClient, .dst = kVip});
  EXPECT_EQ(error(small, IcmpAnswer::port_unreachable()).size(), 14u + 48u + 53u);
}

TEST_F(Ipv6ComposeTest, SendsAnAdvertToTheGroup) {
  VrrpAdvert advert;
  advert.vrid = 51;
  advert.addresses.add(ip("fe80::100"));
  std::array<uint8_t, kMostVrrpSize> message;
  const Ip source = ip("fe80::10"), group = vrrp_group(Family::ipv6);
  const Bytes payload = Bytes(message).first(write_vrrp(message, advert, source, group));
  const Mac mac = virtual_router_mac(51, Family::ipv6);
  EXPECT_EQ(text(mac), "00:00:5e:00:02:33");
  EXPECT_EQ(composed(composer_.advert(buffer_, mac, source, payload)),
            ipv6_frame(mac, {{0x33, 0x33, 0, 0, 0, 0x12}}, "fe80::10", "ff02::12", 112, 255,
                       {payload.begin(), payload.end()}, {}, 0xc0));
}

// ---- Described

std::string line(const FrameBytes& b) { return rawvs::describe(Bytes(b)); }

TEST(Ipv6Describe, ShowsWhatThereIs) {
  EXPECT_EQ(line(frame(tcp())), "[2001:db8:1::1]:1001 > [2001:db8::100]:80 tcp S, hop limit 64, 60 bytes");
  EXPECT_EQ(line(frame(tcp({hop_by_hop(), destination_options()}))),
            "[2001:db8:1::1]:1001 > [2001:db8::100]:80 tcp S, hop limit 64, 76 bytes");
  EXPECT_EQ(line(frame(Ping{.src = kClient, .dst = kVip})),
            "2001:db8:1::1 > 2001:db8::100 icmpv6 128/0, hop limit 64, 52 bytes");
  EXPECT_EQ(line(frame(NdFrame{})), "2001:db8::1 > ff02::1:ff00:100 nd who has 2001:db8::100, hop limit 255, 72 bytes");
  EXPECT_EQ(line(frame(NdFrame{.asks = false})),
            "2001:db8::1 > ff02::1 nd 2001:db8::100 is here, hop limit 255, 72 bytes");
  EXPECT_EQ(line(frame(tcp({fragment_header(0, true)}))),
            "[2001:db8:1::1]:1001 > [2001:db8::100]:80 tcp S, fragment 0-20, hop limit 64, 68 bytes");
  EXPECT_EQ(line(frame(tcp({fragment_header(1232, false)}))),
            "2001:db8:1::1 > 2001:db8::100 tcp, fragment 1232-1252 (last), hop limit 64, 68 bytes");
  EXPECT_EQ(line(frame(tcp({destination_options(), hop_by_hop()}))),
            "2001:db8:1::1 > 2001:db8::100 broken extension headers");
}

TEST(Ipv6Describe, ShowsWhatIsInTunnelsAndErrors) {
  const FrameBytes inner = frame(tcp());
  const FrameBytes tunnel =
      ipv6_frame(kDirectorMac, kClientMac, kVip, "2001:db8:3::1", 41, 64, {inner.begin() + 14, inner.end()});
  EXPECT_EQ(line(tunnel),
            "2001:db8::100 > 2001:db8:3::1 ipv6 [[2001:db8:1::1]:1001 > [2001:db8::100]:80 tcp S, hop limit 64, 60 "
            "bytes], hop limit 64, 100 bytes");
  EXPECT_EQ(line(frame(IcmpError{
                .src = kClient, .dst = kVip, .type = 2, .code = 0, .mtu = 1400, .about = inner, .quoted = 60})),
            "2001:db8:1::1 > 2001:db8::100 icmpv6 2/0 mtu 1400 [[2001:db8:1::1]:1001 > [2001:db8::100]:80 tcp S, hop "
            "limit 64, 60 bytes], hop limit 64, 108 bytes");
}

TEST(Ipv6Describe, StandsAnyCut) {
  for (const FrameBytes& whole : {frame(tcp({hop_by_hop()})), frame(NdFrame{}),
                                  frame(IcmpError{.src = kClient, .dst = kVip, .about = frame(tcp())})}) {
    for (size_t keep = 0; keep <= whole.size(); ++keep) {
      FrameBytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(keep));
      cut.shrink_to_fit();
      EXPECT_FALSE(line(cut).empty());
    }
  }
}

}  // namespace
}  // namespace rawvs
