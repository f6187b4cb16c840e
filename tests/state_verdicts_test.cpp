// SPDX-License-Identifier: BSD-2-Clause
// Tests state.h: what health checks have found of servers goes to the next process.
#include <map>

#include "core/server_verdicts.h"
#include "state_world.h"

namespace rawvs {
namespace {

using test::World;

class Found final : public ServerVerdicts {
 public:
  std::optional<Verdict> found(const ServiceKey& service, Endpoint server) const override {
    const auto known = of_.find({service, server});
    return known == of_.end() ? std::nullopt : std::optional(known->second);
  }
  void recall(const ServiceKey& service, Endpoint server, Verdict verdict) override {
    of_[{service, server}] = verdict;
  }

  std::optional<Endpoint> sorry_of(const ServiceKey&) const override { return sorry_; }

  std::map<std::pair<ServiceKey, Endpoint>, Verdict> of_;
  std::optional<Endpoint> sorry_{};
};

class StateVerdicts : public testing::TestWithParam<Family> {
 protected:
  StateVerdicts() {
    for (World* const w : {&before_, &after_}) {
      w->family = GetParam();
      w->web(Method::route);
      w->shop(Mark(7), {80, 443});
    }
    before_.verdicts = &was_, after_.verdicts = &is_;
  }
  void find(uint8_t service, uint32_t server, bool well, Duration ago) {
    was_.of_[{before_.keys[service], before_.at(service, server)}] = {well, before_.now - ago};
  }
  std::string known(uint8_t service, uint32_t server) const {
    const auto v = is_.found(after_.keys[service], after_.at(service, server));
    return v ? (v->well ? "well " : "unwell ") + std::to_string((after_.now - v->since) / 1s) : "";
  }
  World before_, after_;
  Found was_, is_;
};

TEST_P(StateVerdicts, StandInTheNextProcessWithTheirAge) {
  find(0, 0, false, 3600s), find(1, 1, true, 5s);
  before_.open_from(0, 0, before_.client_of(0), Port(1001));
  after_.now = before_.now + 10s;
  EXPECT_EQ(text(after_.restore(before_.state())), "1 connection and 0 templates taken back");
  EXPECT_EQ(known(0, 0), "unwell 3610");
  EXPECT_EQ(known(1, 1), "well 15");
  EXPECT_EQ(known(0, 1), "");
  EXPECT_EQ(is_.of_.size(), 2u);
}

TEST_P(StateVerdicts, AreForgottenAfterAMinute) {
  find(0, 0, false, 5s);
  after_.now = before_.now + 61s;
  after_.restore(before_.state());
  EXPECT_EQ(known(0, 0), "");
}

TEST_P(StateVerdicts, AreForgottenAfterABootWhoseClockIsBehind) {
  find(0, 0, false, 5s);
  after_.now = before_.now;
  after_.clock.boot = {9}, after_.clock.wall = before_.clock.wall - 3'600'000;
  after_.restore(before_.state());
  EXPECT_EQ(known(0, 0), "");
}

TEST_P(StateVerdicts, OnlyWhatHasChangedIsToldOnceMore) {
  find(0, 0, false, 50s), find(0, 1, true, 1s);
  StateWriter writer(before_.clock, before_.now - 10s);
  std::vector<uint8_t> bytes;
  for (int n = 0; n < 1000 && !writer.done(); ++n) {
    const Bytes portion = writer.next(before_.tables(), before_.now, 1);
    bytes.insert(bytes.end(), portion.begin(), portion.end());
  }
  after_.now = before_.now;
  after_.restore(bytes);
  EXPECT_EQ(known(0, 0), "");
  EXPECT_EQ(known(0, 1), "well 1");
}

TEST_P(StateVerdicts, AnOrderAboutAServiceIsNotAboutASorryServerThatIsNew) {
  ASSERT_FALSE(before_.services.set_order(before_.keys[0], {Ordered::drained, 7, 1}));
  StateTables from = before_.tables(), to = after_.tables();
  std::vector<Endpoint> ordered;
  from.order = [](const ServiceKey&, Endpoint, const Order&) {};
  to.order = [&](const ServiceKey&, Endpoint at, const Order& order) {
    if (order.out()) ordered.push_back(at);
  };
  StateWriter writer(before_.clock);
  std::vector<uint8_t> bytes;
  for (int n = 0; n < 1000 && !writer.done(); ++n) {
    const Bytes portion = writer.next(from, before_.now);
    bytes.insert(bytes.end(), portion.begin(), portion.end());
  }
  is_.sorry_ = after_.at(0, 1);
  StateReader reader(bytes, after_.clock);
  while (reader.read(to, {after_.now, after_.out})) continue;
  for (const Endpoint at : ordered) EXPECT_NE(at, *is_.sorry_);
  EXPECT_TRUE(std::ranges::count(ordered, after_.at(0, 0)) == 1);
}

INSTANTIATE_TEST_SUITE_P(Both, StateVerdicts, testing::Values(Family::ipv4, Family::ipv6),
                         [](const auto& with) { return std::string(name(with.param)); });

}  // namespace
}  // namespace rawvs
