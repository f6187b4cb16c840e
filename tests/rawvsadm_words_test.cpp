// SPDX-License-Identifier: BSD-2-Clause
// Tests the formatting of rawvsadm's own commands: rows in, text and JSON out. rawvsadm_asking_test.cpp tests whole
// ones.
#include <gtest/gtest.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>

#include "rawvsadm/recordings.h"
#include "tools/rawvsadm/drain.h"
#include "tools/rawvsadm/orders.h"
#include "tools/rawvsadm/pcapng.h"
#include "tools/rawvsadm/top.h"

namespace rawvs::adm {
namespace {

constexpr time_t kNow = 1'767'225'600;  // 2026-01-01 00:00:00 UTC
constexpr char kSyn[] =                 // 198.51.100.7:40000 > 192.0.2.100:80, TCP SYN
    "0200000000010200000000020800450000280001000040060000c6336407c00002649c4000500000000100000000500220000000"
    "0000";

class Utc {  // what clocks show, as long as it lives
 public:
  Utc() { setenv("TZ", "UTC", 1), tzset(); }
};

const std::string kDaemon = "daemon version=0.1.0 uptime=93784 size=4096 pid=17 config=/etc/my rawvs.ini";
const std::string kService =
    "service service=tcp:192.0.2.100:80 scheduler=wlc flags=- persistence=360 netmask=255.255.255.0 ops=0 conns=10 "
    "inpkts=9 outpkts=0 inbytes=900 outbytes=0 cps=5 inpps=50 outpps=0 inbps=12000 outbps=0";
const std::string kServer12 =
    "server service=tcp:192.0.2.100:80 server=192.0.2.12:80 method=route weight=2 upper=0 lower=0 active=5 inactive=1 "
    "persistent=0 overloaded=0 reach=ready via=192.0.2.12 mac=02:00:00:00:00:12 conns=6 inpkts=6 outpkts=0 "
    "inbytes=600 outbytes=0 cps=3 inpps=30 outpps=0 inbps=8000 outbps=0";
const std::string kServer11 =
    "server service=tcp:192.0.2.100:80 server=192.0.2.11:80 method=route weight=0 upper=0 lower=0 active=1 inactive=1 "
    "persistent=3 overloaded=0 reach=ready via=192.0.2.11 mac=02:00:00:00:00:11 conns=4 inpkts=3 outpkts=0 "
    "inbytes=300 outbytes=0 cps=2 inpps=20 outpps=0 inbps=4000 outbps=0";
const std::string kMarkService =
    "service service=mark:10 scheduler=rr flags=- persistence=0 netmask=255.255.255.255 ops=0 conns=0 inpkts=0 "
    "outpkts=0 inbytes=0 outbytes=0 cps=0 inpps=0 outpps=0 inbps=0 outbps=0";
const Rows kTable = {kDaemon, kService, kServer12, kServer11, kMarkService};

const Rows kExits = {"exit name=forwarded fate=forwarded count=20 meaning=sent on to a real server",
                     "exit name=land fate=dropped count=2 meaning=source address is the VIP itself (land attack)",
                     "exit name=table-full fate=dropped count=40 meaning=no room: see max_connections",
                     "exit name=hairpin fate=dropped count=0 meaning=never",
                     "link name=eth0 received=62 kernel-dropped=3 cut=0 sent=20 send-failed=1 vips=5 guarded=3 "
                     "guard=classic"};
const Rows kArp = {"vip address=192.0.2.100 link=eth0 mac=02:00:00:00:00:01 retired=0",
                   "rival address=192.0.2.100 mac=02:00:00:00:00:11 server=192.0.2.11"};

TEST(Words, StatusIsOneScreenAboutEverything) {
  const Utc utc;
  Rows rows = kTable;
  rows.insert(rows.end(), kExits.begin(), kExits.end());
  rows.insert(rows.end(), kArp.begin(), kArp.end());
  EXPECT_EQ(status_text(rows, kNow),
            "rawvsd 0.1.0, up 1 day 02:03:04 since 2025-12-30 21:56:56, on eth0\n"
            "\n"
            "  Server         Weight  Share  Active  Inact  Conn/s  In B/s  Out B/s\n"
            "TCP 192.0.2.100:80 wlc persistent 360\n"
            "  192.0.2.12:80       2    75%       5      1     3.0    8000        0\n"
            "  192.0.2.11:80       0    25%       1      1     2.0    4000        0\n"
            "    quiesced (weight 0)\n"
            "FWM 10 rr: no real server\n"
            "\n"
            "42 packets were dropped:\n"
            "  table-full  40  no room: see max_connections\n"
            "  land         2  source address is the VIP itself (land attack)\n"
            "eth0 lost 3 frames, which came faster than they were read (more ring_frames may help)\n"
            "eth0 lost 1 frame, which could not be sent\n"
            "eth0: 3 of 5 VIPs guarded (classic): rawvsadm doctor says what to do\n"
            "warning: real server 192.0.2.11 (02:00:00:00:00:11) answers ARP for VIP 192.0.2.100: set arp_ignore=1, "
            "arp_announce=2 there, see rawvs-realserver(8)\n");
}

TEST(Words, StatusOfAnEmptyTableSaysSoAndOlderRowsAreNoTrouble) {
  const Utc utc;
  EXPECT_EQ(status_text({"daemon version=0.1.0 uptime=4 size=64"}, kNow),
            "rawvsd 0.1.0, up 00:00:04 since 2025-12-31 23:59:56\n\n"
            "No virtual service: nothing is balanced, no VIP is answered for.\n\nNo packet was dropped.\n");
  const std::string text = status_text({"service service=udp:192.0.2.100:53 scheduler=rr",
                                        "server service=udp:192.0.2.100:53 server=192.0.2.11:53 weight=1"},
                                       kNow);
  EXPECT_NE(text.find("\n  192.0.2.11:53       1      -       0      0       -       -        -\n"), std::string::npos)
      << text;
}

TEST(Words, StatusShowsHowFullTheConnectionTableIsAndWhatGaveWay) {
  const Utc utc;
  const std::string daemon = "daemon version=0.1.0 uptime=4 size=64 entries-used=1204 entries-most=262144 ";
  EXPECT_NE(status_text({daemon + "entries-unproven=12 filling=0 gave-way=0 gave-way-kinds=-"}, kNow)
                .find("\nConnections: 1,204 of 262,144, 12 of them unproven\n"),
            std::string::npos);
  const std::string full =
      status_text({daemon + "entries-unproven=1000 filling=1 gave-way=70001 gave-way-kinds=half-open:70000,quiet:1 "
                            "without-entry=5 implausible=12"},
                  kNow);
  EXPECT_NE(full.find("\nConnections: 1,204 of 262,144 (it fills), 1,000 of them unproven; 70,001 gave way to others: "
                      "70,000 half-open, 1 quiet; 5 packets forwarded without an entry; 12 forged or stray TCP "
                      "segments ended nothing\n"),
            std::string::npos)
      << full;
}

TEST(Words, StatusShowsHowFullTheOtherTablesAre) {
  const Utc utc;
  const std::string text =
      status_text({"daemon uptime=4 entries-used=1 entries-most=2 servers-used=12 servers-most=1024 "
                   "services-used=3 services-most=4096 fragments-used=0 fragments-most=1024"},
                  kNow);
  EXPECT_NE(text.find("\nServers: 12 of 1,024; services: 3 of 4,096; fragmented datagrams: 0 of 1,024\n"),
            std::string::npos)
      << text;
}

TEST(Words, StatusShowsTheFiveLargestReasonsForDrops) {
  Rows rows;
  for (int i = 1; i <= 7; ++i) {
    rows.push_back("exit name=reason-" + std::to_string(i) + " fate=dropped count=" + std::to_string(i) + " meaning=x");
  }
  const std::string text = status_text(rows, kNow);
  EXPECT_NE(text.find("28 packets were dropped:\n  reason-7  7  x\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("reason-2"), std::string::npos) << text;
  EXPECT_NE(text.find("  and for 2 other reasons: rawvsadm drops\n"), std::string::npos) << text;
}

const Rows kVrrp = {
    "vrrp name=web link=eth0 vrid=51 version=3 state=backup priority=100 master=192.0.2.20 "
    "master-priority=150 for=9 sent=0 heard=12 became-master=0 refused=2 refused-for=password:2 "
    "why=192.0.2.20 (priority 150) is stronger",
    "vrrp name=shop link=eth1 vrid=52 version=3 state=initialize priority=100 master=- "
    "master-priority=0 for=100 sent=0 heard=0 became-master=0 refused=0 refused-for=- why="};

TEST(Words, VrrpTellsWhoIsMaster) {
  EXPECT_EQ(vrrp_text(kVrrp),
            "Instance  Interface  Id  State       For s  Priority  Master            Sent  Heard  Refused  Why\n"
            "web       eth0       51  backup          9       100  192.0.2.20 (150)     0     12        2  192.0.2.20 "
            "(priority 150) is stronger\n"
            "shop      eth1       52  initialize    100       100  -                    0      0        0\n");
  EXPECT_EQ(vrrp_text({}), "No VRRP instance: this director answers for each VIP of its services.\n");
}

TEST(Words, StatusTellsWhichMessagesOfSyncAreRefusedAndWhoSendsThem) {
  const auto part = [](const std::string& counters) {
    const std::string text = status_text({"sync role=auto leads=0 hears=1 taken=0 complete=0 " + counters}, kNow);
    return text.substr(text.find("Sync: "), text.find('\n', text.find("Sync: ")) - text.find("Sync: "));
  };
  EXPECT_EQ(part("refused=0 refused-for=- refused-from=-"),
            "Sync: tells nobody while another is master; 0 connections heard");
  EXPECT_EQ(part("refused=5 refused-for=bad-seal:4,late:1 refused-from=192.0.2.2"),
            "Sync: tells nobody while another is master; 0 connections heard, 5 refused: other key, or changed on its "
            "way, from 192.0.2.2");
  EXPECT_EQ(part("refused=5"), "Sync: tells nobody while another is master; 0 connections heard, 5 refused");
}

TEST(Words, AReasonIsOneValueInJson) {
  EXPECT_EQ(
      json_of({"server server=192.0.2.11:80 wanted=1 slow-start=20 health=down for=7 flaps=1 why=tcp x: a=b, 3 of 3"})
          .line(),
      "{ \"servers\": [ { \"server\": \"192.0.2.11:80\", \"wanted\": 1, \"slow-start\": 20, \"health\": \"down\", "
      "\"for\": 7, \"flaps\": 1, \"why\": \"tcp x: a=b, 3 of 3\" } ] }\n");
  EXPECT_NE(json_of(kVrrp, {"vrrp"}).line().find("\"vrrps\": [ { \"name\": \"web\""), std::string::npos);
}

TEST(Words, AServerIsUpOrTheReasonIsNamed) {
  const auto state = [](const std::string& keys) { return server_state(Row("server server=192.0.2.11:80 " + keys)); };
  EXPECT_EQ(state("weight=1 overloaded=0 reach=ready via=192.0.2.11"), "up");
  EXPECT_EQ(state("weight=0 overloaded=0 reach=ready via=192.0.2.11"), "quiesced (weight 0)");
  EXPECT_EQ(state("weight=1 reach=silent via=192.0.2.11"), "no answer to ARP");
  EXPECT_EQ(state("weight=1 reach=silent via=192.0.2.1"), "no answer to ARP (gateway 192.0.2.1)");
  EXPECT_EQ(state("weight=0 reach=no-route via=-"), "no route");
  EXPECT_EQ(state("weight=1 reach=link-down via=-"), "link down");
  EXPECT_EQ(state("weight=1 upper=100 active=60 inactive=40 overloaded=1 reach=ready"), "full: 100 of 100");
  EXPECT_EQ(state("weight=1 reach=asking via=192.0.2.11"), "asking for its MAC");
  EXPECT_EQ(state("weight=1 slow-start=20 reach=ready health=up"), "up, slow start 20%");
  EXPECT_EQ(state("weight=0 reach=ready health=down for=7"), "down, 7 s");
}

TEST(Words, RatesAreWrittenShort) {
  EXPECT_EQ(per_second(0), "0");
  EXPECT_EQ(per_second(0.5), "0.5");
  EXPECT_EQ(per_second(9.96), "10");
  EXPECT_EQ(per_second(9999), "9999");
  EXPECT_EQ(per_second(12345), "12K");
  EXPECT_EQ(per_second(125e6), "125M");
  EXPECT_EQ(per_second(12e12), "12T");
}

TEST(Words, JsonHasTheProtocolsKeysNumbersAsNumbersAndOwnersListWhatIsTheirs) {
  Rows rows(kTable.begin(), kTable.begin() + 2);
  rows.push_back("server service=tcp:192.0.2.100:80 server=192.0.2.11:80 weight=1 mac=-");
  rows.push_back("service service=mark:10 flags=-");
  EXPECT_EQ(json_of(rows, {"exit"}).line(),
            "{ \"exits\": [ ], \"daemon\": { \"version\": \"0.1.0\", \"uptime\": 93784, \"size\": 4096, \"pid\": 17, "
            "\"config\": \"/etc/my rawvs.ini\" }, \"services\": [ { \"service\": \"tcp:192.0.2.100:80\", "
            "\"scheduler\": \"wlc\", \"flags\": null, \"persistence\": 360, \"netmask\": \"255.255.255.0\", "
            "\"ops\": 0, \"conns\": 10, \"inpkts\": 9, \"outpkts\": 0, \"inbytes\": 900, \"outbytes\": 0, \"cps\": 5, "
            "\"inpps\": 50, \"outpps\": 0, \"inbps\": 12000, \"outbps\": 0, \"servers\": [ { "
            "\"service\": \"tcp:192.0.2.100:80\", \"server\": \"192.0.2.11:80\", \"weight\": 1, \"mac\": null } ] }, "
            "{ \"service\": \"mark:10\", \"flags\": null, \"servers\": [ ] } ] }\n");
  EXPECT_EQ(json_of({"packet time=1767225600.001 frames=1 text=a=b, \"c\" d", "frame link=eth0 size=60"}).line(),
            "{ \"packets\": [ { \"time\": 1767225600.001, \"frames\": [ { \"link\": \"eth0\", \"size\": 60 } ], "
            "\"text\": \"a=b, \\\"c\\\" d\" } ] }\n");
  EXPECT_EQ(json_of({"link name=18446744073709551615 received=18446744073709551615"}).line(),
            "{ \"links\": [ { \"name\": \"18446744073709551615\", \"received\": 18446744073709551615 } ] }\n");
}

TEST(Words, JsonKeepsReasonsWholeAndCountsOfChecksAndVrrpNumbers) {
  EXPECT_EQ(json_of({"server weight=0 wanted=2 health=down for=7 flaps=1 why=tcp 192.0.2.11:80: a=b, 3 of 3"}).line(),
            "{ \"servers\": [ { \"weight\": 0, \"wanted\": 2, \"health\": \"down\", \"for\": 7, \"flaps\": 1, "
            "\"why\": \"tcp 192.0.2.11:80: a=b, 3 of 3\" } ] }\n");
  EXPECT_EQ(
      json_of({"vrrp name=web vrid=51 state=backup priority=100 master=192.0.2.20 master-priority=150 for=1 heard=2 "
               "became-master=0 refused=3 why=a higher one"})
          .line(),
      "{ \"vrrps\": [ { \"name\": \"web\", \"vrid\": 51, \"state\": \"backup\", \"priority\": 100, \"master\": "
      "\"192.0.2.20\", \"master-priority\": 150, \"for\": 1, \"heard\": 2, \"became-master\": 0, \"refused\": 3, "
      "\"why\": \"a higher one\" } ] }\n");
}

TEST(Words, TopMeasuresBetweenTwoRepliesAndSorts) {
  const auto rows = [](uint64_t a, uint64_t b, const char* pid) {
    return Rows{
        std::string("daemon pid=") + pid, "service service=tcp:192.0.2.100:80",
        "server service=tcp:192.0.2.100:80 server=192.0.2.11:80 active=9 inactive=0 conns=" + std::to_string(a) +
            " inpkts=0 outpkts=0 inbytes=0 outbytes=0",
        "server service=tcp:192.0.2.100:80 server=192.0.2.12:80 active=1 inactive=2 conns=" + std::to_string(b) +
            " inpkts=0 outpkts=0 inbytes=" + std::to_string(1000 * b) + " outbytes=0"};
  };
  Top top;
  top.take(rows(100, 100, "1"), 50);
  EXPECT_FALSE(top.has_rates());
  top.take(rows(110, 140, "1"), 54);
  ASSERT_TRUE(top.has_rates());
  EXPECT_EQ(top.text(Top::Key::conns, 24, "12:00:00"),
            "12:00:00, over 4.0 s: 12 conn/s, 0 pkt/s in, 0 out, 10K B/s in, 0 out\n\n"
            "Server         Service             Active  Inact  Conn/s  In p/s  Out p/s  In B/s  Out B/s\n"
            "192.0.2.12:80  TCP 192.0.2.100:80       1      2      10       0        0     10K        0\n"
            "192.0.2.11:80  TCP 192.0.2.100:80       9      0     2.5       0        0       0        0\n");
  EXPECT_LT(top.text(Top::Key::active, 24, "").find(".11:80"), top.text(Top::Key::active, 24, "").find(".12:80"));
  EXPECT_EQ(top.text(Top::Key::conns, 4, "").find(".11:80"), std::string::npos);  // no room for it on the screen

  top.take(rows(6, 140, "1"), 56);  // zeroed: counted from there
  EXPECT_NE(top.json(Top::Key::conns).line().find("\"cps\": 3.000"), std::string::npos);
  top.take(rows(8, 200, "2"), 58);  // another rawvsd: all that it counted is new
  EXPECT_NE(top.json(Top::Key::conns).line().find("\"conns\": 200, \"cps\": 100.000"), std::string::npos);
  EXPECT_EQ(Top::key("outbytes"), Top::Key::outbytes);
  EXPECT_FALSE(Top::key("cps"));
}

TEST(Words, TraceTellsThePacketTheDecisionAndWhatLeft) {
  const Utc utc;
  EXPECT_EQ(packet_text({"packet time=1767225600.001 link=eth0 exit=forwarded fate=forwarded protocol=tcp "
                         "client=198.51.100.7:40000 virtual=192.0.2.100:80 server=192.0.2.11:80 method=route "
                         "connection=new frames=2 text=forwarded: to 192.0.2.11:80 by DR, new connection",
                         "frame link=eth0 direction=in size=60 bytes=0200000000010200000000020800 text=x > y tcp S",
                         "frame link=eth1 direction=out size=60 bytes=- text=x > y tcp S"}),
            "00:00:00.001 eth0 in:  x > y tcp S, 02:00:00:00:00:02 > 02:00:00:00:00:01\n"
            "    forwarded: to 192.0.2.11:80 by DR, new connection\n"
            "    eth1 out: x > y tcp S\n");
  EXPECT_EQ(packet_text({"packet time=1767225601.5 link=eth0 exit=land frames=0 text=land: dropped"}),
            "00:00:01.5 eth0 in\n    land: dropped\n");
}

TEST(Words, HexIsReadUpToWhatIsNone) {
  EXPECT_EQ(bytes_of_hex("00fFa"), (std::vector<uint8_t>{0, 255}));
  EXPECT_EQ(bytes_of_hex("01x2"), std::vector<uint8_t>{1});
  EXPECT_TRUE(bytes_of_hex("-").empty());
}

TEST(Words, ExplanationsAreNumberedAndEndInASentence) {
  const Rows rows = {"step text=A TCP segment with SYN from x to y.", "step text=No service takes it.",
                     "verdict exit=reset-sent fate=answered server=- method=- text=The VIP answers with RST."};
  EXPECT_EQ(explain_text(rows),
            "1. A TCP segment with SYN from x to y.\n2. No service takes it.\n\nThe VIP answers with RST.\n");
  EXPECT_EQ(explain_status(rows), 0);
  EXPECT_EQ(explain_status({"verdict exit=land fate=dropped text=x"}), 1);
  EXPECT_EQ(explain_status({"verdict exit=not-vip fate=passed text=x"}), 1);
  EXPECT_EQ(explain_status({"verdict exit=forwarded fate=forwarded text=x"}), 0);
}

TEST(Words, ChangesAreALineEachAndWhatTakesARestartSaysSo) {
  EXPECT_EQ(
      changes_text({"change text=service tcp:192.0.2.100:80: scheduler rr",
                    "pending text=interface: eth0 -> eth1: takes effect at the next start"}),
      "service tcp:192.0.2.100:80: scheduler rr\npending: interface: eth0 -> eth1: takes effect at the next start\n");
  EXPECT_EQ(changes_text({}), "Nothing to change.\n");
}

TEST(Words, WhatDrainedServersHaveLeftIsSummed) {
  const Rows rows = {
      kTable[1], kTable[2], kTable[3],
      "server service=mark:10 server=192.0.2.11:0 method=tunnel weight=0 order=drained active=1 inactive=2 "
      "persistent=1"};
  const auto at = [](const char* address) {
    return [address](const Row& row) { return row.get("server").starts_with(address); };
  };
  const Drained both = drained(rows, at("192.0.2.11:"));
  EXPECT_EQ(both.servers.size(), 2u);
  EXPECT_FALSE(both.ordered);
  EXPECT_EQ(left_text(both), "5 connections left (2 active, 3 inactive)");
  EXPECT_NE(templates_text(both, "192.0.2.11").find("4 persistent clients still belong to 192.0.2.11"),
            std::string::npos);
  EXPECT_TRUE(drained(rows, at("192.0.2.11:0")).ordered);
}

TEST(Words, OrdersAreAboutServersOrAVirtualAsAWhole) {
  const TableNames table({"service service=tcp:192.0.2.100:80 name=shop",
                          "server service=tcp:192.0.2.100:80 server=192.0.2.11:80 name=web1",
                          "service service=udp:192.0.2.100:80 name=shop",
                          "server service=udp:192.0.2.100:80 server=192.0.2.11:80 name=web1",
                          "service service=tcp:192.0.2.101:80 name=empty"});
  const auto asked = [&](const char* typed) {
    const auto meant = meant_by(table, typed, kBook);
    std::string all;
    for (const std::string& request : meant ? order_requests(*meant, "none", "drained") : Rows{meant.error().text})
      all += request + '\n';
    return all;
  };
  EXPECT_EQ(asked("shop"),
            "set-order service=tcp:192.0.2.100:80 order=none was=drained\n"
            "set-order service=udp:192.0.2.100:80 order=none was=drained\n");
  EXPECT_EQ(asked("shop/"), asked("shop"));
  EXPECT_EQ(asked("empty"), "set-order service=tcp:192.0.2.101:80 order=none was=drained\n");
  EXPECT_EQ(asked("shop/web1"),
            "set-order service=tcp:192.0.2.100:80 server=192.0.2.11:80 order=none was=drained\n"
            "set-order service=udp:192.0.2.100:80 server=192.0.2.11:80 order=none was=drained\n");
  EXPECT_EQ(asked("192.0.2.11"), asked("shop/web1"));
  EXPECT_EQ(asked("web1"), asked("shop/web1"));
  EXPECT_TRUE(asked("web3").starts_with("\"web3\" names nothing here")) << asked("web3");
}

TEST(Words, ACaptureIsReadBackByLibpcapAndHoldsItsComments) {
  char path[] = "/tmp/rawvsadm-pcapng-XXXXXX";
  const int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  close(fd);
  Pcapng pcapng(64);
  const auto bytes = bytes_of_hex(kSyn);
  std::string file = pcapng.head();
  file += pcapng.frame({kNow * 1'000 + 7, "eth0", true, 1500, bytes, "in: it came"});
  file += pcapng.frame({kNow * 1'000 + 8, "eth1", false, 60, bytes, "out: forwarded to 192.0.2.11 by DR"});
  file += pcapng.frame({kNow * 1'000 + 9, "eth0", true, 5, Bytes(bytes).first(5), ""});
  std::ofstream(path, std::ios::binary) << file;

  char error[PCAP_ERRBUF_SIZE];
  const std::unique_ptr<pcap_t, decltype(&pcap_close)> in(pcap_open_offline(path, error), pcap_close);
  unlink(path);
  ASSERT_TRUE(in) << error;
  EXPECT_EQ(pcap_datalink(in.get()), DLT_EN10MB);
  const size_t lengths[] = {1500, 60, 5};
  for (size_t i = 0; i < 3; ++i) {
    pcap_pkthdr* head = nullptr;
    const uint8_t* data = nullptr;
    ASSERT_EQ(pcap_next_ex(in.get(), &head, &data), 1) << pcap_geterr(in.get());
    EXPECT_EQ(head->len, lengths[i]);
    EXPECT_EQ(head->caplen, std::min(lengths[i], bytes.size()));
    EXPECT_EQ(head->ts.tv_sec, kNow);
    EXPECT_EQ(head->ts.tv_usec, static_cast<suseconds_t>((7 + i) * 1000));
    EXPECT_EQ(std::memcmp(data, bytes.data(), head->caplen), 0);
  }
  pcap_pkthdr* head = nullptr;
  const uint8_t* data = nullptr;
  EXPECT_EQ(pcap_next_ex(in.get(), &head, &data), PCAP_ERROR_BREAK);

  // An option: code 1 is a comment, code 2 of a packet its flags; each is padded to four bytes.
  const std::string comment("\x01\x00\x0b\x00in: it came\x00", 16), inbound("\x02\x00\x04\x00\x01\x00\x00\x00", 8),
      outbound("\x02\x00\x04\x00\x02\x00\x00\x00", 8);
  if constexpr (std::endian::native == std::endian::little) {
    EXPECT_NE(file.find(comment + inbound), std::string::npos);
    EXPECT_NE(file.find(outbound, file.find("out: forwarded to 192.0.2.11 by DR")), std::string::npos);
  }
  EXPECT_EQ(file.size() % 4, 0u);
}

TEST(Words, ATimeIsReadInMilliseconds) {
  EXPECT_EQ(milliseconds("1767225600.001"), 1767225600001u);
  EXPECT_EQ(milliseconds("1767225600"), 1767225600000u);
  EXPECT_EQ(milliseconds("1.5"), 1500u);
  EXPECT_EQ(milliseconds("-"), 0u);
}

}  // namespace
}  // namespace rawvs::adm
