// SPDX-License-Identifier: BSD-2-Clause
// Tests full NAT through director.h: both ends are rewritten, ports are taken and given back, errors are translated.
#include <set>

#include "director_fixture.h"
#include "wire/checksum.h"

namespace rawvs {
namespace {

class FullNatTest : public DirectorTest {
 protected:
  explicit FullNatTest(Settings settings = {}) : settings_(std::move(settings)) {
    settings_.local_ports = {20000, 20003};
    make(settings_);
  }
  void serve(int servers = 1, ServiceSpec spec = {}) {
    if (spec.key == ServiceKey{}) spec.key = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
    key_ = spec.key;
    spec.scheduler = Scheduler::rr;
    ASSERT_FALSE(director_->add(spec, {now_, out_}));
    for (int i = 1; i <= servers; ++i) {
      const Ip addr = ip("203.0.113.1" + std::to_string(i));
      ASSERT_FALSE(director_->add_server(key_, {.at = {addr, Port(8080)}, .method = Method::fullnat}, {now_, out_}));
      resolve_inside(i);
    }
    out_.clear();
  }
  // The local port of the connection that has just begun.
  uint16_t port() {
    EXPECT_EQ(out_.departures().size(), 1u);
    if (out_.departures().empty()) return 0;
    return load_be16(out_.departures()[0].frame.bytes(), 34);
  }
  uint16_t open(uint16_t cport = 1001) {
    arrive(frame(Tcp{.sport = cport}));
    return out_.departures().empty() ? uint16_t{0} : port();
  }
  FrameBytes reply(uint16_t local, const std::string& flags = "SA", const std::string& data = "") {
    return frame(Tcp{.src = "203.0.113.11",
                     .dst = "203.0.113.10",
                     .sport = 8080,
                     .dport = local,
                     .flags = flags,
                     .data = data,
                     .ttl = 64,
                     .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                     .to = kInsideMac});
  }
  std::string answer(uint16_t local, const std::string& flags = "SA") { return arrive(reply(local, flags), kInLink); }
  Settings settings_;
};

TEST_F(FullNatTest, TheServerSeesTheDirectorAndTheClientTheVip) {
  serve();
  const std::string sent = arrive(frame(Tcp{}));
  const uint16_t local = port();
  EXPECT_GE(local, 20000);
  EXPECT_LE(local, 20003);
  EXPECT_EQ(sent, to_inside(1, "203.0.113.10:" + std::to_string(local) + " > 203.0.113.11:8080 S ttl 63"));
  const Frame& left = out_.departures()[0].frame;
  Packet p;
  EXPECT_FALSE(parse_ip(left, p));
  EXPECT_TRUE(l4_checksum_right(left, p));
  ASSERT_EQ(out_.reply_changes().size(), 1u);
  const ReplyFlow flow{Protocol::tcp, {ip("203.0.113.11"), Port(8080)}, {ip("203.0.113.10"), Port(local)}};
  EXPECT_EQ(out_.reply_changes()[0].flow, flow);
  EXPECT_EQ(answer(local), to_client("192.0.2.100:80 > 198.51.100.1:1001 SA ttl 63"));
  EXPECT_TRUE(l4_checksum_right(out_.departures()[0].frame, (parse_ip(out_.departures()[0].frame, p), p)));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A"})),
            to_inside(1, "203.0.113.10:" + std::to_string(local) + " > 203.0.113.11:8080 A ttl 63"));
  EXPECT_EQ(count(Exit::answer_forwarded), 1u);
}

TEST_F(FullNatTest, PacketsToTheHostItselfAreLeftToIt) {
  serve();
  const uint16_t local = open();
  const auto other = static_cast<uint16_t>(local == 20000 ? 20001 : 20000);
  EXPECT_EQ(answer(other), "");
  EXPECT_EQ(count(Exit::not_vip), 1u);
  EXPECT_TRUE(out_.returned().empty());
}

TEST_F(FullNatTest, EachConnectionHasAPortOfItsOwnUntilNoneIsLeft) {
  serve();
  std::set<uint16_t> ports;
  for (uint16_t i = 0; i < 4; ++i) ports.insert(open(static_cast<uint16_t>(1001 + i)));
  EXPECT_EQ(ports, (std::set<uint16_t>{20000, 20001, 20002, 20003}));
  EXPECT_EQ(open(2000), 0);
  EXPECT_EQ(count(Exit::local_ports_full), 1u);
  EXPECT_EQ(director_->connections().size(), 4u) << "nothing is left of the fifth";
  pass(61s);  // SYN_RECV ends
  EXPECT_EQ(director_->connections().size(), 0u);
  resolve_inside(1);
  EXPECT_NE(open(2001), 0);
}

TEST_F(FullNatTest, EachServerHasItsOwnPorts) {
  serve(2);
  for (uint16_t i = 0; i < 8; ++i) EXPECT_NE(open(static_cast<uint16_t>(1001 + i)), 0);
  EXPECT_EQ(open(2000), 0);
}

TEST_F(FullNatTest, APortIsUsedAgainAsLateAsPossible) {
  serve();
  const uint16_t first = open(1001);
  arrive(reply(first, "R"), kInLink);  // CLOSE: 10 s
  pass(11s);
  ASSERT_EQ(director_->connections().size(), 0u);
  std::vector<uint16_t> next;
  for (uint16_t i = 0; i < 3; ++i) next.push_back(open(static_cast<uint16_t>(1002 + i)));
  EXPECT_EQ(std::ranges::count(next, first), 0);
  EXPECT_EQ(open(1005), first);
}

TEST_F(FullNatTest, TheListedAddressesAreUsed) {
  settings_.local_addresses = {ip("2001:db8::5"), ip("203.0.113.5"), ip("203.0.113.6")};
  settings_.local_ports = {20000, 20000};
  make(settings_);
  serve();
  std::set<std::string> seen;
  for (uint16_t cport = 1001; cport <= 1003; ++cport) {
    arrive(frame(Tcp{.sport = cport}));
    if (!out_.departures().empty()) seen.insert(text(Ip(load_be32(out_.departures()[0].frame.bytes(), 26))));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"203.0.113.5", "203.0.113.6"}));
  EXPECT_EQ(count(Exit::local_ports_full), 1u);
}

TEST_F(FullNatTest, TranslatesErrorsInBothDirections) {
  serve();
  const uint16_t local = open();
  const IcmpError from_client{.about =
                                  frame(Tcp{.src = "192.0.2.100", .dst = "198.51.100.1", .sport = 80, .dport = 1001})};
  const std::string to_server = arrive(frame(from_client));
  EXPECT_TRUE(to_server.starts_with(to_inside(1, "203.0.113.10 > 203.0.113.11 icmp 3/4 mtu 1400"))) << to_server;
  ASSERT_EQ(out_.departures().size(), 1u);
  const Frame sent = out_.departures()[0].frame;
  Packet p;
  ASSERT_FALSE(parse_ip(sent, p));
  EXPECT_TRUE(l4_checksum_right(sent, p));
  const auto quote = parse_quote(sent, p);
  ASSERT_TRUE(quote);
  EXPECT_EQ((Endpoint{quote->src, quote->sport}), (Endpoint{ip("203.0.113.11"), Port(8080)}));
  EXPECT_EQ((Endpoint{quote->dst, quote->dport}), (Endpoint{ip("203.0.113.10"), Port(local)}));

  FrameBytes error = frame(
      IcmpError{.src = "203.0.113.1",
                .dst = "203.0.113.10",
                .code = 3,
                .mtu = 0,
                .about = frame(Tcp{.src = "203.0.113.10", .dst = "203.0.113.11", .sport = local, .dport = 8080})});
  std::ranges::copy(kInsideMac.bytes, error.begin());
  const std::string back = arrive(error, kInLink);
  EXPECT_TRUE(back.starts_with(to_client("192.0.2.100 > 198.51.100.1 icmp 3/3"))) << back;
  const Frame told = out_.departures()[0].frame;
  ASSERT_FALSE(parse_ip(told, p));
  EXPECT_TRUE(l4_checksum_right(told, p));
  const auto quoted = parse_quote(told, p);
  ASSERT_TRUE(quoted);
  EXPECT_EQ((Endpoint{quoted->src, quoted->sport}), (Endpoint{ip("198.51.100.1"), Port(1001)}));
  EXPECT_EQ((Endpoint{quoted->dst, quoted->dport}), (Endpoint{ip("192.0.2.100"), Port(80)}));
}

TEST_F(FullNatTest, AServerMayBeItsOwnClient) {
  serve();
  arrive(frame(Tcp{.src = "203.0.113.11"}), kOutLink);
  EXPECT_EQ(out_.departures().size(), 1u);
  EXPECT_EQ(count(Exit::hairpin), 0u);
}

TEST_F(FullNatTest, OnePacketSchedulingIsRefused) {
  const ServiceKey dns{Protocol::udp, {ip("192.0.2.100"), Port(53)}, {}};
  const ServerSpec server{.at = {ip("203.0.113.11"), Port(53)}, .method = Method::fullnat};
  ASSERT_FALSE(director_->add({.key = dns, .one_packet = true}, {now_, out_}));
  EXPECT_EQ(director_->add_server(dns, server, {now_, out_}), Refusal::unsupported);
  ASSERT_FALSE(director_->edit({.key = dns}, {now_, out_}));
  ASSERT_FALSE(director_->add_server(dns, server, {now_, out_}));
  EXPECT_EQ(director_->edit({.key = dns, .one_packet = true}, {now_, out_}), Refusal::unsupported);
}

TEST_F(FullNatTest, ALocalAddressThatTheHostLacksIsSaidOnceAndClearedWhenItAppears) {
  settings_.local_addresses = {ip("203.0.113.99"), ip("203.0.113.10"), ip("192.0.2.100")};
  make(settings_);
  serve();
  director_->time_passed({now_, out_});
  EXPECT_EQ(notices(), "") << "the host's addresses are not known yet";
  const std::vector<Ip> without{ip("192.0.2.10"), ip("203.0.113.10")};
  director_->host_addresses(without, {now_, out_});
  EXPECT_EQ(director_->next_deadline(), Instant());
  director_->time_passed({now_, out_});
  EXPECT_EQ(notices(),
            "local_address 203.0.113.99 is no address of this host: full NAT's servers reply to it in vain, until an "
            "interface has it");
  out_.clear();
  director_->host_addresses(without, {now_, out_});
  director_->time_passed({now_, out_});
  EXPECT_EQ(notices(), "");
  director_->host_addresses({ip("192.0.2.10"), ip("203.0.113.10"), ip("203.0.113.99")}, {now_, out_});
  director_->time_passed({now_, out_});
  EXPECT_EQ(notices(), "local_address 203.0.113.99 is an address of this host now");
}

TEST_F(FullNatTest, ALocalAddressOfAReloadIsLookedAt) {
  director_->host_addresses({ip("203.0.113.10")}, {now_, out_});
  settings_.local_addresses = {ip("203.0.113.98")};
  director_->set_settings(settings_, now_);
  director_->time_passed({now_, out_});
  EXPECT_NE(notices().find("local_address 203.0.113.98 is no address of this host"), std::string::npos) << notices();
}

TEST_F(FullNatTest, AVipMayBeALocalAddress) {
  settings_.local_addresses = {ip("192.0.2.100")};
  make(settings_);
  serve();
  const uint16_t local = open();
  FrameBytes back = frame(Tcp{.src = "203.0.113.11",
                              .dst = "192.0.2.100",
                              .sport = 8080,
                              .dport = local,
                              .flags = "SA",
                              .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                              .to = kInsideMac});
  EXPECT_EQ(arrive(back, kInLink), to_client("192.0.2.100:80 > 198.51.100.1:1001 SA ttl 63"));
}

}  // namespace
}  // namespace rawvs
