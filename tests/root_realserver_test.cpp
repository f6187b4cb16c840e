// SPDX-License-Identifier: BSD-2-Clause
// Tests init/rawvs-realserver with IPv6 VIPs in a network namespace; tests/lab/realserver.py tests it with IPv4.
#include <unistd.h>

#include "root_net.h"

namespace rawvs::test {
namespace {

class RealServerIpv6 : public RootNetInside {
 protected:
  void SetUp() override {
    RootNetInside::SetUp();
    if (IsSkipped()) return;
    if (access("init/rawvs-realserver", R_OK) != 0) GTEST_SKIP() << "init/ is not here";
    write_sysctl("net/ipv6/conf/all/disable_ipv6", "0");
    shell("ip link add d0 type veth peer name d1 && ip link set d1 up && ip link set d0 up");
    shell("ip addr add 2001:db8::1/64 dev d0 nodad");
  }
  void TearDown() override {
    if (!IsSkipped()) script("stop");
    RootNetInside::TearDown();
  }
  std::string script(const std::string& words) const {
    return output_of("DEFAULTS=/dev/null STATE=" + state_ + " sh init/rawvs-realserver " + words);
  }
  static std::string vips() { return output_of("ip -6 addr show dev lo | awk '/inet6 2001/ { print $2 }' | sort"); }
  const std::string state_ = testing::TempDir() + "rawvs-realserver-test-" + std::to_string(getpid());
};

TEST_F(RealServerIpv6, AddsVipsThatAreNoSourceAndNotAnsweredFor) {
  script("start 2001:DB8:0::0100 2001:db8::101");
  EXPECT_EQ(vips(), "2001:db8::100/128\n2001:db8::101/128\n");
  EXPECT_NE(output_of("ip -6 addr show dev lo to 2001:db8::100").find("deprecated"), std::string::npos);
  EXPECT_EQ(script("status"),
            "2001:db8::100 on lo: yes\n2001:db8::100 answered for in neighbour discovery: no\n"
            "2001:db8::101 on lo: yes\n2001:db8::101 answered for in neighbour discovery: no\n"
            "rawvs-realserver: everything is right\n");
  script("stop");
  EXPECT_EQ(vips(), "");
}

TEST_F(RealServerIpv6, SaysWhenAVipIsAnsweredFor) {
  script("start 2001:db8::100");
  shell("ip addr add 2001:db8::100/128 dev d0 nodad");
  EXPECT_NE(script("status").find("2001:db8::100 answered for in neighbour discovery: yes, on d0; expected no"),
            std::string::npos);
  shell("ip addr del 2001:db8::100/128 dev d0");
}

TEST_F(RealServerIpv6, RefusesWhatIsNoVip) {
  for (const char* const vip :
       {"2001:db8::zz", "::1", "fe80::1", "ff02::1", "::ffff:c000:201", "1:2:3:4:5:6:7", "::"}) {
    EXPECT_EQ(script(std::string("start ") + vip), "rawvs-realserver: VIPS: found \"" + std::string(vip) +
                                                       "\", expected an IPv6 address such as 2001:db8::100\n");
  }
  EXPECT_EQ(vips(), "");
}

}  // namespace
}  // namespace rawvs::test
