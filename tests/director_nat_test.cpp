// SPDX-License-Identifier: BSD-2-Clause
// Tests NAT and TUN through director.h: rewritten in both directions, found from both sides, with errors and fragments.
#include "director_fixture.h"
#include "links.h"

namespace rawvs {
namespace {

constexpr const char* kToClient = "02:00:00:00:00:10>02:00:00:00:00:01 ";

class NatTest : public DirectorTest {
 protected:
  // A segment of a NAT server, sent to the director as its gateway.
  std::string answer(int server, const std::string& flags, uint16_t cport = 1001, uint16_t port = 8080,
                     uint8_t ttl = 64, const std::string& data = "") {
    return arrive(frame(Tcp{.src = "203.0.113.1" + std::to_string(server),
                            .dst = "198.51.100.1",
                            .sport = port,
                            .dport = cport,
                            .flags = flags,
                            .data = data,
                            .ttl = ttl,
                            .from = Mac{{2, 0, 0, 0, 1, static_cast<uint8_t>(0x10 + server)}},
                            .to = kInsideMac}),
                  kInLink);
  }
  TcpState state() {
    for (ConnectionId id = 1; id < director_->connections().id_limit(); ++id) {
      if (const Connection* const c = director_->connections().at(id)) return static_cast<TcpState>(c->state);
    }
    return TcpState::count_;
  }
};

TEST_F(NatTest, RewritesTheRequestAndItsAnswer) {
  nat(1);
  EXPECT_EQ(arrive(frame(Tcp{})), to_inside(1, "198.51.100.1:1001 > 203.0.113.11:8080 S ttl 63"));
  EXPECT_EQ(state(), TcpState::syn_recv);
  EXPECT_EQ(answer(1, "SA"), kToClient + std::string("192.0.2.100:80 > 198.51.100.1:1001 SA ttl 63"));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A"})), to_inside(1, "198.51.100.1:1001 > 203.0.113.11:8080 A ttl 63"));
  EXPECT_EQ(state(), TcpState::established);
  EXPECT_EQ(count(Exit::forwarded), 2u);
  EXPECT_EQ(count(Exit::answer_forwarded), 1u);
  const Traffic& t = director_->services().services()[0].traffic;
  EXPECT_EQ(t.in_packets, 2u);
  EXPECT_EQ(t.out_packets, 1u);
  EXPECT_EQ(t.out_bytes, 40u);
}

TEST_F(NatTest, LeavesWhatBelongsToNoConnectionToTheKernel) {
  nat(1);
  EXPECT_EQ(answer(1, "SA"), "");
  EXPECT_EQ(count(Exit::not_vip), 1u);
  arrive(frame(Tcp{}));
  EXPECT_EQ(answer(1, "SA", 1001, 8081), "");
  EXPECT_EQ(answer(1, "SA", 1002), "");
  EXPECT_EQ(count(Exit::not_vip), 3u);
  EXPECT_TRUE(out_.returned().empty());
}

TEST_F(NatTest, GivesBackWhatAGuardThatKnowsNoFlowsHasKept) {
  nat(1);
  director_->guard_knows_flows(kInLink, false);
  arrive(frame(Tcp{}));
  EXPECT_EQ(answer(1, "SA", 1002), "");
  ASSERT_EQ(out_.returned().size(), 1u);
  EXPECT_EQ(count(Exit::given_back), 1u);
}

TEST_F(NatTest, TellsTheGuardOfEachFlowFromItsFirstPacketToItsEnd) {
  nat(1);
  arrive(frame(Tcp{}));
  const ReplyFlow flow{Protocol::tcp, {ip("203.0.113.11"), Port(8080)}, {ip("198.51.100.1"), Port(1001)}};
  ASSERT_EQ(out_.reply_changes().size(), 1u);
  EXPECT_EQ(out_.reply_changes()[0].flow, flow);
  EXPECT_TRUE(out_.reply_changes()[0].expected);
  arrive(frame(Tcp{.flags = "A"}));
  EXPECT_TRUE(out_.reply_changes().empty());
  pass(901s);
  ASSERT_EQ(out_.reply_changes().size(), 1u);
  EXPECT_EQ(out_.reply_changes()[0].flow, flow);
  EXPECT_FALSE(out_.reply_changes()[0].expected);
}

TEST_F(NatTest, WatchesItsServersWhileAnyConnectionMayStillAnswer) {
  nat(1);
  EXPECT_EQ(director_->watch().nat_servers, std::vector{ip("203.0.113.11")});
  EXPECT_TRUE(director_->watch().icmp_errors);
  arrive(frame(Tcp{}));
  director_->remove_server(key_, {ip("203.0.113.11"), Port(8080)}, {now_, out_});
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A"})), "");
  EXPECT_EQ(count(Exit::server_gone), 1u);
  EXPECT_EQ(answer(1, "SA"), kToClient + std::string("192.0.2.100:80 > 198.51.100.1:1001 SA ttl 63"));
}

TEST_F(NatTest, ASuperFrameWithAPartialChecksumStaysOne) {
  nat(1);
  arrive(frame(Tcp{}));
  FrameBytes large = frame(Tcp{.flags = "A", .data = std::string(9000, 'x')});
  // As the sender's kernel leaves it: the sum of the pseudo-header, not complemented.
  const auto pseudo = [](std::string_view src, std::string_view dst, uint32_t size) {
    uint32_t sum = 6 + size;
    for (const Ip a : {ip(src), ip(dst)}) sum += (a.v4() >> 16) + (a.v4() & 0xffff);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
  };
  store_be16(large, 34 + 16, pseudo("198.51.100.1", "192.0.2.100", 9020));
  const Offload tso{.flags = Offload::needs_checksum,
                    .segmentation = Offload::tcp4,
                    .header_size = 54,
                    .segment_size = 1448,
                    .checksum_start = 34,
                    .checksum_offset = 16};
  arrive(large, kOutLink, tso);
  ASSERT_EQ(out_.departures().size(), 1u);
  const Frame& left = out_.departures()[0].frame;
  EXPECT_EQ(left.size, large.size());
  EXPECT_EQ(left.offload, tso);
  EXPECT_EQ(load_be16(left.bytes(), 34 + 16), pseudo("198.51.100.1", "203.0.113.11", 9020));
}

TEST_F(NatTest, AnswersTheServerWhoseAnswerCannotGoOn) {
  nat(1);
  arrive(frame(Tcp{}));
  EXPECT_EQ(answer(1, "SA", 1001, 8080, 1),
            text(kInsideMac) + ">02:00:00:00:01:11 203.0.113.10 > 203.0.113.11 icmp 11/0 ttl 64");
  EXPECT_EQ(answer(1, "A", 1001, 8080, 64, std::string(1500, 'x')),
            text(kInsideMac) + ">02:00:00:00:01:11 203.0.113.10 > 203.0.113.11 icmp 3/4 mtu 1500 ttl 64");
}

TEST_F(NatTest, TranslatesErrorsInBothDirections) {
  nat(1);
  arrive(frame(Tcp{}));
  IcmpError from_client{.about = frame(Tcp{.src = "192.0.2.100", .dst = "198.51.100.1", .sport = 80, .dport = 1001})};
  const std::string to_server = arrive(frame(from_client));
  EXPECT_TRUE(to_server.starts_with(to_inside(1, "198.51.100.1 > 203.0.113.11 icmp 3/4 mtu 1400"))) << to_server;
  ASSERT_EQ(out_.departures().size(), 1u);
  const Frame sent = out_.departures()[0].frame;
  EXPECT_EQ(Ip(load_be32(sent.bytes(), 14 + 28 + 12)), ip("203.0.113.11"));
  EXPECT_EQ(load_be16(sent.bytes(), 14 + 28 + 20), 8080);

  FrameBytes error = frame(IcmpError{.src = "203.0.113.1",
                                     .dst = "198.51.100.1",
                                     .code = 3,
                                     .mtu = 0,
                                     .about = frame(Tcp{.dst = "203.0.113.11", .dport = 8080})});
  std::ranges::copy(kInsideMac.bytes, error.begin());
  const std::string back = arrive(error, kInLink);
  EXPECT_TRUE(back.starts_with(kToClient + std::string("192.0.2.100 > 198.51.100.1 icmp 3/3"))) << back;
  const Frame told = out_.departures()[0].frame;
  EXPECT_EQ(Ip(load_be32(told.bytes(), 14 + 28 + 16)), ip("192.0.2.100"));
  EXPECT_EQ(load_be16(told.bytes(), 14 + 28 + 22), 80);
}

// A NAT server of a mark with its own port: all ports of the VIP give the same reply flow.
TEST_F(NatTest, HasNoRoomForMoreThanSoManyConnectionsWhoseAnswersLookAlike) {
  const ServiceKey mark{Protocol::any, {}, Mark(10)};
  director_->set_groups({{ip("192.0.2.100"), Protocol::tcp, {{1000, 2000}}, Mark(10)}}, {now_, out_});
  nat(1, 8080, {.key = mark});
  for (uint16_t port = 1000; port < 1000 + kMostAlike; ++port) EXPECT_NE(arrive(frame(Tcp{.dport = port})), "");
  EXPECT_EQ(arrive(frame(Tcp{.dport = 1999})), "");
  EXPECT_EQ(count(Exit::table_full), 1u);
  EXPECT_TRUE(out_.reply_changes().empty());
  EXPECT_EQ(director_->connections().size(), kMostAlike);
  EXPECT_EQ(director_->services().servers()[0].references(), kMostAlike);
  EXPECT_NE(arrive(frame(Tcp{.sport = 1002, .dport = 1999})), "") << "from another port it is another one";
}

TEST_F(NatTest, CountsWhatCannotBeCutAsWhatItIs) {
  nat(1);
  arrive(frame(Tcp{}));
  const Offload strange{.flags = Offload::needs_checksum, .checksum_start = 34, .checksum_offset = 2};
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A", .data = std::string(3000, 'x'), .dont_fragment = false}), kOutLink, strange),
            "");
  EXPECT_EQ(count(Exit::bad_length), 1u);
  const Offload endless{.flags = Offload::checksum_valid, .segmentation = Offload::tcp4, .segment_size = 0};
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A", .data = std::string(3000, 'x')}), kOutLink, endless), "");
  EXPECT_EQ(count(Exit::bad_length), 2u);
  EXPECT_EQ(count(Exit::outbox_full), 0u);
}

TEST_F(NatTest, SaysWhichFragmentsDidNotFitOnTheirWayBackToTheKernel) {
  nat(1);
  const auto datagram = [&](uint16_t size) {
    const FrameBytes whole = frame(Udp{.src = "203.0.113.11", .dst = "198.51.100.9", .data = std::string(size, 'x')});
    for (size_t at = 34; at < whole.size(); at += size / 2 / 8 * 8) {
      const size_t end = std::min<size_t>(whole.size(), at + size / 2 / 8 * 8);
      FrameBytes l4(whole.begin() + static_cast<std::ptrdiff_t>(at), whole.begin() + static_cast<std::ptrdiff_t>(end));
      const auto word = static_cast<uint16_t>((end == whole.size() ? 0 : 0x2000) | (at - 34) / 8);
      arrive(ipv4_frame(Mac{{2, 0, 0, 0, 1, 0x11}}, kInsideMac, "203.0.113.11", "198.51.100.9", 17, 64, word, l4),
             kInLink);
    }
  };
  datagram(4000);
  EXPECT_EQ(out_.returned().size(), 3u);
  EXPECT_EQ(count(Exit::given_back), 1u);
  datagram(24000);
  EXPECT_TRUE(out_.returned().empty());
  EXPECT_EQ(count(Exit::given_back), 1u);
  EXPECT_EQ(count(Exit::outbox_full), 1u);
}

TEST_F(NatTest, RefusesAServerThatIsItsOwnClient) {
  nat(1);
  EXPECT_EQ(arrive(frame(Tcp{.src = "203.0.113.11", .to = kInsideMac}), kInLink), "");
  EXPECT_EQ(count(Exit::hairpin), 1u);
}

TEST_F(NatTest, OnePacketSchedulingLeavesNoConnection) {
  ServiceSpec dns{.key = {Protocol::udp, {ip("192.0.2.100"), Port(53)}, {}}};
  dns.one_packet = true;
  nat(2, 5353, dns);
  EXPECT_EQ(arrive(frame(Udp{})), to_inside(2, "198.51.100.1:1001 > 203.0.113.12:5353 udp ttl 63"));
  EXPECT_EQ(arrive(frame(Udp{})), to_inside(1, "198.51.100.1:1001 > 203.0.113.11:5353 udp ttl 63"));
  EXPECT_EQ(director_->connections().size(), 0u);
  EXPECT_EQ(director_->services().services()[0].traffic.connections, 2u);
  EXPECT_EQ(director_->services().servers()[0].inactive, 0u);
}

TEST_F(NatTest, AClientThatMovesToAnotherMacGetsItsAnswersThere) {
  nat(1);
  arrive(frame(Tcp{}));
  const Mac other{{2, 0, 0, 0, 0, 7}};
  arrive(frame(Tcp{.flags = "A", .from = other}));
  EXPECT_EQ(answer(1, "A"), "02:00:00:00:00:10>02:00:00:00:00:07 192.0.2.100:80 > 198.51.100.1:1001 A ttl 63");
}

}  // namespace
}  // namespace rawvs
