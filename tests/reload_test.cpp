// SPDX-License-Identifier: BSD-2-Clause
// Tests reload.h: differences between two files are applied, the rest is left alone; and the tables as a file.
#include "control/reload.h"

#include <gtest/gtest.h>

#include "config_same.h"
#include "reload_fixture.h"

namespace rawvs {
namespace {

TEST_F(ReloadTest, TheSameFileChangesNothing) {
  start(kDirector + kWeb + "server = 192.0.2.11\n" + kShop);
  EXPECT_EQ(reload(kDirector + kWeb + "server = 192.0.2.11\n" + kShop), "");
}

TEST_F(ReloadTest, TellsWhatIsDifferentOfChecksAndVrrp) {
  start(kDirector + kWeb + "[check a]\ntype = tcp\n[check b]\ntype = tcp\n" +
        "[vrrp web]\nvrid = 51\nversion = 2\npassword = old\n[vrrp gone]\nvrid = 53\naddress = 192.0.2.99\n");
  EXPECT_EQ(reload(kDirector + kWeb + "[check a]\ntype = tcp\ninterval = 9s\n" +
                   "[vrrp web]\nvrid = 51\nversion = 2\npriority = 50\npassword = new\ntrack = web\n" +
                   "[vrrp more]\nvrid = 52\naddress = 192.0.2.98\n"),
            "check a: interval: 5s -> 9s\n"
            "check b: removed\n"
            "vrrp web: priority: 100 -> 50\n"
            "vrrp web: password: changed\n"
            "vrrp web: track: none -> web\n"
            "vrrp more: added\n"
            "vrrp gone: removed\n");
}

TEST_F(ReloadTest, NamesComeFirst) {
  start(kDirector + kWeb + "server = 192.0.2.11 name=web1\nserver = 192.0.2.12 name=web2\n");
  EXPECT_EQ(reload(kDirector + kWeb + "server = 192.0.2.11 name=web1 weight=2\nserver = 192.0.2.13 name=web3\n" +
                   "[virtual dns]\naddress = 192.0.2.101\nports = udp/53\nserver = 192.0.2.15 name=ns\n"),
            "web (tcp 192.0.2.100:80): server web1 (192.0.2.11:80) weight=2 forward=dr\n"
            "web (tcp 192.0.2.100:80): server web3 (192.0.2.13:80) weight=1 forward=dr: added\n"
            "web (tcp 192.0.2.100:80): server web2 (192.0.2.12:80): removed\n"
            "dns (udp 192.0.2.101:53): added\n"
            "dns (udp 192.0.2.101:53): server ns (192.0.2.15:53) weight=1 forward=dr: added\n"
            "VIP 192.0.2.101: added\n");
  EXPECT_EQ(reload(kDirector + kWeb + "server = 192.0.2.11 name=web1 weight=2\nserver = 192.0.2.13 name=web3\n"),
            "dns (udp 192.0.2.101:53): removed\nVIP 192.0.2.101: removed\n");
  EXPECT_EQ(ask("delete-server service=tcp:192.0.2.100:80 server=192.0.2.13"), "ok\nend\n");
}

TEST_F(ReloadTest, APlanSeesNoRoomAndChangesNoSetting) {
  start(kDirector + "timeout_tcp = 600\n" + kWeb + "server = 192.0.2.11\n" + kShop);
  EXPECT_EQ(plan(kDirector + "timeout_tcp = 700\nmax_connections = 1000\n[virtual shop]\naddress = 192.0.2.101\n" +
                 "ports = tcp/80,8080\nserver = 192.0.2.14 mac=02:00:00:00:00:01\n"),
            "timeout_tcp: 600s -> 700s\n"
            "shop (mark 1381367808): scheduler=wlc persistence=0s\n"
            "shop (mark 1381367808): server 192.0.2.14 weight=1 forward=dr mac=02:00:00:00:00:01: added\n"
            "web (tcp 192.0.2.100:80): removed\n"
            "shop (mark 1381367808): 192.0.2.101 tcp/443: removed\n"
            "shop (mark 1381367808): 192.0.2.101 tcp/8080: added\n"
            "VIP 192.0.2.100: removed\n"
            "later: max_connections: 262144 -> 1000: takes effect at the next start\n");
  EXPECT_EQ(director_.settings().timeouts.tcp, 900s) << "as the director of this test began";
  EXPECT_EQ(table(), "tcp 192.0.2.100:80 wlc: 192.0.2.11:80=1\nmark 1381367808 wlc:\n");
  EXPECT_TRUE(out_.notices().empty() && out_.departures().empty()) << "a plan sends and says nothing";
}

TEST_F(ReloadTest, TellsWhatIsDifferentOfSyncAndOfAVirtualsChecks) {
  start(kDirector + kWeb + "quorum = 1\n[sync]\nid = 3\nkey = an old secret\n");
  EXPECT_EQ(reload(kDirector + kWeb + "quorum = 2\ncheck = tcp\n[sync]\nid = 4\nkey = a new secret\n"),
            "virtual web: check: none -> tcp\n"
            "virtual web: quorum: 1 -> 2\n"
            "sync: id: 3 -> 4\n"
            "sync: key: changed\n");
  EXPECT_EQ(reload(kDirector + kWeb + "quorum = 2\ncheck = tcp\n"), "sync: removed\n");
}

TEST_F(ReloadTest, OnlyTheDifferenceIsDone) {
  start(kDirector + kWeb + "server = 192.0.2.11\nserver = 192.0.2.12\nserver = 192.0.2.13\n" + kShop);
  director_.services().servers();  // slots stay where they are
  EXPECT_EQ(reload(kDirector + kWeb +
                   "scheduler = rr\nserver = 192.0.2.11\nserver = 192.0.2.12 weight=7\nserver = 192.0.2.14\n" +
                   "[virtual dns]\naddress = 192.0.2.100\nports = udp/53\nserver = 192.0.2.15\n"),
            "web (tcp 192.0.2.100:80): scheduler=rr persistence=0s\n"
            "web (tcp 192.0.2.100:80): server 192.0.2.12:80 weight=7 forward=dr\n"
            "web (tcp 192.0.2.100:80): server 192.0.2.14:80 weight=1 forward=dr: added\n"
            "web (tcp 192.0.2.100:80): server 192.0.2.13:80: removed\n"
            "dns (udp 192.0.2.100:53): added\n"
            "dns (udp 192.0.2.100:53): server 192.0.2.15:53 weight=1 forward=dr: added\n"
            "shop (mark 1381367808): removed\n"
            "shop (mark 1381367808): 192.0.2.101 tcp/443: removed\n"
            "shop (mark 1381367808): 192.0.2.101 tcp/80: removed\n"
            "VIP 192.0.2.101: removed\n");
  EXPECT_EQ(table(),
            "tcp 192.0.2.100:80 rr: 192.0.2.14:80=1 192.0.2.12:80=7 192.0.2.11:80=1\n"
            "udp 192.0.2.100:53 wlc: 192.0.2.15:53=1\n");
}

TEST_F(ReloadTest, AListIsReplacedAsAWhole) {
  reload(kDirector + "local_address = 203.0.113.5 203.0.113.8\n");
  EXPECT_EQ(reload(kDirector + "local_address = 203.0.113.6\nlocal_address = 203.0.113.7\n"),
            "local_address: 203.0.113.5 203.0.113.8 -> 203.0.113.6 203.0.113.7\n");
  EXPECT_EQ(director_.settings().local_addresses, (std::vector{*parse_ip("203.0.113.6"), *parse_ip("203.0.113.7")}));
  EXPECT_EQ(reload(kDirector), "local_address: 203.0.113.6 203.0.113.7 -> none\n");
  EXPECT_TRUE(director_.settings().local_addresses.empty());
}

TEST_F(ReloadTest, WhatRawvsadmChangedStaysUnlessTheFileSaysSomethingNewOfIt) {
  start(kDirector + kWeb + "server = 192.0.2.11\nserver = 192.0.2.12\n");
  ask("edit-server service=tcp:192.0.2.100:80 server=192.0.2.11 weight=0");
  ask("delete-server service=tcp:192.0.2.100:80 server=192.0.2.12");
  ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.19");
  ask("add-service service=udp:192.0.2.100:53");
  EXPECT_EQ(reload(kDirector + kWeb + "server = 192.0.2.11\nserver = 192.0.2.12\nserver = 192.0.2.13\n"),
            "web (tcp 192.0.2.100:80): server 192.0.2.13:80 weight=1 forward=dr: added\n");
  EXPECT_EQ(table(),
            "tcp 192.0.2.100:80 wlc: 192.0.2.13:80=1 192.0.2.19:80=1 192.0.2.11:80=0\n"
            "udp 192.0.2.100:53 wlc:\n");
  EXPECT_EQ(reload(kDirector + kWeb + "server = 192.0.2.11 weight=3\nserver = 192.0.2.12 weight=3\n"),
            "web (tcp 192.0.2.100:80): server 192.0.2.11:80 weight=3 forward=dr\n"
            "web (tcp 192.0.2.100:80): server 192.0.2.12:80 weight=3 forward=dr: added\n"
            "web (tcp 192.0.2.100:80): server 192.0.2.13:80: removed\n");
}

TEST_F(ReloadTest, ResetMakesTheTableTheFiles) {
  start(kDirector + kWeb + "server = 192.0.2.11\nserver = 192.0.2.12\n");
  ask("edit-server service=tcp:192.0.2.100:80 server=192.0.2.11 weight=0");
  ask("delete-server service=tcp:192.0.2.100:80 server=192.0.2.12");
  ask("add-service service=udp:192.0.2.100:53");
  ask("set-timeouts tcp=77");
  EXPECT_EQ(reload(kDirector + kWeb + "server = 192.0.2.11\nserver = 192.0.2.12\n", true),
            "timeout_tcp: 77s -> 900s\n"
            "web (tcp 192.0.2.100:80): server 192.0.2.11:80 weight=1 forward=dr\n"
            "web (tcp 192.0.2.100:80): server 192.0.2.12:80 weight=1 forward=dr: added\n"
            "udp 192.0.2.100:53: removed\n");
  EXPECT_EQ(table(), "tcp 192.0.2.100:80 wlc: 192.0.2.12:80=1 192.0.2.11:80=1\n");
}

TEST_F(ReloadTest, ClearedByRawvsadmIsLeftClearedWithoutReset) {
  start(kDirector + kWeb + "server = 192.0.2.11\n");
  ask("clear");
  EXPECT_EQ(reload(kDirector + kWeb + "server = 192.0.2.11\n"), "");
  EXPECT_EQ(table(), "");
  EXPECT_NE(reload(kDirector + kWeb + "server = 192.0.2.11\n", true), "");
  EXPECT_EQ(table(), "tcp 192.0.2.100:80 wlc: 192.0.2.11:80=1\n");
}

TEST_F(ReloadTest, ConnectionsAndCountersSurvive) {
  start(kDirector + kWeb + "server = 192.0.2.11\n");
  const FlowKey flow{Ip(0xc6336401), Ip(0xc0000264), Port(1001), Port(80), Protocol::tcp, false};
  Connection* const c = test::table_of(director_).create(flow, director_.connections().hash(flow));
  c->server = 0;
  test::table_of(director_).arm(*c, now_, 60s);
  director_.services().servers();
  reload(kDirector + kWeb + "scheduler = sh\nserver = 192.0.2.11 weight=2\nserver = 192.0.2.12\n");
  EXPECT_EQ(director_.connections().size(), 1u);
  EXPECT_EQ(director_.connections().find(Side::client, flow, director_.connections().hash(flow)), c);
  EXPECT_EQ(director_.services().server(0).spec.weight, 2) << "the same slot: its connections are still its own";
}

TEST_F(ReloadTest, SettingsChangeOneByOne) {
  start(kDirector + "timeout_tcp = 600\n" + kWeb);
  ask("set-timeouts udp=33");
  EXPECT_EQ(reload(kDirector + "timeout_tcp = 700\nsloppy_tcp = 1\ngarp_interval = 0\n" + kWeb),
            "sloppy_tcp: 0 -> 1\ntimeout_tcp: 600s -> 700s\ngarp_interval: 60s -> 0s\n");
  EXPECT_EQ(director_.settings().timeouts.tcp, 700s);
  EXPECT_EQ(director_.settings().timeouts.udp, 33s) << "the file says nothing new of it";
  EXPECT_TRUE(director_.settings().sloppy_tcp);
}

TEST_F(ReloadTest, WhatTakesARestartIsSaidEachTime) {
  start(kDirector + kWeb);
  const std::string later =
      "later: interface: eth0 -> eth1: takes effect at the next start\n"
      "later: max_connections: 262144 -> 1000: takes effect at the next start\n";
  const std::string next = "[director]\ninterface = eth1\nmax_connections = 1000\n" + kWeb;
  EXPECT_EQ(reload(next), later);
  EXPECT_EQ(reload(next), later) << "it is still so";
  EXPECT_EQ(director_.settings().max_connections, 262144u);
}

TEST_F(ReloadTest, AVirtualOfSeveralPortsKeepsItsMarkWhereverItStands) {
  start(kDirector + kShop + "server = 192.0.2.11\n[virtual mail]\naddress = 192.0.2.102\nports = tcp/25,587\n");
  const auto mark_of = [&](const char* vip, uint16_t port) {
    for (const GroupMatch& g : director_.services().groups()) {
      if (g.vip == *parse_ip(vip) && g.ports[0].first == port) return g.mark.value;
    }
    return 0u;
  };
  const uint32_t shop = mark_of("192.0.2.101", 443), mail = mark_of("192.0.2.102", 25);
  ASSERT_NE(shop, 0u);
  reload(kDirector + "[virtual mail]\naddress = 192.0.2.102\nports = tcp/25,587,465\n" +
         "[virtual new]\naddress = 192.0.2.103\nports = tcp/1,2\n" +  //
         "[virtual store]\naddress = 192.0.2.101\nports = tcp/80,443\npersistence = 300\nserver = 192.0.2.11\n");
  EXPECT_EQ(mark_of("192.0.2.102", 25), mail) << "another place in the file, and a port more";
  EXPECT_EQ(mark_of("192.0.2.102", 465), mail);
  EXPECT_EQ(mark_of("192.0.2.101", 443), shop) << "another name";
  EXPECT_NE(mark_of("192.0.2.103", 1), shop);
  EXPECT_NE(mark_of("192.0.2.103", 1), mail);
  const uint32_t added = mark_of("192.0.2.103", 1);
  const std::string was_mail = "mail (mark " + std::to_string(mail) + ")";
  const std::string was_new = "new (mark " + std::to_string(added) + ")";
  EXPECT_EQ(reload(kDirector + "[virtual store]\naddress = 192.0.2.101\nports = tcp/80,443\npersistence = 300\n" +
                   "server = 192.0.2.11\n"),
            was_mail + ": removed\n" + was_new + ": removed\n" + was_mail + ": 192.0.2.102 tcp/25: removed\n" +
                was_mail + ": 192.0.2.102 tcp/465: removed\n" + was_mail + ": 192.0.2.102 tcp/587: removed\n" +
                was_new + ": 192.0.2.103 tcp/1: removed\n" + was_new +
                ": 192.0.2.103 tcp/2: removed\nVIP 192.0.2.102: removed\nVIP 192.0.2.103: removed\n");
}

struct SmallReloadTest : ReloadTest {
  SmallReloadTest() : ReloadTest(2) {}
};
TEST_F(SmallReloadTest, AServerThatDoesNotFitIsToldAndTheRestIsDone) {
  start(kDirector + "max_servers = 2\n" + kWeb + "server = 192.0.2.11\n");
  ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.19");
  EXPECT_EQ(
      reload(kDirector + "max_servers = 2\nsloppy_tcp = 1\n" + kWeb + "server = 192.0.2.11\nserver = 192.0.2.12\n"),
      "sloppy_tcp: 0 -> 1\nlater: web (tcp 192.0.2.100:80): server 192.0.2.12:80 weight=1 forward=dr: added: refused: "
      "no "
      "room, see max_servers\n");
}

// Between two portions a packet's decision follows the old file's service, or the new file's.
TEST_F(ReloadTest, BetweenTwoPortionsEveryDecisionIsTheOldFilesOrTheNewOnes) {
  const std::string all = "[virtual all]\naddress = 192.0.2.103\nports = *\npersistence = 60\nserver = 192.0.2.14\n";
  const std::string old_file =
      kDirector + kWeb + "server = 192.0.2.11\nserver = 192.0.2.12\n" + kShop + "server = 192.0.2.13\n" + all;
  const std::string new_file =
      kDirector + "[virtual web]\naddress = 192.0.2.100\nports = tcp/80,443\n" +
      "server = 192.0.2.21\nserver = 192.0.2.22\nserver = 192.0.2.23\n" +
      "[virtual shop]\naddress = 192.0.2.101\nports = tcp/80\nserver = 192.0.2.24\nserver = 192.0.2.25\n" + all +
      "[virtual one]\naddress = 192.0.2.103\nports = tcp/80\nserver = 192.0.2.26\nserver = 192.0.2.27\n";
  const std::pair<const char*, uint16_t> asked[] = {
      {"192.0.2.100", 80}, {"192.0.2.100", 443}, {"192.0.2.101", 80}, {"192.0.2.101", 443}, {"192.0.2.103", 80}};
  std::vector<std::string> before, after;
  start(new_file);
  for (const auto& [vip, port] : asked) after.push_back(decision(vip, port));
  director_.clear({now_, out_});
  start(old_file);
  for (const auto& [vip, port] : asked) before.push_back(decision(vip, port));
  Reload work(config_, parsed_file(new_file), false);
  int portions = 1;
  for (; !step(work, 1); ++portions) {
    for (size_t i = 0; i < std::size(asked); ++i) {
      const std::string now = decision(asked[i].first, asked[i].second);
      EXPECT_TRUE(now == before[i] || now == after[i])
          << asked[i].first << ':' << asked[i].second << ": " << now << ", was " << before[i] << ", is " << after[i];
    }
  }
  EXPECT_GT(portions, 10);
  for (size_t i = 0; i < std::size(asked); ++i) EXPECT_EQ(decision(asked[i].first, asked[i].second), after[i]);
}

TEST_F(ReloadTest, OfAnotherWeightForEveryServerLooksAtEachAFewTimesHoweverManyThereAre) {
  constexpr uint32_t kServices = 40, kEach = 25;
  const auto file = [&](const std::string& weight) {
    std::string text = kDirector;
    for (uint32_t n = 0; n < kServices; ++n) {
      const std::string port = std::to_string(1000 + n);
      text += "[virtual v" + port + "]\naddress = 192.0.2.100\nports = tcp/" + port + "\n";
      for (uint32_t m = 1; m <= kEach; ++m) {
        text += "server = 198.51.100." + std::to_string(m) + " weight=" + weight + "\n";
      }
    }
    return text;
  };
  start(file("1"));
  Reload work(config_, parsed_file(file("2")), false);
  uint64_t most = 0;
  const uint64_t before = director_.looked_at();
  for (bool done = false; !done;) {
    const uint64_t so_far = director_.looked_at();
    done = step(work);
    most = std::max(most, director_.looked_at() - so_far);
  }
  EXPECT_EQ(work.so_far().changes.size(), kServices * kEach);
  EXPECT_LE(director_.looked_at() - before, uint64_t{12} * kServices * kEach);
  EXPECT_LE(most, 12 * Reload::kPortion / Reload::kChange);
}

// The text, read again, gives the same table.
TEST_F(ReloadTest, TheTableIsWrittenAsAFileThatGivesIt) {
  start(
      kDirector + "[group office]\nmark = 11\nmatch = 192.0.2.100 tcp/80 from 198.51.100.0/24\n" + kWeb +
      "scheduler = mh\nscheduler_flags = mh-port,mh-fallback\nserver = 192.0.2.11:8080 forward=nat upper=9 lower=3\n" +
      "server = 192.0.2.12 forward=tun tun_type=gue tun_port=6080 mac=02:00:00:00:00:01\n" + kShop +
      "netmask = 255.255.255.0\nserver = 192.0.2.13 weight=0\n[virtual office]\nmark = 11\nserver = 192.0.2.14\n" +
      "[virtual all]\naddress = 192.0.2.103\nports = *\npersistence = 60\nserver = 192.0.2.15\n" +
      "[virtual dns]\naddress = 192.0.2.100\nports = udp/53\none_packet = 1\nserver = 192.0.2.16\n");
  ask("set-timeouts tcp=1234");
  ask("add-service service=sctp:192.0.2.104:9 scheduler=rr");
  const std::string before = table(), text = ini_text(config_, director_);
  EXPECT_NE(text.find("timeout_tcp = 1234s\n"), std::string::npos);
  const Config again = parsed_file(text);
  EXPECT_EQ(reload(text, true), "sctp 192.0.2.104:9: name: none -> sctp-192.0.2.104-9\n") << text;
  Director other(again.settings, HashKey{1, 2}, now_);
  const WantedTables tables = wanted_tables(again);
  other.set_groups(tables.groups, {now_, out_});
  for (const WantedService& service : tables.services) {
    EXPECT_FALSE(other.add(service.spec, {now_, out_}));
    for (const ServerSpec& server : service.servers) {
      EXPECT_FALSE(other.add_server(service.spec.key, server, {now_, out_}));
    }
  }
  EXPECT_EQ(ini_text(again, other), ini_text(again, director_));
  EXPECT_TRUE(ask("ini").starts_with("ok\nline text=[director]\nline text=interface = eth0\n"));
  EXPECT_EQ(ask("ini").find("unwritable"), std::string::npos);
  EXPECT_EQ(ask("add-service service=mark:99"),
            "ok\nwarning text=mark 99: no [group] of the configuration says which packets carry it: this service gets "
            "none\nend\n");
  EXPECT_TRUE(ask("ini").ends_with(
      "\nunwritable text=mark 99: no group says which packets carry it, and a file cannot have a service of a mark "
      "without one\nend\n"));
}

TEST_F(ReloadTest, AResetLeavesTheSorryServerToTheChecks) {
  const std::string file =
      "[director]\ninterface = eth0\n[check web]\ntype = tcp\n[virtual v]\naddress = 192.0.2.100\n"
      "ports = tcp/80\ncheck = web\nserver = 192.0.2.11\nsorry = 192.0.2.19\n";
  start(file);
  const ServiceKey key{Protocol::tcp, {*parse_ip("192.0.2.100"), Port(80)}, {}};
  const auto add = [&](const char* server) {
    ASSERT_FALSE(director_.add_server(key, {.at = {*parse_ip(server), Port(80)}}, {now_, out_}));
  };
  add("192.0.2.19");  // as the checks do while it is used
  const std::string before = table();
  EXPECT_EQ(reload(file, true), "");
  EXPECT_EQ(table(), before);
  add("192.0.2.18");  // as an operator does
  EXPECT_EQ(reload(file, true), "v (tcp 192.0.2.100:80): server 192.0.2.18:80: removed\n");
  EXPECT_EQ(table(), before);
}

TEST_F(ReloadTest, AReloadOverTheControlSocketTellsWhatWasDone) {
  ControlContext context;
  std::vector<bool> asked, planned;
  context.reload = [&](bool reset, bool plan) {
    asked.push_back(reset);
    planned.push_back(plan);
    Result<Reloaded> outcome = Error{"/etc/rawvs.ini:3: [director] interfac: no such key"};
    if (!reset) outcome = Reloaded{{"a: changed", "b: added"}, {"c: takes effect at the next start"}};
    return std::shared_ptr<const ReloadTask>(new ReloadTask{true, std::move(outcome)});
  };
  const auto ask_daemon = [&](const char* request) {
    Conversation c = answer(request, director_, {now_, out_}, context);
    std::string all;
    while (!c.over()) all += c.next(director_, now_).text();
    return all;
  };
  EXPECT_EQ(ask_daemon("rawvs/1 reload"),
            "ok\nchange text=a: changed\nchange text=b: added\npending text=c: takes effect at the next start\nend\n");
  EXPECT_EQ(ask_daemon("rawvs/1 reload reset=1"),
            "error file /etc/rawvs.ini:3: [director] interfac: no such key\nend\n");
  EXPECT_TRUE(ask_daemon("rawvs/1 reload plan=1").starts_with("ok\nchange text=a: changed\n"));
  EXPECT_EQ(asked, (std::vector{false, true, false}));
  EXPECT_EQ(planned, (std::vector{false, false, true}));
  EXPECT_TRUE(ask_daemon("rawvs/1 reload reset=2").starts_with("error usage "));
  EXPECT_TRUE(ask("reload").starts_with("error unsupported ")) << "no daemon, no file";
}

}  // namespace
}  // namespace rawvs
