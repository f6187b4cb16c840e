// SPDX-License-Identifier: BSD-2-Clause
// health_fixture.h: the surroundings of Health: servers that work or fail, probes and their answers, a clock that
// jumps.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "side/health.h"

namespace rawvs::test {

inline constexpr Instant kHealthStart{1000s};

class HealthTest : public testing::Test {
 protected:
  static CheckSpec tcp_check() {  // without jitter: the seconds can be read
    CheckSpec check;
    check.jitter = 0;
    return check;
  }
  static Target target(uint32_t server, CheckSpec check = tcp_check(), int32_t weight = 1) {
    Target t;
    t.id = {1, server};
    t.check = std::make_shared<const CheckSpec>(std::move(check));
    t.at = {Ip(0xc0000200 + server), Port(80)};
    t.vip = {Ip(0xc0000264), Port(80)};
    t.weight = weight;
    t.ramps = false;
    return t;
  }
  void set(const HealthPolicy& policy) { ASSERT_TRUE(health_.set_service(1, policy, now_)); }
  void set(const Target& t) { ASSERT_TRUE(health_.set_target(t, now_)); }

  // Advances time. A server named in failing_ answers with that text, one in silent_ never answers, and all take
  // latency_.
  void run(Duration time) {
    const Instant end = now_ + time;
    for (int turns = 0; turns < 1'000'000; ++turns) {
      for (; !answers_.empty() && answers_.begin()->first <= now_; answers_.erase(answers_.begin())) {
        answer(answers_.begin()->second);
      }
      probes_.clear();
      health_.time_passed(now_, most_per_call_, probes_, news_);
      most_running_ = std::max(most_running_, health_.running());
      for (const ProbeToStart& probe : probes_) begin(probe);
      note();
      Instant next = health_.next_deadline();
      if (!answers_.empty()) next = std::min(next, answers_.begin()->first);
      if (next > end) break;
      now_ = std::max(now_, next);
    }
    now_ = end;
  }
  void begin(const ProbeToStart& probe) {
    const uint32_t server = probe.target->id.server;
    begun_ += (begun_.empty() ? "" : " ") + seconds(now_) + (probe.attempt > 1 ? "r" : "");
    begins_.emplace_back(now_, server);
    EXPECT_EQ(asked_.count(server), 0u) << "checks of one server overlap";
    EXPECT_TRUE(ids_.insert(probe.id.value).second) << "an id is used twice";
    last_ = probe.id;
    if (silent_.count(server)) return;
    asked_.insert(server);
    answers_.emplace(now_ + latency_, std::pair(probe.id, server));
  }
  void answer(std::pair<ProbeId, uint32_t> probe) {
    asked_.erase(probe.second);
    const auto bad = failing_.find(probe.second);
    health_.answered(probe.first, bad == failing_.end(), bad == failing_.end() ? "" : bad->second, now_, news_);
  }
  // "SECOND server N WHAT CONDITION WEIGHT: REASON" per change, "SECOND quorum ...: REASON".
  void note() {
    for (const TargetChange& c : news_.changes) {
      const char* const what[] = {"came", "went", "ramped", "noticed"};
      log_ += seconds(now_) + " server " + std::to_string(c.id.server) + ' ' + what[static_cast<size_t>(c.what)] + ' ' +
              name(c.condition) + ' ' + std::to_string(c.verdict.weight) + (c.reason.empty() ? "" : ": " + c.reason) +
              '\n';
      told_[c.id.server] = c.verdict;
    }
    for (const QuorumChange& q : news_.quorums) {
      log_ += seconds(now_) + (q.enough ? " quorum" : " no quorum") + (q.sorry ? ", sorry: " : ": ") + q.reason + '\n';
    }
    cancelled_ += news_.cancelled.size();
    for (const auto& [server, verdict] : told_) EXPECT_EQ(verdict, health_.verdict({1, server}, now_)) << server;
    told_.clear();
    news_.clear();
  }
  static std::string seconds(Instant at) {
    const auto ms = (at - kHealthStart).count();
    const std::string rest = std::to_string(1000 + ms % 1000).substr(1);
    return std::to_string(ms / 1000) + (ms % 1000 == 0 ? "" : "." + rest);
  }
  std::string log() { return std::exchange(log_, {}); }
  std::string begun() { return std::exchange(begun_, {}); }
  Condition condition(uint32_t server) const { return health_.find({1, server})->condition; }
  bool serves(uint32_t server) const { return health_.verdict({1, server}, now_).serves; }

  Health health_{2000, 1};
  Instant now_ = kHealthStart;
  std::map<uint32_t, std::string> failing_;
  std::set<uint32_t> silent_;
  Duration latency_ = 0ms;
  size_t most_per_call_ = 10'000;

  std::vector<ProbeToStart> probes_;
  HealthNews news_;
  std::multimap<Instant, std::pair<ProbeId, uint32_t>> answers_;
  std::set<uint32_t> asked_;
  std::set<uint64_t> ids_;
  std::vector<std::pair<Instant, uint32_t>> begins_;
  ProbeId last_{};
  std::map<uint32_t, Verdict> told_;  // the last one in this turn
  std::string log_, begun_;
  size_t cancelled_ = 0;
  uint32_t most_running_ = 0;
};

}  // namespace rawvs::test
