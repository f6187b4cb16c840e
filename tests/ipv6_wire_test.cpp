// SPDX-License-Identifier: BSD-2-Clause
// Tests src/wire with IPv6: the header, its extension headers, ICMPv6, checksums, and any bytes.
#include <gtest/gtest.h>

#include <random>

#include "frames.h"
#include "wire/checksum.h"
#include "wire/compose.h"
#include "wire/describe.h"
#include "wire/ip_header.h"
#include "wire/split.h"

namespace rawvs {
namespace {

using namespace test;

const std::string kClient = "2001:db8:1::1", kVip = "2001:db8::100";

std::optional<Exit> parsed(FrameBytes b, Packet* out = nullptr) {
  Packet p;
  const auto wrong = parse_ip(view(b), p);
  if (out) *out = p;
  return wrong;
}

std::string exit_of(const FrameBytes& b) {
  const auto wrong = parsed(b);
  return wrong ? words(*wrong).name : "";
}

Tcp tcp(const Extensions& extensions = {}) { return {.src = kClient, .dst = kVip, .extensions = extensions}; }
Udp udp(const Extensions& extensions = {}) { return {.src = kClient, .dst = kVip, .extensions = extensions}; }

TEST(Ipv6Parse, FindsTheFactsOfASegment) {
  FrameBytes b =
      frame(Tcp{.src = kClient, .dst = kVip, .flags = "PA", .data = "GET /", .ttl = 7, .traffic_class = 0xb9});
  Ethernet e;
  ASSERT_FALSE(parse_ethernet(view(b), e));
  EXPECT_EQ(e.kind, Kind::ipv6);
  Packet p;
  ASSERT_FALSE(parsed(b, &p));
  EXPECT_EQ(p.family(), Family::ipv6);
  EXPECT_EQ(text(Endpoint{p.src, p.sport}), "[2001:db8:1::1]:1001");
  EXPECT_EQ(text(Endpoint{p.dst, p.dport}), "[2001:db8::100]:80");
  EXPECT_EQ(p.protocol, Protocol::tcp);
  EXPECT_EQ(p.ttl, 7);
  EXPECT_EQ(p.tos, 0xb9);
  EXPECT_EQ(p.tcp_payload, 5u);
  EXPECT_EQ(p.ip_at, 14u);
  EXPECT_EQ(p.next_at, 20u);
  EXPECT_EQ(p.l4_at, 54u);
  EXPECT_EQ(p.ip_size, 65u);
  EXPECT_EQ(p.fragment_at, 0u);
  EXPECT_TRUE(p.dont_fragment);
  EXPECT_FALSE(p.fragmented());
}

TEST(Ipv6Parse, CutsEthernetPadding) {
  FrameBytes b = frame(udp());
  const size_t size = b.size() - 14;
  b.resize(b.size() + 9, 0xee);
  Packet p;
  ASSERT_FALSE(parsed(b, &p));
  EXPECT_EQ(p.ip_size, size);
  EXPECT_TRUE(l4_checksum_right(view(b), p));
}

TEST(Ipv6Parse, NamesWhatIsWrong) {
  const auto changed = [](size_t at, uint8_t value) {
    FrameBytes b = frame(tcp());
    b[at] = value;
    return exit_of(b);
  };
  EXPECT_EQ(changed(14, 0x45), "bad-ip-header");
  EXPECT_EQ(changed(19, 21), "truncated");     // longer than the frame
  EXPECT_EQ(changed(19, 19), "truncated");     // cuts the TCP header
  EXPECT_EQ(changed(66, 0x40), "bad-length");  // a TCP header of 16 bytes
  EXPECT_EQ(exit_of(frame(Tcp{.src = kVip, .dst = kVip})), "land");
  EXPECT_EQ(exit_of(frame(Tcp{.src = kClient, .dst = kVip, .sport = 0})), "zero-port");
  for (const char* source : {"::", "::1", "ff02::1"})
    EXPECT_EQ(exit_of(frame(Tcp{.src = source, .dst = kVip})), "bad-source") << source;
  EXPECT_EQ(exit_of(frame(Ping{.src = "::", .dst = kVip})), "bad-source");
  EXPECT_EQ(exit_of(frame(Tcp{.src = "fe80::1", .dst = kVip})), "");
  FrameBytes whole = frame(tcp());
  for (size_t keep = 14; keep < whole.size(); ++keep)
    EXPECT_EQ(exit_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(keep)}), "truncated") << keep;
}

TEST(Ipv6Parse, AMappedAddressIsNotTakenForIpv4) {
  for (const size_t at : {22u, 38u}) {
    FrameBytes b = frame(tcp());
    std::fill_n(b.begin() + static_cast<std::ptrdiff_t>(at), 16, uint8_t{0});
    b[at + 10] = b[at + 11] = 0xff, b[at + 12] = 192, b[at + 14] = 2, b[at + 15] = 100;
    EXPECT_EQ(exit_of(b), "bad-source") << at;
  }
}

TEST(Ipv6Parse, IcmpsNumberOfIpv4IsNoIcmp) {
  Packet p;
  ASSERT_FALSE(parsed(ipv6_frame(kClientMac, kDirectorMac, kClient, kVip, 1, 64, {8, 0, 0, 0, 0, 0, 0, 0}), &p));
  EXPECT_NE(p.protocol, Protocol::icmp);
  EXPECT_EQ(p.icmp, Icmp::other);
  ASSERT_FALSE(parsed(ipv4_frame(kClientMac, kDirectorMac, "192.0.2.1", "192.0.2.2", 58, 64, 0, FrameBytes(8)), &p));
  EXPECT_NE(p.protocol, Protocol::icmp);
}

// ---- Extension headers

TEST(Ipv6Extensions, AreWalkedToThePayload) {
  const struct {
    Extensions extensions;
    size_t size;
    unsigned named_at;
  } kRows[] = {
      {{hop_by_hop()}, 8, 54},
      {{destination_options()}, 8, 54},
      {{hop_by_hop({0, 0, 5, 2, 0, 0})}, 8, 54},  // Pad1, router alert
      {{routing(2, 1)}, 24, 54},                  // of another type than 0: its segments are not our business
      {{routing(0, 0)}, 24, 54},
      {{hop_by_hop(), destination_options(), routing(4, 0), destination_options()}, 48, 94},
      {{hop_by_hop({1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), destination_options()}, 24, 70},
  };
  for (const auto& row : kRows) {
    Packet p;
    ASSERT_FALSE(parsed(frame(tcp(row.extensions)), &p));
    EXPECT_EQ(p.l4_at, 54 + row.size);
    EXPECT_EQ(p.next_at, row.named_at);
    EXPECT_EQ(p.dport, Port(80));
    EXPECT_EQ(p.tcp_payload, 0u);
    EXPECT_EQ(p.l4_size(), 20u);
  }
}

TEST(Ipv6Extensions, ThatAreMalformedAreOneExit) {
  const FrameBytes jumbo{0xc2, 4, 0, 1, 0, 0}, unknown{0x80, 4, 0, 0, 0, 0};
  for (const Extensions& extensions : std::vector<Extensions>{
           {destination_options(), hop_by_hop()},  // hop-by-hop is not the first
           {hop_by_hop(), hop_by_hop()},           // nor once
           {hop_by_hop(jumbo)},
           {hop_by_hop(unknown)},             // may not be skipped
           {hop_by_hop({1, 5, 0, 0, 0, 0})},  // an option that ends behind the header
           {hop_by_hop({0, 0, 0, 0, 0, 1})},  // an option without length
           {routing(0, 1)},                   // RFC 5095
           {fragment_header(0, false), fragment_header(0, false)},
           Extensions(9, destination_options()),       // too many
           {destination_options(FrameBytes(6 + 256))}  // too long
       }) {
    EXPECT_EQ(exit_of(frame(tcp(extensions))), "bad-extension")
        << extensions.size() << ' ' << int{extensions[0].number};
  }
  EXPECT_EQ(exit_of(frame(tcp(Extensions(8, destination_options())))), "");
  EXPECT_EQ(exit_of(frame(tcp({destination_options(FrameBytes(6 + 248))}))), "");
  FrameBytes longer = frame(udp({destination_options()}));
  longer[55] = 3;  // behind the packet
  EXPECT_EQ(exit_of(longer), "bad-extension");
  EXPECT_EQ(exit_of(ipv6_frame(kClientMac, kDirectorMac, kClient, kVip, 60, 64, {})), "bad-extension");
  FrameBytes jumbogram = frame(udp({hop_by_hop(jumbo)}));
  jumbogram[18] = jumbogram[19] = 0;
  EXPECT_EQ(exit_of(jumbogram), "bad-extension");
}

TEST(Ipv6Extensions, NoNextHeaderAndAhAreProtocols) {
  for (const uint8_t number : std::initializer_list<uint8_t>{59, 51, 50, 135}) {
    Packet p;
    ASSERT_FALSE(parsed(ipv6_frame(kClientMac, kDirectorMac, kClient, kVip, number, 64, {6, 4, 0, 0}), &p));
    EXPECT_EQ(p.protocol, static_cast<Protocol>(number));
    EXPECT_EQ(p.l4_at, 54u);
    EXPECT_EQ(p.dport, Port(0));
  }
}

TEST(Ipv6Extensions, AFragmentIsKnownByItsHeader) {
  Packet p;
  FrameBytes b = frame(udp({hop_by_hop(), fragment_header(1232, true, 0xdeadbeef)}));
  ASSERT_FALSE(parsed(b, &p));
  EXPECT_EQ(p.fragment_offset, 1232u);
  EXPECT_TRUE(p.more_fragments);
  EXPECT_EQ(p.fragment_at, 62u);
  EXPECT_EQ(p.l4_at, 70u);
  EXPECT_EQ(p.next_at, 62u);
  EXPECT_EQ(p.dport, Port(0));
  EXPECT_EQ(fragment_id(view(b), p), 0xdeadbeefu);
  EXPECT_FALSE(l4_checksum_right(view(b), p));
  // What follows in a fragment is no header of it.
  ASSERT_FALSE(parsed(frame(udp({fragment_header(1232, false), destination_options()})), &p));
  EXPECT_EQ(p.l4_at, 62u);
  ASSERT_FALSE(parsed(frame(udp({fragment_header(0, false), destination_options()})), &p));  // atomic: whole
  EXPECT_FALSE(p.fragmented());
  EXPECT_EQ(p.fragment_at, 54u);
  EXPECT_EQ(p.l4_at, 70u);
  EXPECT_EQ(p.dport, Port(53));
  FrameBytes v4 = ipv4_frame(kClientMac, kDirectorMac, "192.0.2.1", "192.0.2.2", 17, 64, 0x2000, FrameBytes(8));
  ASSERT_FALSE(parsed(v4, &p));
  EXPECT_EQ(fragment_id(view(v4), p), 0x1234u);
}

TEST(Ipv6Extensions, AFirstFragmentHoldsTheHeaders) {
  for (const auto& [number, least] : {std::pair{6, 20}, {17, 8}, {58, 8}, {132, 0}}) {
    for (const int size : {least, least - 8}) {
      if (size < 0) continue;
      const auto part = [&](unsigned at) {
        return FrameBytes(ipv6_frame(kClientMac, kDirectorMac, "2001:db8:2::1", "2001:db8:1::100",
                                     static_cast<uint8_t>(number), 64, FrameBytes(static_cast<size_t>(size)),
                                     {fragment_header(at, true)}));
      };
      EXPECT_EQ(parsed(part(0)), size < least ? std::optional(Exit::truncated) : std::nullopt) << number << " " << size;
      EXPECT_EQ(parsed(part(8)), std::nullopt);
    }
  }
}

// ---- ICMPv6 and checksums

TEST(Icmpv6, IsKnownByMeaning) {
  const std::pair<int, Icmp> kTypes[] = {
      {1, Icmp::unreachable}, {2, Icmp::too_big},       {3, Icmp::time_exceeded},  {4, Icmp::parameter_problem},
      {128, Icmp::echo},      {129, Icmp::echo_reply},  {135, Icmp::solicitation}, {136, Icmp::advertisement},
      {8, Icmp::other_error}, {127, Icmp::other_error}, {133, Icmp::other}};
  for (const auto& [type, meaning] : kTypes) {
    Packet p;
    const FrameBytes l4{static_cast<uint8_t>(type), 3, 0, 0, 0, 1, 0x86, 0xa0};
    ASSERT_FALSE(parsed(ipv6_frame(kClientMac, kDirectorMac, kClient, kVip, 58, 64, l4), &p));
    EXPECT_EQ(p.protocol, Protocol::icmp);
    EXPECT_EQ(p.icmp, meaning) << type;
    EXPECT_EQ(p.icmp_code, 3);
    EXPECT_EQ(p.icmp_mtu, meaning == Icmp::too_big ? 65535 : 0) << "an MTU of 100000";
    EXPECT_EQ(is_discovery(p), type >= 135);
  }
}

TEST(Ipv6Checksum, CoversThePseudoHeader) {
  for (FrameBytes b : {frame(tcp({hop_by_hop()})), frame(udp()), frame(Ping{.src = kClient, .dst = kVip})}) {
    Packet p;
    ASSERT_FALSE(parsed(b, &p));
    EXPECT_TRUE(l4_checksum_right(view(b), p));
    b[37] ^= 1;  // the source
    ASSERT_FALSE(parsed(b, &p));
    EXPECT_FALSE(l4_checksum_right(view(b), p));
  }
}

TEST(Ipv6Checksum, UdpMustHaveOne) {
  FrameBytes b = frame(udp());
  store_be16(b, 60, 0);
  Packet p;
  ASSERT_FALSE(parsed(b, &p));
  EXPECT_FALSE(l4_checksum_right(view(b), p));
}

// ---- Any bytes

FrameBytes random_chain(std::mt19937& random) {
  Extensions list;
  for (size_t n = random() % 5; n > 0; --n) {
    switch (random() % 5) {
      case 0: list.push_back(hop_by_hop()); break;
      case 1: list.push_back(destination_options(FrameBytes(6 + 8 * (random() % 12)))); break;
      case 2: list.push_back(routing(static_cast<uint8_t>(random() % 4), static_cast<uint8_t>(random() % 2))); break;
      case 3: list.push_back(fragment_header(random() % 2 * 8, random() % 2 == 0)); break;
      default: list.push_back(fragment_header(0, false));
    }
  }
  switch (random() % 5) {
    case 0: return frame(tcp(list));
    case 1: return frame(udp(list));
    case 2: return frame(NdFrame{.asks = random() % 2 == 0});
    case 3:
      return frame(IcmpError{.src = kClient,
                             .dst = kVip,
                             .type = static_cast<uint8_t>(1 + random() % 4),
                             .code = 0,
                             .about = frame(tcp(list)),
                             .quoted = random() % 150});
    default: return frame(Ping{.src = kClient, .dst = kVip, .extensions = list});
  }
}

void expect_inside(const Packet& p, const Frame& f) {
  ASSERT_LE(p.ip_at + p.ip_size, f.size);
  ASSERT_LE(p.l4_at, p.ip_at + p.ip_size);
  ASSERT_LT(p.next_at, p.l4_at);
  ASSERT_GE(p.next_at, p.ip_at + kIpv6NextHeaderAt);
  if (p.fragment_at != 0) {
    ASSERT_LE(p.fragment_at + kIpv6FragmentSize, p.l4_at);
  }
  ASSERT_TRUE(p.src.is_v6() && p.dst.is_v6());
}

void expect_inside(const Quote& q, const Packet& p) {
  ASSERT_GE(q.ip_at, p.l4_at + kIcmpSize);
  ASSERT_LE(q.ip_at + q.size, p.ip_at + p.ip_size);
  ASSERT_LE(q.l4_at, q.ip_at + q.size);
}

TEST(Ipv6Parse, NeverReadsPastAnyBytes) {  // each frame has exactly its bytes on the heap: the sanitizer watches
  std::mt19937 random(13);
  Composer composer;
  FrameBytes out(2048);
  int accepted = 0, quotes = 0, pieces = 0, discoveries = 0;
  for (int round = 0; round < 40000; ++round) {
    FrameBytes b = random_chain(random);
    for (unsigned i = random() % 4; i > 0; --i) b[14 + random() % (b.size() - 14)] = static_cast<uint8_t>(random());
    if (random() % 4 == 0) b.resize(14 + random() % (b.size() - 13));
    b.shrink_to_fit();
    Frame f = view(b);
    f.offload.flags = random() % 4 == 0 ? Offload::needs_checksum : 0;
    f.offload.checksum_start = static_cast<uint16_t>(random() % 120);
    f.offload.checksum_offset = random() % 2 == 0 ? 16 : 6;
    rawvs::describe(Bytes(b));
    Packet p;
    if (!parse_ip(f, p)) {
      ++accepted;
      expect_inside(p, f);
      l4_checksum_right(f, p);
      if (p.fragment_at != 0) fragment_id(f, p);
      composer.icmp_error(out, f, p, IcmpAnswer::protocol_unreachable());
      if (p.protocol == Protocol::icmp && !p.fragmented()) composer.echo_reply(out, f, p);
      Discovery d;
      if (is_discovery(p) && !p.fragmented()) discoveries += !parse_nd(f, p, d);
      if (const auto q = parse_quote(f, p)) {
        ++quotes;
        expect_inside(*q, p);
        if (const auto inner = parse_inner_quote(f, *q, random() % 16)) expect_inside(*inner, p);
      }
    }
    complete_checksum(f);
    Fragmenter fragments(f, static_cast<uint32_t>(random() % 300), Fragmenter::DontFragment::keep, {}, 1);
    for (Frame piece; fragments.next(out, piece); ++pieces) ASSERT_LE(piece.size, out.size());
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(accepted, 10000);
  EXPECT_GT(quotes, 1000);
  EXPECT_GT(pieces, 10000);
  EXPECT_GT(discoveries, 1000);
}

}  // namespace
}  // namespace rawvs
