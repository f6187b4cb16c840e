// SPDX-License-Identifier: BSD-2-Clause
// Tests reload.h with checked_servers.h: what a server may do between the change of the tables and that of the checks.
#include <gtest/gtest.h>

#include "control/director_gate.h"
#include "control/reload.h"
#include "core/outbox.h"
#include "rawvs/config.h"
#include "rawvs/director.h"
#include "side/checked_servers.h"

namespace rawvs {
namespace {

const std::string kFile =
    "[director]\ninterface = eth0\n[check slow]\ntype = tcp\n[check open]\ntype = tcp\nstart = up\n"
    "[virtual web]\naddress = 192.0.2.100\nports = tcp/80\ncheck = slow\n";

class ReloadChecksTest : public testing::Test {
 protected:
  static Config parsed(const std::string& servers) {
    const auto config = parse_config(kFile + servers, "test.ini");
    EXPECT_TRUE(config) << (config ? "" : config.error().text);
    return config ? *config : Config{};
  }
  // The tables become those of the file; checks do not follow yet.
  void reload(const std::string& servers) {
    Reload work(config_, parsed(servers), false);
    while (!work.step(director_, {now_, out_}, [&] { out_.clear(); })) {
    }
    config_ = work.take_next();
  }
  void follow_checks(CheckedServers& checked) {
    wanted_ = wanted_checks(config_);
    checked.follow(wanted_, false, gate_, {now_, out_});
  }
  int32_t weight(int server) {
    const Server* const known = std::as_const(director_).services().find(key_, at(server));
    return known ? known->spec.weight : -1;
  }
  static Endpoint at(int server) { return {Ip(0xc0000200u + static_cast<uint32_t>(server)), Port(80)}; }

  Instant now_{1000s};
  Outbox out_;
  Director director_{{.max_servers = 20, .timeouts = {}}, HashKey{1, 2}, now_};
  DirectorGate gate_{director_};
  CheckedServers checked_{20, 1};
  Config config_{};
  std::vector<WantedChecks> wanted_;
  ServiceKey key_{Protocol::tcp, {Ip(0xc0000264), Port(80)}, {}};
};

TEST_F(ReloadChecksTest, ANewServerGetsNoConnectionsBeforeItsCheckSucceedsAsSoonAsItIsInTheTable) {
  reload(
      "server = 192.0.2.11\nserver = 192.0.2.12 check=open\nserver = 192.0.2.13 check=none weight=3\n"
      "server = 192.0.2.14 check=icmp\n");
  const auto all = [&] { return std::vector{weight(11), weight(12), weight(13), weight(14)}; };
  EXPECT_EQ(all(), (std::vector{0, 1, 3, 0}));
  follow_checks(checked_);
  EXPECT_EQ(all(), (std::vector{0, 1, 3, 0}));
  for (int turns = 0; turns < 100; ++turns, now_ += 100ms) {
    for (const CheckedServers::ToAsk& ask : std::vector(checked_.time_passed(gate_, {now_, out_}).start)) {
      checked_.answered(ask.id, true, "", gate_, {now_, out_});
    }
  }
  EXPECT_EQ(all(), (std::vector{1, 1, 3, 1}));
  reload("server = 192.0.2.11\nserver = 192.0.2.12 check=open\n");
  follow_checks(checked_);
  EXPECT_EQ(all(), (std::vector{1, 1, -1, -1})) << "a server that stays keeps what its check said";
}

TEST_F(ReloadChecksTest, AServerWhoseMacAddressIsTakenBackKeepsWhatItsCheckSaid) {
  reload("server = 192.0.2.11 mac=02:00:00:00:00:11\n");
  follow_checks(checked_);
  reload("server = 192.0.2.11\n");
  EXPECT_FALSE(std::as_const(director_).services().find(key_, at(11))->spec.mac);
  EXPECT_EQ(weight(11), 0);
}

TEST_F(ReloadChecksTest, AServerThatCannotBeCheckedForLackOfRoomServes) {
  CheckedServers one(1, 1), none(0, 1);
  reload("server = 192.0.2.11\nserver = 192.0.2.12\n");
  follow_checks(one);
  EXPECT_EQ(weight(11), 0);
  EXPECT_EQ(weight(12), 1);
  follow_checks(none);
  EXPECT_EQ(weight(11), 1);
}

}  // namespace
}  // namespace rawvs
