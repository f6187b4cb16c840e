// SPDX-License-Identifier: BSD-2-Clause
// Tests operators' orders: what drained and disabled servers get, and that edits, checks, reloads and restarts keep the
// orders.
#include <set>

#include "control_fixture.h"
#include "core/state.h"
#include "director_fixture.h"
#include "links.h"
#include "reload_fixture.h"
#include "side/checked_servers.h"

namespace rawvs {
namespace {

constexpr Order kDrainedByBob{Ordered::drained, 1000, 1'800'000'000'000};
constexpr Order kDisabledByRoot{Ordered::disabled, 0, 1'800'000'001'000};

class OrdersTest : public DirectorTest {
 protected:
  void order(int i, const Order& what) { ASSERT_FALSE(director_->set_order(key_, server(i).at, what)); }
  void order_all(const Reordering& as) {
    Reordered done;
    while (!director_->order_some(key_, as, done)) {
    }
  }
  const Server& of(int i) { return *director_->services().known(key_, server(i).at); }
  // Which server a packet is sent to; 0: none.
  int client(uint16_t port, const char* flags = "S") {
    last_ = arrive(frame(Tcp{.sport = port, .flags = flags}));
    for (int i = 1; i <= 9; ++i) {
      if (last_.starts_with(mac_of(0x10) + '>' + mac_of(0x10 + i) + ' ')) return i;
    }
    return 0;
  }
  std::set<int> used(int clients = 6) {
    std::set<int> all;
    for (int i = 0; i < clients; ++i) all.insert(client(next_port_++));
    return all;
  }
  std::string last_;
  uint16_t next_port_ = 2000;
};

TEST_F(OrdersTest, ADrainedServerKeepsItsConnectionsAndGetsNoNewOnes) {
  web(2, Scheduler::rr);
  const int first = client(1000);
  order(first, kDrainedByBob);
  EXPECT_EQ(client(1000, "A"), first);
  EXPECT_EQ(used(), std::set{3 - first});
  ASSERT_FALSE(director_->edit_server(key_, server(first, 5), {now_, out_}));
  ASSERT_FALSE(director_->set_standing(key_, server(first).at, Standing::serves, INT32_MAX));
  EXPECT_EQ(of(first).order, kDrainedByBob) << "an edit and a check keep it";
  EXPECT_EQ(of(first).spec.weight, 0);
  EXPECT_EQ(of(first).wanted_weight, 5);
  order(first, {});
  EXPECT_EQ(of(first).spec.weight, 5);
  EXPECT_EQ(used(), (std::set{1, 2}));
}

TEST_F(OrdersTest, ADisabledServersConnectionsGetWhatOnDownSays) {
  web(2, Scheduler::rr);
  const int first = client(1000), second = client(1001);
  order(first, kDisabledByRoot);
  EXPECT_EQ(client(1000, "A"), first) << "on_down is keep";
  director_->set_from_file(key_, {nullptr, {}, Standing::resets});
  EXPECT_EQ(client(1000, "A"), 0);
  EXPECT_EQ(count(Exit::reset_sent), 1u) << last_;
  EXPECT_EQ(client(1001, "A"), second);
  order(second, kDrainedByBob);
  EXPECT_EQ(client(1001, "A"), second) << "a drained one's go on";
  EXPECT_EQ(client(1002), 0) << "nobody is left";
}

TEST_F(OrdersTest, AServicesOrderIsOfServersThatAreAddedAndARemovalEndsAServersOwn) {
  web(2, Scheduler::wrr);
  order(2, kDisabledByRoot);
  order_all({.order = kDrainedByBob, .was = Ordered::none, .except = server(1).at});
  EXPECT_EQ(of(1).order, Order{});
  EXPECT_EQ(of(2).order, kDisabledByRoot) << "only in place of none";
  ASSERT_FALSE(director_->add_server(key_, server(3), {now_, out_}));
  EXPECT_EQ(of(3).order, kDrainedByBob);
  EXPECT_EQ(used(), std::set{1});
  ASSERT_FALSE(director_->remove_server(key_, server(2).at, {now_, out_}));
  ASSERT_FALSE(director_->add_server(key_, server(2), {now_, out_}));
  EXPECT_EQ(of(2).order, kDrainedByBob);
  order_all({});
  for (const int i : {2, 3}) resolve(i);
  EXPECT_EQ(used(9), (std::set{1, 2, 3}));
  EXPECT_EQ(director_->services().find(key_)->order, Order{});
}

TEST_F(OrdersTest, ExplainNamesTheOrder) {
  web(1, Scheduler::rr);
  order(1, kDisabledByRoot);
  const Explanation e =
      director_->explain({ip("198.51.100.1"), ip("192.0.2.100"), Port(9), Port(80), Protocol::tcp, false}, now_);
  EXPECT_TRUE(std::ranges::any_of(
      e.steps, [](const std::string& s) { return s.find("disabled by an operator") != std::string::npos; }));
}

TEST_F(OrdersTest, SurviveInAStateAndARenewedOneVoidsThem) {
  const auto save = [&](Instant since) {
    StateWriter writer({now_, 1'800'000'000'000, {1}}, since);
    std::vector<uint8_t> bytes;
    while (!writer.done()) {
      const Bytes portion = writer.next(director_->state_tables(), now_, 1);
      bytes.insert(bytes.end(), portion.begin(), portion.end());
    }
    return bytes;
  };
  const auto restore = [&](const std::vector<uint8_t>& bytes) {
    StateReader reader(bytes, {now_, 1'800'000'000'000, {1}});
    ASSERT_EQ(reader.fault(), StateFault::none);
    while (reader.read(director_->state_tables(), {now_, out_})) out_.clear();
    EXPECT_EQ(reader.report().damaged_blocks, 0u);
    director_->state_restored({now_, out_});
  };
  web(3, Scheduler::rr);
  order_all({.order = kDrainedByBob, .except = server(3).at});
  order(2, kDisabledByRoot);
  const auto bytes = save({});
  order_all({});
  order(3, kDisabledByRoot);
  const auto later = save(now_);
  make({});
  web(4, Scheduler::rr);
  restore(bytes);
  EXPECT_EQ(of(1).order, kDrainedByBob);
  EXPECT_EQ(of(2).order, kDisabledByRoot);
  EXPECT_EQ(of(3).order, Order{});
  EXPECT_EQ(of(4).order, kDrainedByBob) << "new in this configuration";
  EXPECT_EQ(used(), std::set{3});
  EXPECT_TRUE(director_->touched()) << "checks have to know";
  restore(later);
  EXPECT_EQ(used(9), (std::set{1, 2, 4}));
  EXPECT_EQ(director_->services().find(key_)->order, Order{});
}

class CheckedOrdersTest : public OrdersTest {
 protected:
  void check(int servers, HealthPolicy policy, int sorry = 0) {
    web(servers, Scheduler::rr);
    wanted_.service = key_;
    policy.sorry_server = sorry != 0;
    wanted_.policy = policy;
    if (sorry != 0) wanted_.sorry = server(sorry);
    CheckSpec spec;
    spec.retries = 0, spec.jitter = 0, spec.interval = 1s;
    for (int i = 1; i <= servers; ++i)
      wanted_.servers.push_back({server(i).at, std::make_shared<const CheckSpec>(spec)});
    checked_.follow({&wanted_, 1}, true, gate(), {now_, out_});
    run(2s);
  }
  void run(Duration time) {
    checked_.settle(gate(), {now_, out_});
    for (const Instant end = now_ + time; now_ < end; now_ += 100ms) {
      for (const CheckedServers::ToAsk& ask : std::vector(checked_.time_passed(gate(), {now_, out_}).start)) {
        checked_.answered(ask.id, true, "", gate(), {now_, out_});
      }
    }
  }
  CheckedServers checked_{100, 1};
  WantedChecks wanted_;
};

TEST_F(CheckedOrdersTest, TheSorryServerComesInWhenAllAreDrainedAndIsItselfNotMeant) {
  check(2, {}, 5);
  EXPECT_EQ(checked_.sorry_of(key_), server(5).at);
  order_all({.order = kDrainedByBob, .except = checked_.sorry_of(key_)});
  run(1s);
  EXPECT_TRUE(checked_.stands_in(key_, server(5).at));
  resolve(5);
  EXPECT_FALSE(checked_.stands_in(key_, server(1).at));
  EXPECT_EQ(used(), std::set{5});
  EXPECT_EQ(checked_.find(key_, server(1).at)->condition, Condition::up) << "checks go on";
  order(5, kDisabledByRoot);
  run(1s);
  EXPECT_EQ(used(), std::set{0}) << "an order about itself is obeyed";
  order(5, {});
  order(2, {});
  run(1s);
  EXPECT_EQ(used(), std::set{2});
  EXPECT_FALSE(checked_.stands_in(key_, server(5).at));
}

TEST_F(CheckedOrdersTest, AServerThatIsEnabledStartsSlowly) {
  check(2, {.slow_start = 24s});
  EXPECT_EQ(of(1).share, kFullShare);
  order(1, kDisabledByRoot);
  run(30s);
  order(1, {});
  run(100ms);
  EXPECT_LT(of(1).share, 3);
  run(30s);
  EXPECT_EQ(of(1).share, kFullShare);
}

TEST_F(CheckedOrdersTest, AnOrderedServerDoesNotCountInTheQuorum) {
  check(3, {.quorum = 2});
  order(1, kDrainedByBob);
  run(1s);
  EXPECT_TRUE(checked_.find(key_)->enough);
  order(2, kDisabledByRoot);
  run(1s);
  EXPECT_FALSE(checked_.find(key_)->enough);
}

const std::string kTwo = kDirector + kWeb + "server = 192.0.2.11\nserver = 192.0.2.12 mac=02:00:00:00:00:12\n";

TEST_F(ReloadTest, KeepsOrders) {
  start(kTwo);
  const ServiceKey key{Protocol::tcp, {Ip(0xc0000264), Port(80)}, {}};
  const auto of = [&](uint32_t host) {
    const Server* const s = director_.services().known(key, {Ip(0xc0000200 + host), Port(80)});
    return s ? s->order : Order{};
  };
  for (const uint32_t host : {11u, 12u}) {
    ASSERT_FALSE(director_.set_order(key, {Ip(0xc0000200 + host), Port(80)}, kDrainedByBob));
  }
  reload(kDirector + kWeb + "on_down = reset\nserver = 192.0.2.11 weight=7\nserver = 192.0.2.12\n");
  EXPECT_EQ(of(11), kDrainedByBob);
  EXPECT_EQ(of(12), kDrainedByBob) << "added anew, since it has lost its MAC address";
  EXPECT_EQ(director_.services().find(key)->on_down, Standing::resets);
  reload(kTwo, true);
  EXPECT_EQ(of(11), kDrainedByBob) << "--reset: an order is no change of the table";
  Reordered done;
  while (!director_.order_some(key, {.order = kDisabledByRoot, .was = Ordered::none}, done)) {
  }
  reload(kTwo + "server = 192.0.2.13\n");
  EXPECT_EQ(of(13), kDisabledByRoot);
}

TEST_F(ReloadTest, AnOrderAboutAVirtualOfSeveralPortsIsFoundUnderItsNewMark) {
  const std::string shop = kShop + "server = 192.0.2.11\nserver = 192.0.2.12\n";
  const auto of_shop = [](Director& director) {
    const FlowKey flow{Ip(0xc6336401), Ip(0xc0000265), Port(1000), Port(80), Protocol::tcp, false};
    return director.services().classify(flow)->spec.key;
  };
  const StateClock clock{now_, 1'800'000'000'000, {1}};
  start(kDirector + shop);
  const ServiceKey was = of_shop(director_);
  Reordered done;
  while (!director_.order_some(was, {.order = kDrainedByBob}, done)) {
  }
  ASSERT_FALSE(director_.set_order(was, {Ip(0xc000020c), Port(0)}, kDisabledByRoot));
  std::vector<uint8_t> bytes;
  for (StateWriter writer(clock); !writer.done();) {
    const Bytes portion = writer.next(director_.state_tables(), now_);
    bytes.insert(bytes.end(), portion.begin(), portion.end());
  }
  const std::string other = "[virtual a]\naddress = 192.0.2.90\nports = tcp/1,2\npersistence = 300\n";
  director_.clear({now_, out_});
  start(kDirector + other + shop);
  StateReader reader(bytes, clock);
  while (reader.read(director_.state_tables(), {now_, out_})) out_.clear();
  const ServiceKey is = of_shop(director_);
  EXPECT_NE(is.mark, was.mark);
  EXPECT_EQ(director_.services().find(is)->order, kDrainedByBob);
  EXPECT_EQ(director_.services().known(is, {Ip(0xc000020b), Port(0)})->order, kDrainedByBob);
  EXPECT_EQ(director_.services().known(is, {Ip(0xc000020c), Port(0)})->order, kDisabledByRoot);
}

TEST(ControlOrders, AreGivenAndShownWithWhoAndWhen) {
  Table t;
  ControlLog log;
  t.context.log = &log;
  t.context.wall = 1'800'000'000'000 - t.now.time_since_epoch() / 1ms;
  t.serve_web();
  const std::string web = "set-order service=tcp:192.0.2.100:80";
  const auto said = [&] {
    std::string all;
    for (const Notice& n : t.out.notices()) all += n.text + '\n';
    return all;
  };
  const auto by = [&](const std::string& request, uint32_t uid) {
    t.out.clear();
    Conversation c =
        answer("rawvs/1 " + request, t.director, {t.now, t.out}, t.context, {uid, "bob (pid 1, rawvsadm)"});
    std::string all;
    for (int i = 0; i < 100 && !c.over(); ++i) all += c.next(t.director, t.now).text();
    return all;
  };
  EXPECT_EQ(by(web + " server=192.0.2.11:80 order=drained", 1000), "ok\nend\n");
  EXPECT_EQ(said(), "control: bob (pid 1, rawvsadm): tcp 192.0.2.100:80: server 192.0.2.11:80: drained\n");
  EXPECT_EQ(count(t.ask("list"), " order=drained order-by=1000 order-at=1800000000"), 1u) << t.ask("list");
  t.now += 5s;
  EXPECT_EQ(by(web + " server=192.0.2.11:80 order=drained", 0), "ok\nend\n");
  EXPECT_EQ(said(), "") << "whose it was, and when, stays";
  EXPECT_EQ(count(t.ask("list"), " order-by=1000 order-at=1800000000"), 1u);
  EXPECT_EQ(by(web + " order=disabled", 0), "ok\nend\n");
  EXPECT_EQ(said(), "control: bob (pid 1, rawvsadm): tcp 192.0.2.100:80: disabled: 1 server, and any that is added\n");
  EXPECT_EQ(count(t.ask("list"), " order=disabled order-by=0 order-at=1800000005"), 2u) << "the service's, too";
  EXPECT_EQ(by(web + " order=none was=drained", 0), "ok\nend\n");
  EXPECT_EQ(count(t.ask("list"), " order=disabled"), 2u);
  EXPECT_EQ(by(web + " order=none", 0), "ok\nend\n");
  EXPECT_EQ(said(), "control: bob (pid 1, rawvsadm): tcp 192.0.2.100:80: in service again: 1 server\n");
  EXPECT_EQ(count(t.ask("list"), " order="), 0u);
  EXPECT_EQ(code(by(web + " order=drained server=192.0.2.19:80", 0)), "no-server");
  EXPECT_EQ(code(by("set-order service=tcp:192.0.2.199:80 order=drained", 0)), "no-service");
  EXPECT_EQ(by(web + " order=out", 0), "error usage order=\"out\": expected none, drained or disabled\nend\n");
  EXPECT_EQ(code(by(web, 0)), "usage");
}

}  // namespace
}  // namespace rawvs
