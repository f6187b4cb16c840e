// SPDX-License-Identifier: BSD-2-Clause
// Tests that every fault of a file is found at once, with its place, and that settings which are probably not meant
// cause warnings.

#include <gtest/gtest.h>

#include <algorithm>

#include "config/config_reader.h"
#include "config_refusals.h"

namespace rawvs {
namespace {

using namespace test;

Findings findings_of(std::string_view text) {
  ConfigReader reader("x.ini");
  reader.feed(text);
  reader.end();
  while (!reader.step(1000)) continue;
  return reader.findings();
}

using Texts = std::vector<std::string>;

TEST(ConfigFindings, EveryFaultOfAFileIsFoundAtOnce) {
  const Findings found = findings_of(
      "[director]\n"                                // 1
      "interface = \"eth0\"\n"                      // 2: quotation marks
      "insde = eth1\n"                              // 3: unknown key
      "nonsense\n"                                  // 4
      "[virtual web]\n"                             // 5
      "address = 192.0.2.100\n"                     // 6
      "ports = tcp/80\n"                            // 7
      "scheduler = wcl\n"                           // 8
      "netmask = /24\n"                             // 9: without persistence
      "server = 192.0.2.11 wieght=2\n"              // 10
      "server = 192.0.2.12\n"                       // 11
      "server = 192.0.2.12:80\n"                    // 12: again
      "server = 192.0.2.101\n"                      // 13: a VIP
      "sorry = 192.0.2.100\n"                       // 14: a VIP
      "check = htp\n"                               // 15
      "[virtual mail]\n"                            // 16: no ports
      "address = 192.0.2.101\n"                     // 17
      "[virtual web]\n"                             // 18: again, and its own fault is found, too
      "ports = tcp/8O\n"                            // 19
      "[virtual two words]\n"                       // 20
      "server = nobody looks at this\n"             // 21
      "[virtual copy]\n"                            // 22
      "address = 192.0.2.100\n"                     // 23
      "ports = tcp/79-81\n"                         // 24: overlaps with web
      "[check page]\ntype = tcp\npath = /\n"        // 25-27
      "[vrrp shop]\npriority = 300\ntrack = w\n");  // 28-30: no vrid
  EXPECT_EQ(
      found.faults,
      (Texts{
          "x.ini:2: [director] interface: \"\"eth0\"\" is not the name of an interface (1 to 15 characters, no "
          "blank, quotation mark, \"/\", \":\" or \";\"); values are written without quotation marks",
          "x.ini:3: [director] insde: no such key; did you mean \"inside\"?",
          "x.ini:4: neither \"key = value\" nor \"[section]\" nor a comment, which begins with \";\"",
          "x.ini:8: [virtual web] scheduler: \"wcl\" is not a scheduler: rr, wrr, lc, wlc, sed, nq, dh, sh, mh, "
          "fo, ovf, lblc, lblcr, twos",
          "x.ini:9: [virtual web] netmask: is for persistence, and this virtual has none; add such as persistence "
          "= 360",
          "x.ini:10: [virtual web] server: \"wieght=2\": no such option; did you mean \"weight\"?",
          "x.ini:12: [virtual web] server: 192.0.2.12 is already on line 11",
          "x.ini:13: [virtual web] server: 192.0.2.101 is a VIP of this file",
          "x.ini:14: [virtual web] sorry: 192.0.2.100 is a VIP of this file",
          "x.ini:15: [virtual web] check: there is no [check htp]; did you mean \"http\"?",
          "x.ini:16: [virtual mail] ports: missing; an address needs ports, such as tcp/80",
          "x.ini:18: [virtual web]: already on line 5",
          "x.ini:19: [virtual web] ports: \"tcp/8O\": \"8O\" is not a port or a range of ports (1-65535)",
          "x.ini:20: [virtual two words]: expected one name, without blanks: [virtual NAME]",
          "x.ini:24: [virtual copy] ports: tcp 192.0.2.100:79-81 and tcp 192.0.2.100:80 of [virtual web] (line "
          "7) overlap, and a group comes before a virtual without mark: give [virtual web] (line 5) a mark, then "
          "the narrower one wins",
          "x.ini:27: [check page] path: is for type = http; this check has type = tcp",
          "x.ini:28: [vrrp shop] vrid: missing; the directors of one network share it",
          "x.ini:29: [vrrp shop] priority: \"300\" is not a number from 1 to 255",
      }));
  EXPECT_EQ(found.more_faults, 0u);
}

TEST(ConfigFindings, OneFaultHasNoOthersInItsWake) {
  for (const std::string_view text :
       {"[director]\ninterface = eth/0\n[virtual web]\naddress = 192.0.2.100\nports = tcp/80\n",
        "[director]\ninterface = eth0\n[virtual web]\naddress = 192.0.2.\nports = tcp/80\nserver = 192.0.2.11:80\n",
        "[director]\ninterface = eth0\n[virtual web]\naddress = 192.0.2.1\nports = tcp/*\npersistence = x\n",
        "[director]\ninterface = eth0\n[virtual web]\nmark = x\n[group g]\nmark = 7\nmatch = 192.0.2.1 tcp/80\n",
        "[director]\ninterface = eth0\n[virtual w b]\nmark = 7\n[vrrp v]\nvrid = 1\naddress = 192.0.2.1\ntrack = wb\n",
        "interface = eth0\ninside = eth1\n[virtual web]\naddress = 192.0.2.100\nports = tcp/80\n",
        "[director]\ninterface = eth0\ninside = /\n[sync]\non = inside\n[vrrp v]\nvrid = 1\naddress = 192.0.2.1\non = "
        "inside\n",
        "[director]\ninterface = eth0\n[vrrp v]\nvrid = x\naddress = 192.0.2.1\n",
        "[director]\ninterface = eth0\n[check c]\ntype = exce\nprogram = /bin/true\n"}) {
    const Findings found = findings_of(text);
    EXPECT_EQ(found.faults.size(), 1u) << text << testing::PrintToString(found.faults);
  }
}

TEST(ConfigFindings, SoManyAreKeptAndTheOthersCounted) {
  std::string text(kWeb);
  for (int i = 0; i < 150; ++i) text += "server = 192.0.2.11 wieght=2\n";
  const Findings found = findings_of(text);
  EXPECT_EQ(found.faults.size(), 100u);
  EXPECT_EQ(found.more_faults, 50u);
  EXPECT_EQ(found.lines().back(), "and 50 more faults");
  const std::string all = parse_config(text, "x.ini").error().text;
  EXPECT_EQ(std::ranges::count(all, '\n'), 100);
  EXPECT_TRUE(all.ends_with("\nand 50 more faults")) << all;
}

struct Unlikely {
  std::string_view before, text, warning;
};

constexpr Unlikely kUnlikely[] = {
    {kWeb, "server = 192.0.2.11 weight=0\nserver = 192.0.2.12 weight=0\n",
     ":6: [virtual web] server: every server has weight=0: none gets a new client"},
    {kWeb, "", ":3: [virtual web] server: there is none: clients are turned away"},
    {kWeb, "persistence = 1\nserver = 192.0.2.11\n",
     ":6: [virtual web] persistence: 1s is shorter than clients pause; 360 is usual"},
    {kWeb, "persistence = 360\nnetmask = /0\nserver = 192.0.2.11\n",
     ":7: [virtual web] netmask: /0: all clients are one, and get one server"},
    {kWeb, "scheduler = rr\nserver = 192.0.2.11 weight=1\nserver = 192.0.2.12 weight=3\n",
     ":6: [virtual web] scheduler: rr does not heed weights, and those of the servers differ; wrr does"},
    {kWeb, "check = tcp\nquorum = 3\nserver = 192.0.2.11 weight=2\n",
     ":7: [virtual web] quorum: 3 is more than all weights together, 2: it is never reached"},
    {kWeb, "sorry = 192.0.2.19\nserver = 192.0.2.11\n",
     ":6: [virtual web] sorry: is without effect: no server of this virtual has a check"},
    {kWeb, "server = 192.0.2.11\n[virtual Web]\naddress = 192.0.2.100\nports = tcp/81\nserver = 192.0.2.11\n",
     ":7: [virtual Web] name: differs from [virtual web] on line 3 in the case of letters alone"},
    {kGroup, "mark = 7\nmatch = 192.0.2.100 tcp/80\n",
     ":4: [group g] mark: 7: no virtual balances it; until rawvsadm -A -f 7 nobody serves its packets"},
    {kDirector,
     "max_connections = 1\n[virtual web]\naddress = 192.0.2.100\nports = tcp/80\nserver = "
     "192.0.2.11\nserver = 192.0.2.12\n",
     ":3: [director] max_connections: 1 is less than the 2 servers of this file: some would never get a connection"},
    {kDirector, "guard = off\n",
     ":3: [director] guard: off: the host's kernel answers clients, too, unless something else keeps it from the VIPs"},
    {kDirector, "state = /etc/rawvs.state\n",
     ":3: [director] state: /etc/rawvs.state may lie on a disk: use a file in RAM, such as /run/rawvs/state"},
    {kDirector, "state_interval = 5s\n", ":3: [director] state_interval: is without effect: there is no state = FILE"},
    {kDirector, "arp_defend = 1\narp_probe_interval = 0\n",
     ":3: [director] arp_defend: with arp_probe_interval = 0, a real server that answers for a VIP is found by chance "
     "only"},
    {kDirector, "[check c]\n", ":3: [check c] type: no virtual and no server uses this check"},
    {kWeb, "check = c\nserver = 192.0.2.11\n[check c]\ninterval = 1s\ntimeout = 3s\n",
     ":10: [check c] timeout: 3s is longer than interval = 1s: a server that does not answer is asked less often than "
     "that"},
    {kWeb, "check = c\nserver = 192.0.2.11\n[check c]\ntype = http\nbody = \"well\"\n",
     ":10: [check c] body: the quotation marks are part of the value"},
    {kDirector, "[vrrp v]\nvrid = 1\naddress = 192.0.2.1\ninterval = 10ms\n",
     ":6: [vrrp v] interval: 10ms: two backups whose priorities are less than 26 apart may take over in the same "
     "millisecond"},
    {kDirector, "[vrrp v]\nvrid = 1\naddress = 192.0.2.1\npreempt = 0\npreempt_delay = 5s\n",
     ":7: [vrrp v] preempt_delay: is without effect with preempt = 0"},
    {kDirector, "[vrrp v]\nvrid = 1\naddress = 192.0.2.1\nmin_ttl = 255\n",
     ":6: [vrrp v] min_ttl: is without effect without peer; multicast needs 255"},
    {kDirector, "[vrrp v]\nvrid = 1\naddress = 192.0.2.1\nversion = 2\npassword = secret\n",
     ":7: [vrrp v] password: everybody on the LAN can read it: it keeps mistakes out, not attackers"},
    {kDirector, "[sync]\n", ":3: [sync] key: none: whoever reaches the port can put connections into the table"},
    {kDirector, "[sync]\nkey = \"our secret\"\n", ":4: [sync] key: the quotation marks are part of the value"},
    {kWeb, "server = 192.0.2.11\n[vrrp v]\nvrid = 1\ntrack = web\n",
     ":3: [virtual web] check: none, so the track of this virtual in [vrrp] never changes anything"},
};

TEST(ConfigFindings, UnlikelySettingsAreWarnedOf) {
  for (const Unlikely& unlikely : kUnlikely) {
    const std::string text = std::string(unlikely.before) + std::string(unlikely.text);
    const Findings found = findings_of(text);
    EXPECT_EQ(found.count(), 0u) << text << testing::PrintToString(found.faults);
    EXPECT_EQ(found.warnings, Texts{"x.ini" + std::string(unlikely.warning)}) << text;
  }
}

TEST(ConfigFindings, LocalClientsWithoutAGuardAreWarnedOf) {
  const Findings found = findings_of("[director]\ninterface = eth0\nguard = off\nlocal_clients = 1\n");
  ASSERT_EQ(found.warnings.size(), 2u);
  EXPECT_EQ(
      found.warnings[1],
      "x.ini:4: [director] local_clients: with guard = off: this host's kernel routes the clients' packets to the "
      "VIPs, too, and they come to the director twice, unless something else keeps it from them");
}

TEST(ConfigFindings, WhatIsUsualIsNotWarnedOf) {
  const Findings found = findings_of(
      "[director]\ninterface = eth0\nstate = /run/rawvs/state\nstate_interval = 60s\n"
      "[check page]\ntype = http\n"
      "[virtual web]\naddress = 192.0.2.100\nports = tcp/80,443\npersistence = 360\ncheck = page\n"
      "server = 192.0.2.11 weight=2\nserver = 192.0.2.12\nsorry = 192.0.2.13\n"
      "[vrrp web]\nvrid = 1\ntrack = web\n[sync]\nkey = our own secret\n");
  EXPECT_EQ(found.lines(), Texts{});
}

TEST(ConfigFindings, APrintedFileHasNoWarningThatItsSourceHasNot) {
  const auto config = parse_config(
      "[director]\ninterface = eth0\n[virtual web]\naddress = 192.0.2.100\nports = tcp/80\nserver = 192.0.2.11\n",
      "x.ini");
  ASSERT_TRUE(config);
  EXPECT_EQ(findings_of(print_config(*config)).warnings, Texts{});
}

}  // namespace
}  // namespace rawvs
