// SPDX-License-Identifier: BSD-2-Clause
// Tests the director's path with IPv6: what is too long for a way, and what comes in fragments.
#include "director_ipv6_fixture.h"
#include "links.h"

namespace rawvs {
namespace {

TEST_F(Ipv6Test, APathThatIsTooNarrowForATunnelIsUsedInFragments) {
  service(Method::tunnel);
  arrive(frame(tcp()));
  arrive(frame(tcp("A", std::string(1400, 'x'))));
  const Frame& sent = out_.departures()[0].frame;
  const FrameBytes tunnelled{sent.data, sent.data + sent.size};
  const auto too_big = [&](uint16_t mtu) {
    return arrive(frame(IcmpError{.src = "2001:db8:9::1",
                                  .dst = "2001:db8:1::10",
                                  .type = 2,
                                  .code = 0,
                                  .mtu = mtu,
                                  .about = tunnelled,
                                  .quoted = 100}));
  };
  EXPECT_EQ(too_big(60), to_client("2001:db8:1::100 > 2001:db8:2::1 icmpv6 2/0 mtu 1460 ttl 64"));
  EXPECT_EQ(arrive(frame(tcp("A", std::string(1221, 'x')))),
            to_client("2001:db8:1::100 > 2001:db8:2::1 icmpv6 2/0 mtu 1280 ttl 64"));
  EXPECT_EQ(arrive(frame(tcp("A", std::string(1220, 'x')))),  // IPv6 has no smaller MTU
            to_server(1, "2001:db8:1::10 > 2001:db8:1::11 fragment 0 more ttl 63") + " | " +
                to_server(1, "2001:db8:1::10 > 2001:db8:1::11 fragment 1232 ttl 63"));
  EXPECT_EQ(arrive(frame(tcp("A"))), to_server(1, "2001:db8:1::10 > 2001:db8:1::11 protocol 41 ttl 63"));
}

TEST_F(Ipv6Test, TellsThatAPacketIsTooBigAndNeverCutsIt) {
  service(Method::tunnel);
  arrive(frame(tcp()));
  EXPECT_EQ(arrive(frame(tcp("A", std::string(1401, 'x')))),
            to_client("2001:db8:1::100 > 2001:db8:2::1 icmpv6 2/0 mtu 1460 ttl 64"));
  EXPECT_EQ(arrive(frame(tcp("A", std::string(1400, 'x')))),
            to_server(1, "2001:db8:1::10 > 2001:db8:1::11 protocol 41 ttl 63"));
}

// Bytes of a datagram of 1608, as a fragment.
FrameBytes piece(size_t from, size_t to, bool more) {
  const FrameBytes whole = frame(Udp{.src = kClient6, .dst = kVip6, .dport = 80, .data = std::string(1600, 'x')});
  const FrameBytes part(whole.begin() + 54 + static_cast<std::ptrdiff_t>(from),
                        whole.begin() + 54 + static_cast<std::ptrdiff_t>(to));
  return ipv6_frame(kClientMac, kDirectorMac, kClient6, kVip6, 17, 64, part,
                    {fragment_header(static_cast<unsigned>(from), more)});
}

TEST_F(Ipv6Test, ATunnelCutsWhereFragmentsBegan) {
  service(Method::tunnel, 1, Protocol::udp);
  EXPECT_EQ(arrive(piece(0, 800, true)), "");
  EXPECT_EQ(arrive(piece(800, 1608, false)), to_server(1, "2001:db8:1::10 > 2001:db8:1::11 fragment 0 more ttl 63") +
                                                 " | " +
                                                 to_server(1, "2001:db8:1::10 > 2001:db8:1::11 fragment 840 ttl 63"));
}

TEST_F(Ipv6Test, ATunnelWhoseHeadersAreNoMultipleOfEightCutsToTheLeastMtu) {
  service(Method::tunnel, 1, Protocol::udp, {.type = TunnelType::gre});
  EXPECT_EQ(arrive(piece(0, 800, true)), "");
  EXPECT_EQ(arrive(piece(800, 1608, false)), to_server(1, "2001:db8:1::10 > 2001:db8:1::11 fragment 0 more ttl 63") +
                                                 " | " +
                                                 to_server(1, "2001:db8:1::10 > 2001:db8:1::11 fragment 1232 ttl 63"));
}

TEST_F(Ipv6Test, KeepsToTheMtuThatARouterAdvertises) {
  LinkFacts narrow = director_->link(kOutLink);
  narrow.mtu6 = 1400;
  director_->link_changed(kOutLink, narrow, {now_, out_});
  service(Method::route);
  arrive(frame(tcp()));
  EXPECT_EQ(arrive(frame(tcp("A", std::string(1341, 'x')))),
            to_client("2001:db8:1::100 > 2001:db8:2::1 icmpv6 2/0 mtu 1400 ttl 64"));
  EXPECT_EQ(arrive(frame(tcp("A", std::string(1340, 'x')))).find("icmp"), std::string::npos);
  const ServiceKey of_ipv4{Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
  ASSERT_FALSE(director_->add({.key = of_ipv4, .scheduler = Scheduler::rr}, {now_, out_}));
  ASSERT_FALSE(director_->add_server(of_ipv4, {.at = {ip("192.0.2.11"), Port(80)}}, {now_, out_}));
  resolve(1);
  arrive(frame(Tcp{}));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A", .data = std::string(1400, 'x')})).find("icmp"), std::string::npos);
}

TEST_F(Ipv6Test, PutsFragmentsTogetherAndSendsTheSameOnes) {
  service(Method::route, 1, Protocol::udp);
  EXPECT_EQ(arrive(piece(800, 1608, false)), "");
  EXPECT_EQ(arrive(piece(0, 800, true)), to_server(1, "2001:db8:2::1 > 2001:db8:1::100 fragment 0 more ttl 63") +
                                             " | " +
                                             to_server(1, "2001:db8:2::1 > 2001:db8:1::100 fragment 800 ttl 63"));
  ASSERT_EQ(out_.departures().size(), 2u);
  const Frame& second = out_.departures()[1].frame;
  EXPECT_TRUE(std::equal(second.data + 62, second.data + second.size, piece(800, 1608, false).data() + 62));
  // With an identification of their own: two servers' datagrams that leave for a client in the VIP's name do not meet.
  const auto id_of = [](const Frame& f) { return load_be32(f.bytes(), 58); };
  EXPECT_EQ(id_of(second), id_of(out_.departures()[0].frame));
  EXPECT_NE(id_of(second), load_be32(piece(0, 800, true), 58));
  // Overlapping ones are dropped with all of their datagram (RFC 5722).
  EXPECT_EQ(arrive(piece(0, 800, true)), "");
  EXPECT_EQ(arrive(piece(792, 1608, false)), "");
  EXPECT_EQ(count(Exit::fragment_overlap), 1u);
  // A reassembled packet that is a fragment itself.
  const FrameBytes inner = {17, 0, 0, 9, 0, 0, 0, 1, 0, 1, 2, 3, 4, 5, 6, 7};
  const auto nested = [&](size_t from, size_t to, bool more) {
    const FrameBytes part(inner.begin() + static_cast<std::ptrdiff_t>(from),
                          inner.begin() + static_cast<std::ptrdiff_t>(to));
    return ipv6_frame(kClientMac, kDirectorMac, kClient6, kVip6, 44, 64, part,
                      {fragment_header(static_cast<unsigned>(from), more, 77)});
  };
  EXPECT_EQ(arrive(nested(0, 8, true)), "");
  EXPECT_EQ(arrive(nested(8, 16, false)), "");
  EXPECT_EQ(count(Exit::bad_extension), 1u);
}

TEST_F(Ipv6Test, AnAtomicFragmentGoesOnWithoutItsHeader) {
  service(Method::masq);
  Tcp segment = tcp();
  segment.extensions = {hop_by_hop(), fragment_header(0, false)};
  const FrameBytes sent = frame(segment);
  EXPECT_EQ(arrive(sent), to_inside(1, "[2001:db8:2::1]:1001 > [2001:db8:3::11]:8080 S ttl 63"));
  const Frame& left = out_.departures()[0].frame;
  EXPECT_EQ(left.size + 8, sent.size());
  Packet p;
  ASSERT_FALSE(parse_ip(left, p));
  EXPECT_EQ(p.fragment_at, 0u);
  EXPECT_TRUE(l4_checksum_right(left, p));
}

}  // namespace
}  // namespace rawvs
