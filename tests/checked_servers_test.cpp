// SPDX-License-Identifier: BSD-2-Clause
// checked_servers.h: what checks find, shown by what becomes of packets: servers taken out, sorry servers, servers out
// of reach.
#include "side/checked_servers.h"

#include <set>

#include "director_fixture.h"
#include "links.h"

namespace rawvs {
namespace {

class CheckedServersTest : public DirectorTest {
 protected:
  // A service of so many servers, each with a check that succeeds; and the number of its sorry server, 0: none.
  void check(int servers, const HealthPolicy& policy, Protocol protocol = Protocol::tcp, int sorry = 0) {
    web(servers, Scheduler::rr, protocol);
    wanted_ = {};
    wanted_.service = key_;
    wanted_.policy = policy;
    wanted_.policy.sorry_server = sorry != 0;
    if (sorry != 0) wanted_.sorry = server(sorry);
    CheckSpec check;
    check.retries = 0, check.jitter = 0, check.interval = 1s;
    for (int i = 1; i <= servers; ++i) {
      wanted_.servers.push_back({server(i).at, std::make_shared<const CheckSpec>(check)});
    }
    follow(true);
  }
  void follow(bool at_start) {
    out_.clear();
    checked_.follow({&wanted_, 1}, at_start, gate(), {now_, out_});
    run(2s);
  }
  // Checks are made, and answered as `ill` has it.
  void run(Duration time) {
    for (const Instant end = now_ + time; now_ < end; now_ += 100ms) {
      for (const CheckedServers::ToAsk& ask : std::vector(checked_.time_passed(gate(), {now_, out_}).start)) {
        const bool well = !ill_.contains(static_cast<int>(ask.at.addr.v4() & 0xff) - 10);
        checked_.answered(ask.id, well, well ? "" : "connection refused", gate(), {now_, out_});
      }
    }
  }
  void goes(int i) {
    out_.clear();
    ill_.insert(i);
    run(3s);
  }
  void comes(int i) {
    out_.clear();
    ill_.erase(i);
    run(3s);
  }
  // Which server a packet is sent to; 0: none.
  int taken_to(const std::string& left) {
    for (int i = 1; i <= 9; ++i) {
      if (left.starts_with(mac_of(0x10) + '>' + mac_of(0x10 + i) + ' ')) return i;
    }
    return 0;
  }
  int client(uint16_t port, const char* flags = "S") {
    return taken_to(last_ = arrive(frame(Tcp{.sport = port, .flags = flags})));
  }
  int datagram(uint16_t port) { return taken_to(last_ = arrive(frame(Udp{.sport = port}))); }
  std::set<int> used(int clients = 6) {
    std::set<int> all;
    for (int i = 0; i < clients; ++i) all.insert(client(next_port_++));
    return all;
  }
  void route(int i, Route::Kind kind) {
    const Route route{server(i).at.addr, kind, kOutLink, server(i).at.addr, ip("192.0.2.10"), 0};
    out_.clear();
    director_->route_found(route, {now_, out_});
    checked_.settle(gate(), {now_, out_});
    run(1s);
  }
  const Server* listed(int i) { return director_->services().find(key_, server(i).at); }

  CheckedServers checked_{100, 1};
  WantedChecks wanted_;
  std::set<int> ill_;
  std::string last_;
  uint16_t next_port_ = 2000;
};

TEST_F(CheckedServersTest, ConnectionsOfAServerThatWasTakenOutAreResetWhenThatIsWanted) {
  check(2, {.on_down = OnDown::reset, .inhibit = false});
  const int first = client(1000);
  goes(first);
  EXPECT_FALSE(listed(first));
  EXPECT_EQ(client(1000, "A"), 0);
  EXPECT_EQ(count(Exit::reset_sent), 1u) << last_;
  EXPECT_EQ(client(1000), 3 - first) << "a new SYN of the same port";
  EXPECT_EQ(count(Exit::server_gone), 0u);
}

TEST_F(CheckedServersTest, AUdpClientWithAFixedPortGetsAnotherServerWhenItsOwnWasTakenOut) {
  check(2, {.on_down = OnDown::reset, .inhibit = false}, Protocol::udp);
  const int first = datagram(1000);
  goes(first);
  EXPECT_EQ(datagram(1000), 3 - first);
}

TEST_F(CheckedServersTest, ConnectionsOfAServerThatWasTakenOutGoOnUnlessToldOtherwise) {
  for (const OnDown on_down : {OnDown::keep, OnDown::drain}) {
    make({});
    checked_ = CheckedServers(100, 1);
    ill_.clear();
    check(2, {.on_down = on_down, .inhibit = false});
    const int first = client(1000);
    goes(first);
    EXPECT_EQ(client(1000, "A"), first);
    EXPECT_EQ(used(), std::set{3 - first});
    comes(first);
    EXPECT_TRUE(listed(first));
    EXPECT_EQ(client(1000, "A"), first);
    EXPECT_EQ(used(), (std::set{1, 2}));
  }
}

TEST_F(CheckedServersTest, ExpireNodestConnEndsTheConnectionsOfAServerThatWasTakenOut) {
  make({.expire_nodest_conn = true});
  check(2, {.inhibit = false}, Protocol::udp);
  const int first = datagram(1000);
  goes(first);
  EXPECT_EQ(datagram(1000), 3 - first);
}

TEST_F(CheckedServersTest, AServerThatWasTakenOutMayBeEditedRemovedAndAddedByOperators) {
  check(2, {.inhibit = false});
  goes(1);
  EXPECT_EQ(director_->add_server(key_, server(1, 7), {now_, out_}), std::nullopt) << "it is not there";
  checked_.settle(gate(), {now_, out_});
  EXPECT_FALSE(listed(1)) << "and is down as before";
  EXPECT_EQ(director_->edit_server(key_, server(1, 5), {now_, out_}), std::nullopt);
  comes(1);
  ASSERT_TRUE(listed(1));
  EXPECT_EQ(listed(1)->spec.weight, 5);
  goes(1);
  EXPECT_EQ(director_->remove_server(key_, server(1).at, {now_, out_}), std::nullopt);
  EXPECT_EQ(director_->remove_server(key_, server(1).at, {now_, out_}), Refusal::no_server);
  checked_.settle(gate(), {now_, out_});
  comes(1);
  EXPECT_FALSE(listed(1)) << "an operator has removed it";
}

TEST_F(CheckedServersTest, AServerThatWasTakenOutIsPutBackWhenItIsNotCheckedAnyMore) {
  check(2, {.inhibit = false});
  goes(1);
  EXPECT_FALSE(listed(1));
  wanted_.servers.erase(wanted_.servers.begin());
  follow(false);
  ASSERT_TRUE(listed(1));
  EXPECT_EQ(listed(1)->spec.weight, 1);
  goes(2);
  EXPECT_FALSE(listed(2));
  checked_.follow({}, false, gate(), {now_, out_});
  EXPECT_TRUE(listed(2));
}

TEST_F(CheckedServersTest, AServerOfTheVirtualStandsInAsSorryServer) {
  for (const bool inhibit : {true, false}) {
    for (const int32_t weight : {1, 0}) {
      make({});
      checked_ = CheckedServers(100, 1);
      ill_.clear();
      check(2, {.inhibit = inhibit, .flaps_allowed = 0}, Protocol::tcp, 2);
      director_->edit_server(key_, server(2, weight), {now_, out_});
      checked_.settle(gate(), {now_, out_});
      run(1s);
      EXPECT_EQ(used(), (weight == 0 ? std::set{1} : std::set{1, 2}));
      goes(1);
      ill_.insert(2);
      run(3s);
      EXPECT_NE(notices().find("sorry server 192.0.2.12:80 is used"), std::string::npos) << notices();
      EXPECT_EQ(used(), std::set{2}) << inhibit << weight;
      comes(1);
      EXPECT_EQ(used(), std::set{1}) << "it is given back";
      comes(2);
      EXPECT_EQ(used(), (weight == 0 ? std::set{1} : std::set{1, 2}));
      ASSERT_TRUE(listed(2));
      EXPECT_EQ(listed(2)->spec.weight, weight);
    }
  }
}

TEST_F(CheckedServersTest, AServerOfTheVirtualStaysWhenItIsTheSorryServerNoMore) {
  check(2, {}, Protocol::tcp, 2);
  goes(1), goes(2);
  wanted_.sorry.reset(), wanted_.policy.sorry_server = false;
  follow(false);
  EXPECT_TRUE(listed(2));
  EXPECT_EQ(used(), std::set{0});
  comes(2);
  EXPECT_EQ(used(), std::set{2});
}

TEST_F(CheckedServersTest, AServerThatCannotBeReachedGetsNothingUntilItCan) {
  check(2, {});
  for (const Route::Kind kind : {Route::Kind::local, Route::Kind::elsewhere, Route::Kind::unreachable}) {
    route(1, kind);
    EXPECT_EQ(used(), std::set{2});
    EXPECT_EQ(listed(1)->spec.weight, 0);
    EXPECT_EQ(listed(1)->listed_weight(), 1) << "so that what is listed and saved can be read back";
    route(1, Route::Kind::direct);
    resolve(1);
    EXPECT_EQ(used(), (std::set{1, 2}));
  }
  EXPECT_EQ(count(Exit::no_route), 0u);
}

TEST_F(CheckedServersTest, AVipOfTheDirectorIsNoServerThatCanBeReached) {
  check(1, {});
  const ServerSpec vip{.at = {ip("192.0.2.100"), Port(80)}};
  ASSERT_FALSE(director_->add_server(key_, vip, {now_, out_}));
  EXPECT_EQ(used(), std::set{1});
  EXPECT_EQ(director_->reach(*director_->services().find(key_, vip.at)), Director::Reach::own_address);
}

TEST_F(CheckedServersTest, PersistenceDoesNotKeepAClientAtAServerThatCannotBeReached) {
  check(2, {});
  ASSERT_FALSE(director_->edit({.key = key_, .scheduler = Scheduler::rr, .persistence = 300s}, {now_, out_}));
  const int first = client(1000);
  route(first, Route::Kind::elsewhere);
  EXPECT_EQ(client(1001), 3 - first);
}

TEST_F(CheckedServersTest, WithoutAServerThatCanBeReachedTheSorryServerIsUsed) {
  check(2, {}, Protocol::tcp, 3);
  resolve(3);
  EXPECT_EQ(used(), (std::set{1, 2}));
  const std::vector<Route> away{{server(1).at.addr, Route::Kind::elsewhere, kOutLink, {}, {}, 0},
                                {server(2).at.addr, Route::Kind::unreachable, kOutLink, {}, {}, 0}};
  for (const Route& route : away) director_->route_found(route, {now_, out_});
  checked_.settle(gate(), {now_, out_});
  run(1s);
  EXPECT_EQ(used(), std::set{3});
  route(1, Route::Kind::direct);
  resolve(1);
  EXPECT_EQ(used(), std::set{1});
}

TEST_F(CheckedServersTest, ASorryServerThatCannotBeReachedIsNotUsed) {
  check(2, {.quorum = 2}, Protocol::tcp, 3);
  resolve(3);
  route(3, Route::Kind::local);
  goes(1);
  EXPECT_NE(notices().find("sorry server 192.0.2.13:80 is not used: packets cannot be sent to it"), std::string::npos)
      << notices();
  EXPECT_EQ(used(), std::set{2}) << "who is well serves";
  route(3, Route::Kind::direct);
  resolve(3);
  EXPECT_EQ(used(), std::set{3});
}

}  // namespace
}  // namespace rawvs
