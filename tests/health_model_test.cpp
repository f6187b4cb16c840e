// SPDX-License-Identifier: BSD-2-Clause
// Tests Health against simple models: its heap against a list, a thousand servers, and random calls.
#include <algorithm>
#include <random>

#include "health_fixture.h"

namespace rawvs {
namespace {

using namespace test;

TEST(Deadlines, TellTheEarliestAsASortedListDoes) {
  Deadlines deadlines;
  deadlines.make_room(100);
  std::vector<Instant> plain(100, kNever);
  uint32_t random = 1;
  for (int i = 0; i < 20'000; ++i) {
    random = random * 1664525 + 1013904223;
    const uint32_t who = (random >> 8) % 100;
    const Instant when = random >> 30 == 0 ? kNever : Instant(Duration(random >> 16));
    deadlines.set(who, when);
    plain[who] = when;
    const Instant earliest = *std::min_element(plain.begin(), plain.end());
    ASSERT_EQ(deadlines.earliest(), earliest);
    if (earliest != kNever) {
      ASSERT_EQ(plain[deadlines.first()], earliest);
    }
  }
}

// Servers fail and return at random; after a quiet minute Health must have the right state of each.
TEST_F(HealthTest, KnowsAThousandServersAsTheyAre) {
  std::mt19937 random(7);
  CheckSpec check;
  set(HealthPolicy{.slow_start = 30s, .quorum = 500, .flaps_allowed = 0});
  for (uint32_t i = 0; i < 1000; ++i) set(target(i, check, static_cast<int32_t>(i % 3 + 1)));
  latency_ = Duration(20);
  for (int round = 0; round < 5; ++round) {
    for (int change = 0; change < 300; ++change) {
      const uint32_t server = static_cast<uint32_t>(random() % 1000);
      silent_.erase(server), failing_.erase(server);
      if (random() % 4 == 0) silent_.insert(server);
      if (random() % 4 == 0) failing_[server] = "connection refused";
      run(Duration(random() % 100));
    }
    run(60s);
    uint64_t alive = 0;
    for (uint32_t i = 0; i < 1000; ++i) {
      const bool well = !silent_.count(i) && !failing_.count(i);
      ASSERT_EQ(serves(i), well) << i;
      ASSERT_EQ(health_.verdict({1, i}, now_).weight, well ? static_cast<int32_t>(i % 3 + 1) : 0) << i;
      if (well) alive += i % 3 + 1;
    }
    EXPECT_EQ(health_.find_service(1)->alive, alive);
    EXPECT_LE(most_running_, CheckSchedule::kMostAtOnce);
  }
}

// Any calls at any time: nothing due is left behind, and what is removed is gone.
TEST_F(HealthTest, StandsRandomCalls) {
  std::mt19937 random(11);
  std::vector<ProbeId> known{ProbeId(5)};
  for (int i = 0; i < 100'000; ++i) {
    const TargetId id{static_cast<uint32_t>(random() % 4), static_cast<uint32_t>(random() % 30)};
    CheckSpec check = tcp_check();
    check.retries = static_cast<uint8_t>(random() % 2);
    Target t = target(id.server, check);
    t.id = id;
    t.ramps = random() % 2 == 0;
    if (random() % 9 == 0) t.check.reset();
    const HealthPolicy policy{.slow_start = Duration(random() % 3 * 5000),
                              .quorum = static_cast<uint32_t>(random() % 5),
                              .sorry_server = random() % 2 == 0,
                              .flaps_allowed = static_cast<uint8_t>(random() % 3)};
    switch (random() % 16) {
      case 0: (void)health_.set_service(id.service, policy, now_); break;
      case 1:
      case 2: (void)health_.set_target(t, now_); break;
      case 3: health_.remove_target(id); break;
      case 4: health_.set_weight(id, static_cast<int32_t>(random() % 4)); break;
      case 5:
        if (random() % 50 == 0) health_.remove_service(id.service);
        if (random() % 50 == 0) {
          for (uint32_t service = 0; service < 4; ++service) health_.remove_service(service);
        }
        break;
      default:
        if (!known.empty()) health_.answered(known[random() % known.size()], random() % 3 != 0, "", now_, news_);
        if (random() % 2 == 0) now_ = std::max(now_, std::min(health_.next_deadline(), now_ + 1s));
        probes_.clear();
        health_.time_passed(now_, 1000, probes_, news_);
        ASSERT_GT(health_.next_deadline(), now_);
        for (const ProbeToStart& probe : probes_) {
          known.push_back(probe.id);
          ASSERT_NE(health_.find(probe.target->id), nullptr);
        }
        if (known.size() > 200) known.erase(known.begin(), known.begin() + 100);
        news_.clear();
    }
    ASSERT_LE(health_.running(), health_.targets());
  }
}

}  // namespace
}  // namespace rawvs
