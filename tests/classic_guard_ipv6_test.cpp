// SPDX-License-Identifier: BSD-2-Clause
// classic_guard.h with IPv6: what the programs drop, and how many addresses they hold. classic_guard_test.cpp tests
// what is the same in both families.
#include "classic_kernel.h"

namespace rawvs {
namespace {

using namespace bare_frames;

constexpr uint8_t kTcp = 6, kGre = 47, kFragmentHeader = 44;
const Watch kNat6 = watching({kVip6}, {}, {kServer6});

struct GuardFilter6 : GuardFilter {};

// Addresses in as many networks of this many bits: none next to another.
Ips spread(size_t count, size_t networks, int bits) {
  Ips out;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t network = i % networks, host = i / networks;
    out.push_back(bits <= 64 ? Ip(kLab6 + (network << (64 - bits)), 2 * host + 1)
                             : Ip(kLab6, (network << (128 - bits)) + 2 * host + 1));
  }
  std::ranges::sort(out);
  return out;
}

TEST_F(GuardFilter6, TakesFramesToAVipAndSolicitationsForIt) {
  follow(watching({kVip6}));
  EXPECT_TRUE(kernel_.guards(kVip6));
  EXPECT_TRUE(kernel_.drops(icmp6(128, kClient6, kVip6)));
  EXPECT_TRUE(kernel_.drops(ipv6(kOwn, kClient6, kVip6, kFragmentHeader)));
  EXPECT_TRUE(kernel_.drops(solicitation(Ip::any(Family::ipv6), kVip6)));  // a probe for duplicates
  EXPECT_TRUE(kernel_.drops(solicitation(kClient6, kVip6, kVip6, kOwn)));  // is it still there?
  EXPECT_TRUE(kernel_.drops(solicitation(kClient6, kServer6, kVip6, kOwn)));
}

TEST_F(GuardFilter6, LeavesEverythingElseToTheHost) {
  follow(watching({kVip, kVip6}, {kServer6}));
  EXPECT_TRUE(kernel_.guards(kVip));
  EXPECT_TRUE(kernel_.guards(kVip6));
  for (const Ip other : {after(kVip6), Ip(kLab6 | 1, 0x100), Ip(kLab6, uint64_t{1} << 32 | 0x100)}) {
    EXPECT_FALSE(kernel_.drops(ipv6(kOwn, kClient6, other))) << text(other);
    EXPECT_FALSE(kernel_.drops(solicitation(kClient6, other))) << text(other);
  }
  EXPECT_FALSE(kernel_.drops(ipv6(kOther, kClient6, kVip6)));
  EXPECT_FALSE(kernel_.drops(ipv6(kOwn, kVip6, kClient6)));
  EXPECT_FALSE(kernel_.drops(solicitation(kVip6, kServer6)));
  FrameBytes advertisement = solicitation(kServer6, kVip6, kAllNodes, multicast_mac(kAllNodes));
  advertisement[54] = 136;
  EXPECT_FALSE(kernel_.drops(advertisement));
}

TEST_F(GuardFilter6, LooksAtUntaggedFramesOnly) {
  follow(kNat6);
  for (const FrameBytes& frame :
       {ipv6(kOwn, kClient6, kVip6), solicitation(kClient6, kVip6), ipv6(kOwn, kServer6, kClient6, kTcp)}) {
    EXPECT_TRUE(kernel_.drops(frame, 0x2000));
    EXPECT_FALSE(kernel_.drops(frame, 0x2005));
  }
}

TEST_F(GuardFilter6, LeavesFramesThatAreTooShortToTheNextFilter) {
  follow(kNat6);
  const FrameBytes to_vip = ipv6(kOwn, kClient6, kVip6), question = solicitation(kClient6, kVip6),
                   error = icmp6(1, kServer6, kClient6);
  for (size_t size = 14; size < 54; ++size) EXPECT_FALSE(kernel_.drops({to_vip.begin(), to_vip.begin() + size}));
  EXPECT_TRUE(kernel_.drops({to_vip.begin(), to_vip.begin() + 54}));
  for (size_t size = 14; size < 78; ++size) EXPECT_FALSE(kernel_.drops({question.begin(), question.begin() + size}));
  EXPECT_TRUE(kernel_.drops({question.begin(), question.begin() + 78}));
  EXPECT_FALSE(kernel_.drops({error.begin(), error.begin() + 54}));  // no type
}

TEST_F(GuardFilter6, TakesWhatANatServerSendsThatMayBeOfAConnection) {
  const Ip host(kLab6, 1), link_local(uint64_t{0xfe80} << 48, 1);
  follow(kNat6, {host, link_local});
  for (const int next : {6, 17, 132, 0, 43, 44, 60}) {
    const auto header = static_cast<uint8_t>(next);
    EXPECT_TRUE(kernel_.drops(ipv6(kOwn, kServer6, kClient6, header))) << next;
    EXPECT_FALSE(kernel_.drops(ipv6(kOther, kServer6, kClient6, header))) << next;
    EXPECT_FALSE(kernel_.drops(ipv6(kOwn, kClient6, kServer6, header))) << next;
    EXPECT_FALSE(kernel_.drops(ipv6(kOwn, after(kServer6), kClient6, header))) << next;
    EXPECT_FALSE(kernel_.drops(ipv6(kOwn, kServer6, host, header))) << next;
    EXPECT_FALSE(kernel_.drops(ipv6(kOwn, kServer6, link_local, header))) << next;
    EXPECT_TRUE(kernel_.drops(ipv6(kOwn, kServer6, after(host), header))) << next;
  }
  for (const int type : {0, 1, 2, 3, 4, 5, 127}) EXPECT_TRUE(kernel_.drops(icmp6(type, kServer6, kClient6))) << type;
  for (const int type : {128, 129, 134, 135, 136, 255}) {
    EXPECT_FALSE(kernel_.drops(icmp6(type, kServer6, kClient6))) << type;
  }
  EXPECT_FALSE(kernel_.drops(ipv6(kOwn, kServer6, kClient6, kGre)));
  EXPECT_TRUE(kernel_.drops(ipv6(kOwn, kServer6, kVip6, kGre)));
}

TEST_F(GuardFilter6, HasOneRangeForNeighboursAndItsBordersAtTheEndsOfAWord) {
  Ips vips;
  for (uint64_t i = 0; i < 70000; ++i) vips.emplace_back(kLab6, 0xffff8000 + i);
  follow(watching(vips));
  EXPECT_EQ(kernel_.filters(), 1u);
  EXPECT_LE(kernel_.instructions(), 90u);
  for (const uint64_t inside : {uint64_t{0}, uint64_t{0x7fff}, uint64_t{0x8000}, uint64_t{69999}})
    EXPECT_TRUE(kernel_.guards(vips[inside]));
  EXPECT_FALSE(kernel_.drops(ipv6(kOwn, kClient6, after(vips.back()))));
  EXPECT_FALSE(kernel_.drops(ipv6(kOwn, kClient6, Ip(kLab6, 0xffff7fff))));
}

TEST_F(GuardFilter6, CopesWithTheEndsOfTheAddressSpace) {
  constexpr uint64_t kMost = ~uint64_t{0};
  const Ips ends{Ip(0, 0), Ip(0, 1), Ip(0, kMost), Ip(1, 0), Ip(kMost, kMost - 1), Ip(kMost, kMost)};
  follow(watching(ends));
  for (const Ip end : ends) EXPECT_TRUE(kernel_.guards(end)) << text(end);
  for (const Ip other : {Ip(0, 2), Ip(0, kMost - 1), Ip(1, 1), Ip(kMost, 0), kVip6})
    EXPECT_FALSE(kernel_.drops(ipv6(kOwn, kClient6, other))) << text(other);
}

// However the addresses lie: in one network, in some, or each in another one, which takes the most instructions.
TEST_F(GuardFilter6, IsExactForThousandsOfAddresses) {
  struct Lie {
    size_t count, networks;
    int bits;
    size_t most_filters;
  };
  for (const Lie& lie : {Lie{10000, 1, 64, 32}, Lie{10000, 100, 64, 40}, Lie{4000, 4000, 64, 200},
                         Lie{4000, 4000, 96, 120}, Lie{3000, 3000, 48, 180}}) {
    const Ips vips = spread(lie.count, lie.networks, lie.bits);
    follow(watching(vips));
    EXPECT_LE(kernel_.filters(), lie.most_filters) << lie.bits;
    for (size_t i = 0; i < vips.size(); i += 61) {  // the interpreter takes its time
      ASSERT_TRUE(kernel_.guards(vips[i])) << text(vips[i]);
      ASSERT_FALSE(kernel_.drops(ipv6(kOwn, kClient6, after(vips[i])))) << text(vips[i]);
      ASSERT_FALSE(kernel_.drops(solicitation(kClient6, after(vips[i])))) << text(vips[i]);
    }
  }
}

TEST_F(GuardFilter6, IsExactForThousandsOfNatServersAndOfTheHostsAddresses) {
  const Ips servers = spread(1500, 40, 64), hosts = spread(500, 30, 48);
  follow(watching({kVip6}, {}, servers), hosts);
  for (size_t i = 0; i < servers.size(); i += 30) {
    const auto sent = [&](Ip from, Ip to) { return kernel_.drops(ipv6(kOwn, from, to, kTcp)); };
    ASSERT_TRUE(sent(servers[i], kClient6)) << i;
    ASSERT_FALSE(sent(after(servers[i]), kClient6)) << i;
    ASSERT_FALSE(sent(servers[i], hosts[i / 3])) << i;
    ASSERT_TRUE(sent(servers[i], after(hosts[i / 3]))) << i;
  }
}

TEST_F(GuardFilter6, ReplacesOneFilterForOneVip) {
  Ips vips = spread(10000, 10, 64);
  follow_one_more(vips);
  EXPECT_EQ(kernel_.puts_, 1u);
}

TEST_F(GuardFilter6, CountsBothFamiliesWhenTheKernelRefusesAndTriesTheRestAgain) {
  Ips vips = neighbours(Ip(0xc0000201), 10);
  follow(watching(vips));
  const Ips many = spread(2000, 1, 64);
  vips.insert(vips.end(), many.begin(), many.end());
  std::ranges::sort(vips);
  kernel_.refuses_ = [](uint32_t slot) { return slot > 3; };
  ASSERT_EQ(guard_.follow(watching(vips), kMine, {}, kernel_), ENOMEM);
  const auto guarded = static_cast<size_t>(std::ranges::count_if(vips, [&](Ip vip) { return kernel_.guards(vip); }));
  EXPECT_EQ(guard_.guarded_vips(), guarded);
  EXPECT_GT(guarded, 10u);
  EXPECT_LT(guarded, vips.size());
  kernel_.refuses_ = {};
  follow(watching(vips));
  for (size_t i = 0; i < vips.size(); i += 40) EXPECT_TRUE(kernel_.guards(vips[i]));
}

TEST_F(GuardFilter6, HoldsAsManyAsItsHeaderSays) {
  const Ips vips = spread(65536, 256, 96);
  follow(watching(vips));
  for (size_t i = 0; i < vips.size(); i += 4001) ASSERT_TRUE(kernel_.guards(vips[i])) << text(vips[i]);
}

}  // namespace
}  // namespace rawvs
