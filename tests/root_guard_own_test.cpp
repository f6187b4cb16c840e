// SPDX-License-Identifier: BSD-2-Clause
// Tests guard.h with the kernel in every way: ports of the host's own addresses. root_guard.h has the network.
#include "root_guard.h"

namespace rawvs::test {
namespace {

constexpr const char* kOwn = "192.0.2.1";

class GuardOfOwnPorts : public EveryGuard {
 protected:
  static void own(Guard& guard, std::vector<VipPorts> ports, std::vector<Ip> vips = {}) {
    Watch watch;
    watch.vips = std::move(vips);
    watch.own = std::move(ports);
    const auto done = guard.protect(watch, {&kOutsideMac, 1}, {});
    EXPECT_TRUE(done) << done.error().text;
    EXPECT_EQ(guard.guarded_vips(), watch.all_vips());
  }
  static VipPorts ports(Protocol protocol, uint16_t first, uint16_t last) { return {ip(kOwn), protocol, first, last}; }
  static FrameBytes syn_to(uint16_t port, uint16_t from = 1001) {
    return frame(
        Tcp{.src = "192.0.2.10", .dst = kOwn, .sport = from, .dport = port, .from = kClient, .to = kOutsideMac});
  }
  static std::string refused(uint16_t port) {
    return "02:00:00:00:00:d0>02:00:00:00:00:0c 192.0.2.1:" + std::to_string(port) + " > 192.0.2.10:1001 RA ttl 64";
  }
};

TEST_P(GuardOfOwnPorts, KeepsTheseFromTheKernelAndNothingElse) {
  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  from_client(syn_to(80));
  EXPECT_EQ(next_at_client(), refused(80)) << "nothing is protected yet";
  own(*guard, {ports(Protocol::tcp, 80, 82)});
  for (const int port : {80, 81, 82}) from_client(syn_to(static_cast<uint16_t>(port)));
  from_client(syn_to(83));
  EXPECT_EQ(next_at_client(), refused(83));
  from_client(who_has(kOwn));
  EXPECT_EQ(next_at_client(), arp_of(kOwn));
  from_client(frame(Ping{.src = "192.0.2.10", .dst = kOwn, .from = kClient, .to = kOutsideMac}));
  EXPECT_NE(next_at_client().find("icmp 0/0"), std::string::npos) << "ping";
  own(*guard, {ports(Protocol::udp, 53, 53)});
  from_client(frame(Udp{.src = "192.0.2.10", .dst = kOwn, .from = kClient, .to = kOutsideMac}));
  from_client(syn_to(80));
  EXPECT_EQ(next_at_client(), refused(80)) << "given back to the host";
}

TEST_P(GuardOfOwnPorts, TheFirstFragmentIsEnough) {
  const FrameBytes whole = frame(Udp{.src = "192.0.2.10", .dst = kOwn, .data = std::string(64, 'x')});
  const auto piece = [&](std::ptrdiff_t from, std::ptrdiff_t to, uint16_t word) {
    return ipv4_frame(kClient, kOutsideMac, "192.0.2.10", kOwn, 17, 64, word,
                      {whole.begin() + 34 + from, whole.begin() + 34 + to});
  };
  const auto both = [&] { from_client(piece(0, 32, 0x2000)), from_client(piece(32, 72, 4)); };
  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  both();
  EXPECT_NE(next_at_client().find("icmp 3/3"), std::string::npos) << "this host does not put fragments together";
  own(*guard, {ports(Protocol::udp, 53, 53)});
  both();
  from_client(syn_to(83));
  EXPECT_EQ(next_at_client(), refused(83));
}

TEST_P(GuardOfOwnPorts, FollowsAnAddressThatBecomesTheHosts) {
  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  own(*guard, {}, {ip(kOwn)});
  own(*guard, {ports(Protocol::tcp, 80, 80)});
  from_client(syn_to(80));
  from_client(syn_to(83));
  EXPECT_EQ(next_at_client(), refused(83));
  own(*guard, {}, {ip(kOwn)});
  from_client(syn_to(83));
  own(*guard, {});
  from_client(syn_to(80));
  EXPECT_EQ(next_at_client(), refused(80));
}

class GuardOfOwnPorts6 : public EveryGuard {
 protected:
  static constexpr const char *kAsker6 = "2001:db8::10", *kOwn6 = "2001:db8::1";
  void SetUp() override {
    EveryGuard::SetUp();
    if (IsSkipped()) return;
    write_sysctl("net/ipv6/conf/all/disable_ipv6", "0");
    shell("ip addr add 2001:db8::1/64 dev d0 nodad && ip neigh add 2001:db8::10 lladdr 02:00:00:00:00:0c dev d0");
    client_->enter();
    at_client_ = open_socket("c0", "ip6 and tcp");
    director_->enter();
  }
  // Without a word about the checksum, which the kernel leaves to the card.
  std::string answer() {
    const std::string all = next_at_client();
    return all.substr(0, all.find(" BAD-L4-CSUM"));
  }
  static FrameBytes syn6(uint16_t port, const Extensions& extensions = {}) {
    return frame(
        Tcp{.src = kAsker6, .dst = kOwn6, .dport = port, .from = kClient, .to = kOutsideMac, .extensions = extensions});
  }
  static std::string refused(uint16_t port) {
    return "02:00:00:00:00:d0>02:00:00:00:00:0c [2001:db8::1]:" + std::to_string(port) +
           " > [2001:db8::10]:1001 RA ttl 64";
  }
};

TEST_P(GuardOfOwnPorts6, KeepsTheseFromTheKernelAndNothingElse) {
  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  from_client(syn6(80));
  EXPECT_EQ(answer(), refused(80)) << "nothing is protected yet";
  Watch watch;
  watch.own = {{ip(kOwn6), Protocol::tcp, 80, 80}};
  ASSERT_TRUE(guard->protect(watch, {&kOutsideMac, 1}, {}));
  from_client(syn6(80));
  from_client(syn6(80, {fragment_header(0, false)}));
  from_client(syn6(83));
  EXPECT_EQ(answer(), refused(83));
  from_client(syn6(83, {fragment_header(0, false)}));
  EXPECT_EQ(answer(), refused(83));
  ASSERT_TRUE(guard->protect({}, {&kOutsideMac, 1}, {}));
  from_client(syn6(80));
  EXPECT_EQ(answer(), refused(80));
}

INSTANTIATE_TEST_SUITE_P(Ways, GuardOfOwnPorts6, testing::Values(GuardMode::tcx, GuardMode::clsact, GuardMode::classic),
                         way_name);
INSTANTIATE_TEST_SUITE_P(Ways, GuardOfOwnPorts, testing::Values(GuardMode::tcx, GuardMode::clsact, GuardMode::classic),
                         way_name);

}  // namespace
}  // namespace rawvs::test
