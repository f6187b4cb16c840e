// SPDX-License-Identifier: BSD-2-Clause
// Tests full NAT between the families through director.h: NAT64, NAT46, sizes, ICMP errors.
#include "director_ipv6_fixture.h"
#include "wire/checksum.h"

namespace rawvs {
namespace {

class FamiliesTest : public Ipv6Test {
 protected:
  void serve(const std::string& vip, const std::string& server, Protocol protocol = Protocol::tcp) {
    key_ = {protocol, {ip(vip), Port(80)}, {}};
    ASSERT_FALSE(director_->add({.key = key_, .scheduler = Scheduler::rr}, {now_, out_}));
    const ServerSpec spec{.at = {ip(server), Port(8080)}, .method = Method::fullnat};
    ASSERT_FALSE(director_->add_server(key_, spec, {now_, out_}));
    spec.at.addr.is_v6() ? void(advertise(1, kInLink)) : resolve_inside(1);
    out_.clear();
  }
  // With room before it, as the rings leave.
  std::string arrive_with_room(const FrameBytes& b, Link link = kOutLink) {
    constexpr uint32_t kRoom = 64;
    room_.assign(kRoom + b.size(), 0);
    std::ranges::copy(b, room_.begin() + kRoom);
    Frame f;
    f.data = room_.data() + kRoom, f.size = static_cast<uint32_t>(b.size()), f.link = link, f.headroom = kRoom;
    out_.clear();
    director_->frames_arrived({&f, 1}, {now_, out_});
    return left();
  }
  uint16_t local() {
    Packet p;
    return parse_ip(out_.departures()[0].frame, p) ? uint16_t{0} : p.sport.value;
  }
  bool sound() {
    for (const Departure& d : out_.departures()) {
      Packet p;
      if (parse_ip(d.frame, p) || !l4_checksum_right(d.frame, p)) return false;
    }
    return !out_.departures().empty();
  }
  FrameBytes room_;
};

TEST_F(FamiliesTest, AnIpv6ServiceHasAnIpv4Server) {
  serve(kVip6, "203.0.113.11");
  for (const bool room : {true, false}) {
    const std::string sent = room ? arrive_with_room(frame(tcp())) : arrive(frame(tcp()));
    EXPECT_EQ(sent, to_inside(1, "203.0.113.10:" + std::to_string(local()) + " > 203.0.113.11:8080 S ttl 63"));
    EXPECT_TRUE(sound());
  }
  const uint16_t port = local();
  const FrameBytes back = frame(Tcp{.src = "203.0.113.11",
                                    .dst = "203.0.113.10",
                                    .sport = 8080,
                                    .dport = port,
                                    .flags = "SA",
                                    .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                                    .to = kInsideMac});
  for (const bool room : {true, false}) {
    EXPECT_EQ(room ? arrive_with_room(back, kInLink) : arrive(back, kInLink),
              to_client("[" + kVip6 + "]:80 > [" + kClient6 + "]:1001 SA ttl 63"));
    EXPECT_TRUE(sound());
  }
}

TEST_F(FamiliesTest, AnIpv4ServiceHasAnIpv6Server) {
  serve("192.0.2.100", "2001:db8:3::11", Protocol::udp);
  const std::string sent = arrive(frame(Udp{.dport = 80}));
  const uint16_t port = local();
  EXPECT_EQ(sent, to_inside(1, "[2001:db8:3::10]:" + std::to_string(port) + " > [2001:db8:3::11]:8080 udp ttl 63"));
  EXPECT_TRUE(sound());
  const FrameBytes back = frame(Udp{.src = "2001:db8:3::11",
                                    .dst = "2001:db8:3::10",
                                    .sport = 8080,
                                    .dport = port,
                                    .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                                    .to = kInsideMac});
  EXPECT_EQ(arrive(back, kInLink), to_client("192.0.2.100:80 > 198.51.100.1:1001 udp ttl 63"));
  EXPECT_TRUE(sound());
}

TEST_F(FamiliesTest, APacketThatIsTooLongOnTheOtherSideIsRefusedInItsOwnTerms) {
  serve("192.0.2.100", "2001:db8:3::11");
  arrive(frame(Tcp{}));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A", .data = std::string(1450, 'x')})),
            to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1480 ttl 64"));
  arrive(frame(Tcp{.flags = "A", .data = std::string(1440, 'x')}));
  ASSERT_EQ(out_.departures().size(), 1u);
  EXPECT_EQ(out_.departures()[0].frame.size, 14 + 1500u);
  EXPECT_TRUE(sound());
}

TEST_F(FamiliesTest, ErrorsAreTranslated) {
  serve(kVip6, "203.0.113.11");
  arrive(frame(tcp()));
  const uint16_t port = local();
  FrameBytes error =
      frame(IcmpError{.src = "203.0.113.1",
                      .dst = "203.0.113.10",
                      .code = 4,
                      .mtu = 1400,
                      .about = frame(Tcp{.src = "203.0.113.10", .dst = "203.0.113.11", .sport = port, .dport = 8080})});
  std::ranges::copy(kInsideMac.bytes, error.begin());
  const std::string back = arrive(error, kInLink);
  EXPECT_NE(back.find(kVip6 + " > " + kClient6 + " icmpv6 2/0 mtu 1420"), std::string::npos) << back;
  ASSERT_EQ(out_.departures().size(), 1u);
  Packet p;
  ASSERT_FALSE(parse_ip(out_.departures()[0].frame, p));
  EXPECT_EQ(p.icmp, Icmp::too_big);
  EXPECT_EQ(p.icmp_mtu, 1420);
  EXPECT_TRUE(sound());
  const auto quote = parse_quote(out_.departures()[0].frame, p);
  ASSERT_TRUE(quote);
  EXPECT_EQ((Endpoint{quote->src, quote->sport}), (Endpoint{ip(kClient6), Port(1001)}));
  EXPECT_EQ((Endpoint{quote->dst, quote->dport}), (Endpoint{ip(kVip6), Port(80)}));
}

}  // namespace
}  // namespace rawvs
