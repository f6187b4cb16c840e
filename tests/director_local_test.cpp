// SPDX-License-Identifier: BSD-2-Clause
// The host itself as a real server (Local): of this director, and of another one.
#include "director/explain.h"
#include "director_ipv6_fixture.h"

namespace rawvs {
namespace {

class LocalTest : public Ipv6Test {
 protected:
  void host_has(std::vector<std::string> addresses) {
    std::vector<Ip> all = {ip("127.0.0.1"), ip("192.0.2.10"), ip("203.0.113.10")};
    for (const std::string& address : addresses) all.push_back(ip(address));
    std::ranges::sort(all);
    director_->host_addresses(std::move(all), {now_, out_});
  }
  void web_at(const std::string& address, Method method = Method::route, uint16_t port = 80) {
    const Family family = ip(address).family();
    key_ = {Protocol::tcp, {ip(family == Family::ipv4 ? "192.0.2.100" : kVip6), Port(80)}, {}};
    at_ = {ip(address), Port(port)};
    ASSERT_FALSE(director_->add({key_, Scheduler::rr}, {now_, out_}));
    ASSERT_FALSE(director_->add_server(key_, {.at = at_, .method = method}, {now_, out_}));
    out_.clear();
    director_->route_found({.to = at_.addr, .kind = Route::Kind::local}, {now_, out_});
    said_ = notices();
    pass(0s);
  }
  const Server& server() { return *director_->services().find(key_, at_); }
  std::string delivered() {
    std::string s;
    for (const Frame& f : out_.delivered()) s += describe({f.data, f.data + f.size});
    return s;
  }
  Endpoint at_{};
  std::string said_;
};

TEST_F(LocalTest, ItsKernelGetsThePacketAsItCame) {
  host_has({"192.0.2.100", kVip6});
  for (const Method method : {Method::route, Method::tunnel}) {
    for (const char* address : {"192.0.2.10", "127.0.0.1"}) {
      web_at(address, method);
      EXPECT_EQ(said_,
                "real server " + std::string(address) + " is this host itself (Local): its kernel gets the packets");
      EXPECT_TRUE(server().local);
      EXPECT_EQ(director_->reach(server()), Director::Reach::ready);
      EXPECT_EQ(arrive(frame(Tcp{.ttl = 1})), "");
      EXPECT_EQ(delivered(), mac_of(1) + ">" + mac_of(0x10) + " 198.51.100.1:1001 > 192.0.2.100:80 S ttl 1");
      EXPECT_EQ(server().traffic.in_packets, 1u);
      ASSERT_FALSE(director_->remove(key_, {now_, out_}));
      pass(400s);
    }
  }
  EXPECT_EQ(count(Exit::delivered), 4u);
  web_at("2001:db8:1::10");
  arrive(frame(tcp()));
  EXPECT_EQ(out_.delivered().size(), 1u);
}

TEST_F(LocalTest, IsNotUsedWhileTheHostLacksTheVip) {
  host_has({});
  web_at("192.0.2.10");
  EXPECT_EQ(said_,
            "real server 192.0.2.10 is this host itself, but the VIP of tcp 192.0.2.100:80 is none of its addresses: "
            "put it on lo, see rawvs-realserver(8); it gets no connections");
  EXPECT_EQ(director_->reach(server()), Director::Reach::vip_missing);
  arrive(frame(Tcp{}));
  EXPECT_EQ(count(Exit::no_server), 1u);
  host_has({"192.0.2.100"});
  pass(0s);
  EXPECT_EQ(director_->reach(server()), Director::Reach::ready);
  arrive(frame(Tcp{}));
  EXPECT_EQ(count(Exit::delivered), 1u);
  host_has({});  // its connection is left without it
  arrive(frame(Tcp{.flags = "A"}));
  EXPECT_EQ(count(Exit::no_local), 1u);
  EXPECT_TRUE(out_.delivered().empty());
}

TEST_F(LocalTest, NatIsRefusedUnlessNothingHasToBeTranslated) {
  host_has({"192.0.2.100"});
  for (const auto& [address, port] : {std::pair{"192.0.2.10", 80}, {"192.0.2.100", 8080}, {"127.0.0.1", 80}}) {
    web_at(address, Method::masq, static_cast<uint16_t>(port));
    EXPECT_EQ(director_->reach(server()), Director::Reach::local_nat) << address;
    EXPECT_NE(said_.find("whose answers NAT cannot translate: use forward=dr"), std::string::npos) << said_;
    arrive(frame(Tcp{}));
    EXPECT_TRUE(out_.delivered().empty());
    ASSERT_FALSE(director_->remove(key_, {now_, out_}));
    pass(400s);
  }
  web_at("192.0.2.100", Method::masq);
  EXPECT_EQ(director_->reach(server()), Director::Reach::ready);
  arrive(frame(Tcp{}));
  EXPECT_EQ(out_.delivered().size(), 1u);
}

TEST_F(LocalTest, OfAMarkEveryVipHasToBeTheHosts) {
  key_ = {Protocol::any, {}, Mark(10)};
  host_has({"192.0.2.100"});
  const auto group = [&](std::vector<std::string> vips) {
    std::vector<GroupMatch> matches;
    for (const std::string& vip : vips) matches.push_back({.vip = ip(vip), .ports = {{80, 80}}, .mark = Mark(10)});
    director_->set_groups(std::move(matches), {now_, out_});
    pass(0s);
  };
  group({"192.0.2.100", "192.0.2.101"});
  ASSERT_FALSE(director_->add({key_, Scheduler::rr}, {now_, out_}));
  at_ = {ip("192.0.2.10"), Port(0)};
  ASSERT_FALSE(director_->add_server(key_, {.at = at_}, {now_, out_}));
  director_->route_found({.to = at_.addr, .kind = Route::Kind::local}, {now_, out_});
  pass(0s);
  EXPECT_EQ(director_->reach(server()), Director::Reach::vip_missing);
  host_has({"192.0.2.100", "192.0.2.101"});
  pass(0s);
  EXPECT_EQ(director_->reach(server()), Director::Reach::ready);
}

// Two boxes, both director and server: 192.0.2.11 is the other one, from whose MAC address packets come that its
// director has scheduled.
class TwoBoxesTest : public LocalTest {
 protected:
  void boxes(bool master) {
    host_has({"192.0.2.100"});
    web_at("192.0.2.10");
    ASSERT_FALSE(director_->add_server(key_, LocalTest::DirectorTest::server(1), {now_, out_}));
    resolve(1);
    const std::vector<Shared> shared = {{.vip = ip("192.0.2.100"), .ours = master}};
    director_->share(shared, {}, {now_, out_});
    pass(0s);
  }
  static Tcp from_other(const std::string& flags = "S") { return {.flags = flags, .from = Mac{{2, 0, 0, 0, 0, 0x11}}}; }
};

TEST_F(TwoBoxesTest, TheBackupGivesItsKernelWhatTheMasterHasChosenItFor) {
  boxes(false);
  arrive(frame(from_other()));
  EXPECT_EQ(delivered(), mac_of(0x11) + ">" + mac_of(0x10) + " 198.51.100.1:1001 > 192.0.2.100:80 S ttl 64");
  EXPECT_EQ(count(Exit::peer_delivered), 1u);
  EXPECT_EQ(director_->connections().size(), 0u);
  arrive(frame(Tcp{}));  // a client that has not heard of the new master: it will try again
  EXPECT_EQ(count(Exit::standby), 1u);
  EXPECT_TRUE(out_.delivered().empty());
}

TEST_F(TwoBoxesTest, NothingGoesBackAndForthWhileBothAreMaster) {
  boxes(true);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(arrive(frame(from_other(i == 0 ? "S" : "A"))), "");
    EXPECT_EQ(out_.delivered().size(), 1u);
  }
  EXPECT_EQ(count(Exit::peer_delivered), 4u);
}

TEST_F(TwoBoxesTest, TheOtherBoxesOwnRequestsAreScheduled) {
  boxes(true);
  Tcp own = from_other();
  own.src = "192.0.2.11";
  arrive(frame(own));
  EXPECT_EQ(count(Exit::peer_delivered), 0u);
  EXPECT_EQ(director_->connections().size(), 1u);
}

TEST_F(TwoBoxesTest, ClientsBehindAServerOfAnotherVipAreClients) {
  boxes(true);
  const ServiceKey other{Protocol::tcp, {ip("192.0.2.101"), Port(80)}, {}};
  ASSERT_FALSE(director_->add({other, Scheduler::rr}, {now_, out_}));
  ASSERT_FALSE(director_->add_server(other, {.at = {ip("192.0.2.12"), Port(80)}}, {now_, out_}));
  resolve(2);
  Tcp through{.from = Mac{{2, 0, 0, 0, 0, 0x12}}};
  arrive(frame(through));
  EXPECT_EQ(count(Exit::peer_delivered), 0u);
  EXPECT_EQ(director_->connections().size(), 1u);
}

TEST_F(LocalTest, IsExplained) {
  host_has({"192.0.2.100"});
  web_at("192.0.2.10");
  const FlowKey flow{ip("198.51.100.1"), ip("192.0.2.100"), Port(1001), Port(80), Protocol::tcp, false};
  Explanation e = director_->explain(flow, now_);
  EXPECT_EQ(e.exit, Exit::delivered);
  EXPECT_EQ(e.method, Method::local);
  EXPECT_EQ(e.text, "It is given to this host's kernel, as it came.");
}

}  // namespace
}  // namespace rawvs
