// SPDX-License-Identifier: BSD-2-Clause
// Tests VIPs that are addresses of the host itself, through director.h: the services' ports are the director's, all
// else is the host's.
#include "director/explain.h"
#include "director_fixture.h"
#include "side/claim.h"

namespace rawvs {
namespace {

constexpr const char* kOwn = "192.0.2.10";

class OwnTest : public DirectorTest {
 protected:
  static LinkAddress address(const char* a, uint8_t prefix = 24) { return {ip(a), prefix}; }
  void addresses(std::vector<LinkAddress> all) {
    LinkFacts facts = director_->link(kOutLink);
    facts.addresses = std::move(all);
    out_.clear();
    director_->link_changed(kOutLink, facts, {now_, out_});
  }
  ServiceKey own_key(Protocol protocol = Protocol::tcp, uint16_t port = 80) {
    return {protocol, {ip(kOwn), Port(port)}, {}};
  }
  void serve(const ServiceKey& key) {
    key_ = key;
    out_.clear();
    ASSERT_FALSE(director_->add({key_, Scheduler::rr}, {now_, out_}));
    said_ = notices(), sent_ = left();
    ASSERT_FALSE(director_->add_server(key_, server(1), {now_, out_}));
    resolve(1);
  }
  std::string left_to_host(FrameBytes bytes) {
    const uint64_t before = count(Exit::not_vip);
    const std::string sent = arrive(std::move(bytes));
    return count(Exit::not_vip) == before + 1 ? sent : "not left to the host: " + sent;
  }
  static VipPorts ports(uint16_t first, uint16_t last, Protocol protocol = Protocol::tcp) {
    return {ip(kOwn), protocol, first, last};
  }
  std::string said_, sent_;
};

TEST_F(OwnTest, OnlyTheServicesPortsAreTheDirectors) {
  serve(own_key());
  EXPECT_EQ(said_,
            "VIP 192.0.2.10 is an address of this host: the ports of its services are the director's, all else there "
            "remains the host's");
  EXPECT_TRUE(director_->watch().vips.empty());
  EXPECT_EQ(director_->watch().own, std::vector{ports(80, 80)});
  EXPECT_EQ(arrive(frame(Tcp{.dst = kOwn})), to_server(1, "198.51.100.1:1001 > 192.0.2.10:80 S ttl 63"));
  EXPECT_EQ(arrive(frame(Tcp{.dst = kOwn, .flags = "A"})), to_server(1, "198.51.100.1:1001 > 192.0.2.10:80 A ttl 63"));
  EXPECT_EQ(arrive(frame(Tcp{.dst = kOwn, .sport = 1002, .flags = "A"})),
            to_client("192.0.2.10:80 > 198.51.100.1:1002 R ttl 64"))
      << "no connection, but the director's port";
  EXPECT_EQ(left_to_host(frame(Tcp{.dst = kOwn, .dport = 22})), "");
  EXPECT_EQ(left_to_host(frame(Udp{.dst = kOwn, .dport = 80})), "");
  EXPECT_EQ(left_to_host(frame(Ping{.dst = kOwn})), "");
  EXPECT_EQ(arrive(frame(ArpFrame{.target = kOwn})), "");
  EXPECT_EQ(count(Exit::arp_answered), 0u);
}

TEST_F(OwnTest, ItIsNeitherAnnouncedNorProbedNorDefended) {
  serve(own_key());
  EXPECT_EQ(sent_, "");
  for (int i = 0; i < 100; ++i) {
    pass(1s);
    EXPECT_EQ(left().find("who-has 192.0.2.10 "), std::string::npos) << left();
    EXPECT_EQ(left().find("192.0.2.10 is-at"), std::string::npos) << left();
  }
  arrive(frame(ArpFrame{.request = false, .sender_mac = kClientMac, .sender = kOwn, .target = kOwn}));
  EXPECT_EQ(notices(), "") << "the host's kernel takes care of its duplicates";
  EXPECT_EQ(count(Exit::arp_conflict), 0u);
}

TEST_F(OwnTest, TheHostAsksForServersInItsName) {
  key_ = own_key();
  ASSERT_FALSE(director_->add({key_}, {now_, out_}));
  out_.clear();
  ASSERT_FALSE(director_->add_server(key_, server(1), {now_, out_}));
  EXPECT_NE(left().find("who-has 192.0.2.11 tell 192.0.2.10"), std::string::npos) << left();
}

TEST_F(OwnTest, IcmpErrorsAboutTheServicesPacketsGoToTheServer) {
  serve(own_key());
  arrive(frame(Tcp{.dst = kOwn}));
  const auto error = [&](uint16_t port) {
    return frame(
        IcmpError{.dst = kOwn, .about = frame(Tcp{.src = kOwn, .dst = "198.51.100.1", .sport = port, .dport = 1001})});
  };
  EXPECT_EQ(arrive(error(80)), to_server(1, "198.51.100.1 > 192.0.2.10 icmp 3/4 mtu 1400 ttl 63"));
  EXPECT_EQ(left_to_host(error(22)), "");
}

TEST_F(OwnTest, AServicesPortGoesBackToTheHostTenSecondsAfterIt) {
  serve(own_key());
  serve(own_key(Protocol::tcp, 443));
  arrive(frame(Tcp{.dst = kOwn}));
  ASSERT_FALSE(director_->remove(own_key(), {now_, out_}));
  EXPECT_EQ(director_->watch().own, (std::vector{ports(80, 80), ports(443, 443)}));
  EXPECT_EQ(arrive(frame(Tcp{.dst = kOwn, .flags = "A"})), "");
  EXPECT_EQ(count(Exit::server_gone), 1u) << "it may come back";
  EXPECT_EQ(arrive(frame(Tcp{.dst = kOwn, .sport = 9})), to_client("192.0.2.10:80 > 198.51.100.1:9 RA ttl 64"));
  EXPECT_LE(director_->next_deadline(), now_ + 10s);
  pass(10s);
  EXPECT_EQ(director_->watch().own, std::vector{ports(443, 443)});
  EXPECT_EQ(left_to_host(frame(Tcp{.dst = kOwn, .flags = "A"})), "") << "the host resets it";
  ASSERT_FALSE(director_->remove(own_key(Protocol::tcp, 443), {now_, out_}));
  pass(10s);
  EXPECT_EQ(director_->claims().size(), 0u);
  EXPECT_EQ(director_->watch().all_vips(), 0u);
}

TEST_F(OwnTest, ConnectionsSurviveAServiceThatIsRemovedAndAddedAgain) {
  serve(own_key());
  arrive(frame(Tcp{.dst = kOwn}));
  ASSERT_FALSE(director_->remove(own_key(), {now_, out_}));
  arrive(frame(Tcp{.dst = kOwn, .flags = "A"}));
  pass(5s);
  serve(own_key());
  EXPECT_EQ(arrive(frame(Tcp{.dst = kOwn, .flags = "A"})), to_server(1, "198.51.100.1:1001 > 192.0.2.10:80 A ttl 63"));
  pass(60s);
  EXPECT_EQ(director_->watch().own, std::vector{ports(80, 80)});
}

TEST_F(OwnTest, AnAddressThatIsNotTheHostsAnyMoreHasNoPortsLeft) {
  serve(own_key());
  ASSERT_FALSE(director_->remove(own_key(), {now_, out_}));
  addresses({});
  EXPECT_EQ(left().find("192.0.2.10 is-at"), std::string::npos) << left();
  EXPECT_EQ(director_->watch().all_vips(), 0u);
  EXPECT_EQ(director_->claims().size(), 0u);
  pass(20s);
  serve(own_key());
  EXPECT_EQ(director_->watch().vips, std::vector{ip(kOwn)});
}

TEST_F(OwnTest, AnAddressThatBecomesTheHostsIsLeftToItAndComesBack) {
  web(1);
  EXPECT_EQ(director_->watch().vips, std::vector{ip("192.0.2.100")});
  addresses({address(kOwn), address("192.0.2.100")});
  EXPECT_EQ(notices(),
            "VIP 192.0.2.100 is an address of this host: the ports of its services are the director's, all else there "
            "remains the host's");
  EXPECT_TRUE(director_->watch().vips.empty());
  EXPECT_EQ(director_->watch().own, (std::vector{VipPorts{ip("192.0.2.100"), Protocol::tcp, 80, 80}}));
  EXPECT_EQ(arrive(frame(ArpFrame{})), "");
  EXPECT_EQ(left_to_host(frame(Ping{})), "");
  EXPECT_EQ(arrive(frame(Tcp{})), to_server(1, "198.51.100.1:1001 > 192.0.2.100:80 S ttl 63"));
  addresses({address(kOwn)});
  EXPECT_EQ(notices(), "VIP 192.0.2.100 is no address of this host any more: rawvsd answers for it");
  EXPECT_NE(left().find("192.0.2.100 is-at"), std::string::npos) << "it is announced";
  EXPECT_EQ(director_->watch().vips, std::vector{ip("192.0.2.100")});
  EXPECT_TRUE(director_->watch().own.empty());
  EXPECT_EQ(arrive(frame(Ping{})), to_client("192.0.2.100 > 198.51.100.1 icmp 0/0 ttl 64"));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A"})), to_server(1, "198.51.100.1:1001 > 192.0.2.100:80 A ttl 63"));
}

TEST_F(OwnTest, ARetiredVipThatBecomesTheHostsIsForgotten) {
  web(1);
  ASSERT_FALSE(director_->remove(key_, {now_, out_}));
  EXPECT_EQ(director_->watch().vips.size(), 1u);
  addresses({address(kOwn), address("192.0.2.100")});
  EXPECT_TRUE(director_->watch().vips.empty());
  EXPECT_EQ(left_to_host(frame(Tcp{})), "");
}

TEST_F(OwnTest, AServiceOfEveryPortTakesNone) {
  serve(own_key(Protocol::tcp, 0));
  EXPECT_NE(said_.find("a service of every tcp port takes none there"), std::string::npos) << said_;
  EXPECT_TRUE(director_->watch().own.empty());
  EXPECT_EQ(left_to_host(frame(Tcp{.dst = kOwn})), "");
  serve(own_key());
  EXPECT_EQ(director_->watch().own, std::vector{ports(80, 80)});
}

TEST_F(OwnTest, PortsOfGroupsAndServicesAreMerged) {
  director_->set_groups({{ip(kOwn), Protocol::tcp, {{80, 90}, {443, 443}}, Mark(1)},
                         {ip(kOwn), Protocol::udp, {{53, 53}}, Mark(1)},
                         {ip("192.0.2.100"), Protocol::tcp, {{80, 80}}, Mark(1)}},
                        {now_, out_});
  EXPECT_TRUE(director_->watch().own.empty());
  key_ = mark_key(Mark(1), Family::ipv4);
  ASSERT_FALSE(director_->add({key_, Scheduler::rr}, {now_, out_}));
  ASSERT_FALSE(director_->add({own_key(Protocol::tcp, 91), Scheduler::rr}, {now_, out_}));
  EXPECT_EQ(director_->watch().own, (std::vector{ports(80, 91), ports(443, 443), ports(53, 53, Protocol::udp)}));
  EXPECT_EQ(director_->watch().vips, std::vector{ip("192.0.2.100")});
  EXPECT_EQ(director_->watch().all_vips(), 2u);
  director_->set_groups({{ip(kOwn), Protocol::tcp, {{85, 85}}, Mark(1)}}, {now_, out_});
  pass(10s);
  EXPECT_EQ(director_->watch().own, (std::vector{ports(85, 85), ports(91, 91)}));
  ASSERT_FALSE(director_->remove(key_, {now_, out_}));
  pass(10s);
  EXPECT_EQ(director_->watch().own, std::vector{ports(91, 91)});
}

TEST_F(OwnTest, FtpTakesItsDataPortToo) {
  serve(own_key(Protocol::tcp, 21));
  EXPECT_EQ(director_->watch().own, std::vector{ports(20, 21)});
}

TEST_F(OwnTest, FragmentsAreJoinedAndLeftToTheHostIfTheyAreNotTheServices) {
  serve(own_key(Protocol::udp, 53));
  for (const uint16_t port : {uint16_t{53}, uint16_t{500}}) {
    const FrameBytes whole = frame(Udp{.dst = kOwn, .dport = port, .data = std::string(792, 'x')});
    const auto piece = [&](std::ptrdiff_t from, std::ptrdiff_t to, uint16_t word) {
      return ipv4_frame(kClientMac, kDirectorMac, "198.51.100.1", kOwn, 17, 64, word,
                        {whole.begin() + 34 + from, whole.begin() + 34 + to});
    };
    const FrameBytes first = piece(0, 400, 0x2000), last = piece(400, 800, 50);
    if (port == 53) {
      EXPECT_EQ(arrive(first), "");
      EXPECT_NE(arrive(last), "");
      EXPECT_EQ(count(Exit::forwarded), 1u);
      continue;
    }
    EXPECT_EQ(arrive(last), "") << "its ports are not known yet";
    EXPECT_EQ(left_to_host(first), "");
    EXPECT_EQ(left_to_host(ipv4_frame(kClientMac, kDirectorMac, "198.51.100.1", kOwn, 6, 64, 4, FrameBytes(40))), "")
        << "of a protocol that no service there has";
    EXPECT_TRUE(out_.returned().empty()) << "the kernel has its own copies";
  }
}

TEST_F(OwnTest, AnExplanationSaysThatItIsTheHosts) {
  serve(own_key());
  FlowKey flow{ip("198.51.100.1"), ip(kOwn), Port(1001), Port(80), Protocol::tcp, false};
  const Explanation ours = director_->explain(flow, now_);
  EXPECT_EQ(ours.exit, Exit::forwarded);
  EXPECT_NE(ours.steps[1].find("this host's own address"), std::string::npos) << ours.steps[1];
  flow.vport = Port(22);
  EXPECT_EQ(director_->explain(flow, now_).exit, Exit::not_vip);
}

}  // namespace
}  // namespace rawvs
