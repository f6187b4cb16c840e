// SPDX-License-Identifier: BSD-2-Clause
// Tests control requests and their replies with a real director.
#include <algorithm>

#include "control_fixture.h"

namespace rawvs {
namespace {

TEST(Control, ListsAnEmptyDirectorAsOneDaemonRow) {
  Table t;
  t.now += 90999ms;
  EXPECT_EQ(
      t.ask("list"),
      "ok\ndaemon version=0.1.0 uptime=90 size=2048 pid=7 calls=0 entries-used=0 entries-most=1024 entries-unproven=0 "
      "filling=0 syn-cookies=0 gave-way=0 gave-way-kinds=- without-entry=0 implausible=0 servers-used=0 "
      "servers-most=1024 "
      "services-used=0 services-most=16384 fragments-used=0 fragments-most=1024 ftp-used=0 ftp-most=1024 "
      "config=-\nend\n");
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
  const std::string nothing =
      "conns=0 inpkts=0 outpkts=0 inbytes=0 outbytes=0 cps=0 inpps=0 outpps=0 inbps=0 outbps=0\n";
  EXPECT_EQ(
      t.ask("list"),
      "ok\n"
      "daemon version=0.1.0 uptime=0 size=2048 pid=7 calls=0 entries-used=0 entries-most=1024 entries-unproven=0 "
      "filling=0 syn-cookies=0 "
      "gave-way=0 gave-way-kinds=- without-entry=0 implausible=0 servers-used=2 servers-most=1024 services-used=2 "
      "services-most=16384 fragments-used=0 fragments-most=1024 ftp-used=0 ftp-most=1024 config=-\n"
      "service service=tcp:192.0.2.100:80 scheduler=wlc flags=- persistence=0 netmask=255.255.255.255 ops=0 " +
          nothing +
          "server service=tcp:192.0.2.100:80 server=192.0.2.12:80 method=route weight=2147483647 upper=9 lower=3 "
          "active=0 inactive=0 persistent=0 overloaded=0 reach=link-down via=192.0.2.12 mac=02:00:00:00:00:12 "
          "fixed=1 local=0 " +
          nothing +
          "server service=tcp:192.0.2.100:80 server=192.0.2.11:80 method=route weight=1 upper=0 lower=0 "
          "active=0 inactive=0 persistent=0 overloaded=0 reach=link-down via=192.0.2.11 mac=- fixed=0 "
          "local=0 " +
          nothing + "service service=mark:10 scheduler=wlc flags=- persistence=0 netmask=255.255.255.255 ops=0 " +
          nothing + "end\n");
  const std::string one = t.ask("list service=mark:10");
  EXPECT_EQ(count(one, "service="), 1u) << one;
  EXPECT_EQ(count(one, "service service=mark:10 "), 1u) << one;
}

TEST(Control, ListsAllOfAServicesRecord) {
  Table t;
  const auto row = [&](const std::string& request) {
    EXPECT_EQ(code(t.ask(request)), "ok") << request;
    const std::string list = t.ask("list"), wanted = request.substr(request.find("service="), 20);
    const size_t at = list.find("service " + wanted.substr(0, wanted.find(' ', 8)));
    return list.substr(at + 8, list.find(" conns=", at) - at - 8);
  };
  EXPECT_EQ(row("add-service service=tcp:192.0.2.100:0 scheduler=sh flags=sh-port,sh-fallback persistence=2678400 "
                "netmask=24"),
            "service=tcp:192.0.2.100:0 scheduler=sh flags=sh-fallback,sh-port persistence=2678400 "
            "netmask=255.255.255.0 ops=0");
  EXPECT_EQ(row("add-service service=udp:192.0.2.100:53 scheduler=rr ops=1 netmask=0.0.0.24"),
            "service=udp:192.0.2.100:53 scheduler=rr flags=- persistence=0 netmask=0.0.0.24 ops=1");
  EXPECT_EQ(row("add-service service=sctp:192.0.2.100:9 scheduler=mh flags=flag-1,mh-port,flag-3"),
            "service=sctp:192.0.2.100:9 scheduler=mh flags=mh-fallback,mh-port,flag-3 persistence=0 "
            "netmask=255.255.255.255 ops=0");
  EXPECT_EQ(row("add-service service=mark:7 scheduler=lc flags=flag-1,flag-3 persistence=1 netmask=0 ops=1"),
            "service=mark:7 scheduler=lc flags=flag-1,flag-3 persistence=1 netmask=0.0.0.0 ops=1");
  EXPECT_EQ(row("edit-service service=mark:7"),
            "service=mark:7 scheduler=wlc flags=- persistence=0 netmask=255.255.255.255 ops=0");
}

TEST(Control, ListsHowAServerIsReached) {
  Table t;
  t.ask("add-service service=tcp:192.0.2.100:80");
  t.ask("add-service service=mark:7");
  const auto row = [&](const std::string& record) {
    EXPECT_EQ(code(t.ask("add-server service=" + record)), "ok") << record;
    const std::string list = t.ask("list"), server = record.substr(record.find(" server="), 18);
    const size_t at = list.find(server), end = list.find(" weight=", at);
    return list.substr(at + 1, end - at - 1);
  };
  EXPECT_EQ(row("tcp:192.0.2.100:80 server=192.0.2.11:8080 method=masq"), "server=192.0.2.11:8080 method=masq");
  EXPECT_EQ(row("tcp:192.0.2.100:80 server=192.0.2.12 method=masq"), "server=192.0.2.12:80 method=masq");
  EXPECT_EQ(row("tcp:192.0.2.100:80 server=192.0.2.13:0 method=masq"), "server=192.0.2.13:0 method=masq");
  EXPECT_EQ(row("tcp:192.0.2.100:80 server=192.0.2.14:8080 method=tunnel"),
            "server=192.0.2.14:80 method=tunnel tun-type=ipip tun-port=0 tun-checksum=none");
  EXPECT_EQ(row("tcp:192.0.2.100:80 server=192.0.2.15 method=tunnel tun-type=gue tun-port=6080 tun-checksum=remote"),
            "server=192.0.2.15:80 method=tunnel tun-type=gue tun-port=6080 tun-checksum=remote");
  EXPECT_EQ(row("tcp:192.0.2.100:80 server=192.0.2.16 method=tunnel tun-type=gre tun-checksum=on"),
            "server=192.0.2.16:80 method=tunnel tun-type=gre tun-port=0 tun-checksum=on");
  EXPECT_EQ(row("mark:7 server=192.0.2.17 method=masq"), "server=192.0.2.17:0 method=masq");
  EXPECT_EQ(row("mark:7 server=192.0.2.18:88 method=tunnel"),
            "server=192.0.2.18:88 method=tunnel tun-type=ipip tun-port=0 tun-checksum=none");
  EXPECT_EQ(code(t.ask("edit-server service=tcp:192.0.2.100:80 server=192.0.2.15:80")), "ok");  // the whole record
  EXPECT_EQ(count(t.ask("list"), "server=192.0.2.15:80 method=route weight=1"), 1u);
  EXPECT_EQ(code(t.ask("delete-server service=tcp:192.0.2.100:80 server=192.0.2.11")), "no-server");
  EXPECT_EQ(code(t.ask("delete-server service=tcp:192.0.2.100:80 server=192.0.2.11:8080")), "ok");
  EXPECT_EQ(code(t.ask("delete-server service=tcp:192.0.2.100:80 server=192.0.2.13:0")), "ok");
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
      {"add-server service=tcp:192.0.2.100:80 server=0.0.0.0:80", "invalid"},
      {"edit-server service=tcp:192.0.2.100:80 server=224.0.0.1:80", "no-server"},
      {"edit-server service=tcp:192.0.2.100:80 server=192.0.2.77:80 upper=1 lower=2", "range"},
      {"edit-server service=tcp:192.0.2.100:80 server=192.0.2.11:80 upper=1 lower=2", "range"},
      {"delete-server service=tcp:192.0.2.100:80 server=192.0.2.12:80", "no-server"},
      {"add-service service=tcp:192.0.2.100:0", "invalid"}, {"add-service service=sctp:192.0.2.100:0", "invalid"},
      {"edit-service service=tcp:192.0.2.100:80 ops=1", "invalid"},
      {"add-service service=sctp:192.0.2.100:81 ops=1", "invalid"},
      {"add-service service=udp:192.0.2.100:81 pe=sip", "no-scheduler"},
      {"add-service service=tcp:192.0.2.100:80 pe=sip", "exists"},
      {"add-service service=tcp:192.0.2.100:80 ops=1", "exists"},
      {"add-server service=tcp:192.0.2.100:80 server=192.0.2.11:8080 method=tunnel", "exists"},
      {"edit-server service=tcp:192.0.2.100:80 server=192.0.2.11:8080 method=masq", "no-server"}};
  // clang-format on
  for (const auto& [request, expected] : cases) {
    EXPECT_EQ(code(t.ask(request)), expected) << request;
    EXPECT_EQ(t.everything(), before) << request;
  }
  EXPECT_EQ(t.ask("delete-service service=mark:7"), "error no-service there is no service mark:7\nend\n");
  EXPECT_EQ(t.ask("add-service service=mark:7 pe=sip"),
            "error no-scheduler persistence engine \"sip\" is not built in\nend\n");
  EXPECT_EQ(t.ask("add-service service=udp:192.0.2.100:0"),
            "error invalid udp 192.0.2.100:0: a service of every port (port 0) needs persistence=SECONDS\nend\n");
  EXPECT_EQ(t.ask("add-service service=tcp:192.0.2.100:81 ops=1"),
            "error invalid tcp 192.0.2.100:81: ops=1 is for UDP services and marks\nend\n");
}

TEST(Control, SaysWhatItFoundAndWhatItExpected) {
  Table t;
  t.ask("add-service service=tcp:192.0.2.100:80");
  EXPECT_EQ(t.ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80 weight=2147483648"),
            "error usage weight=\"2147483648\": expected a number from 0 to 2147483647\nend\n");
  EXPECT_EQ(t.ask("add-service service=mark:1 scheduler=wlc flags=sh-port"),
            "error usage flags=\"sh-port\": sh-port is a flag of scheduler sh, and this is wlc\nend\n");
  EXPECT_EQ(t.ask("add-server service=mark:1 server=192.0.2.11 tun-port=6080"),
            "error usage tun-port=: expected only with method=tunnel\nend\n");
  EXPECT_EQ(t.ask("add-server service=mark:1 server=192.0.2.11 method=tunnel tun-type=gue"),
            "error usage tun-port is missing: a gue tunnel needs the UDP port that the server listens on, such as "
            "6080\nend\n");
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
      "add-service " + web + " netmask=33", "add-service " + web + " netmask=255.255.255",
      "add-service " + web + " persistence=2678401", "add-service " + web + " flags=port",
      "add-service " + web + " flags=flag-1,", "add-service " + web + " scheduler=mh flags=sh-port",
      "edit-service " + web + " flags=sh-port", "add-server " + web + " server=192.0.2.11 tun-type=ipip",
      "add-server " + web + " server=192.0.2.11 method=masq tun-port=6080",
      "add-server " + web + " server=192.0.2.11 method=tunnel tun-type=vxlan",
      "add-server " + web + " server=192.0.2.11 method=tunnel tun-type=gue",
      "add-server " + web + " server=192.0.2.11 method=tunnel tun-type=gue tun-port=0",
      "add-server " + web + " server=192.0.2.11 method=tunnel tun-type=gue tun-port=65536",
      "add-server " + web + " server=192.0.2.11 method=tunnel tun-port=6080",
      "add-server " + web + " server=192.0.2.11 method=tunnel tun-type=gre tun-checksum=remote",
      "add-server " + web + " server=192.0.2.11 method=tunnel tun-checksum=on",
      "add-server " + web + " server=192.0.2.11 method=tunnel tun-type=gre tun-checksum=off",
      "add-service " + web + " persistence=x", "add-server " + web,
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

TEST(Control, ClearsEverything) {
  Table t;
  t.serve_web();
  EXPECT_EQ(t.ask("zero"), "ok\nend\n");
  EXPECT_EQ(t.ask("zero service=tcp:192.0.2.100:80"), "ok\nend\n");
  EXPECT_EQ(t.ask("clear"), "ok\nend\n");
  EXPECT_EQ(count(t.ask("list"), "\nservice "), 0u);
}

class Dice {  // the same numbers in every run
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
      "edit-service service=tcp:192.0.2.100:80 scheduler=sh flags=sh-port,flag-3", "delete-service service=mark:10",
      "add-service service=sctp:192.0.2.102:0 scheduler=mh persistence=360 netmask=255.255.255.0",
      "edit-service service=mark:10 pe=sip ops=1",
      "add-server service=mark:10 server=192.0.2.14:80 method=tunnel tun-type=gue tun-port=6080 tun-checksum=on",
      "edit-server service=tcp:192.0.2.100:80 server=192.0.2.12:8080 method=masq",
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
