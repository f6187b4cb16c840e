// SPDX-License-Identifier: BSD-2-Clause
// doctor_room_test.cpp: what doctor says of tables that fill.
#include <gtest/gtest.h>

#include "doctor_fixture.h"

namespace rawvs::adm::test {
namespace {

TEST(DoctorRoom, FindsThatUnprovenConnectionsGaveWay) {
  finds({.changed = {{"pid=0 config", "pid=0 gave-way=70 gave-way-kinds=half-open:60,quiet:10 config"}}},
        "warning:gave-way",
        "70 unproven connections gave way to others since rawvsd's start, 3600 s ago (half-open:60,quiet:10)",
        "if these are clients: set max_connections = 2000");
  finds({.added = {"exit name=half-open-full fate=dropped count=300 meaning=x"}}, "warning:half-open-full",
        "more half-open connections than half_open_server", "raise the limit");
}

TEST(DoctorRoom, FindsThatAnotherHostSaysThatItHasAServersAddress) {
  finds({.added = {"neighbor address=192.0.2.31 link=eth0 state=fresh mac=02:00:00:00:00:31 servers=1 disputed=3 "
                   "disputant=02:00:00:00:00:66"}},
        "warning:disputed",
        "02:00:00:00:00:66 said 3 times that it has the address 192.0.2.31, which 02:00:00:00:00:31 has",
        "ip neigh | grep 02:00:00:00:00:66");
}

TEST(DoctorRoom, FindsServicesThatRefuseClients) {
  const auto with = [](const std::string& rest) {
    return std::vector<std::pair<std::string, std::string>>{
        {"ops=0 conns=9",
         "ops=0 max-connections=5 max-rate=0 client-connections=0 client-rate=9 " + rest + " conns=9"}};
  };
  finds({.changed = with("allow-lists=0 allow-networks=0 counted=5 refused=7 refused-for=denied:3,service-full:4")},
        "warning:service-full",
        "tcp:192.0.2.100:80: 4 packets of new connections were dropped: max_connections = 5, as many as there are now",
        "raise max_connections in its [virtual]");
  finds({.changed = with("allow-lists=0 allow-networks=0 counted=1 refused=7 refused-for=denied:3,client-rate:4")},
        "note:client-rate", "4 packets of new connections were dropped: client_rate = 9", "raise client_rate");
  finds({.changed = with("allow-lists=1 allow-networks=0 counted=1 refused=0 refused-for=-")}, "error:allows-nobody",
        "its allow lists have no network", "allow_file");
}

TEST(DoctorRoom, FindsThatTheFastPathHasNoRoomWhileItIsFull) {
  finds({.added = {"fast on=1 flows=16000 capacity=16384 no-room=70"}}, "note:fast-path-full",
        "the fast path fills: 16000 of 16384 connections, and it found no room for one 70 times since rawvsd's start",
        "set fast_flows = 32768 in /etc/rawvs.ini (it is 16384), and restart rawvsd");
  EXPECT_EQ(checks(examined({.added = {"fast on=1 flows=16000 capacity=16384 no-room=0"}})), "");
  EXPECT_EQ(checks(examined({.added = {"fast on=1 flows=12 capacity=16384 no-room=70"}})), "");
}

}  // namespace
}  // namespace rawvs::adm::test
