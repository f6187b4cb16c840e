// SPDX-License-Identifier: BSD-2-Clause
// classic_guard.h: ports of the host's own addresses.
#include "classic_kernel.h"

namespace rawvs {
namespace {

using namespace bare_frames;

struct GuardOfPorts : GuardFilter {
  static Watch own(std::vector<VipPorts> ports, Ips vips = {}) {
    Watch watch = watching(std::move(vips));
    std::ranges::sort(ports);
    watch.own = std::move(ports);
    return watch;
  }
  bool port(uint16_t port, Protocol protocol = Protocol::tcp) const {
    return kernel_.drops(with_port(protocol, kVip, port));
  }
  bool port6(uint16_t port, std::optional<uint16_t> word = {}) const {
    return kernel_.drops(with_port6(Protocol::tcp, kVip6, port, word));
  }
  static constexpr VipPorts kWeb{kVip, Protocol::tcp, 80, 80}, kRange{kVip, Protocol::tcp, 8000, 8100},
      kDns{kVip, Protocol::udp, 53, 53}, kWeb6{kVip6, Protocol::tcp, 80, 80};
};

TEST_F(GuardOfPorts, TakesThesePortsAlone) {
  follow(own({kWeb, kRange, kDns}));
  for (const int taken : {80, 8000, 8050, 8100}) EXPECT_TRUE(port(static_cast<uint16_t>(taken))) << taken;
  for (const int left : {0, 22, 53, 79, 81, 443, 7999, 8101, 65535}) {
    EXPECT_FALSE(port(static_cast<uint16_t>(left))) << left;
  }
  EXPECT_TRUE(port(53, Protocol::udp));
  EXPECT_FALSE(port(80, Protocol::udp));
  EXPECT_FALSE(port(80, Protocol::sctp));
  EXPECT_FALSE(kernel_.drops(arp(kRequest, kClient, kVip)));
  EXPECT_FALSE(kernel_.drops(icmp(8, kClient, kVip)));
  EXPECT_FALSE(kernel_.drops(icmp(3, kClient, kVip)));
  EXPECT_FALSE(kernel_.drops(with_port(Protocol::tcp, kServer, 80)));
  EXPECT_FALSE(kernel_.drops(with_port(Protocol::tcp, kVip, 80, 0, kOther)));
}

TEST_F(GuardOfPorts, FindsThePortBehindOptionsAndInFirstFragments) {
  follow(own({kWeb}));
  for (size_t options = 0; options <= 40; options += 4) {
    EXPECT_TRUE(kernel_.drops(with_port(Protocol::tcp, kVip, 80, options))) << options;
    FrameBytes cut = with_port(Protocol::tcp, kVip, 80, options);
    cut.resize(34 + options + 3);
    EXPECT_FALSE(kernel_.drops(cut)) << options;
  }
  EXPECT_TRUE(kernel_.drops(fragment(with_port(Protocol::tcp, kVip, 80), 0x2000)));
  EXPECT_FALSE(kernel_.drops(fragment(with_port(Protocol::tcp, kVip, 80), 0x2001)));
  EXPECT_FALSE(kernel_.drops(fragment(with_port(Protocol::tcp, kVip, 80), 0x0100)));
}

TEST_F(GuardOfPorts, TakesThemOfIpv6) {
  follow(own({kWeb6}));
  EXPECT_TRUE(port6(80));
  EXPECT_FALSE(port6(22));
  EXPECT_TRUE(port6(80, 0x0001)) << "a first fragment";
  EXPECT_TRUE(port6(80, 0x0000)) << "a fragment that is the whole";
  EXPECT_FALSE(port6(80, 0x0008));
  EXPECT_FALSE(port6(22, 0x0001));
  EXPECT_FALSE(kernel_.drops(solicitation(kClient6, kVip6)));
  EXPECT_FALSE(kernel_.drops(icmp6(128, kClient6, kVip6)));
  FrameBytes cut = with_port6(Protocol::tcp, kVip6, 80, 0x0001);
  for (size_t size = 54; size < 66; ++size) EXPECT_FALSE(kernel_.drops({cut.begin(), cut.begin() + size})) << size;
}

TEST_F(GuardOfPorts, NoPacketPassesWhileAVipBecomesTheHosts) {
  follow(watching({kVip}));
  kernel_.after_each_ = [&] { EXPECT_TRUE(port(80)); };
  follow(own({kWeb}));
  EXPECT_FALSE(port(22));
  follow(own({kWeb, kRange}));
  follow(watching({kVip}));
  EXPECT_TRUE(port(22));
  kernel_.after_each_ = {};
  follow(watching({}));
  EXPECT_EQ(kernel_.filters(), 0u);
}

TEST_F(GuardOfPorts, CountsOnlyAddressesWithAllTheirPorts) {
  kernel_.refuses_ = [n = 0](uint32_t) mutable { return ++n == 2; };
  EXPECT_NE(guard_.follow(own({kWeb, kDns, kWeb6}, {kServer}), kMine, {}, kernel_), 0);
  EXPECT_EQ(guard_.guarded_vips(), 2u);
}

TEST_F(GuardOfPorts, HoldsManyScatteredPorts) {
  std::vector<VipPorts> many;
  for (uint32_t port = 1; port < 60000; port += 15) {
    many.push_back({kVip, Protocol::tcp, static_cast<uint16_t>(port), static_cast<uint16_t>(port + port % 2)});
  }
  follow(own(many));
  for (uint32_t at = 1; at < 60000; at += 7) {
    const bool taken = std::ranges::any_of(many, [&](const VipPorts& p) { return p.first <= at && at <= p.last; });
    ASSERT_EQ(port(static_cast<uint16_t>(at)), taken) << at;
  }
}

}  // namespace
}  // namespace rawvs
