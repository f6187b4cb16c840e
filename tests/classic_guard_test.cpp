// SPDX-License-Identifier: BSD-2-Clause
// classic_guard.h: the programs, run over handmade frames by libpcap's interpreter; and the filters that are put into a
// kernel which is a test's.
#include "sys/guard/classic_guard.h"

#include <array>
#include <set>

#include "classic_kernel.h"

namespace rawvs {
namespace {

using namespace bare_frames;

TEST_F(GuardFilter, TakesFramesToAVipAndArpRequestsForIt) {
  follow(kBoth);
  EXPECT_TRUE(kernel_.drops(ipv4(kOwn, kClient, kVip)));
  EXPECT_TRUE(kernel_.drops(arp(kRequest, kClient, kVip)));
  EXPECT_TRUE(kernel_.drops(arp(kRequest, kServer, kVip)));
}

TEST_F(GuardFilter, FindsTheAddressesOfBareIpPackets) {
  const auto bare = [](FrameBytes frame) {
    frame.erase(frame.begin(), frame.begin() + kEthernetSize);
    return frame;
  };
  const AddressPart vips{AddressRange::all(Family::ipv4), ranges_of(std::array{kVip}, Family::ipv4)};
  const Compiled to_vip(vip_program(vips, {}));
  EXPECT_EQ(to_vip.verdict(bare(ipv4(kOther, kClient, kVip))), kDrop) << "there is no MAC address";
  EXPECT_EQ(to_vip.verdict(bare(ipv4(kOwn, kClient, kServer))), kAskNext);
  EXPECT_EQ(to_vip.verdict(FrameBytes(19, 0x45)), kAskNext) << "too short";
  const AddressPart servers{AddressRange::all(Family::ipv4), ranges_of(std::array{kServer}, Family::ipv4)},
      none{AddressRange::all(Family::ipv4), {}};
  const Compiled from_server(nat_program(servers, none, {}));
  EXPECT_EQ(from_server.verdict(bare(of_protocol(6, kServer, kClient))), kDrop);
  EXPECT_EQ(from_server.verdict(bare(of_protocol(6, kClient, kServer))), kAskNext);
}

TEST_F(GuardFilter, LeavesEverythingElseToTheHost) {
  follow(kBoth);
  EXPECT_FALSE(kernel_.drops(ipv4(kOther, kClient, kVip)));
  EXPECT_FALSE(kernel_.drops(ipv4(kOwn, kClient, kServer)));
  EXPECT_FALSE(kernel_.drops(ipv4(kOwn, kVip, kClient)));
  EXPECT_FALSE(kernel_.drops(arp(kReply, kClient, kVip)));
  EXPECT_FALSE(kernel_.drops(arp(kRequest, kVip, kClient)));
  EXPECT_FALSE(kernel_.drops(arp(kReply, kServer, kClient)));  // the host may want to know real servers, too
  EXPECT_FALSE(kernel_.drops(ethernet(kOwn, 0x86dd, 60)));
}

TEST_F(GuardFilter, TakesNothingWithoutVips) {
  follow(watching({}, {kServer}));
  EXPECT_FALSE(kernel_.drops(ipv4(kOwn, kClient, kVip)));
  EXPECT_FALSE(kernel_.drops(arp(kRequest, kClient, kVip)));
  EXPECT_EQ(kernel_.filters(), 0u);
}

TEST_F(GuardFilter, LooksAtUntaggedFramesOnlyAndThoseOfAPriority) {
  constexpr uint32_t kPriority = 0x2000, kVlan5 = 0x0005;
  follow(kNat);
  for (const FrameBytes& frame : {ipv4(kOwn, kClient, kVip), of_protocol(6, kServer, kClient)}) {
    EXPECT_TRUE(kernel_.drops(frame, kPriority));
    EXPECT_FALSE(kernel_.drops(frame, kPriority | kVlan5));
  }
  EXPECT_TRUE(kernel_.drops(ipv4(kOwn, kClient, kVip), kLeftTag));
}

TEST_F(GuardFilter, LeavesFramesThatAreTooShortToTheNextFilter) {
  follow(kNat);
  const FrameBytes to_vip = ipv4(kOwn, kClient, kVip), request = arp(kRequest, kClient, kVip);
  for (size_t size = 14; size < 34; ++size) EXPECT_FALSE(kernel_.drops({to_vip.begin(), to_vip.begin() + size}));
  for (size_t size = 14; size < 42; ++size) EXPECT_FALSE(kernel_.drops({request.begin(), request.begin() + size}));
  FrameBytes error = icmp(3, kServer, kClient);
  error.resize(34);  // no type
  EXPECT_FALSE(kernel_.drops(error));
}

TEST_F(GuardFilter, TakesWhatIsSentToAnyOfOurMacAddresses) {
  std::vector<Mac> own{kOwn};
  for (int vrid = 1; vrid < 256; vrid += 2) own.push_back({{0, 0, 0x5e, 0, 1, static_cast<uint8_t>(vrid)}});
  const Watch watch = watching(scattered(2000, 9), {}, {kServer});
  ASSERT_EQ(guard_.follow(watch, own, {}, kernel_), 0);
  for (const Mac& mac : own) {
    EXPECT_TRUE(kernel_.drops(ipv4(mac, kClient, watch.vips[1000])));
    EXPECT_TRUE(kernel_.drops(of_protocol(6, kServer, kClient, mac)));
    EXPECT_FALSE(kernel_.drops(ipv4(mac, kClient, after(kServer))));
  }
  for (const Mac& mac : {Mac{{0, 0, 0x5e, 0, 1, 0x34}}, Mac{{0, 1, 0x5e, 0, 1, 0x33}}, Mac{{2, 0, 0x5e, 0, 1, 0x33}}}) {
    EXPECT_FALSE(kernel_.drops(ipv4(mac, kClient, watch.vips[1000])));
    EXPECT_FALSE(kernel_.drops(of_protocol(6, kServer, kClient, mac)));
  }
}

TEST_F(GuardFilter, IsExactForTenThousandScatteredVips) {
  const Ips vips = scattered(10000, 4);
  follow(watching(vips));
  EXPECT_LE(kernel_.filters(), 16u);
  for (size_t i = 0; i < vips.size(); i += 7) {  // the interpreter takes its time
    ASSERT_TRUE(kernel_.guards(vips[i])) << text(vips[i]);
    ASSERT_FALSE(kernel_.drops(ipv4(kOwn, kClient, after(vips[i])))) << text(vips[i]);
    ASSERT_FALSE(kernel_.drops(arp(kRequest, kClient, after(vips[i])))) << text(vips[i]);
  }
}

TEST_F(GuardFilter, HasOneRangeForNeighbours) {
  const Ips vips = neighbours(Ip(0x0a000001), 65534);
  follow(watching(vips));
  EXPECT_LE(kernel_.instructions(), 50u);
  for (const Ip inside : {vips.front(), vips[1], vips[30000], vips.back()}) EXPECT_TRUE(kernel_.guards(inside));
  for (const Ip outside : {Ip(vips.front().v4() - 1), after(vips.back())})
    EXPECT_FALSE(kernel_.drops(ipv4(kOwn, kClient, outside)));
}

TEST_F(GuardFilter, CopesWithTheEndsOfTheAddressSpace) {
  follow(watching({Ip(0), Ip(1), Ip(0xfffffffe), Ip(0xffffffff)}));
  for (const Ip end : {Ip(0), Ip(1), Ip(0xfffffffe), Ip(0xffffffff)}) EXPECT_TRUE(kernel_.guards(end));
  for (const Ip other : {Ip(2), Ip(0xfffffffd), kVip}) EXPECT_FALSE(kernel_.drops(ipv4(kOwn, kClient, other)));
}

TEST_F(GuardFilter, TakesWhatANatServerSendsThatMayBeOfAConnection) {
  follow(kNat);
  for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}, uint8_t{132}}) {
    EXPECT_TRUE(kernel_.drops(of_protocol(protocol, kServer, kClient))) << int{protocol};
    EXPECT_FALSE(kernel_.drops(of_protocol(protocol, kServer, kClient, kOther))) << int{protocol};
    EXPECT_FALSE(kernel_.drops(of_protocol(protocol, kClient, kServer))) << int{protocol};
  }
  for (const int type : {3, 4, 11}) EXPECT_TRUE(kernel_.drops(icmp(type, kServer, kClient))) << type;
  for (const int type : {0, 5, 8, 12, 13}) EXPECT_FALSE(kernel_.drops(icmp(type, kServer, kClient))) << type;
  EXPECT_FALSE(kernel_.drops(of_protocol(47, kServer, kClient)));
  EXPECT_TRUE(kernel_.drops(fragment(of_protocol(47, kServer, kClient), 0x2000)));
  EXPECT_TRUE(kernel_.drops(fragment(of_protocol(47, kServer, kClient), 1)));
  EXPECT_FALSE(kernel_.drops(fragment(of_protocol(47, kServer, kClient), 0x4000)));  // do not fragment
  EXPECT_TRUE(kernel_.drops(of_protocol(6, kClient, kVip)));
  follow(watching({}, {}, {kServer}));
  EXPECT_TRUE(kernel_.drops(of_protocol(6, kServer, kClient)));
}

TEST_F(GuardFilter, FindsAnIcmpErrorsTypeBehindOptions) {
  follow(kNat);
  FrameBytes error = icmp(0, kServer, kClient);
  error[14] = 0x46, error[38] = 3;
  EXPECT_TRUE(kernel_.drops(error));
}

TEST_F(GuardFilter, LeavesWhatANatServerSendsToTheHostItself) {
  const Ip host(0xc0000201), inside(0xc6336401);  // 192.0.2.1, 198.51.100.1
  follow(kNat, {host, inside});
  EXPECT_FALSE(kernel_.drops(of_protocol(6, kServer, host)));
  EXPECT_FALSE(kernel_.drops(of_protocol(6, kServer, inside)));
  EXPECT_TRUE(kernel_.drops(of_protocol(6, kServer, kClient)));
  EXPECT_TRUE(kernel_.drops(of_protocol(6, kServer, after(host))));
  EXPECT_TRUE(kernel_.drops(of_protocol(6, kServer, kVip)));
}

TEST_F(GuardFilter, IsExactForThousandsOfNatServersAndOfTheHostsAddresses) {
  const Ips servers = scattered(3000, 5), hosts = scattered(1000, 6);
  follow(watching({kVip}, {}, servers), hosts);
  for (size_t i = 0; i < servers.size(); i += 30) {
    ASSERT_TRUE(kernel_.drops(of_protocol(6, servers[i], kClient))) << i;
    ASSERT_FALSE(kernel_.drops(of_protocol(6, after(servers[i]), kClient))) << i;
    ASSERT_FALSE(kernel_.drops(of_protocol(6, servers[i], hosts[i / 3]))) << i;
    ASSERT_TRUE(kernel_.drops(of_protocol(6, servers[i], after(hosts[i / 3])))) << i;
  }
}

TEST_F(GuardFilter, ReplacesOneFilterForOneVip) {
  Ips vips = scattered(10000, 7);
  const Ip one = follow_one_more(vips);
  vips.erase(vips.begin() + 5001);
  follow(watching(vips));
  EXPECT_FALSE(kernel_.drops(ipv4(kOwn, kClient, one)));
  follow(watching(vips));
  EXPECT_EQ(kernel_.puts_, 2u);
}

TEST_F(GuardFilter, GuardsAllTheTimeWhatWasAndRemainsGuarded) {
  std::mt19937 random(11);
  const Ips all = scattered(6000, 12);
  std::set<Ip> now;
  size_t least = SIZE_MAX, most = 0;
  for (int round = 0; round < 40; ++round) {
    const std::set<Ip> before = now;
    const size_t from = random() % all.size(), count = random() % 4000;
    for (size_t i = from; i < std::min(all.size(), from + count); ++i)
      round % 3 != 0 ? void(now.insert(all[i])) : void(now.erase(all[i]));
    std::vector<Ip> both;
    std::ranges::set_intersection(before, now, std::back_inserter(both));
    kernel_.after_each_ = [&] {
      for (size_t i = random() % 97; i < both.size(); i += 97) ASSERT_TRUE(kernel_.guards(both[i])) << round;
    };
    follow(watching({now.begin(), now.end()}));
    for (size_t i = random() % 53; i < all.size(); i += 53) ASSERT_EQ(kernel_.guards(all[i]), now.contains(all[i]));
    least = std::min(least, kernel_.filters()), most = std::max(most, kernel_.filters());
  }
  EXPECT_LT(least, 4u);
  EXPECT_GT(most, 5u);
}

TEST_F(GuardFilter, SaysHowManyVipsAreGuardedWhenTheKernelRefusesAndTriesTheRestAgain) {
  const Ips some = neighbours(Ip(0xc0000201), 10), many = scattered(4000, 13);
  follow(watching(some));
  Ips both = many;
  both.insert(both.end(), some.begin(), some.end());
  kernel_.refuses_ = [](uint32_t slot) { return slot > 3; };
  ASSERT_EQ(guard_.follow(watching(both), kMine, {}, kernel_), ENOMEM);
  const auto guarded = static_cast<size_t>(std::ranges::count_if(both, [&](Ip vip) { return kernel_.guards(vip); }));
  EXPECT_EQ(guard_.guarded_vips(), guarded);
  EXPECT_GT(guarded, some.size());
  EXPECT_LT(guarded, both.size());
  for (const Ip vip : some) EXPECT_TRUE(kernel_.guards(vip)) << "was guarded before";
  kernel_.refuses_ = {};
  follow(watching(both));
  for (size_t i = 0; i < both.size(); i += 40) EXPECT_TRUE(kernel_.guards(both[i]));
}

TEST_F(GuardFilter, FollowsOtherVipsWhileItHasNoMoreFilters) {
  Ips vips = scattered(200000, 14);
  EXPECT_EQ(guard_.follow(watching(vips), kMine, {}, kernel_), E2BIG);
  EXPECT_EQ(kernel_.filters(), ClassicGuard::kMostFilters);
  EXPECT_LT(guard_.guarded_vips(), vips.size());
  EXPECT_GT(guard_.guarded_vips(), 65536u);
  const Ip gone = vips[1000];
  vips.erase(vips.begin() + 1000);
  EXPECT_EQ(guard_.follow(watching(vips), kMine, {}, kernel_), E2BIG);
  EXPECT_FALSE(kernel_.drops(ipv4(kOwn, kClient, gone)));
  vips.resize(65536);
  follow(watching(vips));
}

}  // namespace
}  // namespace rawvs
