// SPDX-License-Identifier: BSD-2-Clause
// netlink.h against the kernel, in a network namespace.
#include <sys/socket.h>

#include <optional>

#include "rawvs/netlink.h"
#include "root_net.h"

namespace rawvs::test {
namespace {

class NetlinkInNamespace : public RootNet {
 protected:
  void SetUp() override {
    RootNet::SetUp();
    if (IsSkipped()) return;
    space_.emplace();
    space_->enter();
    auto opened = Netlink::open();
    ASSERT_TRUE(opened) << opened.error().text;
    netlink_ = std::move(*opened);
    netlink_->changed();
  }
  void TearDown() override {
    RootNet::TearDown();
    netlink_.reset(), space_.reset();
  }
  // After a command that changes the link: the kernel must have said so.
  LinkFacts after(const std::string& command) {
    shell(command);
    EXPECT_TRUE(netlink_->changed()) << command;
    EXPECT_FALSE(netlink_->changed()) << command;
    return netlink_->query("e0");
  }
  std::optional<Netns> space_;
  std::unique_ptr<Netlink> netlink_;
};

TEST_F(NetlinkInNamespace, KnowsThatAnInterfaceIsMissing) {
  for (const std::string name : {"e0", "", "a-name-that-is-too-long-for-linux"}) {
    const LinkFacts facts = netlink_->query(name);
    EXPECT_EQ(facts.ifindex, 0) << name;
    EXPECT_EQ(facts.name, name);
    EXPECT_FALSE(facts.usable());
  }
}

TEST_F(NetlinkInNamespace, FollowsAnInterfaceFromItsAppearanceToItsEnd) {
  LinkFacts e0 = after("ip link add e0 address 02:00:00:00:00:0e type veth peer name peer");
  EXPECT_EQ(e0.ifindex, ifindex_of("e0"));
  EXPECT_EQ(e0.mac, (Mac{{2, 0, 0, 0, 0, 0x0e}}));
  EXPECT_EQ(e0.mtu, 1500);
  EXPECT_FALSE(e0.up);
  EXPECT_FALSE(e0.carrier);

  e0 = after("ip link set e0 up");
  EXPECT_TRUE(e0.up);
  EXPECT_FALSE(e0.carrier) << "the other end is down";
  e0 = after("ip link set peer up");
  EXPECT_TRUE(e0.carrier);
  e0 = after("ip link set peer down");
  EXPECT_TRUE(e0.up);
  EXPECT_FALSE(e0.carrier);
  e0 = after("ip link set e0 down");
  EXPECT_FALSE(e0.up);

  e0 = after("ip link set e0 mtu 1400");
  EXPECT_EQ(e0.mtu, 1400);
  e0 = after("ip link set e0 address 02:00:00:00:00:0f");
  EXPECT_EQ(e0.mac, (Mac{{2, 0, 0, 0, 0, 0x0f}}));

  e0 = after("ip link del e0");
  LinkFacts none;
  none.name = "e0";
  EXPECT_EQ(e0, none);
}

TEST_F(NetlinkInNamespace, ListsIpv4AddressesPrimaryOnesFirst) {
  after("ip link add e0 type veth peer name peer");
  after("ip link set e0 up && ip link set peer up");
  after("ip addr add 192.0.2.1/24 dev e0");
  after("ip addr add 192.0.2.2/24 dev e0");    // secondary
  shell("ip addr add 2001:db8::1/64 dev e0");  // no IPv4, no news
  after("ip addr add 192.0.2.9/24 dev peer");
  LinkFacts e0 = after("ip addr add 198.51.100.1/28 dev e0");
  using List = std::vector<LinkAddress>;
  EXPECT_EQ(e0.addresses, (List{{ip("192.0.2.1"), 24}, {ip("198.51.100.1"), 28}, {ip("192.0.2.2"), 24}}));
  e0 = after("ip addr del 198.51.100.1/28 dev e0");
  EXPECT_EQ(e0.addresses, (List{{ip("192.0.2.1"), 24}, {ip("192.0.2.2"), 24}}));
}

TEST_F(NetlinkInNamespace, TakesOurEndOfAPointToPointAddress) {
  after("ip link add e0 type veth peer name peer");
  const LinkFacts e0 = after("ip addr add 192.0.2.1 peer 192.0.2.2/32 dev e0");
  EXPECT_EQ(e0.addresses, (std::vector<LinkAddress>{{ip("192.0.2.1"), 32}}));
}

TEST_F(NetlinkInNamespace, TakesLostNotificationsForAChange) {
  const int smallest = 1;
  ASSERT_EQ(setsockopt(netlink_->fd(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest), 0);
  shell("ip link add e0 type veth peer name peer");
  for (int i = 0; i < 20; ++i) shell("ip link set e0 up && ip link set e0 down");
  EXPECT_TRUE(netlink_->changed());
  EXPECT_FALSE(netlink_->changed());
  EXPECT_NE(netlink_->query("e0").ifindex, 0);
}

}  // namespace
}  // namespace rawvs::test
