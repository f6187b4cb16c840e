// SPDX-License-Identifier: BSD-2-Clause
// Tests rawvsadm init's answers, files and commands: every method and family gives a file that is accepted without a
// warning; a wrong answer is told, and leaves the plan as it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "config/config_reader.h"
#include "tools/rawvsadm/init.h"

namespace rawvs::adm {
namespace {

using Answers = std::vector<std::string>;

HostFacts this_host() {
  HostFacts host;
  host.links.push_back(
      {.name = "eth0", .addresses = {{*parse_ip("192.0.2.10"), 24}, {*parse_ip("2001:db8:1::10"), 64}}});
  host.links.push_back(
      {.name = "eth1", .addresses = {{*parse_ip("203.0.113.10"), 24}, {*parse_ip("2001:db8:3::10"), 64}}});
  return host;
}

// What the first wrong answer is told; empty: all are right.
std::string fault_in(InitPlan& plan, const Answers& answers) {
  size_t at = 0;
  for (const InitQuestion& question : init_questions()) {
    if (at == answers.size()) break;
    if (const auto fault = question.take(plan, answers[at++])) return fault->text;
  }
  return "";
}

std::string fault_in(const Answers& answers) {
  InitPlan plan;
  return fault_in(plan, answers);
}

InitPlan planned(const Answers& answers) {
  InitPlan plan;
  EXPECT_EQ(fault_in(plan, answers), "");
  if (plan.pair) plan.key = "0123456789abcdef";
  return plan;
}

std::vector<std::string> complaints(const std::string& text) {
  ConfigReader reader("rawvs.ini");
  reader.feed(text);
  reader.end();
  while (!reader.step(1 << 20)) continue;
  return reader.findings().lines();
}

const std::vector<Answers> kPlans = {
    {"dr", "192.0.2.100:80", "192.0.2.11 web2=192.0.2.12", "eth0", "tcp"},
    {"dr", "[2001:db8:1::100]:80", "2001:db8:1::11,2001:db8:1::12", "eth0", "http"},
    {"dr", "192.0.2.100 tcp/80,443", "192.0.2.11", "eth0", "tcp pair"},
    {"dr", "[2001:db8:1::100]:443", "2001:db8:1::11", "eth0", "tls pair"},
    {"dr", "192.0.2.53 udp/53 tcp/53", "192.0.2.11 192.0.2.12", "eth0", "dns"},
    {"dr", "192.0.2.100:80", "192.0.2.11 192.0.2.12", "eth0", "none pair"},
    {"nat", "192.0.2.100:80", "203.0.113.11:8080 203.0.113.12:8080", "eth0 eth1", "tcp"},
    {"nat", "[2001:db8:1::100]:80", "[2001:db8:3::11]:8080", "eth0 eth1", "icmp"},
    {"nat", "192.0.2.100:80", "203.0.113.11", "eth0 eth1", "tcp pair 203.0.113.1"},
    {"nat", "192.0.2.100:80", "192.0.2.11", "eth0", "arp pair 192.0.2.2"},
    {"nat", "[2001:db8:1::100]:80", "2001:db8:3::11", "eth0 eth1", "tcp pair 2001:db8:3::1"},
    {"tun", "192.0.2.100:80", "203.0.113.71 203.0.113.72", "eth0", "icmp"},
    {"tun", "[2001:db8:1::100]:80", "2001:db8:4::71", "eth0", "tcp"},
    {"tun", "192.0.2.100:80", "203.0.113.71 2001:db8:4::71", "eth0", "none"},
    {"tun", "[2001:db8:1::100]:80", "203.0.113.71", "eth0", "none pair"},
    {"fullnat", "192.0.2.100:80", "203.0.113.11:8080", "eth0 eth1", "tcp pair"},
    {"fullnat", "[2001:db8:1::100]:443", "203.0.113.11 2001:db8:3::12", "eth0", "tls"},
    {"fullnat", "192.0.2.100 sctp/9", "203.0.113.11", "eth0 wan*", "icmp"},
};

TEST(Init, EveryMethodAndFamilyGivesAFileThatIsAcceptedWithoutAWarning) {
  for (const Answers& answers : kPlans) {
    const std::string file = init_file(planned(answers));
    EXPECT_EQ(complaints(file), std::vector<std::string>()) << file;
    for (size_t at = 0; at < file.size();) {
      const size_t end = file.find('\n', at);
      EXPECT_LE(end - at, 120u) << file.substr(at, end - at);
      at = end + 1;
    }
  }
}

TEST(Init, WrongAnswersAreToldAtOnceAndChangeNothing) {
  const Answers right = {"dr", "192.0.2.100:80", "192.0.2.11", "eth0", "tcp"};
  const std::vector<std::pair<size_t, std::pair<std::string, std::string>>> wrong = {
      {0, {"natt", "found \"natt\", expected dr, nat, tun or fullnat; did you mean \"nat\"?"}},
      {1,
       {"",
        "found \"\", expected an address and a port, such as 192.0.2.100:80, [2001:db8::100]:80 or 192.0.2.100 "
        "tcp/80,443"}},
      {1,
       {"192.0.2.100",
        "found \"192.0.2.100\", expected an address and a port, such as 192.0.2.100:80, "
        "[2001:db8::100]:80 or 192.0.2.100 tcp/80,443"}},
      {1, {"192.0.2.100 tcp/*", "found \"tcp/*\", expected ports by their numbers, such as tcp/80,443"}},
      {2, {"", "found \"\", expected addresses of servers with blanks between, such as 192.0.2.11 web2=192.0.2.12"}},
      {2, {"192.0.2.100", "server: 192.0.2.100 is a VIP of this file"}},
      {3,
       {"a b c",
        "found \"a b c\", expected the interface of the clients, and that of the servers if it is another: "
        "eth0 eth1"}},
      {4, {"tcq", "found \"tcq\", expected arp, icmp, tcp, tls, http, dns or none"}},
      {4,
       {"tcp pair 192.0.2.1",
        "gateway: found \"192.0.2.1\", expected none: only with nat is the director the servers' gateway"}},
      {4, {"tcp ha", "found \"ha\", expected nothing behind the check, or pair"}},
  };
  for (const auto& [question, one] : wrong) {
    Answers answers = right;
    answers[question] = one.first;
    InitPlan plan;
    EXPECT_EQ(fault_in(plan, answers), one.second) << one.first;
  }
}

TEST(Init, AGatewayIsTheDirectorsOnTheServersNetwork) {
  const auto told = [](const std::string& gateway) {
    return fault_in({"nat", "192.0.2.100:80", "203.0.113.11", "eth0 eth1", "tcp pair " + gateway});
  };
  EXPECT_EQ(told("203.0.113.1"), "");
  EXPECT_EQ(told("2001:db8::1"), "gateway: found \"2001:db8::1\", expected an address of IPv4, as the VIP is");
  for (const char* const taken : {"192.0.2.100", "203.0.113.11"}) {
    EXPECT_EQ(told(taken), std::string("gateway: found \"") + taken +
                               "\", expected the director's address on the servers' network: neither the VIP nor a "
                               "server's");
  }
}

TEST(Init, FaultsThatTheFilesReaderFindsAreToldWithTheAnswer) {
  EXPECT_NE(fault_in({"dr", "192.0.2.100:80", "192.0.2.11:8080"}).find("forward=dr"), std::string::npos);
  EXPECT_NE(fault_in({"nat", "192.0.2.100:80", "2001:db8::1"}).find("IPv6"), std::string::npos);
  EXPECT_NE(fault_in({"dr", "192.0.2.100:80", "192.0.2.11 192.0.2.11"}).find("192.0.2.11"), std::string::npos);
  EXPECT_NE(fault_in({"dr", "fe80::1 tcp/80"}).find("link-local"), std::string::npos);
  EXPECT_NE(fault_in({"nat", "192.0.2.100:80", "203.0.113.11", "eth0", "tcp pair"}).find("pair ADDRESS"),
            std::string::npos);
}

TEST(Init, TheVirtualIsCalledAfterItsPorts) {
  const auto file = [](const std::string& ports) {
    return init_file(planned({"dr", "192.0.2.100 " + ports, "192.0.2.11", "eth0", "none"}));
  };
  EXPECT_NE(file("tcp/8080,80").find("[virtual web]"), std::string::npos);
  EXPECT_NE(file("tcp/8080,1443").find("[virtual service]"), std::string::npos);
  EXPECT_NE(file("udp/53").find("[virtual dns]"), std::string::npos);
}

TEST(Init, UsualAnswersComeFromTheHost) {
  InitPlan plan = planned({"nat", "192.0.2.100 udp/53", "203.0.113.11"});
  const auto questions = init_questions();
  EXPECT_EQ(questions[3].usual(plan, this_host()), "eth0 eth1");
  EXPECT_EQ(questions[4].usual(plan, this_host()), "icmp");
  EXPECT_EQ(questions[3].usual(planned({"dr", "198.51.100.1:80", "198.51.100.2"}), this_host()), "");
  plan = planned({"dr", "192.0.2.10:80", "203.0.114.11", "eth7", "tcp"});
  EXPECT_EQ(doubts_of(plan, this_host()).size(), 2u);
}

TEST(Init, TheServersCommandsAreOfTheMethodAndTheFamilies) {
  EXPECT_EQ(init_commands(planned(kPlans[0])),
            "On each server (192.0.2.11, 192.0.2.12), as root:\n"
            "  sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2\n"
            "  ip addr add 192.0.2.100/32 dev lo\n"
            "At every boot: rawvs-realserver(8), with in /etc/default/rawvs-realserver\n"
            "    MODE=dr VIPS=192.0.2.100\n");
  const auto has = [](const Answers& answers, const std::string& line) {
    return init_commands(planned(answers)).find(line) != std::string::npos;
  };
  EXPECT_TRUE(has({"dr", "192.0.2.100:80", "192.0.2.11 192.0.2.1", "eth0", "tcp"},
                  "On each server (192.0.2.11, 192.0.2.1), as root:\n"));
  EXPECT_TRUE(has({"nat", "192.0.2.100:80", "192.0.2.11:81 192.0.2.11:82", "eth0", "tcp"},
                  "On each server (192.0.2.11), as root:\n"));
  EXPECT_TRUE(has(kPlans[1], "as root:\n  ip addr add 2001:db8:1::100/128 dev lo nodad\n"));
  EXPECT_FALSE(has(kPlans[1], "arp_ignore"));
  EXPECT_TRUE(has(kPlans[6], "  ip route replace default via GATEWAY\nwhere GATEWAY is"));
  EXPECT_TRUE(has(kPlans[8], "  ip route replace default via 203.0.113.1\n"));
  EXPECT_TRUE(has(kPlans[10], "  ip -6 route replace default via 2001:db8:3::1\n"));
  EXPECT_TRUE(has(kPlans[11], "  modprobe ipip\n  ip link set tunl0 up\n"));
  EXPECT_TRUE(has(kPlans[12], "  ip addr add 2001:db8:1::100/128 dev ip6tnl0 nodad\n"));
  EXPECT_TRUE(has(kPlans[13], "On each server (203.0.113.71), as root:\n  modprobe ipip\n"));
  EXPECT_TRUE(has(kPlans[13], "On each server (2001:db8:4::71), as root:\n  modprobe ip6_tunnel\n"));
  EXPECT_TRUE(has(kPlans[14], "  modprobe sit\n"));
  EXPECT_EQ(init_commands(planned(kPlans[15])), "The servers need nothing.\n");
}

}  // namespace
}  // namespace rawvs::adm
