// SPDX-License-Identifier: BSD-2-Clause
// Tests long listings of the control protocol: complete and true, in pieces, while tables change.
#include <algorithm>

#include "control_fixture.h"
#include "links.h"

namespace rawvs {
namespace {

TEST(Control, ListsLiveConnectionsInWholeSecondsCutOff) {
  Table t;
  t.serve_web();
  const ServerSlot slot = t.director.services().services()[0].servers[0];
  t.connect(1001, slot, 900s);
  t.connect(1002, slot, 1s);
  t.connect(1003, slot, 300s, Protocol::udp);
  t.now += 1010ms;
  EXPECT_EQ(t.ask("connections"),
            "ok\n"
            "connection protocol=tcp expires=898 state=ESTABLISHED client=198.51.100.1:1001 virtual=192.0.2.100:80 "
            "server=192.0.2.11:80\n"
            "connection protocol=udp expires=298 state=UDP client=198.51.100.1:1003 virtual=192.0.2.100:80 "
            "server=192.0.2.11:80\n"
            "end\n");
  t.ask("delete-server service=tcp:192.0.2.100:80 server=192.0.2.11:80");
  EXPECT_EQ(count(t.ask("connections"), "server=192.0.2.11:80\n"), 2u);  // they are still that server's
}

TEST(Control, ListsTheServersPortOfAConnectionAsItIsThere) {
  Table t;
  t.serve_web();
  t.connect(1001, 0, 900s).rport = Port(8080);  // NAT
  EXPECT_EQ(count(t.ask("connections"), "virtual=192.0.2.100:80 server=192.0.2.11:8080\n"), 1u);
}

TEST(Control, ListsPersistenceTemplates) {
  Table t;
  const auto remember = [&](FlowKey key, uint8_t state, uint16_t port) {
    key.persistence = true;
    Connection* const c = test::table_of(t.director).create(key, test::table_of(t.director).hash(key));
    c->flags |= Connection::persistence;
    c->state = state;
    c->server = kNoServer;
    c->set_server_address(Ip(0xc000020b));
    c->rport = Port(port);
    test::table_of(t.director).arm(*c, t.now, 360s);
  };
  const Ip client(0xc6336401), network(0xc6336400), vip(0xc0000264);
  remember({client, vip, Port(0), Port(80), Protocol::tcp}, 0, 8080);
  remember({network, vip, Port(0), Port(0), Protocol::udp}, 1, 0);
  remember({client, Ip(0x52560000), Port(0), Port(0), Protocol::any}, 1, 0);
  EXPECT_EQ(t.ask("connections"),
            "ok\n"
            "connection protocol=tcp expires=360 state=NONE client=198.51.100.1:0 virtual=192.0.2.100:80 "
            "server=192.0.2.11:8080\n"
            "connection protocol=udp expires=360 state=ASSURED client=198.51.100.0:0 virtual=192.0.2.100:0 "
            "server=192.0.2.11:0\n"
            "connection protocol=ip expires=360 state=ASSURED client=198.51.100.1:0 virtual=82.86.0.0:0 "
            "server=192.0.2.11:0\n"
            "end\n");
}

TEST(Control, HandsOutALongListingInPiecesOfWholeLines) {
  Table t(100'000);
  t.serve_web();
  for (uint16_t i = 0; i < 5000; ++i) t.connect(static_cast<uint16_t>(1000 + i), 0, 900s);
  const auto pieces = t.pieces("rawvs/1 connections");
  EXPECT_GE(pieces.size(), 5000u / 200);
  std::string all;
  for (const std::string& piece : pieces) {
    EXPECT_LE(piece.size(), kPieceMost);
    EXPECT_LE(count(piece, "\n"), 202u);
    EXPECT_TRUE(piece.empty() || piece.back() == '\n');
    all += piece;
  }
  EXPECT_EQ(count(all, "connection protocol="), 5000u);
  EXPECT_TRUE(all.ends_with("\nend\n"));
}

TEST(Control, SearchesATableThatWasOnceFullInSmallSteps) {
  Table t(100'000);
  std::vector<Connection*> used;
  for (uint16_t i = 0; i < 50'000; ++i) used.push_back(&t.connect(static_cast<uint16_t>(1000 + i), kNoServer, 900s));
  Connection* const last = used.back();
  used.pop_back();
  for (Connection* c : used) test::table_of(t.director).remove(*c);
  const auto pieces = t.pieces("rawvs/1 connections");
  EXPECT_GE(pieces.size(), 50'000u / 4096);
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  EXPECT_EQ(count(all, "connection protocol="), 1u);
  EXPECT_EQ(count(all, "client=198.51.100.1:" + std::to_string(last->cport.value) + " "), 1u);
}

TEST(Control, ListsAServiceOfAThousandServersOnceEachWhileTheyComeAndGo) {
  Table t;
  t.ask("add-service service=tcp:192.0.2.100:80");
  const auto server = [](uint32_t i) { return text(Ip(0xcb007100 + i)) + ":80"; };
  for (uint32_t i = 0; i < 250; ++i) {
    ASSERT_EQ(code(t.ask("add-server service=tcp:192.0.2.100:80 server=" + server(i))), "ok") << i;
  }
  t.out.clear();
  Conversation c = answer("rawvs/1 list", t.director, {t.now, t.out}, t.context);
  std::string all(c.next(t.director, t.now).text());
  ASSERT_FALSE(c.over());
  // The newest are listed; the oldest is not yet. One is added, and one not yet listed is removed.
  ASSERT_EQ(code(t.ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80")), "ok");
  ASSERT_EQ(code(t.ask("delete-server service=tcp:192.0.2.100:80 server=" + server(0))), "ok");
  while (!c.over()) all += c.next(t.director, t.now).text();
  EXPECT_EQ(count(all, "\nserver "), 249u);
  for (uint32_t i = 1; i < 250; ++i) EXPECT_EQ(count(all, "server=" + server(i) + " "), 1u) << i;
}

TEST(Control, ListsEveryExitWithItsMeaning) {
  Table t;
  const std::string exits = t.ask("exits");
  EXPECT_EQ(count(exits, "\nexit name="), kExits);
  EXPECT_EQ(count(exits, "exit name=forwarded fate=forwarded count=0 meaning=sent on to a real server\n"), 1u);
  EXPECT_EQ(count(exits, "exit name=land fate=dropped count=0 meaning="), 1u);
}

TEST(Control, ListsWhatEachInterfaceLost) {
  Table t;
  EXPECT_EQ(t.ask("exits").find("\nlink "), std::string::npos);  // none is known yet
  LinkFacts facts;
  facts.name = "eth0";
  t.director.link_changed(kOutLink, facts, {t.now, t.out});
  t.director.link_counted(kOutLink, {5, 4, 3, 2, 1});
  const std::string exits = t.ask("exits");
  EXPECT_EQ(count(exits,
                  "\nlink name=eth0 role=clients received=5 kernel-dropped=4 cut=3 sent=2 send-failed=1 returned=0 "
                  "return-failed=0 "
                  "unguarded=0 mtu=1500 vips=0 guarded=0 guard=off missing-groups=0\nend\n"),
            1u);
}

TEST(Control, ListsVipsAndNeighbors) {
  Table t;
  LinkFacts facts;
  facts.name = "eth0";
  facts.ifindex = 2;
  facts.up = facts.carrier = true;
  facts.mac = Mac{{2, 0, 0, 0, 0, 1}};
  facts.addresses = {{Ip(0xc0000201), 24}};
  t.director.link_changed(kOutLink, facts, {t.now, t.out});
  t.ask("add-service service=tcp:192.0.2.100:80");
  t.ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80");
  t.ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.12:80 mac=02:00:00:00:00:12");
  const std::string arp = t.ask("arp");
  EXPECT_EQ(count(arp, "vip address=192.0.2.100 link=eth0 mac=02:00:00:00:00:01 retired=0 standby=0 for=0 repeats=0\n"),
            1u)
      << arp;
  EXPECT_EQ(count(arp, "neighbor address=192.0.2.11 link=eth0 state=asking mac=- servers=1 disputed=0 disputant=-\n"),
            1u)
      << arp;
  EXPECT_EQ(
      count(
          arp,
          "neighbor address=192.0.2.12 link=eth0 state=fixed mac=02:00:00:00:00:12 servers=1 disputed=0 disputant=-\n"),
      1u)
      << arp;
}

TEST(Control, TheSumsOverAllServicesNeverGoBack) {
  Table t;
  t.serve_web();
  EXPECT_EQ(count(t.ask("list"), "past-conns="), 0u);
  Service& web = const_cast<Service&>(t.director.services().service(0));
  web.traffic = {.connections = 1, .in_packets = 2, .out_packets = 3, .in_bytes = 4, .out_bytes = 5};
  t.ask("zero");
  web.traffic.connections = 10;
  t.ask("delete-service service=tcp:192.0.2.100:80");
  EXPECT_EQ(count(t.ask("list"), " past-conns=11 past-inpkts=2 past-outpkts=3 past-inbytes=4 past-outbytes=5 "), 1u);
}

TEST(Control, TellsWhatTheProcessUses) {
  Table t;
  t.context.use = {.cpu = 12, .memory = 4096};
  EXPECT_EQ(count(t.ask("list"), " cpu="), 0u);  // nothing is known of its loop
  for (const uint64_t took : {100, 5000, 5001, 9000, 3}) t.context.use.turned(took);
  EXPECT_EQ(count(t.ask("list"), " cpu=12 memory-most=4096 turns=5 turns-busy=19104 turns-slow=2 turns-longest=9000 "),
            1u);
}

}  // namespace
}  // namespace rawvs
