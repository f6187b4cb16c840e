// SPDX-License-Identifier: BSD-2-Clause
// Tests the director through director.h, as the daemon calls it: frames in, frames out, counters.
#include "director_fixture.h"
#include "links.h"
#include "wire/split.h"

namespace rawvs {
namespace {

TEST_F(DirectorTest, SendsEachNewClientToTheNextServerAndKeepsItThere) {
  web(2);
  EXPECT_EQ(arrive(frame(Tcp{})), to_server(2, "198.51.100.1:1001 > 192.0.2.100:80 S ttl 63"));
  EXPECT_EQ(arrive(frame(Tcp{.sport = 1002})), to_server(1, "198.51.100.1:1002 > 192.0.2.100:80 S ttl 63"));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A"})), to_server(2, "198.51.100.1:1001 > 192.0.2.100:80 A ttl 63"));
  EXPECT_EQ(count(Exit::forwarded), 3u);
  EXPECT_EQ(director_->connections().size(), 2u);
}

TEST_F(DirectorTest, ForwardsASuperFrameWholeWithItsOffloadFacts) {
  web(1);
  arrive(frame(Tcp{}));
  FrameBytes large = frame(Tcp{.flags = "A", .data = std::string(9000, 'x')});
  const Offload tso{.flags = Offload::needs_checksum,
                    .segmentation = Offload::tcp4,
                    .header_size = 54,
                    .segment_size = 1448,
                    .checksum_start = 34,
                    .checksum_offset = 16};
  Frame f;
  f.data = large.data(), f.size = static_cast<uint32_t>(large.size()), f.offload = tso;
  out_.clear();
  director_->frames_arrived({&f, 1}, {now_, out_});
  ASSERT_EQ(out_.departures().size(), 1u);
  EXPECT_EQ(out_.departures()[0].frame.size, large.size());
  EXPECT_EQ(out_.departures()[0].frame.offload, tso);
}

TEST_F(DirectorTest, TellsTheClientWhenAPacketIsLargerThanTheWay) {
  web(1);
  arrive(frame(Tcp{}));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A", .data = std::string(1500, 'x')})),
            to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1500 ttl 64"));
  arrive(frame(Tcp{.flags = "A", .data = std::string(1500, 'x'), .dont_fragment = false}));
  ASSERT_EQ(out_.departures().size(), 2u);  // 1,520 bytes behind the IP header: 1,480 and the rest
  EXPECT_EQ(out_.departures()[0].frame.size, 14u + 1500);
  EXPECT_EQ(out_.departures()[1].frame.size, 14u + 20 + 40);
  EXPECT_EQ(count(Exit::too_big), 1u);
  const Offload too_long_segments{.segmentation = Offload::tcp4, .segment_size = 1461};
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A", .data = std::string(3000, 'x')}), kOutLink, too_long_segments),
            to_client("192.0.2.100 > 198.51.100.1 icmp 3/4 mtu 1500 ttl 64"));
}

TEST_F(DirectorTest, AnswersAsAHostWhereNobodyListens) {
  web(1);
  EXPECT_EQ(arrive(frame(Tcp{.dport = 81})), to_client("192.0.2.100:81 > 198.51.100.1:1001 RA ttl 64"));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A"})), to_client("192.0.2.100:80 > 198.51.100.1:1001 R ttl 64"));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "R"})), "");
  EXPECT_EQ(arrive(frame(Tcp{.dport = 81, .flags = "RA"})), "");
  EXPECT_EQ(arrive(frame(Udp{})), to_client("192.0.2.100 > 198.51.100.1 icmp 3/3 ttl 64"));
  EXPECT_EQ(arrive(frame(Ping{})), to_client("192.0.2.100 > 198.51.100.1 icmp 0/0 ttl 64"));
  EXPECT_EQ(arrive(frame(Ping{.type = 13})), "");
  EXPECT_EQ(arrive(ipv4_frame(kClientMac, kDirectorMac, "198.51.100.1", "192.0.2.100", 47, 64, 0, FrameBytes(20))),
            to_client("192.0.2.100 > 198.51.100.1 icmp 3/2 ttl 64"));
  EXPECT_EQ(arrive(frame(Tcp{.ttl = 1})), to_client("192.0.2.100 > 198.51.100.1 icmp 11/0 ttl 64"));
  EXPECT_EQ(count(Exit::reset_sent), 2u);
  EXPECT_EQ(count(Exit::stray_reset), 2u);
  EXPECT_EQ(count(Exit::stray_icmp), 1u);
}

TEST_F(DirectorTest, SendsAnIcmpErrorAboutAConnectionToItsServer) {
  web(2);
  arrive(frame(Tcp{}));               // to server 2
  arrive(frame(Tcp{.sport = 1002}));  // to server 1
  const auto about = [](uint16_t client_port) {
    return frame(Tcp{.src = "192.0.2.100", .dst = "198.51.100.1", .sport = 80, .dport = client_port, .flags = "A"});
  };
  const std::string forwarded = "198.51.100.9 > 192.0.2.100 icmp 3/4 mtu 1400 ttl 63";
  EXPECT_EQ(arrive(frame(IcmpError{.src = "198.51.100.9", .about = about(1001)})), to_server(2, forwarded));
  EXPECT_EQ(arrive(frame(IcmpError{.src = "198.51.100.9", .about = about(1002)})), to_server(1, forwarded));
  EXPECT_EQ(director_->services().services()[0].traffic.in_packets, 4u);
  EXPECT_EQ(director_->connections().size(), 2u);
}

TEST_F(DirectorTest, NeverAnswersAnIcmpError) {
  web(1);
  const FrameBytes reply = frame(Tcp{.src = "192.0.2.100", .dst = "198.51.100.1", .sport = 80, .dport = 1001});
  EXPECT_EQ(arrive(frame(IcmpError{.about = reply})), "");  // about no connection
  EXPECT_EQ(count(Exit::stray_icmp), 1u);
  arrive(frame(Tcp{}));
  EXPECT_EQ(arrive(frame(IcmpError{.ttl = 1, .about = reply})), "");
  EXPECT_EQ(count(Exit::stray_icmp), 2u);
  FrameBytes damaged = frame(IcmpError{.about = reply});
  damaged.back() ^= 1;
  EXPECT_EQ(arrive(damaged), "");
  EXPECT_EQ(count(Exit::bad_l4_checksum), 1u);
  // Ignored: an error about a packet that the client claims to have sent, or that quotes another destination.
  EXPECT_EQ(arrive(frame(IcmpError{.about = frame(Tcp{})})), "");
  EXPECT_EQ(arrive(frame(IcmpError{.type = 5, .about = reply})), "");     // redirect
  EXPECT_EQ(arrive(frame(IcmpError{.about = reply, .quoted = 23})), "");  // no whole ports
  EXPECT_EQ(count(Exit::stray_icmp), 5u);
  EXPECT_NE(arrive(frame(IcmpError{.about = reply, .quoted = 24})), "");
}

TEST_F(DirectorTest, DoesNotAnswerWhatIsDamaged) {
  web(1);
  FrameBytes b = frame(Tcp{.dport = 81});
  b.back() ^= 1;
  EXPECT_EQ(arrive(b), "");
  EXPECT_EQ(count(Exit::bad_l4_checksum), 1u);
}

TEST_F(DirectorTest, LimitsItsAnswersOfEachKind) {
  make({.reply_rate = 10, .reply_burst = 2});
  web(1);
  for (uint16_t i = 1; i <= 5; ++i) arrive(frame(Tcp{.sport = i, .dport = 81}));
  EXPECT_EQ(count(Exit::reset_sent), 2u);
  EXPECT_EQ(count(Exit::answer_limited), 3u);
  EXPECT_NE(arrive(frame(Ping{})), "");  // another kind, another limit
  now_ += 1s;
  EXPECT_NE(arrive(frame(Tcp{.dport = 81})), "");
  make({.reply_rate = 0});
  web(1);
  EXPECT_EQ(arrive(frame(Ping{})), "");
  EXPECT_EQ(count(Exit::replies_off), 1u);
}

TEST_F(DirectorTest, LeavesAloneWhatIsNotItsBusiness) {
  web(1);
  EXPECT_EQ(arrive(frame(Tcp{.dst = "192.0.2.101"})), "");
  EXPECT_EQ(arrive(frame(Tcp{.to = Mac{{2, 0, 0, 0, 0, 0x99}}})), "");
  EXPECT_EQ(arrive(frame(ArpFrame{.target = "192.0.2.101"})), "");
  EXPECT_EQ(arrive(frame(Tcp{.src = "2001:db8::1", .dst = "2001:db8::100"})), "");
  FrameBytes pppoe = frame(Tcp{});
  pppoe[12] = 0x88, pppoe[13] = 0x64;
  EXPECT_EQ(arrive(pppoe), "");
  FrameBytes broken = frame(Tcp{.dst = "192.0.2.101"});
  broken[24] ^= 1;
  EXPECT_EQ(arrive(broken), "");
  EXPECT_EQ(count(Exit::not_vip), 3u);
  EXPECT_EQ(count(Exit::other_mac), 1u);
  EXPECT_EQ(count(Exit::arp_other), 1u);
  EXPECT_EQ(count(Exit::not_ip), 1u);
}

TEST_F(DirectorTest, CountsEveryHostilePacketByItsReason) {
  web(1);
  arrive(frame(Tcp{.src = "192.0.2.100"}));
  arrive(frame(Tcp{.src = "192.0.2.255"}));  // this subnet's broadcast address
  arrive(frame(Tcp{.src = "255.255.255.255"}));
  arrive(frame(Tcp{.sport = 0}));
  arrive(frame(Tcp{.from = kBroadcastMac}));
  arrive(frame(Tcp{.from = kDirectorMac}));
  FrameBytes bad = frame(Tcp{});
  bad[24] ^= 1;
  arrive(bad);
  arrive(FrameBytes(10));
  arrive(ipv4_frame(kClientMac, kDirectorMac, "198.51.100.1", "192.0.2.100", 17, 64, 0x2000, FrameBytes(64, 1)));
  EXPECT_EQ(count(Exit::land), 1u);
  EXPECT_EQ(count(Exit::bad_source), 3u);
  EXPECT_EQ(count(Exit::zero_port), 1u);
  EXPECT_EQ(count(Exit::own_frame), 1u);
  EXPECT_EQ(count(Exit::bad_ip_checksum), 1u);
  EXPECT_EQ(count(Exit::truncated), 1u);
  EXPECT_EQ(count(Exit::fragment_held), 1u);
  EXPECT_EQ(director_->connections().size(), 0u);
}

TEST_F(DirectorTest, AnswersArpForTheVipFromItsOwnMacAndOnlyOutside) {
  web(1);
  EXPECT_EQ(arrive(frame(ArpFrame{})),
            to_client("arp 192.0.2.100 is-at 02:00:00:00:00:10 to 192.0.2.1 02:00:00:00:00:01"));
  EXPECT_EQ(arrive(frame(ArpFrame{}), kInLink), "");
  EXPECT_EQ(arrive(frame(ArpFrame{.target = "192.0.2.10"})), "");  // the kernel answers for the host's own address
  EXPECT_EQ(count(Exit::arp_answered), 1u);
}

TEST_F(DirectorTest, AnnouncesANewVipInBothFormsAndStopsAnsweringWhenItsServiceGoes) {
  key_ = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
  ASSERT_FALSE(director_->add({key_}, {now_, out_}));
  EXPECT_EQ(left(), mac_of(0x10) + ">ff:ff:ff:ff:ff:ff arp who-has 192.0.2.100 tell 192.0.2.100 02:00:00:00:00:10 | " +
                        mac_of(0x10) +
                        ">ff:ff:ff:ff:ff:ff arp 192.0.2.100 is-at 02:00:00:00:00:10 to 192.0.2.100 ff:ff:ff:ff:ff:ff");
  EXPECT_EQ(director_->watch().vips, std::vector{ip("192.0.2.100")});
  ASSERT_FALSE(director_->remove(key_, {now_, out_}));
  EXPECT_EQ(arrive(frame(ArpFrame{})), "");
  // Clients that still have our MAC address get an RST, and the kernel must not route their packets.
  EXPECT_EQ(arrive(frame(Tcp{})), to_client("192.0.2.100:80 > 198.51.100.1:1001 RA ttl 64"));
  EXPECT_EQ(director_->watch().vips, std::vector{ip("192.0.2.100")});
  pass(301s);
  EXPECT_TRUE(director_->watch().vips.empty());
  EXPECT_EQ(arrive(frame(Tcp{})), "");
}

TEST_F(DirectorTest, NamesTheRealServerThatAnswersArpForTheVip) {
  web(1);
  arrive(frame(ArpFrame{.request = false,
                        .sender_mac = {{2, 0, 0, 0, 0, 0x11}},
                        .sender = "192.0.2.100",
                        .target_mac = kDirectorMac,
                        .target = "192.0.2.10",
                        .to = kDirectorMac}));
  EXPECT_EQ(notices(),
            "real server 192.0.2.11 (02:00:00:00:00:11) answers ARP for VIP 192.0.2.100: set arp_ignore=1, "
            "arp_announce=2 there, see rawvs-realserver(8)");
  arrive(frame(ArpFrame{.request = false, .sender_mac = {{2, 0, 0, 0, 0, 0x77}}, .sender = "192.0.2.100"}));
  EXPECT_EQ(notices(),
            "another machine (02:00:00:00:00:77) answers ARP for VIP 192.0.2.100: clients may reach it instead of this "
            "director; find it by its MAC address");
  EXPECT_EQ(count(Exit::arp_conflict), 2u);
}

TEST_F(DirectorTest, HoldsThePacketUntilTheServerAnswersArp) {
  web(0);
  ASSERT_FALSE(director_->add_server(key_, server(1), {now_, out_}));
  EXPECT_EQ(left().substr(left().rfind(mac_of(0x10) + '>')),
            mac_of(0x10) + ">ff:ff:ff:ff:ff:ff arp who-has 192.0.2.11 tell 192.0.2.10 02:00:00:00:00:10");
  EXPECT_EQ(arrive(frame(Tcp{})), "");
  EXPECT_EQ(count(Exit::held), 1u);
  resolve(1);
  EXPECT_EQ(left(), to_server(1, "198.51.100.1:1001 > 192.0.2.100:80 S ttl 63"));
}

TEST_F(DirectorTest, SendsToTheInsideLinkWhatIsOnItsSubnet) {
  web(0);
  ASSERT_FALSE(director_->add_server(key_, {.at = {ip("203.0.113.11"), Port(80)}, .mac = Mac{{2, 0, 0, 0, 1, 0x11}}},
                                     {now_, out_}));
  EXPECT_EQ(arrive(frame(Tcp{})), "02:00:00:00:01:10>02:00:00:00:01:11 198.51.100.1:1001 > 192.0.2.100:80 S ttl 63");
  EXPECT_EQ(out_.departures()[0].out, kInLink);
}

TEST_F(DirectorTest, DropsForAServerWhoseLinkIsDownAndGoesOnWhenItIsBack) {
  web(1);
  LinkFacts facts = director_->link(kOutLink);
  facts.up = false;
  director_->link_changed(kOutLink, facts, {now_, out_});
  EXPECT_EQ(notices(), "interface eth0 is down: waiting for it to come back");
  arrive(frame(Tcp{}));
  EXPECT_EQ(count(Exit::no_link), 1u);
  facts.up = true;
  out_.clear();
  director_->link_changed(kOutLink, facts, {now_, out_});
  EXPECT_NE(left().find("arp 192.0.2.100 is-at"), std::string::npos);  // announced again
  EXPECT_NE(left().find("who-has 192.0.2.11"), std::string::npos);     // asked again
}

TEST_F(DirectorTest, ExpiresConnectionsAndFreesTheirServer) {
  web(1, Scheduler::rr, Protocol::udp);
  arrive(frame(Udp{}));
  EXPECT_EQ(director_->services().servers()[0].inactive, 1u);
  pass(299s);
  EXPECT_EQ(director_->connections().size(), 1u);
  pass(2s);
  EXPECT_EQ(director_->connections().size(), 0u);
  EXPECT_EQ(director_->services().servers()[0].inactive, 0u);
}

TEST_F(DirectorTest, NeverUsesAConnectionThatIsOver) {
  web(2, Scheduler::rr, Protocol::udp);
  arrive(frame(Udp{}));
  now_ += 300s + 20ms;  // the wheel has not been turned
  EXPECT_EQ(arrive(frame(Udp{})), to_server(1, "198.51.100.1:1001 > 192.0.2.100:53 udp ttl 63"));
}

TEST_F(DirectorTest, DropsForARemovedServerAndGivesItsConnectionsBackWhenItReturns) {
  web(2);
  arrive(frame(Tcp{}));
  ASSERT_FALSE(director_->remove_server(key_, server(2).at, {now_, out_}));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A"})), "");
  EXPECT_EQ(count(Exit::server_gone), 1u);
  ASSERT_FALSE(director_->add_server(key_, server(2), {now_, out_}));
  resolve(2);
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A"})), to_server(2, "198.51.100.1:1001 > 192.0.2.100:80 A ttl 63"));
}

TEST_F(DirectorTest, ReschedulesForARemovedServerWhenTold) {
  make({.expire_nodest_conn = true});
  web(2);
  arrive(frame(Tcp{}));
  ASSERT_FALSE(director_->remove_server(key_, server(2).at, {now_, out_}));
  EXPECT_EQ(arrive(frame(Tcp{.flags = "A"})), to_client("192.0.2.100:80 > 198.51.100.1:1001 R ttl 64"));
  EXPECT_EQ(arrive(frame(Tcp{})), to_server(1, "198.51.100.1:1001 > 192.0.2.100:80 S ttl 63"));
}

TEST_F(DirectorTest, CountsAFullTable) {
  make({.max_connections = 2, .drop_entry = 0});
  web(1);
  for (uint16_t i = 1; i <= 5; ++i) arrive(frame(Tcp{.sport = i}));
  EXPECT_EQ(count(Exit::forwarded), 2u);
  EXPECT_EQ(count(Exit::table_full), 3u);
}

TEST_F(DirectorTest, CountsTrafficAsIpvsDoes) {
  web(1);
  arrive(frame(Tcp{}));
  arrive(frame(Tcp{.flags = "PA", .data = "0123456789"}));
  for (const Traffic& t : {director_->services().services()[0].traffic, director_->services().servers()[0].traffic}) {
    EXPECT_EQ(t.connections, 1u);
    EXPECT_EQ(t.in_packets, 2u);
    EXPECT_EQ(t.in_bytes, 40u + 50u);
  }
  director_->zero_all();
  EXPECT_EQ(director_->services().services()[0].traffic.in_packets, 0u);
  EXPECT_EQ(director_->services().servers()[0].active, 1u);
}

TEST_F(DirectorTest, SchedulesWhateverTheBatch) {
  web(2);
  std::vector<FrameBytes> bytes;
  std::vector<Frame> frames;
  for (uint16_t i = 1; i <= Director::kBatch; ++i)
    bytes.push_back(frame(Tcp{.sport = static_cast<uint16_t>(1000 + i)}));
  for (FrameBytes& b : bytes) {
    Frame f;
    f.data = b.data(), f.size = static_cast<uint32_t>(b.size());
    frames.push_back(f);
  }
  out_.clear();
  director_->frames_arrived(frames, {now_, out_});
  EXPECT_EQ(out_.departures().size(), Director::kBatch);
  EXPECT_EQ(director_->services().servers()[0].active, Director::kBatch / 2);
}

TEST_F(DirectorTest, HasNoDeadlineWithoutServicesAndConnections) { EXPECT_EQ(director_->next_deadline(), kNever); }

// Payloads that fit into one datagram, in fragments of the link's MTU.
TEST_F(DirectorTest, PingsOfEverySizeAreAnswered) {
  web(1);
  for (const size_t size : {size_t{9'000}, size_t{10'000}, size_t{40'000}, size_t{65'507}}) {
    FrameBytes ping = frame(Ping{.data = std::string(size, 'p')});
    Frame whole;
    whole.data = ping.data(), whole.size = static_cast<uint32_t>(ping.size());
    Fragmenter fragments(whole, 1500, Fragmenter::DontFragment::clear);
    size_t answered = 0, pieces = 0;
    std::vector<uint8_t> buffer(2000);
    for (Frame piece; fragments.next(buffer, piece);) {
      arrive({piece.data, piece.data + piece.size});
      for (const Departure& d : out_.departures()) {
        EXPECT_LE(d.frame.size, kEthernetSize + 1500);
        answered += d.frame.size - kEthernetSize - 20;
        ++pieces;
      }
    }
    EXPECT_EQ(answered, size + 8) << size;
    EXPECT_EQ(pieces, (size + 8 + 1479) / 1480) << size;
  }
  EXPECT_EQ(count(Exit::echo_answered), 4u);
  EXPECT_EQ(count(Exit::answer_limited), 0u);
}

}  // namespace
}  // namespace rawvs
