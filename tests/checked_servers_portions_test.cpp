// SPDX-License-Identifier: BSD-2-Clause
// checked_servers.h, health.h: verdicts about very many servers are worked off in portions, and packets are forwarded
// meanwhile.
#include "director_fixture.h"
#include "side/checked_servers.h"

namespace rawvs {
namespace {

constexpr int kServers = 20'000, kHeavy = 30'000;
constexpr size_t kPortion = 256;

// A service of very many servers that are not checked, one with a check and most of the weight, and a sorry server.
class CheckedServersPortionsTest : public DirectorTest {
 protected:
  void SetUp() override {
    make({.max_servers = 2 * kServers + 1});
    key_ = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
    ASSERT_FALSE(director_->add({key_, Scheduler::rr}, {now_, out_}));
    wanted_.service = key_;
    wanted_.policy = {.quorum = kHeavy, .sorry_server = true, .flaps_allowed = 0};
    wanted_.sorry = ServerSpec{.at = at(kServers), .method = Method::masq};
    CheckSpec check;
    check.retries = 0, check.jitter = 0, check.interval = 1s;
    for (int i = 0; i < kServers; ++i) {
      const int32_t weight = i == 0 ? kHeavy : 1;
      ASSERT_FALSE(director_->add_server(key_, {.at = at(i), .method = Method::masq, .weight = weight}, {now_, out_}));
      wanted_.servers.push_back({at(i), i == 0 ? std::make_shared<const CheckSpec>(check) : nullptr});
    }
    checked_.follow({&wanted_, 1}, true, gate(), {now_, out_});
    director_->take_touched();
    resolve_inside(1);
  }
  static Endpoint at(int i) { return {ip("203.0.113.11"), Port(static_cast<uint16_t>(i + 1))}; }
  // How many get connections.
  size_t serving() {
    size_t all = 0;
    for (int i = 1; i < kServers; ++i) all += director_->services().find(key_, at(i))->spec.weight > 0;
    return all;
  }
  // A turn without a look at who serves: the probes that begin are answered so.
  void turn(bool well) {
    for (const CheckedServers::ToAsk& ask : std::vector(checked_.time_passed(gate(), {now_, out_}).start)) {
      checked_.answered(ask.id, well, well ? "" : "connection refused", gate(), {now_, out_});
    }
  }
  // Until the sorry server's use has begun or ended.
  void until_said(const std::string& words, bool well) {
    for (int i = 0; i < 20; ++i, now_ += 500ms) {
      out_.clear();
      turn(well);
      for (const auto& line : out_.notices()) {
        if (line.text.find(words) != std::string::npos) return;
      }
    }
    FAIL() << words;
  }
  // From so many to so many that serve, in portions; a client is served all the time.
  void expect_portions(size_t from, size_t to) {
    size_t turns = 1;
    for (size_t before = from, is = serving();; ++turns, before = is, is = serving()) {
      EXPECT_LE(is > before ? is - before : before - is, kPortion);
      EXPECT_NE(arrive(frame(Tcp{.sport = static_cast<uint16_t>(2000 + turns), .flags = "S"})), "");
      if (is == to) break;
      ASSERT_EQ(checked_.next_deadline(), Instant{}) << "the rest is due at once";
      ASSERT_LE(turns, kServers / kPortion + 2);
      turn(to != 0);
    }
    EXPECT_GE(turns, kServers / kPortion);
  }

  CheckedServers checked_{kServers + 1, 1};  // no more servers than are wanted at a time
  WantedChecks wanted_;
};

TEST_F(CheckedServersPortionsTest, AllServersOfALargeServiceMakeRoomForTheSorryServerAndComeBack) {
  turn(true);
  EXPECT_EQ(serving(), kServers - 1u);
  until_said("is used", false);
  expect_portions(kServers - 1, 0);
  until_said("not used any more", true);
  expect_portions(0, kServers - 1);
  turn(true);
  EXPECT_EQ(director_->services().find(key_, at(kServers))->spec.weight, 0) << "the sorry server";
}

TEST_F(CheckedServersPortionsTest, AReloadInBetweenIsTheLastWord) {
  turn(true);
  until_said("is used", false);
  wanted_.servers.resize(100);
  wanted_.policy.sorry_server = false;
  wanted_.sorry.reset();
  checked_.follow({&wanted_, 1}, false, gate(), {now_, out_});
  turn(true);
  for (int n = 0; n < kServers && checked_.next_deadline() == Instant{}; ++n) turn(true);
  EXPECT_EQ(serving(), kServers - 1u);
}

// Half of the servers are others, and the quorum is what all that are wanted add up to.
TEST_F(CheckedServersPortionsTest, AReloadIsFollowedInPortionsAndNoQuorumIsLostMeanwhile) {
  turn(true);
  const uint64_t before = director_->looked_at();
  for (int i = 1; i < kServers / 2; ++i) {
    ASSERT_FALSE(director_->remove_server(key_, at(i), {now_, out_}));
    ASSERT_FALSE(director_->add_server(key_, {.at = at(kServers + i), .method = Method::masq}, {now_, out_}));
    out_.clear();
  }
  const uint64_t of_changes = director_->looked_at() - before;
  WantedChecks next = wanted_;
  for (int i = 1; i < kServers / 2; ++i) next.servers[static_cast<size_t>(i)].at = at(kServers + i);
  next.policy.quorum = kHeavy + kServers - 1;
  uint64_t most = 0, so_far = director_->looked_at();
  const auto note = [&] {
    most = std::max(most, director_->looked_at() - so_far);
    so_far = director_->looked_at();
  };
  checked_.follow({&next, 1}, false, gate(), {now_, out_});
  note();
  size_t turns = 0;
  for (; checked_.next_deadline() == Instant{} && turns < kServers; ++turns) {
    out_.clear();
    turn(true);
    note();
    EXPECT_TRUE(checked_.find(key_)->enough) << out_.notices().size();
  }
  EXPECT_GE(turns, kServers / 1024);
  EXPECT_LE(most, of_changes / 10);
  EXPECT_EQ(checked_.find(key_)->alive, kHeavy + kServers - 1u);
  EXPECT_EQ(checked_.health().targets(), uint32_t{kServers});
  EXPECT_FALSE(checked_.find(key_, at(1)));
  ASSERT_TRUE(checked_.find(key_, at(kServers + 1)));
  EXPECT_TRUE(checked_.find(key_, at(kServers + 1))->serves);
}

TEST_F(CheckedServersPortionsTest, ChecksThatAreNotWantedAnyMoreAreGivenUpInPortions) {
  turn(true);
  until_said("is used", false);
  checked_.follow({}, false, gate(), {now_, out_});
  size_t turns = 1;
  for (; checked_.next_deadline() == Instant{} && turns < kServers; ++turns) turn(true);
  EXPECT_GE(turns, kServers / 1024);
  EXPECT_EQ(checked_.health().targets(), 0u);
  EXPECT_FALSE(checked_.find(key_));
  EXPECT_EQ(serving(), kServers - 1u);
  EXPECT_FALSE(director_->services().find(key_, at(kServers))) << "the sorry server";
}

// The second one comes when the first one is half done.
TEST_F(CheckedServersPortionsTest, AReloadDuringAnotherIsTheLastWord) {
  turn(true);
  WantedChecks first = wanted_, second = wanted_;
  first.sorry->at = at(kServers + 1);
  first.servers.resize(kServers / 2);
  second.sorry->at = at(kServers + 2);
  checked_.follow({&first, 1}, false, gate(), {now_, out_});
  for (int n = 0; n < 8; ++n) turn(true);
  ASSERT_EQ(checked_.next_deadline(), Instant{});
  checked_.follow({&second, 1}, false, gate(), {now_, out_});
  for (int n = 0; n < kServers && checked_.next_deadline() == Instant{}; ++n) turn(true);
  EXPECT_EQ(serving(), kServers - 1u);
  EXPECT_EQ(checked_.health().targets(), uint32_t{kServers});
  for (const int sorry : {0, 1}) EXPECT_FALSE(director_->services().find(key_, at(kServers + sorry))) << sorry;
  EXPECT_TRUE(director_->services().find(key_, at(kServers + 2)));
}

TEST_F(CheckedServersPortionsTest, AnOperatorsManyChangesAreFollowedInPortions) {
  turn(true);
  for (int i = 1; i < kServers; ++i) {
    ASSERT_FALSE(director_->edit_server(key_, {.at = at(i), .method = Method::masq, .weight = 2}, {now_, out_}));
  }
  checked_.settle(gate(), {now_, out_});
  size_t turns = 1;
  for (; checked_.next_deadline() == Instant{} && turns < kServers; ++turns) turn(true);
  EXPECT_GE(turns, kServers / kPortion);
  EXPECT_EQ(checked_.find(key_)->alive, kHeavy + 2u * (kServers - 1));
}

TEST(HealthPortions, ManyServicesThatLoseTheirServersAreJudgedInPortions) {
  constexpr uint32_t kServices = 20'000;
  const Instant now{1000s};
  Health health(kServices, 1);
  CheckSpec check;
  const auto shared = std::make_shared<const CheckSpec>(check);
  for (uint32_t i = 0; i < kServices; ++i) {
    ASSERT_TRUE(health.set_service(i, {.sorry_server = true}, now));
    ASSERT_TRUE(health.set_target({.id = {i, 1}, .check = shared}, now));
    ASSERT_TRUE(health.recall({i, 1}, false, now, now));
  }
  std::vector<ProbeToStart> probes;
  HealthNews news;
  size_t changes = 0;
  for (uint32_t turns = 0; changes < kServices && turns < kServices; ++turns) {
    EXPECT_EQ(health.next_deadline(), Instant{});
    news.clear();
    health.time_passed(now, 0, probes, news);
    EXPECT_LE(news.quorums.size(), Health::kPortion);
    changes += news.quorums.size();
  }
  EXPECT_EQ(changes, kServices);
}

}  // namespace
}  // namespace rawvs
