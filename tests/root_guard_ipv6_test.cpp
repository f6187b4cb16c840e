// SPDX-License-Identifier: BSD-2-Clause
// Tests guard.h with the kernel in every way: IPv6. The network of root_guard.h has both families:
//
//   client | c0 2001:db8::10 ---- d0 2001:db8::1 | director | d1 2001:db8:1::1 ---- s0 2001:db8:1::10 | server
//          |                         2001:db8::100 (a VIP)   |       (2001:db8:2::/64 is behind the server)
#include "root_guard.h"
#include "wire/ip_bytes.h"

namespace rawvs::test {
namespace {

constexpr const char *kAsker = "2001:db8::10", *kLocalHost = "2001:db8::1", *kLocalVip = "2001:db8::100",
                     *kNatServer = "2001:db8:1::10", *kOtherServer = "2001:db8:1::11", *kInsideHost = "2001:db8:1::1",
                     *kRoutedVip = "2001:db8:2::100", *kRoutedHost = "2001:db8:2::101";
constexpr uint16_t kMarker = 9999;  // a port
constexpr uint8_t kTcp = 6, kUdp = 17, kIcmp6 = 58, kGre = 47, kSctp = 132;

FrameBytes ports(uint16_t from, uint16_t to) {
  FrameBytes l4(20);
  store_be16(l4, 0, from), store_be16(l4, 2, to);
  return l4;
}
FrameBytes reply(uint8_t protocol, uint16_t client_port = 1001, const char* from = kNatServer,
                 const Extensions& extensions = {}) {
  return ipv6_frame(kServer, kInside, from, kAsker, protocol, 64, ports(8080, client_port), extensions);
}
FrameBytes error(int type, uint16_t client_port = 1001) {
  const FrameBytes about = ipv6_frame(kInside, kServer, kAsker, kNatServer, kTcp, 63, ports(client_port, 8080));
  FrameBytes l4(8);
  l4[0] = static_cast<uint8_t>(type);
  l4.insert(l4.end(), about.begin() + 14, about.end());
  FrameBytes f = ipv6_frame(kServer, kInside, kNatServer, kAsker, kIcmp6, 64, l4);
  fix_l4_checksum(f);
  return f;
}
uint16_t destination_port(const FrameBytes& f) { return f.size() >= 58 ? load_be16(f, 56) : 0; }

class EveryGuard6 : public EveryGuard {
 protected:
  void SetUp() override {
    EveryGuard::SetUp();
    if (IsSkipped()) return;
    write_sysctl("net/ipv6/conf/all/disable_ipv6", "0");
    write_sysctl("net/ipv6/conf/all/forwarding", "1");
    shell("ip addr add 2001:db8::1/64 dev d0 nodad && ip addr add 2001:db8::100/128 dev d0 nodad");
    shell("ip addr add 2001:db8:1::1/64 dev d1 nodad && ip route add 2001:db8:2::/64 via 2001:db8:1::10");
    shell("ip neigh add 2001:db8::10 lladdr 02:00:00:00:00:0c dev d0");
    shell("ip neigh add 2001:db8:1::10 lladdr 02:00:00:00:00:05 dev d1");
    server_->enter();
    seen_by_server_ = open_socket("s0", "ip6 and udp");
    client_->enter();
    at_client_ =
        open_socket("c0", "ip6 and (src host 2001:db8:1::10 or src host 2001:db8:1::11 or (icmp6 and ip6[40] == 136))");
    director_->enter();
    guard_ = attach(GetParam());
    inside_guard_ = attach(GetParam(), "d1");
    ASSERT_TRUE(guard_ && inside_guard_);
  }
  void TearDown() override {
    guard_.reset(), inside_guard_.reset();
    EveryGuard::TearDown();
  }
  void guard(Guard& which, Mac mac, const Watch& watch) {
    const auto done = which.protect(watch, {&mac, 1}, {ip(kLocalHost), ip(kInsideHost)});
    EXPECT_TRUE(done) << done.error().text;
    EXPECT_EQ(which.guarded_vips(), watch.vips.size());
  }
  void guard_vips(const std::vector<const char*>& vips) {
    Watch watch;
    for (const char* vip : vips) watch.vips.push_back(ip(vip));
    guard(*guard_, kOutsideMac, watch);
  }
  void guard_nat_servers(const std::vector<const char*>& servers) {
    Watch watch;
    for (const char* server : servers) watch.nat_servers.push_back(ip(server));
    guard(*inside_guard_, kInside, watch);
  }
  // True if the director's kernel routes it to the server.
  bool routed_inwards(const char* to, uint16_t port = 53) {
    from_client(frame(Udp{.src = kAsker, .dst = to, .dport = port, .from = kClient, .to = kOutsideMac}));
    from_client(frame(Udp{.src = kAsker, .dst = kRoutedHost, .dport = kMarker, .from = kClient, .to = kOutsideMac}));
    const bool routed = destination_port(next_frame(*seen_by_server_).bytes) == port;
    return routed && destination_port(next_frame(*seen_by_server_).bytes) == kMarker;
  }
  // True if the director's kernel routes it to the client.
  bool routed(const FrameBytes& bytes) {
    const Udp marker{.src = kOtherServer, .dst = kAsker, .dport = kMarker, .from = kServer, .to = kInside};
    EXPECT_TRUE(send_bytes(*seen_by_server_, bytes));
    EXPECT_TRUE(send_bytes(*seen_by_server_, frame(marker)));
    const FrameBytes first = next_frame(*at_client_).bytes;
    if (destination_port(first) == kMarker) return false;
    if (first.size() != bytes.size()) return ADD_FAILURE() << "neither it nor the marker came", false;
    EXPECT_EQ(FrameBytes(first.begin() + 22, first.end()), FrameBytes(bytes.begin() + 22, bytes.end()));
    EXPECT_EQ(destination_port(next_frame(*at_client_).bytes), kMarker);
    return true;
  }
  // The address whose advertisement comes first, when these are asked for.
  std::string first_of(const std::vector<NdFrame>& questions) {
    for (const NdFrame& question : questions) from_client(frame(question));
    FrameBytes f = next_frame(*at_client_).bytes;
    return f.size() >= 78 ? text(load_ipv6(f, 62)) : "none";
  }
  static NdFrame question(const char* target) { return {.src = kAsker, .target = target, .from = kClient}; }
  void expect_replies(uint16_t client_port) {
    const ReplyFlow flow{Protocol::tcp, {ip(kNatServer), Port(8080)}, {ip(kAsker), Port(client_port)}};
    const ReplyChange one{flow, true};
    flows_.change({&one, 1});
  }
  std::unique_ptr<Guard> guard_, inside_guard_;
};

TEST_P(EveryGuard6, KeepsTheKernelFromRoutingAVipsPackets) {
  EXPECT_TRUE(routed_inwards(kRoutedVip)) << "this test's router does not route";
  guard_vips({kRoutedVip});
  EXPECT_FALSE(routed_inwards(kRoutedVip));
  EXPECT_TRUE(routed_inwards(kRoutedHost, 54));
  guard_vips({});
  EXPECT_TRUE(routed_inwards(kRoutedVip));
}

TEST_P(EveryGuard6, KeepsTheKernelFromAnsweringSolicitationsForAVip) {
  EXPECT_EQ(first_of({question(kLocalVip)}), kLocalVip) << "this test's director does not answer";
  guard_vips({kLocalVip});
  NdFrame unicast = question(kLocalVip), probe = question(kLocalVip);
  unicast.dst = kLocalVip, unicast.to = kOutsideMac;
  probe.src = "::", probe.option = {};
  EXPECT_EQ(first_of({question(kLocalVip), unicast, probe, question(kLocalHost)}), kLocalHost);
}

TEST_P(EveryGuard6, GuardsBothFamilies) {
  Watch watch;
  watch.vips = {ip("203.0.113.100"), ip(kRoutedVip)};
  std::ranges::sort(watch.vips);
  guard(*guard_, kOutsideMac, watch);
  EXPECT_FALSE(routed_inwards(kRoutedVip));
  server_->enter();
  const auto of_ipv4 = open_socket("s0", "ip");
  director_->enter();
  from_client(datagram("203.0.113.100"));
  from_client(datagram("203.0.113.101"));
  EXPECT_EQ(described(next_frame(*of_ipv4)), GuardOnRouter::routed("203.0.113.101"));
}

TEST_P(EveryGuard6, DropsTheRepliesOfNatServersAndNotWhatTheySendToTheHost) {
  EXPECT_TRUE(routed(reply(kTcp))) << "this test's router does not route";
  guard_nat_servers({kNatServer});
  expect_replies(1001);
  EXPECT_FALSE(routed(reply(kTcp)));
  for (const int type : {1, 2, 3, 4}) EXPECT_FALSE(routed(error(type))) << type;
  // Another flow: only programs that know flows let it pass.
  const bool knows = guard_->knows_flows();
  EXPECT_EQ(routed(reply(kTcp, 1002)), knows);
  EXPECT_EQ(routed(reply(kUdp)), knows);
  EXPECT_EQ(routed(reply(kSctp)), knows);
  EXPECT_EQ(routed(error(1, 1002)), knows);
  EXPECT_TRUE(routed(reply(kTcp, 1001, kOtherServer)));
  EXPECT_TRUE(routed(reply(kGre)));
  for (const Extension& header : {fragment_header(8, true), destination_options()}) {
    EXPECT_FALSE(routed(reply(kGre, 1001, kNatServer, {header}))) << int{header.number};
    EXPECT_TRUE(routed(reply(kGre, 1001, kOtherServer, {header}))) << int{header.number};
  }
  guard_nat_servers({});
  EXPECT_TRUE(routed(reply(kUdp)));
}

INSTANTIATE_TEST_SUITE_P(Ways, EveryGuard6, testing::Values(GuardMode::tcx, GuardMode::clsact, GuardMode::classic),
                         way_name);

}  // namespace
}  // namespace rawvs::test
