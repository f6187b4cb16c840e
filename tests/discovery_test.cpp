// SPDX-License-Identifier: BSD-2-Clause
// Tests ARP and neighbour discovery: read, composed, and every rule that makes a message invalid.
#include "wire/discovery.h"

#include <gtest/gtest.h>

#include "frames.h"
#include "wire/compose.h"

namespace rawvs {
namespace {

using namespace test;
using What = Discovery::What;

// ---- ARP

TEST(Arp, ReadsRequestsAndReplies) {
  FrameBytes b = frame(ArpFrame{});
  Discovery d;
  ASSERT_FALSE(parse_arp(view(b), d));
  EXPECT_EQ(d.what, What::asks);
  EXPECT_EQ(text(d.sender), "192.0.2.1");
  EXPECT_EQ(d.sender_mac, kClientMac);
  EXPECT_EQ(text(d.target), "192.0.2.100");
  EXPECT_EQ(d.family(), Family::ipv4);
  EXPECT_FALSE(d.probe());
  b = frame(ArpFrame{.request = false, .target_mac = kDirectorMac, .to = kDirectorMac});
  ASSERT_FALSE(parse_arp(view(b), d));
  EXPECT_EQ(d.what, What::says);
  EXPECT_EQ(d.target_mac, kDirectorMac);
  EXPECT_TRUE(d.solicited && d.overrides);
  b = frame(ArpFrame{.sender = "0.0.0.0"});
  ASSERT_FALSE(parse_arp(view(b), d));
  EXPECT_TRUE(d.probe());
}

TEST(Arp, RefusesWhatNoHostSends) {
  const auto changed = [](size_t at, uint8_t value) {
    FrameBytes b = frame(ArpFrame{});
    b[at] = value;
    Discovery d;
    return parse_arp(view(b), d);
  };
  EXPECT_EQ(changed(15, 6), Exit::bad_arp);     // other hardware
  EXPECT_EQ(changed(16, 0x86), Exit::bad_arp);  // other protocol
  EXPECT_EQ(changed(18, 8), Exit::bad_arp);     // address sizes
  EXPECT_EQ(changed(19, 16), Exit::bad_arp);
  EXPECT_EQ(changed(21, 3), Exit::bad_arp);     // RARP
  EXPECT_EQ(changed(22, 0x03), Exit::bad_arp);  // sender MAC is a group
  EXPECT_EQ(changed(28, 224), Exit::bad_arp);   // sender is multicast
}

// ---- Neighbour discovery

std::string exit_of(FrameBytes b, Discovery* out = nullptr) {
  Packet p;
  if (const auto wrong = parse_ip(view(b), p)) return words(*wrong).name;
  if (!is_discovery(p)) return "no discovery";
  Discovery d;
  const auto wrong = parse_nd(view(b), p, d);
  if (out) *out = d;
  return wrong ? words(*wrong).name : "";
}
std::string exit_of(const NdFrame& n, Discovery* out = nullptr) { return exit_of(frame(n), out); }

TEST(Nd, ReadsSolicitations) {
  Discovery d;
  ASSERT_EQ(exit_of(NdFrame{}, &d), "");
  EXPECT_EQ(d.what, What::asks);
  EXPECT_EQ(text(d.sender), "2001:db8::1");
  EXPECT_EQ(d.sender_mac, kClientMac);
  EXPECT_EQ(text(d.target), "2001:db8::100");
  EXPECT_FALSE(d.probe());
  EXPECT_EQ(d.family(), Family::ipv6);
  const Mac other{{2, 0, 0, 0, 0, 9}};
  ASSERT_EQ(exit_of(NdFrame{.option = other}, &d), "");
  EXPECT_EQ(d.sender_mac, other);
  ASSERT_EQ(exit_of(NdFrame{.dst = "2001:db8::100", .option = {}}, &d), "");
  EXPECT_EQ(d.sender_mac, kClientMac);  // the frame's source
  ASSERT_EQ(exit_of(NdFrame{.src = "::", .option = {}}, &d), "");
  EXPECT_TRUE(d.probe());
  EXPECT_EQ(d.sender.family(), Family::ipv6);
}

TEST(Nd, ReadsAdvertisements) {
  Discovery d;
  ASSERT_EQ(exit_of(NdFrame{.asks = false,
                            .target = "2001:db8::1",
                            .dst = "2001:db8::100",
                            .router = true,
                            .solicited = true,
                            .overrides = false},
                    &d),
            "");
  EXPECT_EQ(d.what, What::says);
  EXPECT_EQ(text(d.sender), "2001:db8::1");
  EXPECT_EQ(text(d.target), "2001:db8::100");
  EXPECT_EQ(d.target_mac, kDirectorMac);
  EXPECT_TRUE(d.router && d.solicited);
  EXPECT_FALSE(d.overrides);
  ASSERT_EQ(exit_of(NdFrame{.asks = false, .src = "fe80::5"}, &d), "");
  EXPECT_EQ(text(d.sender), "2001:db8::100");  // the target, not who sent it
  EXPECT_EQ(d.target_mac, multicast_mac(kAllNodes));
  EXPECT_FALSE(d.solicited);
  EXPECT_TRUE(d.overrides);
}

TEST(Nd, RefusesWhatRfc4861CallsInvalid) {
  const auto with_options = [](const FrameBytes& more) { return exit_of(NdFrame{.more_options = more}); };
  for (const bool asks : {true, false}) {
    EXPECT_EQ(exit_of(NdFrame{.asks = asks, .hop_limit = 254}), "bad-nd");
    EXPECT_EQ(exit_of(NdFrame{.asks = asks, .code = 1}), "bad-nd");
    for (const char* target : {"ff02::1", "::", "::1"})
      EXPECT_EQ(exit_of(NdFrame{.asks = asks, .target = target}), "bad-nd") << target;
    EXPECT_EQ(exit_of(NdFrame{.asks = asks, .option = kBroadcastMac}), "bad-nd");
    EXPECT_EQ(exit_of(NdFrame{.asks = asks, .option = Mac{}}), "bad-nd");
    FrameBytes wrong = frame(NdFrame{.asks = asks});
    wrong.back() ^= 1;
    EXPECT_EQ(exit_of(wrong), "bad-nd");  // its checksum
    FrameBytes shorter = frame(NdFrame{.asks = asks, .option = {}});
    shorter.pop_back(), shorter[19] = 23;
    fix_l4_checksum(shorter);
    EXPECT_EQ(exit_of(shorter), "bad-nd");
  }
  EXPECT_EQ(with_options({14, 1, 0, 0, 0, 0, 0, 0}), "");  // a nonce: skipped
  EXPECT_EQ(with_options({14, 0, 0, 0, 0, 0, 0, 0}), "bad-nd");
  EXPECT_EQ(with_options({14, 2, 0, 0, 0, 0, 0, 0}), "bad-nd");
  EXPECT_EQ(with_options({14, 1, 0, 0}), "bad-nd");
  EXPECT_EQ(exit_of(NdFrame{.src = "::"}), "bad-nd");                                  // a probe with the option
  EXPECT_EQ(exit_of(NdFrame{.src = "::", .dst = "ff02::1", .option = {}}), "bad-nd");  // not to the group
  EXPECT_EQ(exit_of(NdFrame{.src = "::", .dst = "2001:db8::100", .option = {}}), "bad-nd");
  EXPECT_EQ(exit_of(NdFrame{.asks = false, .src = "::"}), "bad-nd");
  EXPECT_EQ(exit_of(NdFrame{.asks = false, .solicited = true}), "bad-nd");  // to all nodes
  EXPECT_EQ(exit_of(NdFrame{.src = "ff02::1"}), "bad-source");
}

TEST(Nd, IsNotReadFromFragments) {  // RFC 6980
  const FrameBytes nd = frame(NdFrame{});
  const FrameBytes l4(nd.begin() + 54, nd.end());
  const auto in = [&](const Extensions& e) {
    return exit_of(ipv6_frame(kClientMac, kDirectorMac, "2001:db8::1", "ff02::1:ff00:100", 58, 255, l4, e));
  };
  EXPECT_EQ(in({}), "");
  EXPECT_EQ(in({fragment_header(0, false)}), "no discovery");
  EXPECT_EQ(in({fragment_header(0, true)}), "no discovery");
}

TEST(Nd, HasAGroupPerAddress) {
  EXPECT_EQ(text(solicited_node(ip("2001:db8::12:3456"))), "ff02::1:ff12:3456");
  EXPECT_EQ(text(multicast_mac(solicited_node(ip("2001:db8::12:3456")))), "33:33:ff:12:34:56");
  EXPECT_EQ(text(multicast_mac(kAllNodes)), "33:33:00:00:00:01");
}

// ---- Composed

class DiscoveryComposeTest : public testing::Test {
 protected:
  FrameBytes composed(Mac from, Mac to, const Discovery& d) {
    const size_t size = composer_.discovery(buffer_, from, to, d);
    return {buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size)};
  }
  Composer composer_;
  FrameBytes buffer_ = FrameBytes(128);
  const Ip vip_ = ip("2001:db8::100"), client_ = ip("2001:db8::1");
};

TEST_F(DiscoveryComposeTest, BuildsArpByteForByte) {
  const FrameBytes want = {
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,   0, 0, 0,   0, 0x10, 8, 6,  // Ethernet
      0,    1,    8,    0,    6,    4,    0,   2,                         // Ethernet, IPv4, reply
      2,    0,    0,    0,    0,    0x10, 192, 0, 2, 100, 2, 0,    0, 0, 0, 1, 192, 0, 2, 1,
  };
  EXPECT_EQ(composed(kDirectorMac, kBroadcastMac,
                     {.what = What::says,
                      .sender = ip("192.0.2.100"),
                      .sender_mac = kDirectorMac,
                      .target = ip("192.0.2.1"),
                      .target_mac = kClientMac}),
            want);
}

TEST_F(DiscoveryComposeTest, AsksTheGroupOrTheNeighbour) {
  const Discovery d{.sender = client_, .sender_mac = kClientMac, .target = vip_};
  const Mac group = multicast_mac(solicited_node(vip_));
  EXPECT_EQ(composed(kClientMac, group, d), frame(NdFrame{}));
  EXPECT_EQ(composed(kClientMac, kDirectorMac, d), frame(NdFrame{.dst = "2001:db8::100"}));  // a unicast refresh
}

TEST_F(DiscoveryComposeTest, AProbeHasNoAddressOfItsOwn) {
  const Mac group = multicast_mac(solicited_node(vip_));
  for (const Ip none : {Ip::any(Family::ipv6), Ip()}) {
    EXPECT_EQ(composed(kClientMac, group, {.sender = none, .sender_mac = kClientMac, .target = vip_}),
              frame(NdFrame{.src = "::", .option = {}}));
  }
}

TEST_F(DiscoveryComposeTest, AdvertisesToOneHostOrToAll) {
  Discovery d{.what = What::says, .sender = vip_, .sender_mac = kDirectorMac, .target = client_};
  EXPECT_EQ(describe(composed(kDirectorMac, kClientMac, d)),
            "02:00:00:00:00:10>02:00:00:00:00:01 nd 2001:db8::100 is-at 02:00:00:00:00:10 to 2001:db8::1 SO ttl 255");
  d.target = Ip::any(Family::ipv6), d.solicited = false;
  const FrameBytes all = composed(kDirectorMac, multicast_mac(kAllNodes), d);
  EXPECT_EQ(all, frame(NdFrame{.asks = false, .src = "2001:db8::100", .from = kDirectorMac, .option = kDirectorMac}));
  d.overrides = false, d.router = true;
  EXPECT_EQ(describe(composed(kDirectorMac, multicast_mac(kAllNodes), d)),
            "02:00:00:00:00:10>33:33:00:00:00:01 nd 2001:db8::100 is-at 02:00:00:00:00:10 to ff02::1 R ttl 255");
}

TEST_F(DiscoveryComposeTest, WhatIsComposedIsRead) {
  Discovery back;
  ASSERT_EQ(exit_of(composed(kDirectorMac, kClientMac,
                             {.what = What::says, .sender = vip_, .sender_mac = kDirectorMac, .target = client_}),
                    &back),
            "");
  EXPECT_EQ(back.sender, vip_);
  EXPECT_EQ(back.sender_mac, kDirectorMac);
  EXPECT_EQ(back.target, client_);
  const Discovery probe{.sender = Ip::any(Family::ipv6), .sender_mac = kDirectorMac, .target = vip_};
  ASSERT_EQ(exit_of(composed(kDirectorMac, multicast_mac(solicited_node(vip_)), probe), &back), "");
  EXPECT_TRUE(back.probe());
}

TEST_F(DiscoveryComposeTest, SaysZeroWhenTheBufferIsTooSmall) {
  const Discovery d{.sender = client_, .sender_mac = kClientMac, .target = vip_};
  EXPECT_EQ(composer_.discovery(MutableBytes(buffer_).first(85), kClientMac, kBroadcastMac, d), 0u);
  EXPECT_EQ(composer_.discovery(MutableBytes(buffer_).first(86), kClientMac, kBroadcastMac, d), 86u);
}

}  // namespace
}  // namespace rawvs
