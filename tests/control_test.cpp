// SPDX-License-Identifier: BSD-2-Clause
// Control requests and their replies, through a real director.
#include "rawvs/control.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace rawvs {
namespace {

constexpr Instant kStart{1h};

struct Table {  // a director, and an operator who talks to it
  explicit Table(uint32_t max_connections = 1024) : director(settings(max_connections), HashKey{1, 2}, false, kStart) {}

  static Settings settings(uint32_t max_connections) { return {.max_connections = max_connections, .timeouts = {}}; }
  std::vector<std::string> pieces(std::string_view request) {
    out.clear();
    Conversation c = answer(request, director, now, out, kStart);
    std::vector<std::string> all;
    for (int i = 0; i < 100'000 && !c.over(); ++i) all.push_back(next_piece(c, director, now));
    EXPECT_TRUE(c.over());
    return all;
  }
  std::string raw(std::string_view request) {
    std::string all;
    for (const std::string& piece : pieces(request)) all += piece;
    return all;
  }
  std::string ask(const std::string& request) { return raw("rawvs/1 " + request); }

  Connection& connect(uint16_t cport, ServerSlot server, Duration timeout, Protocol protocol = Protocol::tcp) {
    const FlowKey key{Ip(0xc6336401), Ip(0xc0000264), Port(cport), Port(80), protocol};
    Connection* const c = director.connections().create(key, director.connections().hash(key));
    c->server = server;
    c->state = static_cast<uint8_t>(protocol == Protocol::tcp ? TcpState::established : TcpState::none);
    director.connections().arm(*c, now, timeout);
    return *c;
  }
  void serve_web() {
    EXPECT_EQ(ask("add-service service=tcp:192.0.2.100:80"), "ok\nend\n");
    EXPECT_EQ(ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80"), "ok\nend\n");
  }
  std::string everything() { return ask("list") + ask("connections") + ask("timeouts") + ask("arp") + ask("exits"); }

  Instant now = kStart;
  Director director;
  Outbox out;
};

std::string code(const std::string& reply) {  // "ok", or the code of the error
  if (!reply.starts_with("error ")) return reply.substr(0, reply.find('\n'));
  return reply.substr(6, reply.find(' ', 6) - 6);
}

size_t count(const std::string& text, std::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(Control, ListsAnEmptyDirectorAsOneDaemonRow) {
  Table t;
  t.now += 90999ms;
  EXPECT_EQ(t.ask("list"), "ok\ndaemon version=0.1.0 uptime=90 size=2048\nend\n");
  EXPECT_EQ(t.ask("connections"), "ok\nend\n");
  EXPECT_EQ(t.ask("timeouts"), "ok\ntimeouts tcp=900 tcpfin=120 udp=300\nend\n");
}

TEST(Control, ListsServicesAndTheirServersNewestFirst) {
  Table t;
  t.serve_web();
  EXPECT_EQ(t.ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.12:80 weight=2147483647 upper=9 lower=3 "
                  "mac=02:00:00:00:00:12 method=route"),
            "ok\nend\n");
  t.ask("add-service service=mark:10");
  EXPECT_EQ(t.ask("list"),
            "ok\n"
            "daemon version=0.1.0 uptime=0 size=2048\n"
            "service service=tcp:192.0.2.100:80 scheduler=wlc conns=0 inpkts=0 outpkts=0 inbytes=0 outbytes=0\n"
            "server service=tcp:192.0.2.100:80 server=192.0.2.12:80 method=route weight=2147483647 upper=9 lower=3 "
            "active=0 inactive=0 persistent=0 conns=0 inpkts=0 outpkts=0 inbytes=0 outbytes=0\n"
            "server service=tcp:192.0.2.100:80 server=192.0.2.11:80 method=route weight=1 upper=0 lower=0 "
            "active=0 inactive=0 persistent=0 conns=0 inpkts=0 outpkts=0 inbytes=0 outbytes=0\n"
            "service service=mark:10 scheduler=wlc conns=0 inpkts=0 outpkts=0 inbytes=0 outbytes=0\n"
            "end\n");
  const std::string one = t.ask("list service=mark:10");
  EXPECT_EQ(count(one, "service="), 1u) << one;
  EXPECT_EQ(count(one, "service service=mark:10 "), 1u) << one;
}

TEST(Control, GivesADirectRoutedServerItsServicesPort) {
  Table t;
  t.ask("add-service service=tcp:192.0.2.100:80");
  t.ask("add-service service=mark:10");
  t.ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11:8080");
  t.ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.12");
  t.ask("add-server service=mark:10 server=192.0.2.13");
  t.ask("add-server service=mark:10 server=192.0.2.14:99");
  const std::string list = t.ask("list");
  for (const char* at : {"192.0.2.11:80 ", "192.0.2.12:80 ", "192.0.2.13:0 ", "192.0.2.14:99 "}) {
    EXPECT_EQ(count(list, std::string("server=") + at), 1u) << at << list;
  }
  EXPECT_EQ(code(t.ask("edit-server service=tcp:192.0.2.100:80 server=192.0.2.11:8080 weight=0")), "ok");
  EXPECT_EQ(code(t.ask("delete-server service=tcp:192.0.2.100:80 server=192.0.2.11:8080")), "no-server");  // as ipvsadm
  EXPECT_EQ(code(t.ask("delete-server service=tcp:192.0.2.100:80 server=192.0.2.11:80")), "ok");
  EXPECT_EQ(code(t.ask("delete-server service=tcp:192.0.2.100:80 server=192.0.2.12")), "ok");
}

TEST(Control, EditsReplaceTheWholeRecord) {
  Table t;
  t.ask("add-service service=tcp:192.0.2.100:80 scheduler=rr");
  t.ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80 weight=7 upper=9 lower=3");
  t.ask("edit-service service=tcp:192.0.2.100:80");
  t.ask("edit-server service=tcp:192.0.2.100:80 server=192.0.2.11:80 weight=0");
  const std::string list = t.ask("list");
  EXPECT_EQ(count(list, "scheduler=wlc "), 1u) << list;
  EXPECT_EQ(count(list, "weight=0 upper=0 lower=0 "), 1u) << list;
}

TEST(Control, RefusesByName) {
  Table t;
  t.serve_web();
  const std::string before = t.everything();
  // clang-format off
  const std::pair<const char*, const char*> cases[] = {
      {"add-service service=tcp:192.0.2.100:80", "exists"},
      {"add-service service=tcp:192.0.2.100:80 scheduler=nosuch", "exists"},
      {"add-service service=tcp:192.0.2.100:81 scheduler=nosuch", "no-scheduler"},
      {"edit-service service=tcp:192.0.2.100:80 scheduler=nosuch", "no-scheduler"},
      {"edit-service service=tcp:192.0.2.100:81 scheduler=nosuch", "no-service"},
      {"add-service service=tcp:224.0.0.5:80", "invalid"}, {"add-service service=tcp:0.0.0.0:80", "invalid"},
      {"delete-service service=udp:192.0.2.100:80", "no-service"},
      {"delete-service service=sctp:192.0.2.100:80", "no-service"}, {"list service=mark:1", "no-service"},
      {"zero service=mark:1", "no-service"},
      {"add-server service=mark:1 server=224.0.0.1 upper=1 lower=2", "no-service"},
      {"add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80 upper=1 lower=2", "range"},
      {"add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80 lower=1", "range"},
      {"add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80", "exists"},
      {"add-server service=tcp:192.0.2.100:80 server=224.0.0.1:80", "invalid"},
      {"add-server service=tcp:192.0.2.100:80 server=127.0.0.1:80", "invalid"},
      {"edit-server service=tcp:192.0.2.100:80 server=224.0.0.1:80", "no-server"},
      {"edit-server service=tcp:192.0.2.100:80 server=192.0.2.77:80 upper=1 lower=2", "range"},
      {"edit-server service=tcp:192.0.2.100:80 server=192.0.2.11:80 upper=1 lower=2", "range"},
      {"delete-server service=tcp:192.0.2.100:80 server=192.0.2.12:80", "no-server"},
      {"add-service service=tcp:192.0.2.100:81 persistence=360", "unsupported"},
      {"add-service service=tcp:192.0.2.100:81 netmask=24", "unsupported"},
      {"add-service service=tcp:192.0.2.100:81 flags=sh-port", "unsupported"},
      {"add-service service=udp:192.0.2.100:81 ops=1", "unsupported"},
      {"add-service service=udp:192.0.2.100:81 pe=sip", "unsupported"},
      {"add-service service=sctp:192.0.2.100:81", "unsupported"},
      {"add-service service=tcp:192.0.2.100:0", "unsupported"},
      {"add-server service=tcp:192.0.2.100:80 server=192.0.2.12:80 method=tunnel", "unsupported"},
      {"edit-server service=tcp:192.0.2.100:80 server=192.0.2.11:80 method=masq", "unsupported"}};
  // clang-format on
  for (const auto& [request, expected] : cases) {
    EXPECT_EQ(code(t.ask(request)), expected) << request;
    EXPECT_EQ(t.everything(), before) << request;
  }
  EXPECT_EQ(t.ask("delete-service service=mark:7"), "error no-service there is no service mark:7\nend\n");
  EXPECT_EQ(code(t.ask("add-service service=mark:7 persistence=0 netmask=32 ops=0")), "ok");  // neutral values
}

TEST(Control, SaysWhatItFoundAndWhatItExpected) {
  Table t;
  t.ask("add-service service=tcp:192.0.2.100:80");
  EXPECT_EQ(t.ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80 weight=2147483648"),
            "error usage weight=\"2147483648\": expected a number from 0 to 2147483647\nend\n");
  EXPECT_EQ(t.ask("zero sevrice=mark:1"), "error usage \"sevrice\" is not a key of zero: expected service\nend\n");
  EXPECT_EQ(t.ask("clear now=1"), "error usage \"now\" is not a key of clear: expected none\nend\n");
  EXPECT_EQ(t.ask("delete-service"), "error usage delete-service: expected service=, which is missing\nend\n");
  EXPECT_EQ(t.ask("set-timeouts tcp=1 tcp=2"), "error usage tcp is given twice: expected once\nend\n");
  EXPECT_EQ(t.raw("rawvs/2 list"), "error version this is rawvs/1\nend\n");
  EXPECT_EQ(t.raw("list"), "error version this is rawvs/1\nend\n");
  EXPECT_EQ(t.raw(std::string_view("rawvs/1 li\0st", 13)),
            "error usage byte 0 at place 10: expected ASCII text\nend\n");
  const std::string long_word = t.ask(std::string(4000, 'x'));
  EXPECT_LT(long_word.size(), 400u) << long_word;
}

TEST(Control, AnswersWhatIsNoRequestByUsage) {
  Table t;
  t.ask("add-service service=tcp:192.0.2.100:80");
  const std::string before = t.everything();
  const std::string web = "service=tcp:192.0.2.100:80";
  // clang-format off
  const std::string bad[] = {
      "", " list", "list ", "list  service=mark:1", "nosuch", "LIST", "list\n", "list\tx", "list service", "list =",
      "list =x", "list service=", "list service=tcp", "list service=tcp:192.0.2.100",
      "list service=tcp:192.0.2.100:65536", "list service=tcp:192.0.2.256:80", "list service=tcp:192.0.2.100:80:1",
      "list service=mark:0", "list service=mark:4294967296", "list service=mark:-1",
      "list service=icmp:192.0.2.100:80", "list service=TCP:192.0.2.100:80", "list service=:192.0.2.100:80",
      "list service=any:192.0.2.100:5", "list weight=1", "add-service scheduler=rr", "add-service " + web + " ops=2",
      "add-service " + web + " netmask=33", "add-service " + web + " persistence=x", "add-server " + web,
      "add-server server=192.0.2.11:80", "add-server " + web + " server=web1:80",
      "add-server " + web + " server=192.0.2.11:99999", "add-server " + web + " server=192.0.2.11:80 weight=-1",
      "add-server " + web + " server=192.0.2.11:80 weight=1x",
      "add-server " + web + " server=192.0.2.11:80 method=nat",
      "add-server " + web + " server=192.0.2.11:80 mac=01:00:5e:00:00:01",
      "add-server " + web + " server=192.0.2.11:80 mac=00:00:00:00:00:00",
      "add-server " + web + " server=192.0.2.11:80 upper=4294967296", "clear " + web, "set-timeouts tcp=2678401",
      "set-timeouts tcp=5 udp=x", "exits \xc3\xa9"};
  // clang-format on
  for (const std::string& request : bad) {
    EXPECT_EQ(code(t.ask(request)), "usage") << request;
    EXPECT_EQ(t.everything(), before) << request;
  }
  for (const std::string& request : {std::string(), std::string("rawvs/1"), std::string("\xff\xfe"),
                                     std::string(kRequestMost + 1, 'a'), "rawvs/1 " + std::string(kRequestMost, 'a')}) {
    EXPECT_EQ(code(t.raw(request)), "usage") << request;
  }
}

TEST(Control, SetsTheTimeoutsThatAreGiven) {
  Table t;
  EXPECT_EQ(t.ask("set-timeouts tcp=0 tcpfin=30"), "ok\nend\n");
  EXPECT_EQ(t.ask("timeouts"), "ok\ntimeouts tcp=900 tcpfin=30 udp=300\nend\n");
  EXPECT_EQ(t.ask("set-timeouts tcp=2678400 tcpfin=1 udp=2"), "ok\nend\n");
  EXPECT_EQ(t.ask("set-timeouts"), "ok\nend\n");
  EXPECT_EQ(t.ask("timeouts"), "ok\ntimeouts tcp=2678400 tcpfin=1 udp=2\nend\n");
}

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
  t.ask("add-service service=mark:10");
  t.ask("add-server service=mark:10 server=192.0.2.12");  // a server of every port gets the packet's own
  t.connect(1004, t.director.services().services()[1].servers[0], 900s);
  EXPECT_EQ(count(t.ask("connections"), "server=192.0.2.12:80\n"), 1u);
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
  for (Connection* c : used) t.director.connections().remove(*c);
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
  Conversation c = answer("rawvs/1 list", t.director, t.now, t.out);
  std::string all = next_piece(c, t.director, t.now);
  ASSERT_FALSE(c.over());
  // The newest are listed already; the oldest is still to come. One comes, one that was to come goes.
  ASSERT_EQ(code(t.ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80")), "ok");
  ASSERT_EQ(code(t.ask("delete-server service=tcp:192.0.2.100:80 server=" + server(0))), "ok");
  while (!c.over()) all += next_piece(c, t.director, t.now);
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
  t.director.link_changed(Link::outside, facts, t.now, t.out);
  t.director.link_counted(Link::outside, {5, 4, 3, 2, 1});
  const std::string exits = t.ask("exits");
  EXPECT_EQ(count(exits, "\nlink name=eth0 received=5 kernel_dropped=4 cut=3 sent=2 send_failed=1\nend\n"), 1u);
}

TEST(Control, ListsVipsAndNeighbors) {
  Table t;
  LinkFacts facts;
  facts.name = "eth0";
  facts.ifindex = 2;
  facts.up = facts.carrier = true;
  facts.mac = Mac{{2, 0, 0, 0, 0, 1}};
  facts.addresses = {{Ip(0xc0000201), 24}};
  t.director.link_changed(Link::outside, facts, t.now, t.out);
  t.ask("add-service service=tcp:192.0.2.100:80");
  t.ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80");
  t.ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.12:80 mac=02:00:00:00:00:12");
  const std::string arp = t.ask("arp");
  EXPECT_EQ(count(arp, "vip address=192.0.2.100 link=eth0 mac=02:00:00:00:00:01 retired=0\n"), 1u) << arp;
  EXPECT_EQ(count(arp, "neighbor address=192.0.2.11 link=eth0 state=asking mac=- servers=1\n"), 1u) << arp;
  EXPECT_EQ(count(arp, "neighbor address=192.0.2.12 link=eth0 state=fixed mac=02:00:00:00:00:12 servers=1\n"), 1u)
      << arp;
}

TEST(Control, ClearsEverything) {
  Table t;
  t.serve_web();
  EXPECT_EQ(t.ask("zero"), "ok\nend\n");
  EXPECT_EQ(t.ask("zero service=tcp:192.0.2.100:80"), "ok\nend\n");
  EXPECT_EQ(t.ask("clear"), "ok\nend\n");
  EXPECT_EQ(count(t.ask("list"), "service"), 0u);
}

class Dice {  // the same throws in every run
 public:
  uint64_t operator()(uint64_t below) {
    state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
    return state_ % below;
  }

 private:
  uint64_t state_ = 0x9e3779b97f4a7c15u;
};

std::string mutated(std::string request, Dice& dice) {
  for (uint64_t n = dice(6); n > 0; --n) {
    const size_t at = static_cast<size_t>(dice(request.size() + 1));
    switch (dice(5)) {
      case 0: request.insert(at, 1, static_cast<char>(dice(256))); break;
      case 1: request.erase(at, static_cast<size_t>(dice(8))); break;
      case 2: request.insert(at, request.substr(static_cast<size_t>(dice(request.size() + 1)), 30)); break;
      case 3: request.insert(at, 1, " =:0123456789."[dice(14)]); break;
      default:
        if (at < request.size()) request[at] = static_cast<char>(dice(256));
    }
  }
  if (dice(500) == 0) request.resize(static_cast<size_t>(dice(3 * kRequestMost)), static_cast<char>(dice(256)));
  return request;
}

TEST(Control, SurvivesAnyBytesAndChangesNothingAfterAnError) {
  // clang-format off
  const char* const seeds[] = {
      "list", "list service=tcp:192.0.2.100:80", "connections", "arp", "clear", "zero service=tcp:192.0.2.100:80",
      "set-timeouts tcp=100 tcpfin=50 udp=20",
      "add-service service=udp:192.0.2.101:53 scheduler=wrr persistence=0 netmask=32 ops=0",
      "edit-service service=tcp:192.0.2.100:80 scheduler=lc flags=sh-port pe=sip", "delete-service service=mark:10",
      "add-service service=mark:10 scheduler=rr",
      "add-server service=mark:10 server=192.0.2.13:0 weight=5 upper=10 lower=2",
      "add-server service=tcp:192.0.2.100:80 server=192.0.2.12:80 mac=02:00:00:00:00:12",
      "edit-server service=tcp:192.0.2.100:80 server=192.0.2.11:80 weight=0 method=route",
      "delete-server service=tcp:192.0.2.100:80 server=192.0.2.12:80"};
  // clang-format on
  Table t(64);
  Dice dice;
  t.serve_web();
  t.connect(1001, 0, 900s);
  std::string before = t.everything();
  int accepted = 0, refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string request = mutated(std::string("rawvs/1 ") + seeds[dice(std::size(seeds))], dice);
    const std::string reply = t.raw(request);
    ASSERT_TRUE(reply.ends_with("\nend\n"));
    ASSERT_TRUE(std::ranges::all_of(reply, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
    const std::string after = t.everything();
    const bool ok = reply.starts_with("ok\n");
    ++(ok ? accepted : refused);
    ASSERT_TRUE(ok || (reply.starts_with("error ") && count(reply, "\n") == 2)) << reply;
    ASSERT_TRUE(ok || after == before) << request;
    before = after;
  }
  EXPECT_GT(accepted, 1000);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace rawvs
