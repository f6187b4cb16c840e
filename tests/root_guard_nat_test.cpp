// SPDX-License-Identifier: BSD-2-Clause
// Tests guard.h with the kernel: NAT servers' replies. root_guard.h has the network; 198.51.100.10 is the NAT server.
#include <algorithm>
#include <cerrno>

#include "root_guard.h"

namespace rawvs::test {
namespace {

constexpr const char *kNatServer = "198.51.100.10", *kOtherServer = "198.51.100.11", *kHost = "198.51.100.1",
                     *kAsker = "192.0.2.10";
constexpr uint16_t kMore = 0x2000;  // RFC 791: more fragments
constexpr uint16_t kMarker = 9999;  // a port

ReplyFlow flow(Protocol protocol, uint16_t server_port = 8080, uint16_t client_port = 1001) {
  return {protocol, {ip(kNatServer), Port(server_port)}, {ip(kAsker), Port(client_port)}};
}

FrameBytes ports(uint16_t from, uint16_t to, size_t more = 16) {
  FrameBytes l4(4 + more);
  store_be16(l4, 0, from), store_be16(l4, 2, to);
  return l4;
}
FrameBytes answer(Protocol protocol, uint16_t server_port = 8080, uint16_t client_port = 1001, uint16_t fragment = 0,
                  const char* server = kNatServer, Mac to = kInside) {
  return ipv4_frame(kServer, to, server, kAsker, static_cast<uint8_t>(protocol), 64, fragment,
                    ports(server_port, client_port));
}
FrameBytes with_options(FrameBytes f) {  // two words of NOP
  f.insert(f.begin() + 34, 8, 1);
  f[14] = 0x47;
  store_be16(f, 16, static_cast<uint16_t>(load_be16(f, 16) + 8));
  fix_ip_checksum(f);
  return f;
}
// The packet that the director sends to the server for the client.
FrameBytes sent_on(uint16_t client_port, uint16_t fragment = 0) {
  return ipv4_frame(kInside, kServer, kAsker, kNatServer, 6, 63, fragment, ports(client_port, 8080));
}
FrameBytes error(int type, const FrameBytes& about, size_t quoted = 28, const char* from = kNatServer) {
  FrameBytes l4(8 + quoted, 0);
  l4[0] = static_cast<uint8_t>(type);
  l4[1] = 1;
  std::copy_n(about.begin() + 14, quoted, l4.begin() + 8);
  return ipv4_frame(kServer, kInside, from, kAsker, 1, 64, 0, l4);
}

class GuardOfNat : public EveryGuard {
 protected:
  void SetUp() override {
    EveryGuard::SetUp();
    if (IsSkipped()) return;
    guard_ = attach(GetParam(), "d1");
    ASSERT_TRUE(guard_);
    tap_ = open_socket("d1", "ip and not udp dst port 9999");
    watch_.nat_servers = {ip(kNatServer)};
    tell();
  }
  void TearDown() override {
    guard_.reset();
    EveryGuard::TearDown();
  }
  void tell() {
    const auto done = guard_->protect(watch_, {&kInside, 1}, {ip("192.0.2.1"), ip(kHost)});
    EXPECT_TRUE(done) << done.error().text;
  }
  void expect_replies(const ReplyFlow& which) { change(which, true); }
  void change(const ReplyFlow& which, bool expected) {
    const ReplyChange one{which, expected};
    flows_.change({&one, 1});
  }
  // True if a packet from the server reaches the client.
  bool routed(const FrameBytes& bytes) {
    const Udp marker{.src = kOtherServer, .dst = kAsker, .dport = kMarker, .from = kServer, .to = kInside};
    EXPECT_TRUE(send_bytes(*seen_by_server_, bytes));
    EXPECT_TRUE(send_bytes(*seen_by_server_, frame(marker)));
    const bool seen = next_frame(*tap_).bytes == bytes;
    EXPECT_TRUE(seen) << "the tap did not see it";
    const FrameBytes first = next_frame(*at_client_).bytes;
    if (is_marker(first)) return false;
    if (first.size() != bytes.size()) return ADD_FAILURE() << "neither it nor the marker came", false;
    EXPECT_EQ(FrameBytes(first.begin() + 26, first.end()), FrameBytes(bytes.begin() + 26, bytes.end()));
    EXPECT_TRUE(is_marker(next_frame(*at_client_).bytes));
    return true;
  }
  static bool is_marker(const FrameBytes& f) { return f.size() > 38 && load_be16(f, 36) == kMarker; }

  Watch watch_;
  std::unique_ptr<Guard> guard_;
};
class GuardThatKnowsFlows : public GuardOfNat {};
class ClassicGuard : public GuardOfNat {};

TEST_P(GuardThatKnowsFlows, DropsTheAnswersOfAFlowFromItsBeginningToItsEndAndNoOthers) {
  EXPECT_TRUE(guard_->knows_flows());
  for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    EXPECT_TRUE(routed(answer(protocol)));
    expect_replies(flow(protocol));
    EXPECT_FALSE(routed(answer(protocol)));
    EXPECT_FALSE(routed(with_options(answer(protocol))));
    EXPECT_TRUE(routed(answer(protocol, 8080, 1002))) << "another client port";
    EXPECT_TRUE(routed(answer(protocol, 8081, 1001))) << "another server port";
    EXPECT_TRUE(routed(answer(protocol, 1001, 8080))) << "the other way round";
    EXPECT_TRUE(routed(answer(protocol, 8080, 1001, 0, kOtherServer))) << "another server";
    change(flow(protocol), false);
    EXPECT_TRUE(routed(answer(protocol)));
    change(flow(protocol), false);  // once more is harmless
  }
  EXPECT_EQ(flows_.refused(), 0u);
}

TEST_P(GuardThatKnowsFlows, TellsProtocolsApart) {
  expect_replies(flow(Protocol::tcp));
  EXPECT_TRUE(routed(answer(Protocol::udp)));
  EXPECT_TRUE(routed(answer(Protocol::sctp)));
  EXPECT_TRUE(routed(answer(Protocol::gre)));
  EXPECT_FALSE(routed(answer(Protocol::tcp)));
}

TEST_P(GuardThatKnowsFlows, DropsIcmpErrorsThatQuoteTheClientsHalfOfAFlow) {
  for (const int type : {3, 4, 11}) {
    EXPECT_TRUE(routed(error(type, sent_on(1001)))) << type;
  }
  expect_replies(flow(Protocol::tcp));
  for (const int type : {3, 4, 11}) {
    EXPECT_FALSE(routed(error(type, sent_on(1001)))) << type;
    EXPECT_TRUE(routed(error(type, sent_on(1002)))) << type;
    EXPECT_TRUE(routed(error(type, answer(Protocol::tcp)))) << type << " about the server's half";
  }
  for (const int type : {0, 8, 12, 13}) EXPECT_TRUE(routed(error(type, sent_on(1001)))) << type;
  EXPECT_FALSE(routed(error(3, sent_on(1001), 28, kOtherServer))) << "from a router on the way";
  EXPECT_FALSE(routed(with_options(error(3, sent_on(1001)))));
  EXPECT_FALSE(routed(error(3, with_options(sent_on(1001)), 36)));
  EXPECT_FALSE(routed(with_options(error(3, with_options(sent_on(1001)), 36))));
  EXPECT_FALSE(routed(error(3, sent_on(1001, kMore))));
  EXPECT_TRUE(routed(error(3, sent_on(1001, 1)))) << "a later fragment has no ports";
  EXPECT_TRUE(routed(error(3, sent_on(1001), 22))) << "its ports are not quoted";
}

TEST_P(GuardThatKnowsFlows, DropsNatServersFragmentsButToTheHostItself) {
  for (const uint16_t fragment : {kMore, static_cast<uint16_t>(kMore | 3), uint16_t{3}, uint16_t{0x1f00}}) {
    EXPECT_FALSE(routed(answer(Protocol::udp, 8080, 1001, fragment))) << fragment;
    EXPECT_TRUE(routed(answer(Protocol::udp, 8080, 1001, fragment, kOtherServer))) << fragment;
  }
  watch_.nat_servers = {};
  tell();
  EXPECT_TRUE(routed(answer(Protocol::udp, 8080, 1001, kMore)));
  watch_.nat_servers = {ip(kOtherServer), ip(kNatServer)};
  std::ranges::sort(watch_.nat_servers);
  tell();
  EXPECT_FALSE(routed(answer(Protocol::udp, 8080, 1001, kMore)));
  EXPECT_FALSE(routed(answer(Protocol::udp, 8080, 1001, kMore, kOtherServer)));
}

TEST_P(GuardThatKnowsFlows, DoesNotLookAtFramesForOthersNorAtTooShortOnes) {
  expect_replies(flow(Protocol::tcp));
  const FrameBytes no_ports = ipv4_frame(kServer, kInside, kNatServer, kAsker, 6, 64, 0, {0x1f, 0x90});
  EXPECT_TRUE(routed(no_ports));
  const FrameBytes stranger = answer(Protocol::tcp, 8080, 1001, 0, kNatServer, kStranger);
  shell("tc qdisc add dev d1 clsact 2>/dev/null || true");
  shell("tc filter add dev d1 ingress pref 100 protocol ip u32 match u32 0 0 action mirred egress redirect dev d0");
  ASSERT_TRUE(send_bytes(*seen_by_server_, answer(Protocol::tcp)));
  ASSERT_TRUE(send_bytes(*seen_by_server_, stranger));
  EXPECT_EQ(next_frame(*at_client_).bytes, stranger);
}

TEST_P(GuardThatKnowsFlows, HasOneMapForBothLinksThatOutlivesTheGuards) {
  expect_replies(flow(Protocol::tcp));
  guard_.reset();
  EXPECT_TRUE(routed(answer(Protocol::tcp)));
  expect_replies(flow(Protocol::udp));
  guard_ = attach(GetParam(), "d1");
  auto other = attach(GetParam(), "d0");
  ASSERT_TRUE(guard_ && other);
  tell();
  EXPECT_FALSE(routed(answer(Protocol::tcp)));
  EXPECT_FALSE(routed(answer(Protocol::udp)));

  ASSERT_TRUE(other->protect(watch_, {&kOutsideMac, 1}, {}));
  FrameBytes from_outside = answer(Protocol::tcp, 8080, 1001, 0, kNatServer, kOutsideMac);
  shell("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.d0.rp_filter=0");
  from_client(from_outside);
  from_client(answer(Protocol::tcp, 8080, 1002, 0, kNatServer, kOutsideMac));
  EXPECT_EQ(load_be16(next_frame(*at_client_).bytes, 36), 1002);
}

TEST_P(GuardThatKnowsFlows, GoesOnProtectingVipsWhenNatServersComeAndGo) {
  shell("ip neigh add 192.0.2.11 lladdr 02:00:00:00:00:0c dev d0");
  const auto to_vip = [](uint16_t fragment) {
    return ipv4_frame(kServer, kInside, kOtherServer, "192.0.2.11", 17, 64, fragment, ports(1, 2));
  };
  EXPECT_TRUE(routed(to_vip(0)));
  watch_ = {};
  watch_.vips = {ip("192.0.2.11")};
  for (const bool nat : {false, true, false}) {
    if (nat) watch_.nat_servers = {ip(kNatServer)};
    tell();
    if (nat) expect_replies(flow(Protocol::tcp));
    EXPECT_FALSE(routed(to_vip(0)));
    EXPECT_FALSE(routed(to_vip(kMore)));
    EXPECT_FALSE(routed(to_vip(7)));
    EXPECT_EQ(routed(answer(Protocol::tcp)), !nat);
    if (nat) change(flow(Protocol::tcp), false);
    watch_.nat_servers = {};
  }
}

TEST_P(GuardThatKnowsFlows, CountsFlowsThatDoNotFit) {
  for (uint16_t port = 1; port <= 16; ++port) expect_replies(flow(Protocol::tcp, 8080, port));
  EXPECT_EQ(flows_.refused(), 0u);
  expect_replies(flow(Protocol::tcp, 8080, 17));
  EXPECT_EQ(flows_.refused(), 1u);
  EXPECT_EQ(flows_.problem(), E2BIG);
  EXPECT_TRUE(routed(answer(Protocol::tcp, 8080, 17)));
  EXPECT_FALSE(routed(answer(Protocol::tcp, 8080, 16)));
  expect_replies(flow(Protocol::tcp, 8080, 16));  // is there already
  EXPECT_EQ(flows_.refused(), 1u);
  change(flow(Protocol::tcp, 8080, 1), false);
  expect_replies(flow(Protocol::tcp, 8080, 17));
  EXPECT_EQ(flows_.refused(), 1u);
  EXPECT_FALSE(routed(answer(Protocol::tcp, 8080, 17)));
}

TEST_P(GuardThatKnowsFlows, TakesManyChangesAtOnceInTheirOrder) {
  std::vector<ReplyChange> changes;
  for (uint16_t port = 1; port <= 12; ++port) changes.push_back({flow(Protocol::tcp, 8080, port), true});
  for (uint16_t port = 1; port <= 9; port += 2) changes.push_back({flow(Protocol::tcp, 8080, port), false});
  changes.push_back({flow(Protocol::tcp, 8080, 9), false});   // is not there any more
  changes.push_back({flow(Protocol::tcp, 8080, 11), false});  // nor is the one before: this one is still done
  changes.push_back({flow(Protocol::tcp, 8080, 3), true});
  flows_.change(changes);
  EXPECT_EQ(flows_.refused(), 0u);
  for (uint16_t port = 1; port <= 12; ++port) {
    EXPECT_EQ(routed(answer(Protocol::tcp, 8080, port)), port % 2 == 1 && port != 3) << port;
  }
}

TEST_P(GuardThatKnowsFlows, PutsInAsManyOfManyAsFit) {
  std::vector<ReplyChange> changes;
  for (uint16_t port = 1; port <= 20; ++port) changes.push_back({flow(Protocol::tcp, 8080, port), true});
  flows_.change(changes);
  EXPECT_EQ(flows_.refused(), 4u);
  EXPECT_EQ(flows_.problem(), E2BIG);
  EXPECT_FALSE(routed(answer(Protocol::tcp, 8080, 16)));
  EXPECT_TRUE(routed(answer(Protocol::tcp, 8080, 17)));
}

TEST_P(ClassicGuard, DropsWhateverMayBeAnAnswer) {
  EXPECT_FALSE(guard_->knows_flows());
  for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    EXPECT_FALSE(routed(answer(protocol)));
    EXPECT_FALSE(routed(with_options(answer(protocol))));
    EXPECT_TRUE(routed(answer(protocol, 8080, 1001, 0, kOtherServer)));
  }
  EXPECT_TRUE(routed(answer(Protocol::gre)));
  EXPECT_FALSE(routed(answer(Protocol::gre, 8080, 1001, kMore)));
  for (const int type : {3, 4, 11}) EXPECT_FALSE(routed(error(type, sent_on(1001))));
  for (const int type : {0, 8, 12}) EXPECT_TRUE(routed(error(type, sent_on(1001))));
  watch_.nat_servers = {};
  tell();
  EXPECT_TRUE(routed(answer(Protocol::tcp)));
}

// A closed port answers, so the host has received the packet.
TEST_P(GuardOfNat, LeavesWhatIsSentToTheHostItselfToIt) {
  const std::string refused = "02:00:00:00:00:d1>02:00:00:00:00:05 198.51.100.1 > 198.51.100.10 icmp 3/3 ttl 64";
  const FrameBytes whole = frame(
      Udp{.src = kNatServer, .dst = kHost, .data = "12345678", .dont_fragment = false, .from = kServer, .to = kInside});
  ASSERT_TRUE(send_bytes(*seen_by_server_, whole));
  EXPECT_EQ(next_at_server(), refused);
  const FrameBytes l4(whole.begin() + 34, whole.end());
  ASSERT_TRUE(send_bytes(*seen_by_server_, ipv4_frame(kServer, kInside, kNatServer, kHost, 17, 64, kMore,
                                                      FrameBytes(l4.begin(), l4.begin() + 8))));
  ASSERT_TRUE(send_bytes(*seen_by_server_, ipv4_frame(kServer, kInside, kNatServer, kHost, 17, 64, 1,
                                                      FrameBytes(l4.begin() + 8, l4.end()))));
  EXPECT_EQ(next_at_server(), refused);
}

INSTANTIATE_TEST_SUITE_P(Ways, GuardThatKnowsFlows, testing::Values(GuardMode::tcx, GuardMode::clsact), way_name);
INSTANTIATE_TEST_SUITE_P(Ways, ClassicGuard, testing::Values(GuardMode::classic), way_name);
INSTANTIATE_TEST_SUITE_P(Ways, GuardOfNat, testing::Values(GuardMode::tcx, GuardMode::clsact, GuardMode::classic),
                         way_name);

}  // namespace
}  // namespace rawvs::test
