// SPDX-License-Identifier: BSD-2-Clause
// Tests netlink.h with the kernel, in a network namespace.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "links.h"
#include "root_net.h"
#include "sys/net/netlink.h"

namespace rawvs::test {
namespace {

class NetlinkInNamespace : public RootNetInside {
 protected:
  void SetUp() override {
    RootNetInside::SetUp();
    if (IsSkipped()) return;
    auto opened = Netlink::open();
    ASSERT_TRUE(opened) << opened.error().text;
    netlink_ = std::move(*opened);
    netlink_->changed();
  }
  // After a command that changes the link: the kernel must have said so.
  LinkFacts after(const std::string& command) {
    shell(command);
    EXPECT_TRUE(netlink_->changed()) << command;
    EXPECT_FALSE(netlink_->changed()) << command;
    return *netlink_->query("e0");
  }
  std::unique_ptr<Netlink> netlink_;
};

TEST_F(NetlinkInNamespace, KnowsThatAnInterfaceIsMissing) {
  for (const std::string name : {"e0", "", "a-name-that-is-too-long-for-linux"}) {
    const LinkFacts facts = *netlink_->query(name);
    EXPECT_EQ(facts.ifindex, 0) << name;
    EXPECT_EQ(facts.name, name);
    EXPECT_FALSE(facts.usable());
  }
}

TEST_F(NetlinkInNamespace, KnowsWhichInterfacesHaveNoEthernetAndWhichAreOfNoUse) {
  EXPECT_EQ(netlink_->query("lo")->unfit, "it has no Ethernet: the loopback interface");
  shell("ip link set lo up; ip link add e0 type veth peer name peer; ip link set e0 up; ip tuntap add t0 mode tun");
  EXPECT_FALSE(netlink_->query("lo")->usable());
  EXPECT_TRUE(netlink_->query("e0")->usable());
  EXPECT_TRUE(netlink_->query("e0")->ethernet);
  const LinkFacts tun = *netlink_->query("t0");
  EXPECT_EQ(std::tie(tun.unfit, tun.ethernet, tun.mac), std::make_tuple("", false, kBareOwn));
  std::vector<std::string> all = *netlink_->interfaces();
  std::ranges::sort(all);
  EXPECT_EQ(all, (std::vector<std::string>{"e0", "peer", "t0"}));
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
  EXPECT_EQ(e0.mtu_of(Family::ipv6), 1400);
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

// As /proc shows it; a router advertisement sets it.
TEST_F(NetlinkInNamespace, ReadsALowerMtuOfIpv6) {
  after("ip link add e0 type veth peer name peer");
  after("ip link set e0 up && ip link set peer up");
  write_sysctl("net/ipv6/conf/e0/disable_ipv6", "0");
  EXPECT_EQ(after("ip addr add 192.0.2.1/24 dev e0").mtu6, 0);
  write_sysctl("net/ipv6/conf/e0/mtu", "1400");
  const LinkFacts e0 = after("ip addr add 198.51.100.1/28 dev e0");
  EXPECT_EQ(e0.mtu6, 1400);
  EXPECT_EQ(e0.mtu_of(Family::ipv6), 1400);
  EXPECT_EQ(e0.mtu_of(Family::ipv4), 1500);
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
  const KernelNews news = netlink_->changed();
  EXPECT_TRUE(news.links && news.routes);
  EXPECT_FALSE(netlink_->changed());
  EXPECT_NE(netlink_->query("e0")->ifindex, 0);
}

// Two links, one more interface: out 192.0.2.1/24, in 198.51.100.1/24 and other 203.0.113.1/28.
class Routes : public NetlinkInNamespace {
 protected:
  void SetUp() override {
    NetlinkInNamespace::SetUp();
    if (IsSkipped()) return;
    shell("ip link add out type veth peer name p0 && ip link add in type veth peer name p1");
    shell("ip link add other type veth peer name p2");
    shell("for i in out in other p0 p1 p2; do ip link set $i up; done");
    shell("ip addr add 192.0.2.1/24 dev out && ip addr add 198.51.100.1/24 dev in");
    shell("ip addr add 203.0.113.1/28 dev other");
    netlink_->changed();
  }
  Route to(const std::string& address) {
    return *netlink_->route_to(ip(address), std::array{ifindex_of("out"), ifindex_of("in")});
  }
  static Route expected(const std::string& address, Link link, const std::string& next_hop, const std::string& source,
                        uint16_t mtu = 0) {
    return {ip(address), Route::Kind::direct, link, ip(next_hop), ip(source), mtu};
  }
};

TEST_F(Routes, LeadToWhatIsOnALinkItself) {
  EXPECT_EQ(to("192.0.2.7"), expected("192.0.2.7", kOutLink, "192.0.2.7", "192.0.2.1"));
  EXPECT_EQ(to("198.51.100.7"), expected("198.51.100.7", kInLink, "198.51.100.7", "198.51.100.1"));
}

TEST_F(Routes, LeadThroughGateways) {
  shell("ip route add 203.0.113.64/26 via 198.51.100.254");
  EXPECT_EQ(to("203.0.113.65"), expected("203.0.113.65", kInLink, "198.51.100.254", "198.51.100.1"));
  shell("ip route add default via 192.0.2.254");
  EXPECT_EQ(to("203.0.113.200"), expected("203.0.113.200", kOutLink, "192.0.2.254", "192.0.2.1"));
  EXPECT_EQ(to("203.0.113.65").next_hop, ip("198.51.100.254"));
}

TEST_F(Routes, TellTheirSourceAndTheirMtu) {
  shell("ip addr add 198.51.100.2/24 dev in");
  shell("ip route add 203.0.113.64/26 via 198.51.100.254 src 198.51.100.2 mtu 1400");
  EXPECT_EQ(to("203.0.113.65"), expected("203.0.113.65", kInLink, "198.51.100.254", "198.51.100.2", 1400));
}

TEST_F(Routes, TellALinkWithoutAnAddressOfOursByItsUnspecifiedSource) {
  shell(
      "ip addr del 192.0.2.1/24 dev out && ip addr del 198.51.100.1/24 dev in && ip addr del 203.0.113.1/28 dev other");
  shell("ip route add 192.0.2.0/24 dev out");
  EXPECT_EQ(to("192.0.2.7"), (Route{ip("192.0.2.7"), Route::Kind::direct, kOutLink, ip("192.0.2.7"), Ip(), 0}));
}

TEST_F(Routes, MayLeadElsewhere) {
  EXPECT_EQ(to("203.0.113.2").kind, Route::Kind::elsewhere);
  EXPECT_EQ(netlink_->route_to(ip("198.51.100.7"), std::array{ifindex_of("out"), 0})->kind, Route::Kind::elsewhere);
  EXPECT_EQ(netlink_->route_to(ip("192.0.2.7"), std::array{0, 0})->kind, Route::Kind::elsewhere);
}

TEST_F(Routes, KnowTheHostsOwnAddresses) {
  EXPECT_EQ(to("192.0.2.1").kind, Route::Kind::local);
  EXPECT_EQ(to("203.0.113.1").kind, Route::Kind::local) << "on whatever interface";
  EXPECT_EQ(to("127.0.0.1").kind, Route::Kind::local);
}

TEST_F(Routes, OfAllInterfacesTheHostsAddressesAreListed) {
  shell("ip addr add 192.0.2.100/32 dev lo");
  const auto all = netlink_->host_addresses();
  ASSERT_TRUE(all);
  EXPECT_TRUE(std::ranges::is_sorted(*all));
  for (const char* address : {"192.0.2.100", "192.0.2.1", "203.0.113.1"}) {
    EXPECT_TRUE(std::ranges::binary_search(*all, ip(address))) << address;
  }
  EXPECT_FALSE(std::ranges::binary_search(*all, ip("192.0.2.7")));
}

TEST_F(Routes, KnowWhatCannotBeReached) {
  EXPECT_EQ(to("203.0.113.65"), (Route{.to = ip("203.0.113.65"), .kind = Route::Kind::unreachable})) << "no route";
  int last = 65;
  for (const char* kind : {"unreachable", "blackhole", "prohibit", "throw"}) {
    const std::string address = "203.0.113." + std::to_string(last++);
    shell("ip route add " + std::string(kind) + " " + address);
    EXPECT_EQ(to(address).kind, Route::Kind::unreachable) << kind;
  }
  EXPECT_EQ(to("192.0.2.255").kind, Route::Kind::unreachable) << "a broadcast address";
  EXPECT_EQ(to("224.0.0.1").kind, Route::Kind::unreachable);
}

// The questions' socket is replaced by something that is none.
TEST_F(Routes, AndInterfacesAreNotTakenForMissingWhenTheKernelCannotBeAsked) {
  int questions = -1;
  for (int fd = 3; fd < 1024 && questions < 0; ++fd) {
    int domain = 0;
    socklen_t size = sizeof domain;
    if (fd == netlink_->fd() || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) continue;
    if (domain == AF_NETLINK) questions = fd;
  }
  ASSERT_GE(questions, 0);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  ASSERT_EQ(dup2(null, questions), questions);
  close(null);
  const auto facts = netlink_->query("out");
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().text, "rtnetlink: interface out: Socket operation on non-socket");
  const auto route = netlink_->route_to(ip("192.0.2.7"), std::array{ifindex_of("out"), ifindex_of("in")});
  ASSERT_FALSE(route);
  EXPECT_EQ(route.error().text, "rtnetlink: the route to 192.0.2.7: Socket operation on non-socket");
}

TEST_F(Routes, ThroughAnIpv6GatewayAreResolvedByNeighbourDiscovery) {
  shell("ip -6 addr add 2001:db8::1/64 dev in nodad && ip route add 203.0.113.64/26 via inet6 2001:db8::2 dev in");
  EXPECT_EQ(to("203.0.113.65").kind, Route::Kind::direct);
  EXPECT_EQ(to("203.0.113.65").next_hop, ip("2001:db8::2"));
}

TEST_F(Routes, AreNewsWhenTheyChange) {
  const auto only_routes = [&](const std::string& command) {
    shell(command);
    const KernelNews news = netlink_->changed();
    EXPECT_TRUE(news.routes) << command;
    EXPECT_FALSE(news.links) << command;
    EXPECT_FALSE(netlink_->changed()) << command;
  };
  EXPECT_EQ(to("203.0.113.65").kind, Route::Kind::unreachable);
  only_routes("ip route add 203.0.113.64/26 via 198.51.100.254");
  EXPECT_EQ(to("203.0.113.65").next_hop, ip("198.51.100.254"));
  only_routes("ip route replace 203.0.113.64/26 via 192.0.2.254");
  EXPECT_EQ(to("203.0.113.65"), expected("203.0.113.65", kOutLink, "192.0.2.254", "192.0.2.1"));
  only_routes("ip route add 203.0.113.64/26 via 198.51.100.254 table 100");
  only_routes("ip rule add to 203.0.113.64/26 table 100");
  EXPECT_EQ(to("203.0.113.65").link, kInLink);
  only_routes("ip rule del to 203.0.113.64/26 table 100");
  only_routes("ip route del 203.0.113.64/26");
  EXPECT_EQ(to("203.0.113.65").kind, Route::Kind::unreachable);
}

TEST_F(Routes, MayChangeWithALinkWithoutOtherNews) {
  shell("ip route add 203.0.113.64/26 via 198.51.100.254");
  netlink_->changed();
  shell("ip link set in down");
  EXPECT_TRUE(netlink_->changed().links);
  EXPECT_EQ(to("203.0.113.65").kind, Route::Kind::unreachable);
  EXPECT_EQ(to("198.51.100.7").kind, Route::Kind::unreachable);
}

}  // namespace
}  // namespace rawvs::test
