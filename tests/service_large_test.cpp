// SPDX-License-Identifier: BSD-2-Clause
// Tests service.h and scheduler.h with one service of 65,000 servers: the servers that a change examines, and that
// tables of schedulers are filled by the next choice, not by each change.
#include <gtest/gtest.h>

#include "core/scheduler.h"
#include "core/service.h"
#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

constexpr uint32_t kServers = 65'000;
constexpr uint64_t kFew = 24;  // servers that a change of one may look at: a binary search, and itself
constexpr Instant kNow{1000s};
const ServiceKey kKey{Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};

Endpoint at(uint32_t n) { return {Ip(ip("203.0.113.0").v4() + n % 250), Port(static_cast<uint16_t>(n / 250 + 1))}; }

class LargeService : public testing::TestWithParam<Scheduler> {
 protected:
  LargeService() {
    EXPECT_FALSE(services_.add({kKey, GetParam()}));
    for (uint32_t n = 0; n < kServers; ++n) EXPECT_FALSE(services_.add_server(kKey, {.at = at(n)}));
  }
  template <class Change>
  uint64_t cost(Change change) {
    const uint64_t before = services_.looked_at();
    change();
    return services_.looked_at() - before;
  }
  std::vector<uint16_t> table() const { return services_.find(kKey)->state.table; }
  std::optional<size_t> choice(uint32_t client) {
    Service& service = *services_.find(kKey);
    return choose({.scheduler = GetParam()}, Pool(services_.servers(), service.servers), service.state,
                  {.client = Ip(client), .client_port = Port(1), .destination = kKey.vip.addr, .now = kNow});
  }
  // Newest first; those that are out in the order in which they were taken out.
  std::vector<Endpoint> places(const std::vector<ServerSlot>& slots) const {
    std::vector<Endpoint> all;
    for (const ServerSlot slot : slots) all.push_back(services_.server(slot).spec.at);
    return all;
  }
  Services services_{65534};
};

TEST_P(LargeService, AChangeOfOneServerLooksAtFew) {
  EXPECT_LE(cost([&] { EXPECT_FALSE(services_.edit_server(kKey, {.at = at(30'000), .weight = 2})); }), kFew);
  EXPECT_LE(cost([&] { EXPECT_FALSE(services_.set_standing(kKey, at(1), Standing::keeps, 0)); }), kFew);
  for (const uint32_t n : {0u, 30'000u, kServers - 1}) {
    EXPECT_LE(cost([&] { EXPECT_FALSE(services_.take_out(kKey, at(n))); }), kFew) << n;
  }
  EXPECT_EQ(places(services_.find(kKey)->taken_out), (std::vector{at(0), at(30'000), at(kServers - 1)}));
  EXPECT_EQ(services_.find(kKey)->servers.size(), kServers - 3);
  EXPECT_LE(cost([&] { EXPECT_FALSE(services_.put_back(kKey, at(30'000))); }), kFew);
  EXPECT_EQ(services_.server(services_.find(kKey)->servers.front()).spec.at, at(30'000));
  EXPECT_LE(cost([&] { EXPECT_FALSE(services_.remove_server(kKey, at(0), kNow)); }), kFew) << "one that is out";
  EXPECT_LE(cost([&] { EXPECT_FALSE(services_.add_server(kKey, {.at = at(kServers - 1)})); }), kFew)
      << "one that is out";
  EXPECT_LE(cost([&] { EXPECT_FALSE(services_.remove_server(kKey, at(20'000), kNow)); }), kFew);
  const Service& service = *services_.find(kKey);
  EXPECT_TRUE(service.taken_out.empty());
  EXPECT_EQ(service.servers.size(), kServers - 2);
  const std::vector<Endpoint> order = places(service.servers);
  EXPECT_EQ((std::vector(order.begin(), order.begin() + 3)),
            (std::vector{at(kServers - 1), at(30'000), at(kServers - 2)}));
  EXPECT_EQ(std::ranges::find(order, at(20'000)), order.end());
}

TEST_P(LargeService, ATableIsFilledByTheFirstChoiceThatNeedsIt) {
  EXPECT_TRUE(table().empty()) << "after 65,000 servers were added";
  ASSERT_TRUE(choice(1));
  const std::vector<uint16_t> before = table();
  ASSERT_FALSE(services_.remove_server(kKey, at(kServers - 1), kNow));
  EXPECT_EQ(table(), before) << "nobody has asked since";
  ASSERT_TRUE(choice(1));
  const bool has_table = GetParam() == Scheduler::dh || GetParam() == Scheduler::sh || GetParam() == Scheduler::mh;
  EXPECT_EQ(!before.empty(), has_table);
  EXPECT_EQ(table() != before, GetParam() == Scheduler::mh);
}

TEST_P(LargeService, AllServersAtOneAddressAreForgottenEachAtTheSameCost) {
  Services one(65534);
  ASSERT_FALSE(one.add({kKey, GetParam()}));
  for (uint16_t n = 1; n <= 60'000; ++n) {
    ASSERT_FALSE(one.add_server(kKey, {.at = {ip("203.0.113.1"), Port(n)}}));
  }
  ASSERT_FALSE(one.remove(kKey, kNow));
  std::vector<ServerSlot> gone;
  while (one.removed() != 0) one.forget_removed(kNow + 1h, 1000, gone);
  EXPECT_EQ(gone.size(), 60'000u);
  EXPECT_EQ(one.find_at(ip("203.0.113.1"), [](const Server&) { return true; }), kNoServer);
}

INSTANTIATE_TEST_SUITE_P(Of, LargeService,
                         testing::Values(Scheduler::wrr, Scheduler::wlc, Scheduler::dh, Scheduler::sh, Scheduler::mh,
                                         Scheduler::lblcr, Scheduler::twos),
                         [](const auto& one) { return std::string(name(one.param)); });

// A weight that no other server has: the levels are those of the weights that are there.
TEST(Wrr, LevelsFollowTheWeightsThatAreThere) {
  Services services(16);
  ASSERT_FALSE(services.add({kKey, Scheduler::wrr}));
  const SchedulerState& state = services.find(kKey)->state;
  for (const uint32_t n : {1u, 2u, 3u}) {
    ASSERT_FALSE(services.add_server(kKey, {.at = at(n), .weight = static_cast<int32_t>(n) * 6}));
  }
  EXPECT_EQ(state.step, 6);
  EXPECT_EQ(state.most_weight, 18 - 5);
  ASSERT_FALSE(services.edit_server(kKey, {.at = at(3), .weight = 4}));
  EXPECT_EQ(state.step, 2);
  EXPECT_EQ(state.most_weight, 12 - 1);
  ASSERT_FALSE(services.remove_server(kKey, at(3), kNow));
  EXPECT_EQ(state.step, 6);
  ASSERT_FALSE(services.set_standing(kKey, at(2), Standing::serves, INT32_MAX, 5));  // of 24 parts
  EXPECT_EQ(state.step, 12);                                                         // 6 * 24 and 12 * 5
  EXPECT_EQ(state.most_weight, 144 - 11);
}

}  // namespace
}  // namespace rawvs
