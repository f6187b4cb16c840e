// SPDX-License-Identifier: BSD-2-Clause
// Tests probes.h with IPv6 servers: each kind of check once, sources, and what the network's errors are taken for.
#include <sys/socket.h>

#include <array>

#include "root_probe.h"

namespace rawvs::test {
namespace {

class ProbeIpv6Test : public ProbeTest {
 protected:
  void SetUp() override {
    ProbeTest::SetUp();
    if (!IsSkipped()) ipv6();
  }
};

TEST_F(ProbeIpv6Test, ConnectsOrSaysWhyItCouldNot) {
  const Fd server = listener(80, SOCK_STREAM, 8, kHere6);
  EXPECT_EQ(ask(spec_of(CheckKind::tcp), at(kHere6, 80)).text, "connected");
  const struct {
    Ip to;
    const char* text;
  } rows[] = {{kHere6, "connection refused"}, {kUnreachable6, "no route to host"}, {kNowhere6, "network unreachable"}};
  for (const auto& row : rows) {
    const ProbeFinding finding = ask(spec_of(CheckKind::tcp), at(row.to, 81));
    EXPECT_FALSE(finding.well);
    EXPECT_TRUE(finding.asked);
    EXPECT_EQ(finding.text, row.text);
  }
  start(spec_of(CheckKind::tcp), at(kSilent6, 80));
  EXPECT_EQ(at_timeout().text, "no answer within 2 s");
}

TEST_F(ProbeIpv6Test, NamesTheServerInBracketsInHttp) {
  const struct {
    uint16_t port;
    std::string host;
  } rows[] = {{80, "[2001:db8::1]"}, {8080, "[2001:db8::1]:8080"}};
  for (const auto& row : rows) {
    SlowServer server(row.port, {"HTTP/1.1 204 No\r\n\r\n"}, true, kHere6);
    EXPECT_TRUE(ask(spec_of(CheckKind::http), at(kHere6, row.port), [&] { server.go_on(); }).well);
    EXPECT_NE(server.heard().find("\r\nHost: " + row.host + "\r\n"), std::string::npos) << server.heard();
  }
}

TEST_F(ProbeIpv6Test, HasTheSourceThatItIsTold) {
  SlowServer server(80, {"HTTP/1.0 200 OK\r\n\r\n"}, true, kHere6);
  ProbeTarget target = at(kHere6, 80);
  target.source = kAlsoHere6;
  EXPECT_TRUE(ask(spec_of(CheckKind::http), target, [&] { server.go_on(); }).well);
  EXPECT_EQ(server.client(), kAlsoHere6);
  target.source = Ip(0x20010db800000000, 0x99);
  const ProbeFinding foreign = ask(spec_of(CheckKind::tcp), target);
  EXPECT_FALSE(foreign.well || foreign.asked);
  EXPECT_EQ(foreign.text, "source 2001:db8::99: Cannot assign requested address");
}

TEST_F(ProbeIpv6Test, HasTheMarkThatItIsTold) {
  shell("ip -6 rule add fwmark 7 unreachable");
  for (const CheckKind kind : {CheckKind::tcp, CheckKind::udp, CheckKind::dns, CheckKind::icmp}) {
    ProbeTarget target = at(kSilent6, 80);
    target.mark = 7;
    EXPECT_FALSE(ask(spec_of(kind), target).well);
    target.mark = 8;
    start(spec_of(kind), target);
    at_timeout();
  }
}

TEST_F(ProbeIpv6Test, SendsDatagrams) {
  CheckSpec spec = spec_of(CheckKind::udp);
  spec.send = "ping", spec.expect = "pong";
  EXPECT_EQ(ask(spec, at(kHere6, 53)).text, "port unreachable");
  const Fd server = listener(53, SOCK_DGRAM, 0, kHere6);
  const ProbeFinding finding = ask(spec, at(kHere6, 53), [&] {
    std::array<char, 64> heard;
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    if (recvfrom(server.get(), heard.data(), heard.size(), 0, reinterpret_cast<sockaddr*>(&from), &size) != 4) return;
    sendto(server.get(), "pong", 4, 0, reinterpret_cast<const sockaddr*>(&from), size);
  });
  EXPECT_EQ(finding.text, "answered");
}

TEST_F(ProbeIpv6Test, Pings) {
  for (const char* const groups : {"1 0", "0 0"}) {  // by a raw socket, by a ping socket
    write_sysctl("net/ipv4/ping_group_range", groups);
    EXPECT_EQ(ask(spec_of(CheckKind::icmp), at(kHere6, 0)).text, "echo reply");
    ProbeTarget target = at(kHere6, 0);
    target.source = kAlsoHere6;
    EXPECT_TRUE(ask(spec_of(CheckKind::icmp), target).well);
    EXPECT_EQ(ask(spec_of(CheckKind::icmp), at(kUnreachable6, 0)).text, "no route to host");
    start(spec_of(CheckKind::icmp), at(kSilent6, 0));
    EXPECT_EQ(at_timeout().text, "no answer within 2 s");
  }
}

TEST_F(ProbeIpv6Test, TellsProgramsTheAddresses) {
  const Folder folder;
  CheckSpec spec = spec_of(CheckKind::exec);
  spec.program = folder.script("say", "echo $RAWVS_SERVER $RAWVS_PORT $RAWVS_VIP");
  ProbeTarget target = at(kHere6, 80);
  target.vip = kAlsoHere6;
  EXPECT_EQ(ask(spec, target).text, "exit status 0: 2001:db8::1 80 2001:db8::2");
}

}  // namespace
}  // namespace rawvs::test
