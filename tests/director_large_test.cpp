// SPDX-License-Identifier: BSD-2-Clause
// Tests a table of 10,000 virtual services and 60,000 servers: the servers examined by each change are counted, and no
// call handles all of them at once.
#include "director_fixture.h"
#include "links.h"

namespace rawvs {
namespace {

constexpr uint32_t kVirtuals = 10000, kServersOfEach = 6;
constexpr uint32_t kFewServers = 40;    // servers that a change of one may look at
constexpr uint64_t kOnePortion = 2500;  // ... that a call of time_passed() may

class LargeTable : public DirectorTest {
 protected:
  LargeTable() {
    Settings settings;
    settings.max_servers = 65534, settings.max_services = kVirtuals + 1;
    settings.garp_count = 0, settings.arp_probe_interval = 0ms;
    make(settings);
    for (uint32_t n = 0; n < kVirtuals; ++n) {
      EXPECT_FALSE(director_->add({service(n), Scheduler::wlc}, {now_, out_}));
      for (uint32_t m = 0; m < kServersOfEach; ++m)
        EXPECT_FALSE(director_->add_server(service(n), spec(m), {now_, out_}));
      out_.clear();
    }
    settle();
  }
  static ServiceKey service(uint32_t n) { return {Protocol::tcp, {Ip(ip("198.51.100.0").v4() + n), Port(80)}, {}}; }
  static ServerSpec spec(uint32_t m, int32_t weight = 1) {
    return {.at = {Ip(ip("203.0.113.20").v4() + m), Port(80)}, .weight = weight};
  }
  // Does all that is due; returns the number of calls, and the highest count of one call.
  std::pair<int, uint64_t> settle() {
    int calls = 0;
    uint64_t most = 0;
    for (; director_->next_deadline() <= now_ && calls < 1000; ++calls) {
      most = std::max(most, cost([&] { pass(0ms); }));
    }
    return {calls, most};
  }
  template <class Change>
  uint64_t cost(Change change) {
    const uint64_t before = director_->looked_at();
    change();
    out_.clear();
    return director_->looked_at() - before;
  }
};

TEST_F(LargeTable, AChangeOfOneServerLooksAtFew) {
  const ServiceKey key = service(7777);
  EXPECT_LE(cost([&] { EXPECT_FALSE(director_->edit_server(key, spec(2, 5), {now_, out_})); }), kFewServers);
  EXPECT_LE(cost([&] { EXPECT_FALSE(director_->remove_server(key, spec(2).at, {now_, out_})); }), kFewServers);
  EXPECT_LE(cost([&] { EXPECT_FALSE(director_->add_server(key, spec(2), {now_, out_})); }), kFewServers);
  EXPECT_LE(cost([&] { EXPECT_FALSE(director_->add_server(key, spec(100), {now_, out_})); }), kFewServers);
  EXPECT_LE(cost([&] { EXPECT_FALSE(director_->remove(key, {now_, out_})); }), kFewServers * kServersOfEach);
  EXPECT_LE(cost([&] { EXPECT_FALSE(director_->add({key, Scheduler::wlc}, {now_, out_})); }), kFewServers);
  EXPECT_EQ(director_->watch().vips.size(), kVirtuals);
  EXPECT_EQ(director_->watch().neighbors.size(), kServersOfEach);
}

TEST_F(LargeTable, WhatIsAboutAllIsDoneInPortions) {
  LinkFacts moved = director_->link(kInLink);
  moved.mac = Mac{{2, 0, 0, 0, 1, 0x99}};
  EXPECT_LE(cost([&] { director_->link_changed(kInLink, moved, {now_, out_}); }), kOnePortion);
  auto [calls, most] = settle();
  EXPECT_GT(calls, 20);
  EXPECT_LE(most, kOnePortion);

  const Route away{.to = spec(3).at.addr, .kind = Route::Kind::elsewhere};
  EXPECT_LE(cost([&] {
              director_->route_found(away, {now_, out_});
            }),
            kVirtuals * 2 + kOnePortion);  // all that are there
  std::tie(calls, most) = settle();
  EXPECT_LE(most, kOnePortion);
  EXPECT_EQ(director_->watch().neighbors.size(), kServersOfEach - 1);

  size_t at = 0;
  uint64_t dearest = 0;
  int portions = 1;
  for (bool last = false; !last; ++portions) {
    dearest = std::max(dearest, cost([&] { last = director_->clear_some(at, {now_, out_}); }));
  }
  EXPECT_GT(portions, 20);
  EXPECT_LE(dearest, kOnePortion * 2);
  settle();
  EXPECT_TRUE(director_->services().empty(Family::ipv4));
  EXPECT_TRUE(director_->watch().neighbors.empty());
  now_ += 10min;
  std::tie(calls, most) = settle();
  EXPECT_LE(most, kOnePortion);
  now_ += 2min;
  settle();
  EXPECT_EQ(director_->services().removed(), 0u);
  EXPECT_TRUE(director_->watch().vips.empty());
}

TEST_F(LargeTable, ManyServersThatAreGoneAtOnceAreForgottenInPortions) {
  for (uint32_t n = 0; n < kVirtuals; ++n) {
    EXPECT_FALSE(director_->remove_server(service(n), spec(0).at, {now_, out_}));
    out_.clear();
  }
  settle();
  for (int minute = 0; minute < 4; ++minute) {
    now_ += 60s;
    EXPECT_LE(settle().second, kOnePortion);
  }
  EXPECT_EQ(director_->services().removed(), 0u);
}

}  // namespace
}  // namespace rawvs
