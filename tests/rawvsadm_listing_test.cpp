// SPDX-License-Identifier: BSD-2-Clause
// Tests what rawvsadm reads from the daemon's replies, and the listings that it makes of them.
#include "tools/rawvsadm/listing.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rawvsadm/recordings.h"
#include "tools/rawvsadm/texts.h"

namespace rawvs::adm {
namespace {

TEST(Rawvsadm, DividesLargeCountersSoThatTheyStayInTheirColumns) {
  const auto line = [](const char* counts, bool exact) {
    ServiceTable table(false);
    table.take(Row("service service=tcp:192.0.2.10:80 scheduler=wlc conns=1 inpkts=2 outpkts=3 inbytes=4 outbytes=5"));
    table.take(Row("server service=tcp:192.0.2.10:80 server=192.0.2.1:80 " + std::string(counts)));
    ListStyle how;
    how.columns = Columns::stats;
    how.exact = exact;
    const std::string all = listing(table, how);
    return all.substr(all.rfind("  ->"));
  };
  const char* const kLarge =
      "conns=99999999 inpkts=100000000 outpkts=1000000000 inbytes=100000000000 outbytes=100000000000000";
  EXPECT_EQ(line(kLarge, false), "  -> 192.0.2.1:80                 99999999  100000K    1000M     100G     100T\n");
  EXPECT_EQ(line(kLarge, true),
            "  -> 192.0.2.1:80                 99999999100000000100000000010000000000010000000"
            "0000000\n");
  EXPECT_EQ(line("conns=999999999 inpkts=99999999999 outpkts=99999999999999 inbytes=0 outbytes=1", false),
            "  -> 192.0.2.1:80                  999999K   99999M   99999G        0        1\n");
}

TEST(Rawvsadm, ListsConnectionsAsIpvsadmDoes) {
  const Row tcp(
      "connection protocol=tcp expires=899 state=ESTABLISHED client=203.0.113.5:49153 "
      "virtual=192.0.2.10:80 server=127.0.0.1:80");
  EXPECT_EQ(connections_head(false) + connection_line(tcp, false, nullptr),
            "IPVS connection entries\n"
            "pro expire state       source             virtual            destination\n"
            "TCP 14:59  ESTABLISHED 203.0.113.5:49153  192.0.2.10:80      127.0.0.1:80\n");
  EXPECT_EQ(connection_line(tcp, false, &kBook),
            "TCP 14:59  ESTABLISHED 203.0.113.5:49153  192.0.2.10:http    localhost:http\n");
  const Row of_mark(
      "connection protocol=ip expires=3661 state=NONE client=203.0.113.5:0 virtual=0.0.0.1:0 "
      "server=192.0.2.5:0");
  EXPECT_EQ(connection_line(of_mark, false, nullptr),
            "IP  61:01  NONE        203.0.113.5:0      0.0.0.1:0          192.0.2.5:0\n");
  EXPECT_EQ(connection_line(Row("connection protocol=tcp expires=299 state=ASSURED client=198.51.100.0:0 "
                                "virtual=192.0.2.10:0 server=192.0.2.5:0"),
                            false, &kBook),
            "TCP 04:59  ASSURED     198.51.100.0:0     192.0.2.10:0       192.0.2.5:0\n");
  EXPECT_EQ(connection_line(Row("connection protocol=sctp expires=3 state=INIT1 client=203.0.113.5:49153 "
                                "virtual=192.0.2.10:9 server=192.0.2.5:99"),
                            false, nullptr),
            "SCTP 00:03  INIT1       203.0.113.5:49153  192.0.2.10:9       192.0.2.5:99\n");
  EXPECT_EQ(
      connections_head(true),
      "IPVS connection entries\n"
      "pro expire state       source             virtual            destination        pe name          pe_data\n");
}

TEST(Rawvsadm, SaysThatRatesAreNotTold) {
  ServiceTable table(true);
  table.take(Row("service service=tcp:192.0.2.10:80 scheduler=wlc conns=1 inpkts=2 outpkts=3 inbytes=4 outbytes=5"));
  EXPECT_TRUE(table.lacks_rates());
}

TEST(Rawvsadm, ListsTheHostItselfAsLocalAndSavesItsMethod) {
  ServiceTable table(false);
  table.take(Row("service service=tcp:192.0.2.100:80 scheduler=rr"));
  table.take(Row("server service=tcp:192.0.2.100:80 server=127.0.0.1:80 method=tunnel weight=1 local=1"));
  table.take(Row("server service=tcp:192.0.2.100:80 server=192.0.2.11:80 method=route weight=1 local=0"));
  const std::string lines = listing(table, {});
  EXPECT_NE(lines.find("127.0.0.1:80                 Local   1"), std::string::npos) << lines;
  EXPECT_NE(lines.find("192.0.2.11:80                Route   1"), std::string::npos) << lines;
  EXPECT_NE(saved(table, nullptr).find("-r 127.0.0.1:80 -i -w 1"), std::string::npos) << saved(table, nullptr);
}

TEST(Rawvsadm, SavesTheWeightOfADrainedServerAndListsTheOneInEffect) {
  ServiceTable table(false);
  table.take(Row("service service=tcp:192.0.2.100:80 scheduler=rr"));
  table.take(
      Row("server service=tcp:192.0.2.100:80 server=192.0.2.11:80 method=route weight=0 wanted=3 order=drained"));
  EXPECT_NE(listing(table, {}).find("192.0.2.11:80                Route   0"), std::string::npos) << listing(table, {});
  EXPECT_NE(saved(table, nullptr).find("-r 192.0.2.11:80 -g -w 3"), std::string::npos) << saved(table, nullptr);
}

TEST(Rawvsadm, ReadsAReplyThatComesInPieces) {
  std::vector<std::string> rows;
  const auto each = [&](const Row& row) { rows.emplace_back(row.line()); };
  Reply reply;
  EXPECT_EQ(reply.take("ok\ntimeouts tcp=900 tcpfin=120 udp=300\n", each), Reply::Step::more);
  EXPECT_EQ(reply.take("vip address=192.0.2.1\nend\n", each), Reply::Step::over);
  EXPECT_FALSE(reply.refused());
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(timeouts_line(Row(rows[0])), "Timeout (tcp tcpfin udp): 900 120 300\n");
}

TEST(Rawvsadm, ReadsARefusalWithItsText) {
  Reply reply;
  EXPECT_EQ(reply.take("error no-service there is no tcp 192.0.2.1:80\nend\n", [](const Row&) {}), Reply::Step::over);
  ASSERT_TRUE(reply.refused());
  EXPECT_EQ(reply.refused()->code, "no-service");
  EXPECT_EQ(reply.refused()->text, "there is no tcp 192.0.2.1:80");
}

TEST(Rawvsadm, NoticesWhatIsNotAReply) {
  const auto step = [](const char* message) { return Reply().take(message, [](const Row&) {}); };
  EXPECT_EQ(step("HTTP/1.1 400 Bad Request\r\n"), Reply::Step::broken);
  EXPECT_EQ(step("ok"), Reply::Step::broken);
  EXPECT_EQ(step("ok\nend\nmore\n"), Reply::Step::broken);
  EXPECT_EQ(step("end\n"), Reply::Step::broken);
}

TEST(Rawvsadm, ReadsRowsWhoseLastValueHoldsBlanks) {
  const Row row("exit name=no-server fate=dropped count=12 meaning=no server, or weight=0 everywhere");
  EXPECT_EQ(row.word(), "exit");
  EXPECT_EQ(row.number("count"), 12u);
  EXPECT_EQ(row.tail("meaning"), "no server, or weight=0 everywhere");
  EXPECT_FALSE(row.has("unt"));
  EXPECT_EQ(row.number("absent"), 0u);
}

TEST(Rawvsadm, ShowsTheWaysOutThatWereTaken) {
  const std::vector<std::string> rows = {
      "exit name=forwarded fate=forwarded count=1234 meaning=sent to its real server",
      "exit name=truncated fate=dropped count=0 meaning=shorter than its headers",
      "exit name=no-server fate=answered count=7 meaning=no server to take it"};
  EXPECT_EQ(drops_text(rows, false),
            "Exit       Count  Fate       Meaning\n"
            "forwarded   1234  forwarded  sent to its real server\n"
            "no-server      7  answered   no server to take it\n");
  EXPECT_EQ(drops_text({rows[1], "link name=eth0 received=9 kernel-dropped=8 cut=7 sent=6 send-failed=5"}, false),
            "No packet has arrived yet; rawvsadm drops --all names every way out.\n\n"
            "Interface  Received  Lost: no room  Lost: too long  Sent  Lost: not sent\n"
            "eth0       9         8              7               6     5\n");
  EXPECT_NE(drops_text(rows, true).find("truncated      0  dropped    shorter than its headers\n"), std::string::npos);
  EXPECT_EQ(drops_text({rows[1]}, false), "No packet has arrived yet; rawvsadm drops --all names every way out.\n");
}

TEST(Rawvsadm, NamesTheRealServerThatAnswersForAVip) {
  const std::vector<std::string> rows = {
      "vip address=192.0.2.100 link=eth0 mac=02:00:00:00:00:01 retired=0",
      "rival address=192.0.2.100 mac=02:00:00:00:00:11 server=192.0.2.11",
      "vip address=192.0.2.101 link=eth0 mac=02:00:00:00:00:01 retired=1",
      "neighbor address=192.0.2.11 link=eth0 state=reachable mac=02:00:00:00:00:11 servers=2"};
  EXPECT_EQ(
      arp_text(rows),
      "VIP          Link  MAC                Also answered by                            Notes\n"
      "192.0.2.100  eth0  02:00:00:00:00:01  02:00:00:00:00:11 (real server 192.0.2.11)\n"
      "192.0.2.101  eth0  02:00:00:00:00:01  -                                           retired: no service uses it "
      "any more\n"
      "\n"
      "warning: real server 192.0.2.11 (02:00:00:00:00:11) answers ARP for VIP 192.0.2.100: set arp_ignore=1, "
      "arp_announce=2 there, see rawvs-realserver(8)\n"
      "\n"
      "Neighbor    Link  State      MAC                Servers\n"
      "192.0.2.11  eth0  reachable  02:00:00:00:00:11  2\n");
  EXPECT_EQ(arp_text({}), "No VIP is answered for: there is no virtual service.\n");
}

TEST(Rawvsadm, IsNamedAsItWasCalled) {
  EXPECT_EQ(try_help("rawvsadm").err, "Try `rawvsadm -h' or 'rawvsadm --help' for more information.\n");
  EXPECT_EQ(version("/usr/sbin/ipvsadm").out, version("ipvsadm").out);
  EXPECT_EQ(
      version("rawvsadm").out,
      "rawvsadm v0.1.0, with the command line of ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n");
  EXPECT_NE(usage("rawvsadm").out.find("  rawvsadm -a|e virtual-service -r server-address [options]\n"),
            std::string::npos);
  EXPECT_NE(usage("rawvsadm").out.find("  rawvsadm drops [--all]"), std::string::npos);
}

}  // namespace
}  // namespace rawvs::adm
