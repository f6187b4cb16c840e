// SPDX-License-Identifier: BSD-2-Clause
// Tests solicited_nodes.h with the kernel: which groups an interface is a member of.
#include "sys/net/solicited_nodes.h"

#include <algorithm>

#include "root_net.h"
#include "wire/discovery.h"

namespace rawvs::test {
namespace {

class SolicitedNodesOfVips : public VethPair {
 protected:
  void SetUp() override {
    VethPair::SetUp();
    if (IsSkipped()) return;
    left_->enter();
    allow(true);
    link_ = ifindex_of("l0");
  }
  // With an MTU of less than 1,280 bytes an interface has no IPv6.
  static void allow(bool ipv6) { shell(ipv6 ? "ip link set l0 mtu 1500" : "ip link set l0 mtu 1000"); }
  static bool member(const char* vip) {
    return output_of("ip -6 maddress show dev l0").find(text(solicited_node(ip(vip))) + "\n") != std::string::npos;
  }
  int follow(const std::vector<const char*>& vips) {
    std::vector<Ip> all;
    for (const char* vip : vips) all.push_back(ip(vip));
    std::ranges::sort(all);
    return nodes_.follow(link_, all);
  }
  int link_ = 0;
  SolicitedNodes nodes_;
};

TEST_F(SolicitedNodesOfVips, FollowTheVips) {
  EXPECT_EQ(follow({"192.0.2.100", "2001:db8::100"}), 0);
  EXPECT_TRUE(member("2001:db8::100"));
  EXPECT_EQ(follow({"2001:db8::200", "2001:db8:1::100"}), 0);
  EXPECT_TRUE(member("2001:db8::200"));
  EXPECT_TRUE(member("2001:db8::100")) << "another VIP has the same group";
  EXPECT_EQ(follow({"2001:db8::200"}), 0);
  EXPECT_FALSE(member("2001:db8::100"));
  EXPECT_EQ(follow({}), 0);
  EXPECT_FALSE(member("2001:db8::200"));
}

TEST_F(SolicitedNodesOfVips, CountWhatTheKernelRefusesAndTryItAgain) {
  allow(false);
  std::vector<std::string> names;
  for (int i = 100; i < 140; ++i) names.push_back("2001:db8::" + std::to_string(i));
  std::vector<const char*> vips;
  for (const std::string& name : names) vips.push_back(name.c_str());
  EXPECT_NE(follow(vips), 0);
  EXPECT_EQ(nodes_.missing(), 40u);
  vips.erase(vips.begin());
  EXPECT_NE(follow(vips), 0);
  EXPECT_EQ(nodes_.missing(), 39u);
  allow(true);
  EXPECT_EQ(follow(vips), 0);
  EXPECT_EQ(nodes_.missing(), 0u);
  EXPECT_FALSE(member("2001:db8::100"));
  for (const char* vip : vips) EXPECT_TRUE(member(vip)) << vip;
}

// One socket has room for some groups only.
TEST_F(SolicitedNodesOfVips, TakeAsManyGroupsAsThereAre) {
  std::vector<Ip> vips;
  for (uint64_t i = 1; i <= 3000; ++i) vips.emplace_back(uint64_t{0x20010db8} << 32, i);
  EXPECT_EQ(nodes_.follow(link_, vips), 0);
  EXPECT_EQ(nodes_.missing(), 0u);
  EXPECT_TRUE(member("2001:db8::2"));
  EXPECT_TRUE(member("2001:db8::bb8"));
}

}  // namespace
}  // namespace rawvs::test
