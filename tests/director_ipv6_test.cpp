// SPDX-License-Identifier: BSD-2-Clause
// Tests the director's path with IPv6: all methods, errors, discovery, both families in one table, and hostile packets.
#include <random>

#include "director_ipv6_fixture.h"
#include "links.h"
#include "wire/discovery.h"
#include "wire/packet.h"

namespace rawvs {
namespace {

TEST_F(Ipv6Test, ForwardsByDirectRouting) {
  service(Method::route, 2);
  EXPECT_EQ(arrive(frame(tcp())), to_server(2, "[2001:db8:2::1]:1001 > [2001:db8:1::100]:80 S ttl 63"));
  EXPECT_EQ(arrive(frame(tcp("A"))), to_server(2, "[2001:db8:2::1]:1001 > [2001:db8:1::100]:80 A ttl 63"));
  Tcp extended = tcp("A");
  extended.extensions = {hop_by_hop(), destination_options()};
  EXPECT_EQ(arrive(frame(extended)), to_server(2, "[2001:db8:2::1]:1001 > [2001:db8:1::100]:80 A ttl 63"));
  EXPECT_EQ(director_->connections().size(), 1u);
  EXPECT_EQ(director_->connections().places(), 2u);
}

TEST_F(Ipv6Test, ShowsObserversItsPacketsButNotNeighbourDiscovery) {
  struct Seen final : Observer {
    bool cares(Protocol, Endpoint, Endpoint, const Server*) const override { return true; }
    void saw(const PacketView& view) override { clients.push_back(text(view.client)); }
    std::vector<std::string> clients;
  };
  service(Method::route);
  const auto seen = std::make_shared<Seen>();
  ASSERT_TRUE(director_->observe(seen));
  advertise(1);
  arrive(frame(tcp()));
  arrive(frame(tcp("A")));
  EXPECT_EQ(seen->clients, (std::vector<std::string>(2, "[2001:db8:2::1]:1001")));
}

TEST_F(Ipv6Test, TranslatesInBothDirections) {
  service(Method::masq);
  EXPECT_EQ(arrive(frame(tcp())), to_inside(1, "[2001:db8:2::1]:1001 > [2001:db8:3::11]:8080 S ttl 63"));
  Tcp answer{.src = "2001:db8:3::11", .dst = kClient6, .sport = 8080, .dport = 1001, .flags = "SA"};
  answer.from = mac(1, kInLink), answer.to = kInsideMac;
  EXPECT_EQ(arrive(frame(answer), kInLink), to_client("[2001:db8:1::100]:80 > [2001:db8:2::1]:1001 SA ttl 63"));
}

TEST_F(Ipv6Test, TranslatesErrorsInBothDirections) {
  service(Method::masq);
  arrive(frame(tcp()));
  Tcp answer{.src = "2001:db8:3::11", .dst = kClient6, .sport = 8080, .dport = 1001, .flags = "SA"};
  answer.from = mac(1, kInLink), answer.to = kInsideMac;
  const FrameBytes sent = frame(answer);
  arrive(sent, kInLink);
  const FrameBytes at_client = {out_.departures()[0].frame.data,
                                out_.departures()[0].frame.data + out_.departures()[0].frame.size};
  const IcmpError too_big{
      .src = "2001:db8:9::1", .dst = kVip6, .type = 2, .code = 0, .mtu = 1300, .about = at_client, .quoted = 60};
  EXPECT_EQ(arrive(frame(too_big)), to_inside(1, "2001:db8:9::1 > 2001:db8:3::11 icmpv6 2/0 mtu 1300 ttl 63"));
  const auto quote = [&] {
    Packet p;
    EXPECT_FALSE(parse_ip(out_.departures()[0].frame, p));
    return parse_quote(out_.departures()[0].frame, p);
  }();
  ASSERT_TRUE(quote);
  EXPECT_EQ(text(Endpoint{quote->src, quote->sport}), "[2001:db8:3::11]:8080");
  IcmpError unknown = too_big;  // an error as well: it concerns who sent what it quotes (RFC 4443 section 2.4)
  unknown.type = 127;
  EXPECT_EQ(arrive(frame(unknown)), to_inside(1, "2001:db8:9::1 > 2001:db8:3::11 icmpv6 127/0 ttl 63"));
}

TEST_F(Ipv6Test, TunnelsInAllMixturesOfFamilies) {
  struct {
    const char *vip, *server, *client, *outer;
  } const rows[] = {
      {"2001:db8:1::100", "2001:db8:1::11", "2001:db8:2::1", "2001:db8:1::10 > 2001:db8:1::11 protocol 41 ttl 63"},
      {"2001:db8:1::100", "192.0.2.11", "2001:db8:2::1", "192.0.2.10 > 192.0.2.11 protocol 41 ttl 63"},
      {"192.0.2.100", "2001:db8:1::11", "198.51.100.1", "2001:db8:1::10 > 2001:db8:1::11 protocol 4 ttl 63"},
      {"192.0.2.100", "192.0.2.11", "198.51.100.1", "192.0.2.10 > 192.0.2.11 protocol 4 ttl 63"},
  };
  uint16_t port = 1000;  // of the client: connections to a removed server remain
  for (const auto& row : rows) {
    ++port;
    const ServiceKey key{Protocol::tcp, {ip(row.vip), Port(80)}, {}};
    ASSERT_FALSE(director_->add({.key = key, .scheduler = Scheduler::rr}, {now_, out_}));
    ASSERT_FALSE(
        director_->add_server(key, {.at = {ip(row.server), Port(80)}, .method = Method::tunnel}, {now_, out_}));
    advertise(1), resolve(1);
    EXPECT_EQ(arrive(frame(Tcp{.src = row.client, .dst = row.vip, .sport = port})), to_server(1, row.outer));
    EXPECT_EQ(arrive(frame(Tcp{.src = row.client, .dst = row.vip, .sport = port, .flags = "A"})),
              to_server(1, row.outer));
    ASSERT_FALSE(director_->remove(key, {now_, out_}));
  }
}

TEST_F(Ipv6Test, AnswersSolicitationsForItsVips) {
  service(Method::route);
  EXPECT_EQ(arrive(frame(NdFrame{.src = kRouter6, .target = kVip6})),
            to_client("nd 2001:db8:1::100 is-at 02:00:00:00:00:10 to 2001:db8:1::1 SO ttl 255"));
  EXPECT_EQ(arrive(frame(NdFrame{.src = kRouter6, .target = "2001:db8:1::101"})), "");
  // A host that looks whether it may have the address: all are told.
  EXPECT_EQ(arrive(frame(NdFrame{.src = "::", .target = kVip6, .option = std::nullopt})),
            "02:00:00:00:00:10>33:33:00:00:00:01 nd 2001:db8:1::100 is-at 02:00:00:00:00:10 to ff02::1 O ttl 255");
  EXPECT_EQ(count(Exit::nd_answered), 2u);
  // From behind a router, or forged.
  EXPECT_EQ(arrive(frame(NdFrame{.src = kRouter6, .target = kVip6, .hop_limit = 254})), "");
  EXPECT_EQ(count(Exit::bad_nd), 1u);
}

TEST_F(Ipv6Test, FindsAnotherHostThatHasAVip) {
  service(Method::route);
  const Mac other{{2, 0, 0, 0, 0, 0x66}};
  arrive(frame(NdFrame{.asks = false, .src = kVip6, .target = kVip6, .from = other, .option = other}));
  EXPECT_EQ(count(Exit::nd_conflict), 1u);
  EXPECT_EQ(notices(),
            "another machine (02:00:00:00:00:66) answers neighbour solicitations for VIP 2001:db8:1::100: clients may "
            "reach it instead of this director; find it by its MAC address");
}

TEST_F(Ipv6Test, AsksForAServerAndHoldsItsPackets) {
  key_ = {Protocol::tcp, {ip(kVip6), Port(80)}, {}};
  ASSERT_FALSE(director_->add({.key = key_, .scheduler = Scheduler::rr}, {now_, out_}));
  ASSERT_FALSE(director_->add_server(key_, {.at = {ip(at(1)), Port(80)}}, {now_, out_}));
  EXPECT_NE(left().find("02:00:00:00:00:10>33:33:ff:00:00:11 nd who-has 2001:db8:1::11 tell fe80::10 "
                        "02:00:00:00:00:10 ttl 255"),
            std::string::npos);
  EXPECT_EQ(arrive(frame(tcp())), "");
  EXPECT_EQ(count(Exit::held), 1u);
  EXPECT_EQ(advertise(1), to_server(1, "[2001:db8:2::1]:1001 > [2001:db8:1::100]:80 S ttl 63"));
  EXPECT_EQ(count(Exit::nd_learned), 1u);
}

TEST_F(Ipv6Test, IsAHostToClients) {
  service(Method::route);
  EXPECT_EQ(arrive(frame(Ping{.src = kClient6, .dst = kVip6})),
            to_client("2001:db8:1::100 > 2001:db8:2::1 icmpv6 129/0 ttl 64"));
  Tcp closed = tcp();
  closed.dport = 81;
  EXPECT_EQ(arrive(frame(closed)), to_client("[2001:db8:1::100]:81 > [2001:db8:2::1]:1001 RA ttl 64"));
  EXPECT_EQ(arrive(frame(Udp{.src = kClient6, .dst = kVip6})),
            to_client("2001:db8:1::100 > 2001:db8:2::1 icmpv6 1/4 ttl 64"));
  EXPECT_EQ(arrive(ipv6_frame(kClientMac, kDirectorMac, kClient6, kVip6, 253, 64, {1, 2, 3, 4})),
            to_client("2001:db8:1::100 > 2001:db8:2::1 icmpv6 4/1 ttl 64"));
  Tcp dying = tcp();
  dying.ttl = 1;
  EXPECT_EQ(arrive(frame(dying)), to_client("2001:db8:1::100 > 2001:db8:2::1 icmpv6 3/0 ttl 64"));
}

// RFC 4443 section 3.4: the pointer counts from the start of the packet that is quoted.
TEST_F(Ipv6Test, TellsTheClientWhereInItsOwnPacketATunnelServerFoundAFault) {
  service(Method::tunnel);
  arrive(frame(tcp()));
  const Frame& sent = out_.departures()[0].frame;
  const FrameBytes tunnelled(sent.data, sent.data + sent.size);
  const auto pointer_told = [&](uint16_t pointer) -> uint32_t {
    arrive(frame(IcmpError{.src = at(1),
                           .dst = "2001:db8:1::10",
                           .type = 4,
                           .code = 0,
                           .mtu = pointer,
                           .about = tunnelled,
                           .quoted = 120}));
    if (out_.departures().empty()) return 9999;
    const Frame& told = out_.departures()[0].frame;
    EXPECT_EQ(told.data[54], 4);
    return load_be32(told.bytes(), 58);
  };
  EXPECT_EQ(pointer_told(40 + 7), 7u);  // the client's hop limit
  EXPECT_EQ(pointer_told(40 + 40), 40u);
  EXPECT_EQ(pointer_told(6), 0u) << "in the tunnel's own header";
  EXPECT_EQ(pointer_told(3000), 0u) << "behind what is quoted";
}

TEST_F(Ipv6Test, WithoutAServiceOfTheFamilyNothingIsTracked) {
  service(Method::route);
  arrive(frame(tcp()));
  ASSERT_FALSE(director_->add({.key = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}}}, {now_, out_}));
  ASSERT_FALSE(director_->remove(key_, {now_, out_}));
  EXPECT_EQ(arrive(frame(tcp("A"))), to_client("[2001:db8:1::100]:80 > [2001:db8:2::1]:1001 R ttl 64"));
}

TEST_F(Ipv6Test, NothingAfterTheHeadersIsNotAnswered) {
  service(Method::route);
  EXPECT_EQ(arrive(ipv6_frame(kClientMac, kDirectorMac, kClient6, kVip6, 59, 64, {1, 2, 3, 4})), "");
  EXPECT_EQ(count(Exit::bad_extension), 1u);
}

TEST_F(Ipv6Test, AMarkIsAServiceOfEachFamily) {
  const auto group = [](const char* vip) {
    return GroupMatch{ip(vip), Protocol::tcp, {{80, 80}, {443, 443}}, Mark(10)};
  };
  director_->set_groups({group("192.0.2.100"), group(kVip6.c_str())}, {now_, out_});
  for (const Family family : kBothFamilies) {
    const ServiceKey key = mark_key(Mark(10), family);
    ASSERT_FALSE(director_->add({.key = key, .scheduler = Scheduler::rr}, {now_, out_}));
    const Ip server = family == Family::ipv4 ? ip("192.0.2.11") : ip(at(2));
    ASSERT_FALSE(director_->add_server(key, {.at = {server, Port(0)}}, {now_, out_}));
  }
  resolve(1), advertise(2);
  EXPECT_EQ(arrive(frame(Tcp{.dport = 443})), to_server(1, "198.51.100.1:1001 > 192.0.2.100:443 S ttl 63"));
  EXPECT_EQ(arrive(frame(tcp())), to_server(2, "[2001:db8:2::1]:1001 > [2001:db8:1::100]:80 S ttl 63"));
  EXPECT_EQ(director_->connections().size(), 2u);
}

TEST_F(Ipv6Test, AMappedAddressIsNeverTakenForIpv4) {
  web(1);
  FrameBytes mapped = frame(Tcp{.src = kClient6, .dst = kVip6});
  const FrameBytes four = frame(Tcp{});
  for (size_t i = 0; i < 16; ++i) mapped[38 + i] = i < 10 ? 0 : i < 12 ? 0xff : four[30 + i - 12];
  EXPECT_EQ(arrive(mapped), "");
  EXPECT_EQ(director_->connections().size(), 0u);
  EXPECT_EQ(count(Exit::bad_source), 1u);
}

// Whatever comes: what leaves is sound, and nothing is read beyond a frame (its memory ends where it ends).
TEST_F(Ipv6Test, SendsOnlySoundPacketsWhateverComes) {
  service(Method::masq);
  const ServiceKey by_dr{Protocol::udp, {ip(kVip6), Port(53)}, {}};
  ASSERT_FALSE(director_->add({.key = by_dr, .scheduler = Scheduler::rr}, {now_, out_}));
  ASSERT_FALSE(director_->add_server(by_dr, {.at = {ip(at(1)), Port(53)}}, {now_, out_}));
  advertise(1);
  std::mt19937 engine(11);
  const auto below = [&](size_t n) { return static_cast<size_t>(engine() % n); };
  Tcp extended = tcp("A");
  extended.extensions = {hop_by_hop(), routing(0, 0), destination_options(), fragment_header(0, false)};
  const FrameBytes quoted = frame(Tcp{.src = kVip6, .dst = kClient6, .sport = 80, .dport = 1001, .flags = "A"});
  Udp part{.src = kClient6, .dst = kVip6};
  part.extensions = {fragment_header(0, true)};
  const FrameBytes seeds[] = {
      frame(tcp()),
      frame(extended),
      frame(Udp{.src = kClient6, .dst = kVip6}),
      frame(Udp{.src = kClient6, .dst = kVip6, .dport = 5000}),
      frame(Ping{.src = kClient6, .dst = kVip6}),
      frame(NdFrame{.src = kRouter6, .target = kVip6}),
      frame(NdFrame{.asks = false, .src = at(1), .target = at(1)}),
      frame(IcmpError{.src = kClient6, .dst = kVip6, .type = 2, .code = 0, .about = quoted, .quoted = 60}),
      frame(part)};
  for (int round = 0; round < 60000; ++round) {
    FrameBytes b = seeds[below(std::size(seeds))];
    for (size_t n = below(4); n > 0; --n) b[14 + below(b.size() - 14)] = static_cast<uint8_t>(engine());
    if (below(5) == 0) b.resize(14 + below(b.size() - 13));
    if (below(2) == 0 && b.size() > 62) b[19] = static_cast<uint8_t>(b.size() - 54);
    b.shrink_to_fit();
    arrive(std::move(b));
    for (const Departure& d : out_.departures()) {
      Ethernet e;
      Packet p;
      ASSERT_FALSE(parse_ethernet(d.frame, e)) << round;
      if (e.kind != Kind::ipv6) continue;
      const auto wrong = parse_ip(d.frame, p);
      ASSERT_FALSE(wrong) << round << ": " << words(*wrong).name << ": " << left();
      ASSERT_LE(p.ip_size, 1500u) << round;
    }
    if (round % 100 == 0) pass(1s);
  }
  for (const Exit e :
       {Exit::forwarded, Exit::bad_extension, Exit::bad_nd, Exit::nd_answered, Exit::nd_learned, Exit::echo_answered,
        Exit::port_unreachable, Exit::truncated, Exit::bad_length, Exit::fragment_held, Exit::protocol_unreachable,
        Exit::not_vip, Exit::stray_icmp, Exit::bad_ip_header}) {
    EXPECT_GT(count(e), 0u) << words(e).name;
  }
}

}  // namespace
}  // namespace rawvs
