// SPDX-License-Identifier: BSD-2-Clause
// Tests the path of checks with via = vip in a network namespace: what the kernel does with marked packets.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <map>

#include "root_probe.h"
#include "sys/probe/check_path.h"
#include "wire/packet.h"

namespace rawvs {
namespace {

using namespace test;

constexpr Ip kVip{0xc0000264};  // 192.0.2.100: no address of this host, and nobody's
const std::string kRules = "ip rule show priority 82 | sed 's, *$,,'",
                  kRoutes = "ip route show table 21078 | sed 's, *$,,'";

class CheckPathTest : public ProbeTest {
 protected:
  void SetUp() override {
    ProbeTest::SetUp();
    if (IsSkipped()) return;
    write_sysctl("net/ipv4/ip_forward", "1");
    write_sysctl("net/ipv4/conf/all/rp_filter", "1");
  }
  std::unique_ptr<CheckPath> open(GuardMode mode = GuardMode::automatic) {
    auto opened = CheckPath::open(mode);
    if (opened) return std::move(*opened);
    ADD_FAILURE() << opened.error().text;
    return nullptr;
  }
  // Where the probe has come from.
  FlowKey begin(CheckKind kind, uint64_t id) {
    ProbeTarget target = at(kVip, 80);
    target.source = kHere;
    target.mark = CheckPath::kMark;
    start(spec_of(kind), target, id);
    const Endpoint from = probes_->source(ProbeId(id));
    EXPECT_EQ(from.addr, kHere);
    return {from.addr, kVip, from.port, Port(80), kind == CheckKind::tcp ? Protocol::tcp : Protocol::udp, false};
  }
  static CheckPath::Addressee server(uint32_t last) {
    return {{Protocol::tcp, {kVip, Port(80)}, {}}, {Ip(0xc0000200 + last), Port(80)}};
  }
  // The servers that the packets which come within a while are for, and how many each.
  static std::map<Ip, int> read(CheckPath& path) {
    std::map<Ip, int> found;
    for (int tries = 0; tries < 20; ++tries) {
      pollfd wait{path.fd(), POLLIN, 0};
      poll(&wait, 1, 10);
      std::array<Frame, 8> frames{};
      const size_t count = path.receive(frames);
      for (const Frame& frame : std::span(frames).first(count)) {
        const CheckPath::Addressee* const whose = path.addressee(frame);
        ++found[whose ? whose->server.addr : Ip()];
      }
      if (count != 0) path.release();
    }
    return found;
  }
  static Fd listens_everywhere(int type) {
    Fd fd(socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(80);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
    EXPECT_EQ(type == SOCK_STREAM ? listen(fd.get(), 8) : 0, 0);
    return fd;
  }
  static std::string half_open() { return output_of("grep -c ' 03 ' /proc/thread-self/net/tcp"); }
};

TEST_F(CheckPathTest, IsARuleAndARouteThatGoWithIt) {
  auto path = open();
  ASSERT_TRUE(path);
  EXPECT_EQ(path->remark(), "");
  EXPECT_EQ(output_of(kRules), "82:\tfrom all fwmark 0x52560001 lookup 21078\n");
  EXPECT_EQ(output_of(kRoutes), "default dev lo proto static scope link mtu 1280\n");
  path.reset();
  EXPECT_EQ(output_of(kRules), "");
  EXPECT_EQ(output_of(kRoutes), "");
  EXPECT_EQ(output_of("tc qdisc show dev lo clsact"), "");
}

TEST_F(CheckPathTest, ReplacesWhatAKilledOneLeft) {
  for (int n = 0; n < 2; ++n) {
    // ip(8) refuses the second one that is the same; a rule with another table's number is somebody else's.
    shell("ip rule add priority 82 fwmark 0x52560001 lookup " + std::to_string(21078 + n));
  }
  shell("ip route add default dev lo table 21078 mtu 900");
  auto path = open();
  EXPECT_EQ(output_of(kRoutes), "default dev lo proto static scope link mtu 1280\n");
  path.reset();
  EXPECT_EQ(output_of(kRules), "82:\tfrom all fwmark 0x52560001 lookup 21079\n");
  EXPECT_EQ(output_of(kRoutes), "");
}

TEST_F(CheckPathTest, PutsBackARuleThatSomebodyFlushed) {
  auto path = open();
  ASSERT_TRUE(path);
  EXPECT_TRUE(path->leads({kVip, Port(80)}, kHere));
  shell("ip rule del priority 82");
  EXPECT_TRUE(path->leads({kVip, Port(80)}, kHere));
  shell("ip route flush table 21078");
  EXPECT_TRUE(path->leads({kVip, Port(80)}, kHere));
  EXPECT_EQ(output_of(kRules), "82:\tfrom all fwmark 0x52560001 lookup 21078\n");
}

TEST_F(CheckPathTest, SaysWhyItDoesNotLeadThere) {
  auto path = open();
  ASSERT_TRUE(path);
  EXPECT_EQ(path->leads({kAlsoHere, Port(80)}, kHere).error().text, "192.0.2.2 is an address of this host itself");
  shell("ip rule add priority 7 fwmark 0x52560001 prohibit");
  EXPECT_FALSE(path->leads({kVip, Port(80)}, kHere));
}

TEST_F(CheckPathTest, BringsEachProbesPacketsWithTheServerThatTheyAreFor) {
  auto path = open();
  ASSERT_TRUE(path);
  path->expect(begin(CheckKind::tcp, 1), server(11));
  path->expect(begin(CheckKind::tcp, 2), server(12));
  path->expect(begin(CheckKind::udp, 3), server(13));
  begin(CheckKind::udp, 4);  // nobody's
  auto found = read(*path);
  EXPECT_EQ(found.size(), 4u);
  for (const Ip whose : {server(11).server.addr, server(12).server.addr, server(13).server.addr, Ip()}) {
    EXPECT_EQ(found[whose], 1) << text(whose);
  }
}

TEST_F(CheckPathTest, KeepsThemFromProgramsOfThisHostWhateverTheGuard) {
  const Fd tcp = listens_everywhere(SOCK_STREAM), udp = listens_everywhere(SOCK_DGRAM);
  for (const GuardMode mode : {GuardMode::tcx, GuardMode::classic}) {
    auto path = open(mode);
    ASSERT_TRUE(path);
    if (!path->remark().empty()) continue;  // an old kernel
    begin(CheckKind::tcp, 1);
    begin(CheckKind::udp, 2);
    EXPECT_EQ(read(*path)[Ip()], 2);
    EXPECT_EQ(half_open(), "0\n");
    char byte = 0;
    EXPECT_EQ(recv(udp.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
    probes_->cancel(ProbeId(1)), probes_->cancel(ProbeId(2));
  }
}

TEST_F(CheckPathTest, HearsNoAnswerOfThisHostsOwnProgramsWhereThereIsNoGuard) {
  const Fd tcp = listens_everywhere(SOCK_STREAM), udp = listens_everywhere(SOCK_DGRAM);
  auto path = open(GuardMode::off);
  ASSERT_TRUE(path);
  EXPECT_EQ(path->remark(), "guard = off");
  begin(CheckKind::tcp, 1);
  begin(CheckKind::udp, 2);
  int heard = 0;
  EXPECT_TRUE(quiet([&] {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    char byte = 0;
    if (recvfrom(udp.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size) < 0) return;
    ++heard;
    sendto(udp.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&from), size);
  }));
  EXPECT_EQ(heard, 1);
  EXPECT_EQ(probes_->running(), 2u);
}

TEST_F(CheckPathTest, LetsThemGoRoundNowhere) {
  auto path = open();
  ASSERT_TRUE(path);
  begin(CheckKind::udp, 1);
  EXPECT_EQ(read(*path)[Ip()], 1);
  EXPECT_EQ(output_of("awk '/^Ip:/ && ++n == 2 { print $7 }' /proc/thread-self/net/snmp"), "0\n");  // ForwDatagrams
}

// --- IPv6

constexpr Ip kVip6{0x20010db800000000, 0x100};

class CheckPathIpv6Test : public CheckPathTest {
 protected:
  void SetUp() override {
    CheckPathTest::SetUp();
    if (IsSkipped()) return;
    ipv6();
    write_sysctl("net/ipv6/conf/all/forwarding", "1");
  }
  FlowKey begin6(CheckKind kind, uint64_t id) {
    ProbeTarget target = at(kVip6, 80);
    target.source = kHere6;
    target.mark = CheckPath::kMark;
    start(spec_of(kind), target, id);
    const Endpoint from = probes_->source(ProbeId(id));
    EXPECT_EQ(from.addr, kHere6);
    return {from.addr, kVip6, from.port, Port(80), kind == CheckKind::tcp ? Protocol::tcp : Protocol::udp, false};
  }
  static Fd listens_on_ipv6(int type) {
    Fd fd(socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(80);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
    EXPECT_EQ(type == SOCK_STREAM ? listen(fd.get(), 8) : 0, 0);
    return fd;
  }
};
const std::string kRules6 = "ip -6 rule show priority 82 | sed 's, *$,,'",
                  kRoutes6 = "ip -6 route show table 21078 type local | sed 's, *$,,'";

TEST_F(CheckPathIpv6Test, HasARuleAndARouteOfItsOwnFamily) {
  auto opened = CheckPath::open(GuardMode::automatic, Family::ipv6);
  ASSERT_TRUE(opened) << opened.error().text;
  EXPECT_EQ(output_of(kRules6), "82:\tfrom all fwmark 0x52560001 lookup 21078\n");
  EXPECT_EQ(output_of(kRoutes6).find("local default dev lo proto static metric 1024 mtu 1280"), 0u)
      << output_of(kRoutes6);
  EXPECT_EQ(output_of(kRules), "");
  EXPECT_TRUE((*opened)->leads({kVip6, Port(80)}, kHere6));
  EXPECT_TRUE((*opened)->leads({kVip, Port(80)}, kHere)) << "the other one as soon as it is needed";
  EXPECT_NE(output_of(kRules), "");
  opened->reset();
  EXPECT_EQ(output_of(kRules6), "");
  EXPECT_EQ(output_of(kRoutes6), "");
}

TEST_F(CheckPathIpv6Test, PutsBackWhatSomebodyFlushedAndSaysWhyItDoesNotLeadThere) {
  auto path = open();
  ASSERT_TRUE(path);
  EXPECT_TRUE(path->leads({kVip6, Port(80)}, kHere6));
  shell("ip -6 rule del priority 82");
  EXPECT_TRUE(path->leads({kVip6, Port(80)}, kHere6));
  shell("ip -6 route flush table 21078");
  EXPECT_TRUE(path->leads({kVip6, Port(80)}, kHere6));
  EXPECT_EQ(path->leads({kAlsoHere6, Port(80)}, kHere6).error().text, "2001:db8::2 is an address of this host itself");
  EXPECT_EQ(path->leads({kVip6, Port(80)}, kHere).error().text, "192.0.2.1 is of another family than 2001:db8::100");
  shell("ip -6 rule add priority 7 fwmark 0x52560001 prohibit");
  EXPECT_FALSE(path->leads({kVip6, Port(80)}, kHere6));
}

TEST_F(CheckPathIpv6Test, BringsEachProbesPacketsWithTheServerThatTheyAreFor) {
  auto path = open();
  ASSERT_TRUE(path);
  ASSERT_TRUE(path->leads({kVip6, Port(80)}, kHere6));
  path->expect(begin6(CheckKind::tcp, 1), server(11));
  path->expect(begin6(CheckKind::udp, 3), server(13));
  begin6(CheckKind::udp, 4);  // nobody's
  path->expect(begin(CheckKind::tcp, 5), server(12));
  auto found = read(*path);
  EXPECT_EQ(found.size(), 4u);
  for (const Ip whose : {server(11).server.addr, server(12).server.addr, server(13).server.addr, Ip()}) {
    EXPECT_EQ(found[whose], 1) << text(whose);
  }
}

TEST_F(CheckPathIpv6Test, KeepsThemFromProgramsOfThisHostWhateverTheGuard) {
  const Fd tcp = listens_on_ipv6(SOCK_STREAM), udp = listens_on_ipv6(SOCK_DGRAM);
  for (const GuardMode mode : {GuardMode::tcx, GuardMode::classic}) {
    auto path = open(mode);
    ASSERT_TRUE(path);
    if (!path->remark().empty()) continue;  // an old kernel
    ASSERT_TRUE(path->leads({kVip6, Port(80)}, kHere6));
    begin6(CheckKind::tcp, 1);
    begin6(CheckKind::udp, 2);
    EXPECT_EQ(read(*path)[Ip()], 2);
    EXPECT_EQ(output_of("grep -c ' 03 ' /proc/thread-self/net/tcp6"), "0\n");
    char byte = 0;
    EXPECT_EQ(recv(udp.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
    probes_->cancel(ProbeId(1)), probes_->cancel(ProbeId(2));
  }
}

}  // namespace
}  // namespace rawvs
