// SPDX-License-Identifier: BSD-2-Clause
// Tests src/wire: addresses, checksums, parsing, and the frames that the director composes.
#include <gtest/gtest.h>

#include <random>

#include "compose_fixture.h"
#include "core/rewrite.h"
#include "core/siphash.h"
#include "frames.h"
#include "wire/checksum.h"
#include "wire/discovery.h"
#include "wire/packet.h"

namespace rawvs {
namespace {

using namespace test;

std::optional<Exit> parsed(FrameBytes b, Packet* out = nullptr) {
  Frame f = view(b);
  Ethernet e;
  if (const auto wrong = parse_ethernet(f, e)) return wrong;
  Packet p;
  const auto wrong = parse_ip(f, p);
  if (out) *out = p;
  return wrong;
}

TEST(Addr, ReadsWhatItPrints) {
  for (const char* s : {"0.0.0.0", "192.0.2.1", "255.255.255.255"}) EXPECT_EQ(text(*parse_ip(s)), s);
  EXPECT_EQ(text(*parse_mac("02:00:00:0a:bC:ff")), "02:00:00:0a:bc:ff");
  EXPECT_EQ(text(*parse_endpoint("192.0.2.1:80")), "192.0.2.1:80");
  EXPECT_EQ(parse_endpoint("192.0.2.1")->port, Port(0));
  EXPECT_EQ(text(*parse_network("192.0.2.0/24")), "192.0.2.0/24");
}

TEST(Addr, RefusesWhatOnlyLooksLikeAnAddress) {
  for (const char* s : {"", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.04", "1..2.3", "a.b.c.d", " 1.2.3.4",
                        "1.2.3.4 ", "+1.2.3.4", "1.2.3.-4", "0x1.2.3.4"}) {
    EXPECT_FALSE(parse_ip(s)) << s;
  }
  for (const char* s :
       {"", "02:00:00:00:00", "02-00-00-00-00-01", "02:00:00:00:00:0g", "2:0:0:0:0:1", "02:00:00:00:00:01:"}) {
    EXPECT_FALSE(parse_mac(s)) << s;
  }
  for (const char* s : {"192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:8O", ":80"}) {
    EXPECT_FALSE(parse_endpoint(s)) << s;
  }
  EXPECT_FALSE(parse_network("192.0.2.1/24"));
  EXPECT_FALSE(parse_network("192.0.2.0/33"));
}

TEST(Checksum, EqualsTheSlowOneOnRandomBytesOfAnyLength) {
  std::mt19937 engine(1);
  const auto random = [&] { return static_cast<uint32_t>(engine()); };
  for (int round = 0; round < 2000; ++round) {
    FrameBytes b(random() % 300);
    for (uint8_t& x : b) x = static_cast<uint8_t>(random());
    EXPECT_EQ(checksum(b), slow_checksum(b.data(), b.size()));
  }
  const FrameBytes large(65535, 0xff);
  EXPECT_EQ(checksum(large), slow_checksum(large.data(), large.size()));
}

TEST(Checksum, UpdatedInPlaceEqualsComputedAnew) {
  std::mt19937 engine(2);
  const auto random = [&] { return static_cast<uint32_t>(engine()); };
  for (int round = 0; round < 20000; ++round) {
    FrameBytes b(20);
    for (uint8_t& x : b) x = static_cast<uint8_t>(random() % 3 == 0 ? 0xff : random() % 3 == 0 ? 0 : random());
    store_be16(b, 10, 0);
    const uint16_t before = checksum(b);
    const uint16_t old_word = load_be16(b, 4), new_word = static_cast<uint16_t>(random());
    store_be16(b, 4, new_word);
    store_be16(b, 10, checksum_update(before, old_word, new_word));
    EXPECT_EQ(checksum_fold(checksum_add(b)), 0xffff);
  }
}

TEST(SipHash, GivesTheKnownValues) {  // SipHash-1-3, key 0: of 16 zero bytes, and of the bytes 0 to 15
  EXPECT_EQ(siphash13({0, 0}, 0, 0), 0x76be999e3e25b2a0u);
  EXPECT_EQ(siphash13({0, 0}, 0x0706050403020100u, 0x0f0e0d0c0b0a0908u), 0x8972188433a5c5b7u);
  EXPECT_NE(siphash13({1, 0}, 0, 0), siphash13({0, 0}, 0, 0));
}

TEST(Parse, FindsTheFactsOfASegment) {
  Packet p;
  ASSERT_FALSE(parsed(frame(Tcp{.flags = "PA", .data = "GET /", .seq = 7, .ack = 9}), &p));
  EXPECT_EQ(text(Endpoint{p.src, p.sport}), "198.51.100.1:1001");
  EXPECT_EQ(text(Endpoint{p.dst, p.dport}), "192.0.2.100:80");
  EXPECT_EQ(p.tcp_flags, TcpFlags::psh | TcpFlags::ack);
  EXPECT_EQ(p.tcp_payload, 5u);
  EXPECT_EQ(p.tcp_seq, 7u);
  EXPECT_EQ(p.tcp_ack, 9u);
  EXPECT_EQ(p.ip_size, 45u);
  EXPECT_TRUE(p.dont_fragment);
  EXPECT_FALSE(p.fragmented());
}

TEST(Parse, CutsEthernetPadding) {
  FrameBytes b = frame(Tcp{});
  b.resize(60, 0xee);
  Packet p;
  ASSERT_FALSE(parsed(b, &p));
  EXPECT_EQ(p.ip_size, 40u);
  EXPECT_EQ(p.tcp_payload, 0u);
}

TEST(Parse, ReadsPastIpOptions) {
  FrameBytes b = frame(Tcp{});
  b.insert(b.begin() + 34, {1, 1, 1, 0});
  b[14] = 0x46;
  store_be16(b, 16, 44);
  fix_ip_checksum(b);
  Packet p;
  ASSERT_FALSE(parsed(b, &p));
  EXPECT_EQ(p.dport, Port(80));
}

TEST(Parse, NamesWhatIsWrong) {
  const auto changed = [](size_t at, uint8_t value, bool fix = true) {
    FrameBytes b = frame(Tcp{});
    b[at] = value;
    if (fix) fix_ip_checksum(b);
    return parsed(b);
  };
  EXPECT_EQ(changed(14, 0x65, false), Exit::bad_ip_header);  // version 6
  EXPECT_EQ(changed(14, 0x44, false), Exit::bad_ip_header);  // header of 16 bytes
  EXPECT_EQ(changed(14, 0x4f, false), Exit::truncated);      // header of 60 bytes in a packet of 40
  EXPECT_EQ(changed(17, 19), Exit::bad_length);              // total shorter than the header
  EXPECT_EQ(changed(16, 1), Exit::truncated);                // total longer than the frame
  EXPECT_EQ(changed(17, 39), Exit::truncated);               // cuts the TCP header
  EXPECT_EQ(changed(24, 0xff, false), Exit::bad_ip_checksum);
  EXPECT_EQ(changed(46, 0x40), Exit::bad_length);  // TCP header of 16 bytes
  EXPECT_EQ(changed(46, 0x60), Exit::bad_length);  // TCP header longer than the packet
  for (const char* source : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "0.1.2.3"}) {
    EXPECT_EQ(parsed(frame(Tcp{.src = source})), Exit::bad_source) << source;
  }
  EXPECT_EQ(parsed(frame(Tcp{.src = "192.0.2.100"})), Exit::land);
  EXPECT_EQ(parsed(frame(Tcp{.sport = 0})), Exit::zero_port);
  EXPECT_EQ(parsed(frame(Tcp{.dport = 0})), Exit::zero_port);
  EXPECT_EQ(parsed(frame(Udp{.dport = 0})), Exit::zero_port);
}

TEST(Parse, RefusesUdpLengthsThatContradictThePacket) {
  for (const unsigned length : {0u, 7u, 14u, 65535u}) {
    FrameBytes b = frame(Udp{});
    store_be16(b, 38, static_cast<uint16_t>(length));
    EXPECT_EQ(parsed(b), Exit::bad_length) << length;
  }
  FrameBytes shorter = frame(Udp{});
  store_be16(shorter, 38, 12);  // less than the IP payload: legal, the rest is padding
  EXPECT_FALSE(parsed(shorter));
}

TEST(Parse, LeavesTaggedFramesAlone) {
  FrameBytes b = frame(Tcp{});
  Frame f = view(b);
  f.vlan = 5;
  Ethernet e;
  EXPECT_EQ(parse_ethernet(f, e), Exit::vlan_tagged);
  store_be16(b, 12, 0x8100);
  EXPECT_EQ(parse_ethernet(view(b), e), Exit::vlan_tagged);
  store_be16(b, 12, 0x88a8);
  EXPECT_EQ(parse_ethernet(view(b), e), Exit::vlan_tagged);
}

TEST(Parse, TellsFragments) {
  Packet p;
  const FrameBytes l4(64, 0);
  ASSERT_FALSE(parsed(ipv4_frame(kClientMac, kDirectorMac, "198.51.100.1", "192.0.2.100", 17, 64, 0x0010, l4), &p));
  EXPECT_TRUE(p.fragmented());
  EXPECT_EQ(p.fragment_offset, 128);
  EXPECT_EQ(p.dport, Port(0));
}

// Every copy has exactly `keep` bytes on the heap, so under ASan a read past the end is an error.
TEST(Parse, NeverReadsPastAnyTruncation) {
  for (const FrameBytes& whole : {frame(Tcp{.data = "x"}), frame(Udp{}), frame(Ping{}), frame(ArpFrame{})}) {
    for (size_t keep = 0; keep < whole.size(); ++keep) {
      FrameBytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(keep));
      cut.shrink_to_fit();
      const Frame f = view(cut);
      Ethernet e;
      if (parse_ethernet(f, e)) continue;
      Packet p;
      Discovery a;
      if (e.kind == Kind::arp) {
        EXPECT_EQ(parse_arp(f, a).has_value(), keep < 42) << keep;
      } else {
        EXPECT_TRUE(parse_ip(f, p).has_value()) << keep;
      }
    }
  }
}

TEST(Parse, NeverReadsPastRandomBytes) {
  std::mt19937 engine(3);
  const auto random = [&] { return static_cast<uint32_t>(engine()); };
  const FrameBytes seeds[] = {frame(Tcp{.data = "0123456789"}), frame(Udp{}), frame(Ping{}), frame(ArpFrame{})};
  int accepted = 0;
  for (int round = 0; round < 200000; ++round) {
    FrameBytes b = seeds[random() % 4];
    for (unsigned i = 0; i < random() % 6; ++i) b[random() % b.size()] = static_cast<uint8_t>(random());
    b.resize(random() % 4 == 0 ? random() % (b.size() + 1) : b.size());
    b.shrink_to_fit();
    if (b.size() >= 34 && random() % 2 == 0 && (b[14] & 15u) * 4 + 14 <= b.size() && (b[14] & 15) >= 5)
      fix_ip_checksum(b);
    const Frame f = view(b);
    Ethernet e;
    if (parse_ethernet(f, e)) continue;
    Packet p;
    Discovery a;
    parse_arp(f, a);
    if (parse_ip(f, p)) continue;
    ++accepted;
    ASSERT_LE(p.ip_at + p.ip_size, f.size);
    ASSERT_LE(p.l4_at, p.ip_at + p.ip_size);
    l4_checksum_right(f, p);
  }
  EXPECT_GT(accepted, 1000);
}

TEST(Parse, KnowsWhetherAnL4ChecksumIsRight) {
  for (FrameBytes b : {frame(Tcp{.data = "odd"}), frame(Udp{}), frame(Ping{})}) {
    Packet p;
    ASSERT_FALSE(parsed(b, &p));
    EXPECT_TRUE(l4_checksum_right(view(b), p));
    b.back() ^= 1;
    EXPECT_FALSE(l4_checksum_right(view(b), p));
    Frame partial = view(b);
    partial.offload.flags = Offload::needs_checksum;
    EXPECT_TRUE(l4_checksum_right(partial, p));
  }
  FrameBytes longer = frame(Udp{});  // bytes behind the datagram are not under its checksum
  longer.insert(longer.end(), {7, 7, 7});
  store_be16(longer, 16, static_cast<uint16_t>(longer.size() - 14));
  fix_ip_checksum(longer);
  Packet padded;
  ASSERT_FALSE(parsed(longer, &padded));
  EXPECT_TRUE(l4_checksum_right(view(longer), padded));
  longer[longer.size() - 4] ^= 1;
  EXPECT_FALSE(l4_checksum_right(view(longer), padded));
  longer[longer.size() - 4] ^= 1;
  Frame super = view(longer);  // of several datagrams: all of it
  super.offload.segmentation = Offload::udp_l4, super.offload.segment_size = 5;
  EXPECT_FALSE(l4_checksum_right(super, padded));

  FrameBytes without = frame(Udp{});
  store_be16(without, 40, 0);
  Packet p;
  ASSERT_FALSE(parsed(without, &p));
  EXPECT_TRUE(l4_checksum_right(view(without), p));
}

TEST(Quote, NamesNoPacketFromOrToPortZero) {
  for (const FrameBytes& about :
       {frame(Tcp{}), frame(Tcp{.sport = 0}), frame(Tcp{.dport = 0}), frame(Udp{.sport = 0})}) {
    FrameBytes b = frame(IcmpError{.about = about});
    Packet p;
    ASSERT_FALSE(parsed(b, &p));
    const bool ports = (about[34] | about[35]) != 0 && (about[36] | about[37]) != 0;
    EXPECT_EQ(parse_quote(view(b), p).has_value(), ports);
  }
}

class ComposeTest : public WithComposer {};

TEST_F(ComposeTest, AnswersAPingWithItsOwnData) {
  FrameBytes ping = frame(Ping{.data = "0123456789"});
  const FrameBytes reply = composed(composer_.echo_reply(buffer_, view(ping), packet_of(ping)));
  EXPECT_EQ(describe(reply), "02:00:00:00:00:10>02:00:00:00:00:01 192.0.2.100 > 198.51.100.1 icmp 0/0 ttl 64");
  EXPECT_EQ(FrameBytes(reply.begin() + 38, reply.end()), FrameBytes(ping.begin() + 38, ping.end()));
}

TEST_F(ComposeTest, SendsAnAdvertToTheGroupFromAVirtualMacAddress) {
  VrrpAdvert advert;
  advert.vrid = 51;
  advert.addresses.add(ip("192.0.2.100"));
  std::array<uint8_t, kMostVrrpSize> message;
  const size_t size = write_vrrp(message, advert, ip("192.0.2.10"), kVrrpGroup);
  const Bytes payload = Bytes(message).first(size);
  FrameBytes sent = composed(composer_.advert(buffer_, virtual_router_mac(51), ip("192.0.2.10"), payload));
  FrameBytes expected = ipv4_frame(virtual_router_mac(51), kVrrpGroupMac, "192.0.2.10", "224.0.0.18", kVrrpProtocol,
                                   kVrrpTtl, 0, FrameBytes(payload.begin(), payload.end()));
  expected[15] = kVrrpTos;
  std::copy_n(sent.begin() + 18, 2, expected.begin() + 18);  // the identification may have any value
  fix_ip_checksum(expected);
  EXPECT_EQ(sent, expected);
  EXPECT_EQ(composer_.advert(MutableBytes(buffer_).first(40), virtual_router_mac(51), ip("192.0.2.10"), payload), 0u);
  EXPECT_EQ(composer_.advert(buffer_, virtual_router_mac(51), ip("192.0.2.10"), {}), 0u);
}

TEST_F(ComposeTest, ResetsAsRfc9293Says) {
  FrameBytes syn = frame(Tcp{.flags = "S", .seq = 1000});
  FrameBytes rst = composed(write_tcp_segment(buffer_, tcp_reset(view(syn), packet_of(syn))));
  EXPECT_EQ(describe(rst), "02:00:00:00:00:10>02:00:00:00:00:01 192.0.2.100:80 > 198.51.100.1:1001 RA ttl 64");
  EXPECT_EQ(load_be32(rst, 38), 0u);
  EXPECT_EQ(load_be32(rst, 42), 1001u);  // SYN counts one
  FrameBytes fin = frame(Tcp{.flags = "F", .data = "abc", .seq = 1000});
  rst = composed(write_tcp_segment(buffer_, tcp_reset(view(fin), packet_of(fin))));
  EXPECT_EQ(load_be32(rst, 42), 1004u);  // three bytes and FIN
  FrameBytes ack = frame(Tcp{.flags = "A", .seq = 5, .ack = 77});
  rst = composed(write_tcp_segment(buffer_, tcp_reset(view(ack), packet_of(ack))));
  EXPECT_EQ(describe(rst), "02:00:00:00:00:10>02:00:00:00:00:01 192.0.2.100:80 > 198.51.100.1:1001 R ttl 64");
  EXPECT_EQ(load_be32(rst, 38), 77u);
}

TEST_F(ComposeTest, QuotesAsMuchAs576BytesHold) {
  FrameBytes large = frame(Udp{.data = std::string(1000, 'x')});
  const FrameBytes error =
      composed(composer_.icmp_error(buffer_, view(large), packet_of(large), IcmpAnswer::too_big(1400)));
  EXPECT_EQ(describe(error), "02:00:00:00:00:10>02:00:00:00:00:01 192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1400 ttl 64");
  EXPECT_EQ(error.size(), 14u + 576u);
  EXPECT_TRUE(std::equal(error.begin() + 42, error.end(), large.begin() + 14));
  FrameBytes small = frame(Udp{});
  EXPECT_EQ(composer_.icmp_error(buffer_, view(small), packet_of(small), IcmpAnswer::port_unreachable()),
            14u + 28u + 33u);
}

TEST_F(ComposeTest, SaysZeroWhenTheBufferIsTooSmall) {
  FrameBytes ping = frame(Ping{.data = std::string(100, 'x')});
  EXPECT_EQ(composer_.echo_reply(MutableBytes(buffer_).first(60), view(ping), packet_of(ping)), 0u);
  EXPECT_NE(composer_.echo_reply(buffer_, view(ping), packet_of(ping)), 0u);  // and works again afterwards
}

TEST(Rewrite, DecrementsTtlAndKeepsTheChecksumRight) {
  for (int ttl = 2; ttl < 256; ++ttl) {
    FrameBytes b = frame(Tcp{.ttl = static_cast<uint8_t>(ttl)});
    Packet p;
    ASSERT_FALSE(parsed(b, &p));
    decrement_ttl(view(b), p);
    EXPECT_EQ(b[22], ttl - 1);
    EXPECT_EQ(slow_checksum(b.data() + 14, 20), 0) << ttl;
  }
}

}  // namespace
}  // namespace rawvs
