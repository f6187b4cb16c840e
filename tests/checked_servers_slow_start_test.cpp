// SPDX-License-Identifier: BSD-2-Clause
// Tests slow start from a server's check to its clients' packets: its part grows each second.
#include <map>

#include "director_fixture.h"
#include "side/checked_servers.h"

namespace rawvs {
namespace {

constexpr int kOld = 1, kNew = 2;

class SlowStartWard : public DirectorTest {
 protected:
  // A web service of two servers; the second one's check fails, and then no more: now its slow start begins.
  void recover(Scheduler scheduler) {
    web(2, scheduler);
    WantedChecks wanted;
    wanted.service = key_;
    wanted.policy.slow_start = 23s;
    CheckSpec check;
    check.retries = 0, check.jitter = 0;
    for (const int i : {1, 2}) wanted.servers.push_back({server(i).at, std::make_shared<const CheckSpec>(check)});
    checked_.follow({&wanted, 1}, true, gate(), {now_, out_});
    run(1s);
    well_ = false;
    run(5s);
    ASSERT_EQ(slots()[kNew]->spec.weight, 0);
    well_ = true;
    while (slots()[kNew]->spec.weight == 0) run(1ms);
    ASSERT_EQ(slots()[kNew]->share, 1);
  }
  void run(Duration time) {
    for (const Instant end = now_ + time; now_ < end; now_ += 1ms) {
      for (const CheckedServers::ToAsk& ask : std::vector(checked_.time_passed(gate(), {now_, out_}).start)) {
        const bool well = well_ || ask.at.addr == server(kOld).at.addr;
        checked_.answered(ask.id, well, well ? "" : "connection refused", gate(), {now_, out_});
      }
    }
  }
  std::map<int, const Server*> slots() {
    std::map<int, const Server*> out;
    for (const Server& s : director_->services().servers()) {
      if (s.used) out[static_cast<int>(s.spec.at.addr.v4() & 0xff) - 10] = &s;
    }
    return out;
  }
  // So many clients come; how many are sent to the second server.
  int arrivals(int clients) {
    int count = 0;
    for (int i = 0; i < clients; ++i) {
      const std::string left = arrive(frame(Tcp{.sport = next_port_++, .flags = "S"}));
      count += left.starts_with(mac_of(0x10) + '>' + mac_of(0x10 + kNew));
    }
    return count;
  }

  CheckedServers checked_{100, 1};
  bool well_ = true;
  uint16_t next_port_ = 1024;
};

TEST_F(SlowStartWard, AServerOfWeightOneThatReturnsGetsMoreFromSecondToSecondByRoundRobin) {
  recover(Scheduler::rr);
  for (int share = 1; share <= kFullShare; ++share, run(1s)) {
    EXPECT_NEAR(arrivals(2 * (kFullShare + share)), 2 * share, 1) << share;
    EXPECT_EQ(slots()[kNew]->spec.weight, 1);
  }
}

TEST_F(SlowStartWard, AServerOfWeightOneThatReturnsGetsMoreFromSecondToSecondByWeightedRoundRobin) {
  recover(Scheduler::wrr);
  for (int share = 1; share <= kFullShare; ++share, run(1s)) {
    EXPECT_NEAR(arrivals(2 * (kFullShare + share)), 2 * share, 1) << share;
  }
}

TEST_F(SlowStartWard, AServerOfWeightOneThatReturnsIsNotFilledAtOnceByLeastConnections) {
  recover(Scheduler::wlc);
  arrivals(480);  // the old server has these, but for its share
  for (int share = 1; share <= kFullShare; ++share, run(1s)) {
    arrivals(60);
    const auto now = slots();
    const auto load = [](const Server& s) { return s.active + s.inactive; };
    EXPECT_NEAR(load(*now.at(kNew)), load(*now.at(kOld)) * static_cast<double>(share) / kFullShare, 2) << share;
  }
  EXPECT_EQ(slots()[kNew]->share, kFullShare);
}

}  // namespace
}  // namespace rawvs
