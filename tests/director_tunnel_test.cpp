// SPDX-License-Identifier: BSD-2-Clause
// Tests TUN through director.h: the outer header, MTU and path MTU discovery, super-frames, routes.
#include "director_fixture.h"
#include "links.h"
#include "wire/packet.h"

namespace rawvs {
namespace {

class TunnelTest : public DirectorTest {
 protected:
  void tun(Tunnel tunnel = {}, Protocol protocol = Protocol::tcp) {
    key_ = {protocol, {ip("192.0.2.100"), Port(80)}, {}};
    ASSERT_FALSE(director_->add({.key = key_, .scheduler = Scheduler::rr}, {now_, out_}));
    ServerSpec spec = server(1);
    spec.method = Method::tunnel;
    spec.tunnel = tunnel;
    ASSERT_FALSE(director_->add_server(key_, spec, {now_, out_}));
    resolve(1);
  }
  // The outer packets that left, parsed; the bytes after the outer header are the inner packet.
  std::vector<Packet> outer() {
    std::vector<Packet> all;
    for (const Departure& d : out_.departures()) {
      EXPECT_FALSE(parse_ip(d.frame, all.emplace_back()));
      EXPECT_EQ(d.frame.size, 14 + all.back().ip_size);
    }
    return all;
  }
  // A router's error about a tunnel packet that left before.
  std::string too_big(const FrameBytes& about, uint16_t mtu) {
    return arrive(frame(IcmpError{.src = "192.0.2.1", .dst = "192.0.2.10", .mtu = mtu, .about = about, .quoted = 68}));
  }
  FrameBytes departed(size_t n = 0) {
    const Frame& f = out_.departures().at(n).frame;
    return {f.data, f.data + f.size};
  }
};

TEST_F(TunnelTest, PutsThePacketIntoOneToTheServer) {
  tun();
  const FrameBytes sent = frame(Tcp{});
  arrive(sent);
  const auto packets = outer();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].src, ip("192.0.2.10"));
  EXPECT_EQ(packets[0].dst, ip("192.0.2.11"));
  EXPECT_EQ(packets[0].protocol, Protocol::ipip);
  EXPECT_EQ(packets[0].ttl, 63);
  EXPECT_TRUE(packets[0].dont_fragment);
  const FrameBytes left = departed();
  ASSERT_EQ(left.size(), sent.size() + 20);
  EXPECT_TRUE(std::equal(sent.begin() + 14 + 12, sent.end(), left.begin() + 34 + 12));
  EXPECT_EQ(left[34 + 8], 63);
}

TEST_F(TunnelTest, CutsTheOuterPacketOfOneThatMayBeCut) {
  tun();
  arrive(frame(Tcp{}));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A", .data = std::string(1441, 'x')})),
            to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1480 ttl 64"));
  arrive(frame(Tcp{.flags = "A", .data = std::string(1460, 'x'), .dont_fragment = false}));
  const auto packets = outer();
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_TRUE(packets[0].more_fragments);
  EXPECT_EQ(packets[0].ip_size, 1500u);
  EXPECT_EQ(packets[1].fragment_offset, 1480);
  EXPECT_NE(load_be16(departed(0), 18), 0);
  EXPECT_EQ(load_be16(departed(0), 18), load_be16(departed(1), 18));
}

TEST_F(TunnelTest, WithoutPmtuDiscoveryEverythingMayBeCut) {
  Settings settings;
  settings.pmtu_disc = false;
  make(settings);
  tun();
  arrive(frame(Tcp{}));
  EXPECT_FALSE(outer().at(0).dont_fragment);
  arrive(frame(Tcp{.flags = "A", .data = std::string(1460, 'x')}));
  EXPECT_EQ(outer().size(), 2u);
}

TEST_F(TunnelTest, LearnsTheWaysMtuAndForgetsItAgain) {
  tun();
  arrive(frame(Tcp{}));
  arrive(frame(Tcp{.flags = "A", .data = std::string(1440, 'x')}));
  const FrameBytes tunnelled = departed();
  EXPECT_TRUE(too_big(tunnelled, 1400).starts_with(to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1480")));
  EXPECT_EQ(count(Exit::tunnel_error), 1u);
  const FrameBytes large = frame(Tcp{.flags = "A", .data = std::string(1400, 'x')});
  EXPECT_EQ(arrive(large), to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1380 ttl 64"));
  too_big(tunnelled, 1450);  // a larger MTU is not learned
  EXPECT_EQ(arrive(large), to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1380 ttl 64"));
  arrive(frame(Tcp{.flags = "A", .data = std::string(1340, 'x')}));
  too_big(departed(), 60);  // no path has such a small MTU
  EXPECT_EQ(arrive(large), to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 532 ttl 64"));
  pass(599s);
  EXPECT_EQ(arrive(large), to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 532 ttl 64"));
  pass(2s);
  resolve(1);
  arrive(large);
  EXPECT_EQ(outer().at(0).ip_size, 1460u);
}

TEST_F(TunnelTest, LearnsLittleFromAnErrorAboutAPacketThatWasNotTooBig) {
  tun();
  arrive(frame(Tcp{}));
  const FrameBytes small = departed();
  arrive(frame(Tcp{.flags = "A", .data = std::string(1340, 'x')}));
  const FrameBytes large = departed();
  const auto learned = [&](const FrameBytes& about, uint16_t mtu) {
    too_big(about, mtu);
    return director_->services().servers()[0].path_mtu;
  };
  EXPECT_EQ(learned(large, 1400), 1400) << "it has 1400 bytes, but IPVS believes it, and it does little harm";
  EXPECT_EQ(learned(small, 552), 1400) << "it was not that large";
  EXPECT_EQ(learned(small, 40), 1400);
  FrameBytes forged = small;
  store_be16(forged, 14 + 2, 1500);  // says that it is larger, but what is in it does not
  fix_ip_checksum(forged);
  EXPECT_EQ(learned(forged, 552), 1280);
  FrameBytes cut = large;
  cut[14 + 6] = 0;  // no DF: a router would have cut it
  fix_ip_checksum(cut);
  EXPECT_EQ(learned(cut, 552), 1280);
  EXPECT_EQ(learned(large, 600), 600);
}

TEST_F(TunnelTest, LearnsNothingFromAnErrorAboutASegmentThatItsClientHasNotSent) {
  tun();
  arrive(frame(Tcp{}));
  for (uint32_t ack = 5001; ack < 5011; ++ack) arrive(frame(Tcp{.flags = "A", .seq = 1001, .ack = ack}));
  arrive(frame(Tcp{.flags = "A", .data = std::string(1440, 'x'), .seq = 1001}));
  const FrameBytes sent = departed();
  FrameBytes forged = sent;
  store_be32(forged, 14 + 20 + 20 + kTcpSeqAt, 0x70000000);
  too_big(forged, 1400);
  EXPECT_EQ(director_->services().servers()[0].path_mtu, 0);
  too_big(sent, 1400);
  EXPECT_EQ(director_->services().servers()[0].path_mtu, 1400);
}

TEST_F(TunnelTest, AFloodOfClosedPortsDoesNotHideWhatPathMtuDiscoveryNeeds) {
  Settings settings;
  settings.reply_rate = 1, settings.reply_burst = 1;
  make(settings);
  tun();
  arrive(frame(Tcp{}));
  for (int n = 0; n < 10; ++n) arrive(frame(Udp{}));
  EXPECT_EQ(count(Exit::answer_limited), 9u);
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A", .data = std::string(1441, 'x')})),
            to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1480 ttl 64"));
}

TEST_F(TunnelTest, BelievesNoErrorAboutWhatItDidNotSend) {
  tun();
  arrive(frame(Tcp{}));
  arrive(frame(Tcp{.flags = "A", .data = std::string(1440, 'x')}));
  FrameBytes other = departed();
  other[34 + 15] = 77;  // the inner packet's client
  fix_ip_checksum(other);
  EXPECT_EQ(too_big(other, 1400), "");
  other = frame(Tcp{});
  EXPECT_EQ(too_big(other, 1400), "");
  EXPECT_EQ(director_->services().servers()[0].path_mtu, 0);
}

TEST_F(TunnelTest, BelievesNoErrorAboutAnotherHostsTunnelOrToOneWhoSentNone) {
  tun();
  arrive(frame(Tcp{}));
  arrive(frame(Tcp{.flags = "A", .data = std::string(1440, 'x')}));
  const FrameBytes tunnelled = departed();
  FrameBytes other = tunnelled;
  other[26 + 3] = 20;  // its outer source
  fix_ip_checksum(other);
  EXPECT_EQ(too_big(other, 1400), "");
  const auto error = [&](const char* to) {
    return arrive(frame(IcmpError{.src = "192.0.2.1", .dst = to, .about = tunnelled, .quoted = 68}));
  };
  EXPECT_EQ(error("192.0.2.20"), "");
  EXPECT_EQ(director_->services().servers()[0].path_mtu, 0);
  EXPECT_EQ(count(Exit::tunnel_error), 0u);
  EXPECT_NE(error("192.0.2.10"), "");
  EXPECT_NE(error("192.0.2.100"), "") << "as IPVS: an address of the same host";
  EXPECT_EQ(count(Exit::tunnel_error), 2u);
}

// Thousands of servers may be ports of one address. The newest is the first that a search by address finds.
TEST_F(TunnelTest, AnErrorCostsTheSameHoweverManyServersAreAtTheAddress) {
  Settings settings;
  settings.max_servers = 4096;
  make(settings);
  tun();
  for (uint16_t port = 1000; port < 3000; ++port) {
    ServerSpec other = server(1);
    other.method = Method::tunnel, other.tunnel = {.type = TunnelType::gre}, other.at.port = Port(port),
    other.weight = 0;
    ASSERT_FALSE(director_->add_server(key_, other, {now_, out_}));
    out_.clear();
  }
  while (director_->next_deadline() <= now_) pass(0ms);
  arrive(frame(Tcp{}));
  arrive(frame(Tcp{.flags = "A", .data = std::string(1440, 'x')}));
  const FrameBytes tunnelled = departed();
  const auto cost = [&](uint16_t mtu) {
    const uint64_t before = director_->looked_at();
    EXPECT_NE(too_big(tunnelled, mtu), "");
    return director_->looked_at() - before;
  };
  EXPECT_GT(cost(1400), 2000u) << "the path became narrower: each learns it";
  for (const Server& s : director_->services().servers().first(2001)) EXPECT_EQ(s.path_mtu, 1400);
  EXPECT_LE(cost(1400), 5u);
  EXPECT_LE(cost(1450), 5u);
  FrameBytes other = tunnelled;
  other[34 + 15] = 77;  // another client: no connection of ours
  fix_ip_checksum(other);
  const uint64_t before = director_->looked_at();
  EXPECT_EQ(too_big(other, 1300), "");
  EXPECT_LE(director_->looked_at() - before, 5u);
}

TEST_F(TunnelTest, AnErrorReachesTheClientOfAConnectionWhoseServerIsNoTunnelsAnyMore) {
  tun();
  arrive(frame(Tcp{}));
  arrive(frame(Tcp{.flags = "A", .data = std::string(1440, 'x')}));
  const FrameBytes tunnelled = departed();
  ASSERT_FALSE(director_->edit_server(key_, server(1), {now_, out_}));
  EXPECT_TRUE(too_big(tunnelled, 1400).starts_with(to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1480")));
}

// As the kernel's IPVS does (tunnel_test.cpp has its bytes).
TEST_F(TunnelTest, LeavesAPartialChecksumToTheReceiverWhereGueSaysSo) {
  tun({.type = TunnelType::gue, .port = Port(6080), .checksum = TunnelChecksum::remote});
  arrive(frame(Tcp{}));
  EXPECT_EQ(outer().at(0).ip_size, 72u) << "a whole one needs no more";
  const FrameBytes sent = frame(Tcp{.flags = "A", .data = "partial"});
  arrive(sent, kOutLink, {.flags = Offload::needs_checksum, .checksum_start = 34, .checksum_offset = 16});
  const FrameBytes left = departed();
  ASSERT_EQ(left.size(), sent.size() + 40);
  EXPECT_EQ((FrameBytes{left.begin() + 42, left.begin() + 54}), (FrameBytes{2, 4, 0, 1, 0x80, 0, 0, 0, 0, 20, 0, 36}));
  EXPECT_EQ(load_be16(out_.departures()[0].frame.bytes(), 54 + 20 + 16), load_be16({sent.data(), sent.size()}, 50));
  EXPECT_FALSE(out_.departures()[0].frame.offload.partial_checksum());
  EXPECT_TRUE(l4_checksum_right(out_.departures()[0].frame, outer().at(0)));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A", .data = std::string(1421, 'x')}), kOutLink,
                   {.flags = Offload::needs_checksum, .checksum_start = 34, .checksum_offset = 16}),
            to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1460 ttl 64"));
}

TEST_F(TunnelTest, GivesAnIdToWhatIsCutThoughItSaysNotTo) {
  tun({}, Protocol::udp);
  arrive(frame(Udp{.dport = 80}));
  EXPECT_EQ(load_be16(out_.departures().at(0).frame.bytes(), 18), 0) << "whole, and to stay so";
  const FrameBytes whole = frame(Udp{.dport = 80, .data = std::string(1200, 'x')});
  for (const auto& [at, end] : {std::pair<size_t, size_t>{34, 634}, {634, whole.size()}}) {
    const FrameBytes l4(whole.begin() + static_cast<std::ptrdiff_t>(at),
                        whole.begin() + static_cast<std::ptrdiff_t>(end));
    const auto word = static_cast<uint16_t>(0x4000 | (end == whole.size() ? 0 : 0x2000) | (at - 34) / 8);
    arrive(ipv4_frame(kClientMac, kDirectorMac, "198.51.100.1", "192.0.2.100", 17, 64, word, l4));
  }
  ASSERT_EQ(out_.departures().size(), 3u);
  const uint16_t id = load_be16(out_.departures()[0].frame.bytes(), 18);
  EXPECT_NE(id, 0);
  for (const Departure& d : out_.departures()) EXPECT_EQ(load_be16(d.frame.bytes(), 18), id);
}

TEST_F(TunnelTest, SaysThatASuperFrameThatCannotBeCutWasDropped) {
  tun();
  arrive(frame(Tcp{}));
  const uint64_t forwarded = count(Exit::forwarded);
  const FrameBytes large = frame(Tcp{.flags = "A", .data = std::string(9000, 'x')});
  Offload tso{.flags = Offload::needs_checksum,
              .segmentation = Offload::tcp4,
              .header_size = 54,
              .segment_size = 0,
              .checksum_start = 34,
              .checksum_offset = 16};
  EXPECT_EQ(arrive(large, kOutLink, tso), "");
  EXPECT_EQ(count(Exit::bad_length), 1u);
  tso.segmentation = Offload::udp_l4, tso.segment_size = 1440;  // of a TCP segment
  EXPECT_EQ(arrive(large, kOutLink, tso), "");
  EXPECT_EQ(count(Exit::bad_length), 2u);
  tso.segmentation = Offload::tcp4, tso.segment_size = 20000;
  FrameBytes huge = frame(Tcp{.flags = "A", .data = std::string(30000, 'x'), .dont_fragment = false});
  EXPECT_EQ(arrive(huge, kOutLink, tso), "");
  EXPECT_EQ(count(Exit::outbox_full), 1u) << "no piece of it fits";
  EXPECT_EQ(count(Exit::forwarded), forwarded);
}

TEST_F(TunnelTest, CutsASuperFrameIntoSegmentsEachInItsOwnPacket) {
  tun();
  arrive(frame(Tcp{}));
  const Offload tso{.flags = Offload::needs_checksum,
                    .segmentation = Offload::tcp4,
                    .header_size = 54,
                    .segment_size = 1440,
                    .checksum_start = 34,
                    .checksum_offset = 16};
  arrive(frame(Tcp{.flags = "A", .data = std::string(9000, 'x')}), kOutLink, tso);
  const auto packets = outer();
  ASSERT_EQ(packets.size(), 7u);
  size_t data = 0;
  for (size_t i = 0; i < packets.size(); ++i) {
    EXPECT_LE(packets[i].ip_size, 1500u);
    const Frame& f = out_.departures()[i].frame;
    EXPECT_FALSE(f.offload.super_frame());
    EXPECT_FALSE(f.offload.partial_checksum());
    EXPECT_EQ(load_be32(f.bytes(), 54 + 4), 1000 + data);
    data += packets[i].ip_size - 60;
  }
  EXPECT_EQ(data, 9000u);
}

TEST_F(TunnelTest, TheOtherTunnelsTakeMoreOfTheMtu) {
  tun({.type = TunnelType::gue, .port = Port(6080)});
  arrive(frame(Tcp{}));
  EXPECT_EQ(outer().at(0).dport, Port(6080));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A", .data = std::string(1460, 'x')})),
            to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1468 ttl 64"));
  make({});
  tun({.type = TunnelType::gre, .checksum = TunnelChecksum::checksum});
  arrive(frame(Tcp{}));
  EXPECT_EQ(outer().at(0).protocol, Protocol::gre);
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A", .data = std::string(1460, 'x')})),
            to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1472 ttl 64"));
}

TEST_F(TunnelTest, FollowsTheHostsRoutes) {
  tun();
  Route route{.to = ip("192.0.2.11"),
              .link = kInLink,
              .next_hop = ip("203.0.113.12"),
              .source = ip("203.0.113.10"),
              .mtu = 1400};
  director_->route_found(route, {now_, out_});
  EXPECT_EQ(director_->watch().neighbors, std::vector{ip("203.0.113.12")});
  resolve_inside(2);
  arrive(frame(Tcp{}));
  ASSERT_EQ(out_.departures().size(), 1u);
  EXPECT_EQ(out_.departures()[0].out, kInLink);
  EXPECT_EQ(outer().at(0).src, ip("203.0.113.10"));
  EXPECT_EQ(outer().at(0).dst, ip("192.0.2.11"));
  EXPECT_EQ(departed()[5], 0x12);
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A", .data = std::string(1400, 'x')})),
            to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1380 ttl 64"));

  for (const auto kind : {Route::Kind::elsewhere, Route::Kind::local, Route::Kind::unreachable}) {
    out_.clear();
    route.kind = kind;
    director_->route_found(route, {now_, out_});
    EXPECT_NE(notices().find("real server 192.0.2.11"), std::string::npos);
    const Exit exit = kind == Route::Kind::local ? Exit::no_local : Exit::no_route;
    const uint64_t before = count(exit);
    EXPECT_EQ(arrive(frame(Tcp{.flags = "A"})), "");
    EXPECT_EQ(count(exit), before + 1);
  }
}

TEST_F(TunnelTest, AServerKeepsItsConnectionsMethodWhenItIsEdited) {
  tun();
  arrive(frame(Tcp{}));
  ASSERT_FALSE(director_->edit_server(key_, server(1), {now_, out_}));
  arrive(frame(Tcp{.flags = "A"}));
  EXPECT_EQ(outer().at(0).protocol, Protocol::ipip);
  EXPECT_EQ(arrive(frame(Tcp{.sport = 1002})), to_server(1, "198.51.100.1:1002 > 192.0.2.100:80 S ttl 63"));
}

}  // namespace
}  // namespace rawvs
