// SPDX-License-Identifier: BSD-2-Clause
// Tests probes.h with servers: tcp, http, udp, dns, icmp; many at once. root_probe_exec_test.cpp tests programs.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <set>

#include "rawvs/bytes.h"
#include "root_probe.h"

namespace rawvs::test {
namespace {

std::string kilobytes(size_t n) { return std::string(n * 1024, 'x'); }

// ---- tcp

TEST_F(ProbeTest, ConnectsAndLeavesNothingBehind) {
  const Fd server = listener(80, SOCK_STREAM);
  const ProbeFinding finding = ask(spec_of(CheckKind::tcp), at(kHere, 80));
  EXPECT_TRUE(finding.well && finding.asked);
  EXPECT_EQ(finding.text, "connected");
  EXPECT_EQ(probes_->next_deadline(), kNever);
  const Fd connection(accept4(server.get(), nullptr, nullptr, SOCK_NONBLOCK));
  char byte = 0;
  EXPECT_EQ(recv(connection.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET) << "closed by RST";
  EXPECT_EQ(output_of("ss -Htan state time-wait"), "");
}

TEST_F(ProbeTest, SendsTheProxyHeaderWithoutAClientFirst) {
  const std::string header("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
  ProbeTarget target = at(kHere, 80);
  target.proxy = true;
  {
    SlowServer server(80, {"HTTP/1.0 200 OK\r\n\r\n"}, true);
    EXPECT_TRUE(ask(spec_of(CheckKind::http), target, [&] { server.go_on(); }).well);
    EXPECT_EQ(server.heard().substr(0, header.size() + 4), header + "GET ");
  }
  target.to.port = target.server.port = Port(81);
  {
    SlowServer server(81, {}, false);
    start(spec_of(CheckKind::tls), target);
    EXPECT_TRUE(quiet([&] { server.go_on(); }));
    EXPECT_EQ(server.heard().substr(0, header.size() + 1), header + '\x16') << "and a handshake";
    EXPECT_FALSE(at_timeout().well);
  }
  const Fd server = listener(82, SOCK_STREAM);
  target.to.port = target.server.port = Port(82);
  const ProbeFinding finding = ask(spec_of(CheckKind::tcp), target);
  EXPECT_EQ(finding.text, "connected");
  const Fd connection(accept4(server.get(), nullptr, nullptr, 0));
  std::array<char, 64> heard{};
  // The reset that follows may discard it.
  const ssize_t got = recv(connection.get(), heard.data(), heard.size(), 0);
  EXPECT_TRUE(got == -1 || std::string(heard.data(), static_cast<size_t>(got)) == header) << got;
}

TEST_F(ProbeTest, SaysWhyItCouldNotConnect) {
  const struct {
    Ip to;
    const char* text;
  } rows[] = {{kHere, "connection refused"}, {kUnreachable, "no route to host"}, {kNowhere, "network unreachable"}};
  for (const auto& row : rows) {
    const ProbeFinding finding = ask(spec_of(CheckKind::tcp), at(row.to, 81));
    EXPECT_FALSE(finding.well);
    EXPECT_TRUE(finding.asked);
    EXPECT_EQ(finding.text, row.text);
  }
}

TEST_F(ProbeTest, WaitsForAnAnswerAsLongAsItMay) {
  start(spec_of(CheckKind::tcp), at(kSilent, 80));
  const ProbeFinding finding = at_timeout();
  EXPECT_FALSE(finding.well);
  EXPECT_EQ(finding.text, "no answer within 2 s");
  CheckSpec quick = spec_of(CheckKind::tcp);
  quick.timeout = 250ms;
  start(quick, at(kSilent, 80));
  EXPECT_EQ(probes_->next_deadline(), kStart + 250ms);
  const auto late = probes_->serve(kStart + 250ms);
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late[0].text, "no answer within 250 ms");
}

TEST_F(ProbeTest, HasTheSourceThatItIsTold) {
  SlowServer server(80, {"HTTP/1.0 200 OK\r\n\r\n"}, true);
  ProbeTarget target = at(kHere, 80);
  target.source = kAlsoHere;
  EXPECT_TRUE(ask(spec_of(CheckKind::http), target, [&] { server.go_on(); }).well);
  EXPECT_EQ(server.client(), kAlsoHere);

  target.source = Ip(0xc0000263);
  const ProbeFinding foreign = ask(spec_of(CheckKind::tcp), target);
  EXPECT_FALSE(foreign.well || foreign.asked);
  EXPECT_EQ(foreign.text, "source 192.0.2.99: Cannot assign requested address");
}

TEST_F(ProbeTest, HasTheMarkThatItIsTold) {
  shell("ip rule add fwmark 7 unreachable");
  for (const CheckKind kind : {CheckKind::tcp, CheckKind::http, CheckKind::udp, CheckKind::dns, CheckKind::icmp}) {
    ProbeTarget target = at(kSilent, 80);
    target.mark = 7;
    EXPECT_EQ(ask(spec_of(kind), target).text, "network unreachable");
    target.mark = 8;
    start(spec_of(kind), target);
    at_timeout();
  }
}

// ---- http

TEST_F(ProbeTest, JudgesTheStatusOfAnAnswer) {
  const struct {
    std::string answer;
    bool well;
    std::string text;
  } rows[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", true, "HTTP status 200"},
      {"HTTP/1.1 302 Found\r\n\r\n", true, "HTTP status 302"},
      {"HTTP/1.1 503 No\r\n", false, "HTTP status 503, expected 200-299,302"},
      {"HTTP/1.1 300 No\r\n\r\n", false, "HTTP status 300, expected 200-299,302"},
      {"SSH-2.0-x\r\n", false, "HTTP: not an HTTP/1 answer"},
      {"HTTP/1.1 200 OK\r\n", false, "HTTP: closed within the headers"},
      {"HTTP/1.1 200 OK\r\nA: " + kilobytes(17), false, "HTTP: headers of more than 16 KB"},
  };
  CheckSpec spec = spec_of(CheckKind::http);
  spec.status = {{200, 299}, {302, 302}};
  for (const auto& row : rows) {
    SlowServer server(80, {row.answer}, true);
    const ProbeFinding finding = ask(spec, at(kHere, 80), [&] { server.go_on(); });
    EXPECT_EQ(finding.well, row.well) << row.text;
    EXPECT_EQ(finding.text, row.text);
  }
}

TEST_F(ProbeTest, AsksAsItIsTold) {
  SlowServer server(8080, {"HTTP/1.1 204 No\r\n\r\n"}, true);
  CheckSpec spec = spec_of(CheckKind::http);
  spec.path = "/up";
  EXPECT_TRUE(ask(spec, at(kHere, 8080), [&] { server.go_on(); }).well);
  EXPECT_EQ(
      server.heard(),
      "GET /up HTTP/1.1\r\nHost: 192.0.2.1:8080\r\nUser-Agent: rawvs\r\nAccept: */*\r\nConnection: close\r\n\r\n");
}

TEST_F(ProbeTest, FindsTextInABody) {
  const std::string head = "HTTP/1.1 200 OK\r\n\r\n";
  const struct {
    std::string body;
    bool well;
  } rows[] = {{"all OK here", true},
              {"all is lost", false},
              {kilobytes(4).substr(2) + "OK", true},
              {kilobytes(4).substr(1) + "OK", false}};
  CheckSpec spec = spec_of(CheckKind::http);
  spec.body = "OK";
  for (const auto& row : rows) {
    SlowServer server(80, {head, row.body}, true);
    const ProbeFinding finding = ask(spec, at(kHere, 80), [&] { server.go_on(); });
    EXPECT_EQ(finding.well, row.well);
    EXPECT_EQ(finding.text, row.well ? "HTTP status 200" : "HTTP: body does not contain \"OK\"");
  }
}

TEST_F(ProbeTest, TakesAnAnswerByteByByte) {
  const std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nyO\r\n2\r\nKy\r\n";
  std::vector<std::string> bytes;
  for (const char c : answer) bytes.emplace_back(1, c);
  SlowServer server(80, bytes, false);
  CheckSpec spec = spec_of(CheckKind::http);
  spec.body = "OK";
  const ProbeFinding finding = ask(spec, at(kHere, 80), [&] { server.go_on(); });
  EXPECT_TRUE(finding.well);
  EXPECT_EQ(finding.text, "HTTP status 200");
}

TEST_F(ProbeTest, SaysHowFarASilentServerCame) {
  const Fd mute = listener(80, SOCK_STREAM);  // the kernel connects, nobody accepts
  start(spec_of(CheckKind::http), at(kHere, 80));
  EXPECT_TRUE(quiet());
  EXPECT_EQ(at_timeout().text, "connected, but no answer within 2 s");

  SlowServer half(81, {"HTTP/1.1 200 OK\r\n"}, false);
  start(spec_of(CheckKind::http), at(kHere, 81));
  EXPECT_TRUE(quiet([&] { half.go_on(); }));
  EXPECT_EQ(at_timeout().text, "HTTP: answer not complete within 2 s");
}

TEST_F(ProbeTest, UnderstandsAWebServer) {
  if (std::system("busybox httpd --help >/dev/null 2>&1") != 0) GTEST_SKIP() << "needs busybox with httpd";
  const Folder folder;
  folder.script("up", "exit 0");
  const Child server({"busybox", "httpd", "-f", "-p", "192.0.2.1:80", "-h", folder.path()});
  CheckSpec spec = spec_of(CheckKind::http);
  spec.path = "/up", spec.body = "exit 0";
  ProbeFinding finding;
  for (int tries = 0; tries < 100 && (tries == 0 || finding.text == "connection refused"); ++tries) {
    shell("sleep 0.05");  // until it listens
    finding = ask(spec, at(kHere, 80));
  }
  EXPECT_TRUE(finding.well) << finding.text;
  spec.path = "/down";
  EXPECT_EQ(ask(spec, at(kHere, 80)).text, "HTTP status 404, expected 200-299");
}

// ---- udp, dns

// Answers what comes by `reply`.
std::function<void()> answering(const Fd& server, const std::function<std::string(std::string)>& reply) {
  return [&server, reply] {
    std::array<char, 2048> buffer;
    sockaddr_in from{};
    socklen_t size = sizeof from;
    auto* const peer = reinterpret_cast<sockaddr*>(&from);
    const ssize_t got = recvfrom(server.get(), buffer.data(), buffer.size(), 0, peer, &size);
    if (got < 0) return;
    const std::string out = reply(std::string(buffer.data(), static_cast<size_t>(got)));
    EXPECT_GE(sendto(server.get(), out.data(), out.size(), 0, peer, size), 0);
  };
}

TEST_F(ProbeTest, SendsADatagramAndLooksAtTheAnswer) {
  const Fd server = listener(5000, SOCK_DGRAM);
  const auto echo = answering(server, [](const std::string& heard) { return "<" + heard + ">"; });
  CheckSpec spec = spec_of(CheckKind::udp);
  spec.send = std::string("a\0b", 3);
  EXPECT_EQ(ask(spec, at(kHere, 5000), echo).text, "answered") << "any answer will do";
  spec.expect = std::string("\0b>", 3);
  EXPECT_TRUE(ask(spec, at(kHere, 5000), echo).well);
  spec.expect = "c";
  const ProbeFinding finding = ask(spec, at(kHere, 5000), echo);
  EXPECT_FALSE(finding.well);
  EXPECT_EQ(finding.text, "UDP: answer does not contain \"c\"");
}

TEST_F(ProbeTest, TakesSilenceOverUdpForWellOnlyWhenNoAnswerIsWanted) {
  const Fd mute = listener(5000, SOCK_DGRAM);
  CheckSpec spec = spec_of(CheckKind::udp);
  start(spec, at(kHere, 5000));
  const ProbeFinding quiet = at_timeout();
  EXPECT_TRUE(quiet.well);
  EXPECT_EQ(quiet.text, "no port unreachable within 2 s");
  spec.expect = "x";
  start(spec, at(kHere, 5000));
  const ProbeFinding finding = at_timeout();
  EXPECT_FALSE(finding.well);
  EXPECT_EQ(finding.text, "no answer within 2 s");
}

TEST_F(ProbeTest, HearsThatADatagramCouldNotArrive) {
  for (const CheckKind kind : {CheckKind::udp, CheckKind::dns}) {
    const ProbeFinding refused = ask(spec_of(kind), at(kHere, 5001));
    EXPECT_FALSE(refused.well);
    EXPECT_EQ(refused.text, "port unreachable");
    EXPECT_EQ(ask(spec_of(kind), at(kUnreachable, 5001)).text, "no route to host");
  }
}

//   here | d0 198.51.100.1 ---- d1 198.51.100.2 | router, which has no way to 203.0.113.200
TEST_F(ProbeTest, HearsFromARouterThatAHostCannotBeReached) {
  const Netns router;
  const std::string there = "nsenter --net=" + router.path() + " ";
  shell("ip link set d1 netns " + router.path() + " && " + there +
        "sh -c 'ip addr add 198.51.100.2/24 dev d1 && ip link set d1 up && echo 1 >/proc/sys/net/ipv4/ip_forward && "
        "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit && "
        "ip route add unreachable 203.0.113.0/24' && ip route add 203.0.113.200/32 via 198.51.100.2");
  for (const CheckKind kind : {CheckKind::tcp, CheckKind::udp, CheckKind::dns, CheckKind::icmp}) {
    const ProbeFinding finding = ask(spec_of(kind), at(Ip(0xcb0071c8), 53));
    EXPECT_FALSE(finding.well);
    EXPECT_EQ(finding.text, "no route to host") << static_cast<int>(kind);
  }
}

TEST_F(ProbeTest, AsksANameServer) {
  const Fd server = listener(53, SOCK_DGRAM);
  CheckSpec spec = spec_of(CheckKind::dns);
  spec.query = "www.example.com", spec.type = "AAAA", spec.rcode = 3;
  const auto with = [&](char rcode) {
    return answering(server, [rcode](std::string heard) {
      EXPECT_EQ(heard.substr(2), std::string("\1\0\0\1\0\0\0\0\0\0\3www\7example\3com\0\0\x1c\0\1", 31));
      heard[2] = '\x81', heard[3] = rcode;
      return heard;
    });
  };
  ProbeFinding finding = ask(spec, at(kHere, 53), with(3));
  EXPECT_TRUE(finding.well);
  EXPECT_EQ(finding.text, "DNS: rcode 3 (NXDOMAIN)");
  finding = ask(spec, at(kHere, 53), with(2));
  EXPECT_FALSE(finding.well);
  EXPECT_EQ(finding.text, "DNS: rcode 2 (SERVFAIL), expected 3 (NXDOMAIN)");
}

TEST_F(ProbeTest, WaitsForTheAnswerToItsOwnQuery) {
  const Fd server = listener(53, SOCK_DGRAM);
  const auto forged = answering(server, [](std::string heard) {
    heard[0] = static_cast<char>(heard[0] ^ 1), heard[2] = '\x81';
    return heard;
  });
  start(spec_of(CheckKind::dns), at(kHere, 53));
  EXPECT_TRUE(quiet(forged));
  EXPECT_EQ(at_timeout().text, "no answer within 2 s");
  const auto cut = answering(server, [](std::string heard) {
    heard[2] = '\x81';
    return heard.substr(0, 13);
  });
  EXPECT_EQ(ask(spec_of(CheckKind::dns), at(kHere, 53), cut).text, "DNS: malformed answer");
}

TEST_F(ProbeTest, DoesNotAskWhatIsNoQuestion) {
  CheckSpec spec = spec_of(CheckKind::dns);
  spec.type = "B";
  ProbeFinding finding = ask(spec, at(kHere, 53));
  EXPECT_FALSE(finding.asked || finding.well);
  EXPECT_EQ(finding.text, "DNS: no such type: \"B\"");
  spec.type = "A", spec.query = "a..b";
  finding = ask(spec, at(kHere, 53));
  EXPECT_FALSE(finding.asked || finding.well);
  EXPECT_EQ(finding.text, "DNS: not a name: \"a..b\"");
  EXPECT_FALSE(ask(spec_of(CheckKind::arp), at(kHere, 0)).asked);
}

// ---- icmp

TEST_F(ProbeTest, PingsByARawSocketAndByAPingSocket) {
  for (const std::string groups : {"1 0", "0 2147483647"}) {
    write_sysctl("net/ipv4/ping_group_range", groups);
    const CheckSpec spec = spec_of(CheckKind::icmp);
    const ProbeFinding finding = ask(spec, at(kAlsoHere, 0));
    EXPECT_TRUE(finding.well) << groups;
    EXPECT_EQ(finding.text, "echo reply");
    EXPECT_EQ(ask(spec, at(kUnreachable, 0)).text, "no route to host");
    start(spec, at(kSilent, 0));
    EXPECT_TRUE(quiet());
    EXPECT_EQ(at_timeout().text, "no answer within 2 s");
  }
}

TEST_F(ProbeTest, HearsOnlyTheEchoOfItsOwnPing) {
  write_sysctl("net/ipv4/ping_group_range", "1 0");
  write_sysctl("net/ipv4/icmp_echo_ignore_all", "1");
  start(spec_of(CheckKind::icmp), at(kHere, 0), 1);
  write_sysctl("net/ipv4/icmp_echo_ignore_all", "0");
  start(spec_of(CheckKind::icmp), at(kHere, 0), 2);
  EXPECT_EQ(next().id, ProbeId(2));
  EXPECT_TRUE(quiet());
  EXPECT_EQ(at_timeout().id, ProbeId(1));
}

// ---- many

TEST_F(ProbeTest, AsksAsManyAtOnceAsItMay) {
  const Fd server = listener(80, SOCK_STREAM);
  for (uint32_t id = 0; id < Probes::kMost; ++id) {
    ASSERT_TRUE(probes_->start(ProbeId(id), spec_of(CheckKind::tcp), at(kHere, 80), kStart));
  }
  EXPECT_EQ(probes_->running(), Probes::kMost);
  EXPECT_FALSE(probes_->start(ProbeId(1000), spec_of(CheckKind::tcp), at(kHere, 80), kStart)) << "one more";
  std::set<ProbeId> well;
  for (int turn = 0; turn < 1000 && well.size() < Probes::kMost; ++turn) {
    for (const ProbeFinding& finding : probes_->serve(kStart)) {
      EXPECT_TRUE(finding.well) << finding.text;
      EXPECT_TRUE(well.insert(finding.id).second) << finding.id.value << " twice";
    }
  }
  EXPECT_EQ(well.size(), Probes::kMost);
  EXPECT_EQ(probes_->running(), 0u);
  EXPECT_TRUE(probes_->start(ProbeId(1000), spec_of(CheckKind::tcp), at(kHere, 80), kStart));
}

TEST_F(ProbeTest, LetsAllOfThemBeLateAtOnce) {
  for (uint32_t id = 0; id < Probes::kMost; ++id) start(spec_of(CheckKind::http), at(kSilent, 80), id);
  EXPECT_EQ(probes_->serve(kStart + 1h).size(), Probes::kMost);
  EXPECT_EQ(probes_->next_deadline(), kNever);
}

TEST_F(ProbeTest, ForgetsWhatIsCancelled) {
  start(spec_of(CheckKind::tcp), at(kSilent, 80), 1);   // on its way
  start(spec_of(CheckKind::tcp), at(kNowhere, 80), 2);  // known already
  EXPECT_LE(probes_->next_deadline(), kStart) << "there is a finding to hand out";
  for (const uint64_t id : {1u, 2u, 3u}) probes_->cancel(ProbeId(id));
  EXPECT_EQ(probes_->running(), 0u);
  EXPECT_TRUE(probes_->serve(kStart + 1h).empty());

  start(spec_of(CheckKind::tcp), at(kSilent, 80), 1);
  start(spec_of(CheckKind::tcp), at(kNowhere, 80), 1);  // the same one again
  EXPECT_EQ(next().text, "network unreachable");
  EXPECT_EQ(probes_->running(), 0u);
}

}  // namespace
}  // namespace rawvs::test
