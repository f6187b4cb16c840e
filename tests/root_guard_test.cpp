// SPDX-License-Identifier: BSD-2-Clause
// Tests guard.h with the kernel in every way: VIPs. root_guard.h has the network, root_guard_nat_test.cpp tests NAT.
#include <sys/wait.h>
#include <unistd.h>

#include "root_guard.h"

namespace rawvs::test {
namespace {

constexpr const char *kRoutedVip = "203.0.113.100", *kRoutedHost = "203.0.113.101",
                     *kRoutedOther = "203.0.113.102";                        // all behind the server
constexpr const char *kLocalVip = "192.0.2.100", *kLocalHost = "192.0.2.1";  // both the director's own

TEST_P(EveryGuard, KeepsTheKernelFromRoutingAVipsFramesButNotTheTapFromSeeingThem) {
  from_client(datagram(kRoutedVip));
  EXPECT_EQ(next_at_server(), routed(kRoutedVip)) << "this test's router does not route";
  EXPECT_EQ(next_at_tap(), tapped(kRoutedVip));

  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  from_client(datagram(kRoutedVip));
  EXPECT_EQ(next_at_server(), routed(kRoutedVip)) << "nothing is protected yet";
  EXPECT_EQ(next_at_tap(), tapped(kRoutedVip));

  protect(*guard, {kRoutedVip});
  from_client(datagram(kRoutedVip));
  from_client(datagram(kRoutedHost));
  EXPECT_EQ(next_at_server(), routed(kRoutedHost));
  EXPECT_EQ(next_at_tap(), tapped(kRoutedVip));
  EXPECT_EQ(next_at_tap(), tapped(kRoutedHost));
}

TEST_P(EveryGuard, KeepsTheKernelFromAnsweringForAVip) {
  from_client(syn(kLocalVip));
  EXPECT_EQ(next_at_client(), refused_by(kLocalVip)) << "this test's director does not answer";
  from_client(who_has(kLocalVip));
  EXPECT_EQ(next_at_client(), arp_of(kLocalVip));

  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  protect(*guard, {kLocalVip});
  from_client(syn(kLocalVip));
  from_client(datagram(kLocalVip));  // would be answered by port unreachable
  from_client(syn(kLocalHost));
  EXPECT_EQ(next_at_client(), refused_by(kLocalHost));
  from_client(who_has(kLocalVip));
  from_client(who_has(kLocalHost));
  EXPECT_EQ(next_at_client(), arp_of(kLocalHost));
}

TEST_P(EveryGuard, FollowsTheVips) {
  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  protect(*guard, {kRoutedVip, kLocalVip});
  protect(*guard, {kRoutedHost, kLocalVip});
  from_client(datagram(kRoutedHost));
  from_client(datagram(kRoutedVip));
  EXPECT_EQ(next_at_server(), routed(kRoutedVip));
  from_client(syn(kLocalVip));
  from_client(syn(kLocalHost));
  EXPECT_EQ(next_at_client(), refused_by(kLocalHost));
  protect(*guard, {});
  from_client(datagram(kRoutedHost));
  EXPECT_EQ(next_at_server(), routed(kRoutedHost));
}

// Frames to a virtual MAC address are another host's for the kernel, until the guard says otherwise.
TEST_P(EveryGuard, LetsTheKernelRouteWhatWasSentToAVirtualMacAddressOfOurs) {
  constexpr std::array kMacs{kOutsideMac, Mac{{0x00, 0x00, 0x5e, 0x00, 0x01, 0x33}}};
  constexpr Mac kAnotherRouters{{0x00, 0x00, 0x5e, 0x00, 0x01, 0x34}};
  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  Watch watch;
  watch.vips = {ip(kRoutedVip)};
  ASSERT_TRUE(guard->protect(watch, kMacs, {}));
  from_client(datagram(kRoutedVip, kMacs[1]));
  from_client(datagram(kRoutedHost, kAnotherRouters));
  from_client(datagram(kRoutedHost, kMacs[1]));
  from_client(datagram(kRoutedOther));
  if (std::string(guard->way()) != "classic") {
    EXPECT_EQ(next_at_server(), routed(kRoutedHost));
  }
  EXPECT_EQ(next_at_server(), routed(kRoutedOther));
  protect(*guard, {kRoutedVip});  // no longer
  from_client(datagram(kRoutedHost, kMacs[1]));
  from_client(datagram(kRoutedOther));
  EXPECT_EQ(next_at_server(), routed(kRoutedOther));
}

TEST_P(EveryGuard, IsGoneWhenItIsDetached) {
  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  protect(*guard, {kRoutedVip});
  guard.reset();
  from_client(datagram(kRoutedVip));
  EXPECT_EQ(next_at_server(), routed(kRoutedVip));
  EXPECT_EQ(output_of("tc filter show dev d0 ingress"), "");
  EXPECT_EQ(output_of("tc qdisc show dev d0").find("clsact"), std::string::npos);
}

// The other filter sends everything that the guard leaves to the server.
TEST_P(EveryGuard, LeavesOtherFiltersAndTheirFramesAlone) {
  shell("tc qdisc add dev d0 clsact");
  shell("tc filter add dev d0 ingress pref 100 protocol all u32 match u32 0 0 action mirred egress redirect dev d1");
  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  protect(*guard, {kRoutedVip});

  FrameBytes tagged = datagram(kRoutedVip);
  tagged.insert(tagged.begin() + 12, {0x81, 0x00, 0x20, 0x05});  // priority 1, VLAN 5
  from_client(tagged);
  const Caught got = next_frame(*seen_by_server_);
  EXPECT_EQ(described(got), tapped(kRoutedVip));
  EXPECT_EQ(got.vlan, 5);

  FrameBytes priority = datagram(kRoutedVip);
  priority.insert(priority.begin() + 12, {0x81, 0x00, 0x20, 0x00});  // priority 1, no VLAN
  from_client(priority);
  from_client(datagram(kRoutedVip));
  from_client(datagram(kRoutedVip, kStranger));  // bridged past us, say
  EXPECT_EQ(described(next_frame(*seen_by_server_)), describe(datagram(kRoutedVip, kStranger)));

  FrameBytes reply = frame(ArpFrame{.request = false, .sender = "192.0.2.10", .target = kRoutedVip});
  from_client(who_has(kRoutedVip));
  from_client(reply);
  EXPECT_EQ(next_at_server(), describe(reply));
  from_client({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0x0c, 0x08, 0x06, 0, 1});  // ARP, cut short
  from_client(datagram(kRoutedHost));
  EXPECT_EQ(next_frame(*seen_by_server_).bytes.size(), datagram(kRoutedHost).size());

  guard.reset();
  from_client(datagram(kRoutedVip));
  EXPECT_EQ(next_at_server(), tapped(kRoutedVip));
  EXPECT_NE(output_of("tc filter show dev d0 ingress").find("mirred"), std::string::npos);
}

TEST_P(EveryGuard, ComesBeforeAFilterThatAcceptsEverything) {
  shell("tc qdisc add dev d0 clsact");
  shell("tc filter add dev d0 ingress pref 1 protocol all bpf da bytecode '1,6 0 0 0'");  // return TC_ACT_OK
  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  protect(*guard, {kRoutedVip});
  from_client(datagram(kRoutedVip));
  from_client(datagram(kRoutedHost));
  EXPECT_EQ(next_at_server(), routed(kRoutedHost));
  guard.reset();
  EXPECT_NE(output_of("tc filter show dev d0 ingress").find("bytecode '1,6 0 0 0'"), std::string::npos);
}

TEST_P(EveryGuard, TakesOverFromAGuardOfAKilledProcess) {
  for (const GuardMode left : {GuardMode::clsact, GuardMode::classic}) {
    die_with(left, kRoutedVip);
    from_client(datagram(kRoutedVip));
    from_client(datagram(kRoutedHost));
    EXPECT_EQ(next_at_server(), routed(kRoutedHost)) << "the child left no guard behind";

    auto guard = attach(GetParam());
    ASSERT_TRUE(guard);
    protect(*guard, {kRoutedHost});
    from_client(datagram(kRoutedHost));
    from_client(datagram(kRoutedVip));
    EXPECT_EQ(next_at_server(), "nothing") << "until this guard is told everything, both are there";
    guard->end_former();
    from_client(datagram(kRoutedHost));
    from_client(datagram(kRoutedVip));
    EXPECT_EQ(next_at_server(), routed(kRoutedVip));
    guard.reset();
    EXPECT_EQ(output_of("tc filter show dev d0 ingress"), "");
    EXPECT_EQ(output_of("tc qdisc show dev d0").find("clsact"), std::string::npos);
  }
}

TEST_P(EveryGuard, HoldsHundredsOfScatteredVips) {
  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  std::vector<std::string> vips{kLocalVip, kRoutedVip};  // the middle of the first hundred, the last
  for (int i = 1; i < 100; ++i) {
    vips.push_back("192.0.2." + std::to_string(2 * i + 1));
    vips.push_back("198.51.100." + std::to_string(2 * i + 1));
  }
  protect(*guard, vips);
  from_client(datagram(kRoutedVip));
  from_client(datagram(kRoutedHost));
  EXPECT_EQ(next_at_server(), routed(kRoutedHost));
  from_client(syn(kLocalVip));
  from_client(syn(kLocalHost));
  EXPECT_EQ(next_at_client(), refused_by(kLocalHost));
}

// A classic guard is several filters then, which are taken over, too.
TEST_P(EveryGuard, HoldsTenThousandScatteredVips) {
  Watch watch;  // nobody sends to any of these but the first
  for (uint32_t i = 0; i < 10000; ++i) watch.vips.push_back(Ip(ip(kRoutedVip).v4() + 2 * i));
  const pid_t child = fork();
  if (child == 0) {
    auto guard = attach(GetParam());
    _exit(guard && guard->protect(watch, {&kOutsideMac, 1}, {}) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  guard->end_former();
  from_client(datagram(kRoutedVip));
  EXPECT_EQ(next_at_server(), routed(kRoutedVip)) << "the child's guard is there still";
  ASSERT_TRUE(guard->protect(watch, {&kOutsideMac, 1}, {}));
  EXPECT_EQ(guard->guarded_vips(), watch.vips.size());
  from_client(datagram(kRoutedVip));
  from_client(datagram(kRoutedHost));
  EXPECT_EQ(next_at_server(), routed(kRoutedHost));
  watch.vips.erase(watch.vips.begin());
  ASSERT_TRUE(guard->protect(watch, {&kOutsideMac, 1}, {}));
  from_client(datagram(kRoutedVip));
  EXPECT_EQ(next_at_server(), routed(kRoutedVip));
  guard.reset();
  EXPECT_EQ(output_of("tc filter show dev d0 ingress"), "");
}

INSTANTIATE_TEST_SUITE_P(Ways, EveryGuard,
                         testing::Values(GuardMode::tcx, GuardMode::clsact, GuardMode::classic, GuardMode::automatic),
                         way_name);

TEST_P(EveryGuard, SaysWhichWayItWent) {
  auto guard = attach(GetParam());
  ASSERT_TRUE(guard);
  switch (GetParam()) {
    case GuardMode::clsact: EXPECT_STREQ(guard->way(), "clsact"); break;
    case GuardMode::classic: EXPECT_STREQ(guard->way(), "classic"); break;
    case GuardMode::tcx:
    case GuardMode::automatic: EXPECT_STREQ(guard->way(), kernel_has_tcx() ? "tcx" : "clsact"); break;
    case GuardMode::off: break;
  }
}

TEST_F(GuardOnRouter, PassesWhatItLeavesToTheNextTcxProgram) {
  if (!kernel_has_tcx()) GTEST_SKIP() << kNoTcx;
  auto late = attach(GuardMode::tcx);
  auto guard = attach(GuardMode::tcx);
  ASSERT_TRUE(late && guard);
  protect(*late, {kLocalVip});
  protect(*guard, {kRoutedVip});
  from_client(datagram(kRoutedVip));
  from_client(datagram(kRoutedHost));
  EXPECT_EQ(next_at_server(), routed(kRoutedHost));
  from_client(syn(kLocalVip));
  from_client(syn(kLocalHost));
  EXPECT_EQ(next_at_client(), refused_by(kLocalHost)) << "the other program was not asked";
}

TEST_F(GuardOnRouter, SaysThatItIsFullAndFollowsTheVipsAllTheSame) {
  auto guard = attach(GuardMode::clsact);
  ASSERT_TRUE(guard);
  Watch watch;  // nobody sends to any of these but the first
  for (uint32_t i = 0; i <= 131072; ++i) watch.vips.push_back(Ip(ip(kRoutedVip).v4() + i));
  const auto done = guard->protect(watch, {&kOutsideMac, 1}, {});
  ASSERT_FALSE(done);
  EXPECT_EQ(guard->guarded_vips(), 131072u);
  EXPECT_EQ(done.error().text,
            "interface d0: guard: " + text(watch.vips.back()) + " (it holds 131072): Argument list too long");
  from_client(datagram(kRoutedVip));
  protect(*guard, {kLocalVip});  // there is room again
  EXPECT_EQ(guard->guarded_vips(), 1u);
  from_client(syn(kLocalVip));
  from_client(datagram(kRoutedVip));
  EXPECT_EQ(next_at_server(), routed(kRoutedVip)) << "what was guarded before is guarded still";
  from_client(syn(kLocalHost));
  EXPECT_EQ(next_at_client(), refused_by(kLocalHost));
}

TEST_F(GuardOnRouter, LeavesAnEmptyHookThatWasThereBefore) {
  shell("tc qdisc add dev d0 clsact");
  attach(GuardMode::clsact).reset();
  EXPECT_NE(output_of("tc qdisc show dev d0").find("clsact"), std::string::npos);
}

// Who takes over knows by the filter's handle whose the qdisc is.
TEST_P(EveryGuard, LeavesAnEmptyHookThatWasThereBeforeAlsoAfterDeaths) {
  shell("tc qdisc add dev d0 clsact");
  for (const GuardMode left : {GuardMode::clsact, GuardMode::classic, GetParam()}) die_with(left, kRoutedVip);
  attach(GetParam()).reset();
  EXPECT_EQ(output_of("tc filter show dev d0 ingress"), "");
  EXPECT_NE(output_of("tc qdisc show dev d0").find("clsact"), std::string::npos);
}

TEST_P(EveryGuard, LeavesNothingAfterDeathsInEveryWay) {
  for (const GuardMode left : {GuardMode::clsact, GuardMode::classic, GuardMode::tcx, GetParam()}) {
    if (left != GuardMode::tcx || kernel_has_tcx()) die_with(left, kRoutedVip);
  }
  attach(GetParam()).reset();
  EXPECT_EQ(output_of("tc filter show dev d0 ingress"), "");
  EXPECT_EQ(output_of("tc qdisc show dev d0").find("clsact"), std::string::npos);
}

TEST_P(EveryGuard, IsRemovedWhereThereIsToBeNone) {
  die_with(GetParam(), kRoutedVip);
  Guard::remove_left(ifindex_of("d0"));
  EXPECT_EQ(output_of("tc filter show dev d0 ingress"), "");
  EXPECT_EQ(output_of("tc qdisc show dev d0").find("clsact"), std::string::npos);
}

TEST_F(GuardOnRouter, SaysWhatWasTriedAndWhatToTypeWhenItCannotBe) {
  const auto attached = Guard::attach("eth9", 4711, GuardMode::automatic, flows_);
  ASSERT_FALSE(attached);
  const std::string& text = attached.error().text;
  EXPECT_EQ(text.find("interface eth9: no guard: tcx: "), 0u) << text;
  EXPECT_NE(text.find("; clsact: clsact qdisc: No such device; classic: "), std::string::npos) << text;
  EXPECT_NE(text.find("iptables (ip6tables for IPv6) -t raw -I PREROUTING -i eth9 -d VIP -j DROP"), std::string::npos)
      << text;
}

}  // namespace
}  // namespace rawvs::test
