// SPDX-License-Identifier: BSD-2-Clause
// Tests a check's packet (via = vip): the director sends it to its one server like a client's, without a connection and
// without counting it.
#include "director_fixture.h"
#include "wire/packet.h"

namespace rawvs {
namespace {

class CheckTest : public DirectorTest {
 protected:
  // A packet of this host's kernel as it arrives on lo: from its own address, without Ethernet addresses.
  static FrameBytes own(Tcp tcp = {}) {
    tcp.src = "192.0.2.10";
    FrameBytes bytes = frame(tcp);
    std::fill_n(bytes.begin(), 12, uint8_t{0});
    return bytes;
  }
  Exit check(FrameBytes bytes, int server, const Offload& offload = {}) {
    arrived_ = std::move(bytes);
    Frame f;
    f.data = arrived_.data(), f.size = static_cast<uint32_t>(arrived_.size()), f.offload = offload;
    out_.clear();
    return director_->check_arrived(f, key_, {ip("192.0.2.1" + std::to_string(server)), key_.vip.port}, {now_, out_});
  }
  void tun(Tunnel tunnel) {
    key_ = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
    ASSERT_FALSE(director_->add({.key = key_}, {now_, out_}));
    ServerSpec spec = server(1);
    spec.method = Method::tunnel;
    spec.tunnel = tunnel;
    ASSERT_FALSE(director_->add_server(key_, spec, {now_, out_}));
    resolve(1);
  }
};

TEST_F(CheckTest, GoesToTheServerThatItIsForWhateverTheSchedulerWouldSay) {
  web(2);
  director_->set_standing(key_, {ip("192.0.2.12"), Port(80)}, Standing::keeps, 0);
  for (const int server : {2, 1, 2, 2}) {
    EXPECT_EQ(check(own(), server), Exit::check_sent);
    EXPECT_EQ(left(), to_server(server, "192.0.2.10:1001 > 192.0.2.100:80 S ttl 64"));
  }
}

TEST_F(CheckTest, IsNoConnectionAndNobodysTraffic) {
  web(1);
  check(own(), 1);
  EXPECT_EQ(director_->connections().size(), 0u);
  const Service& service = *director_->services().find(key_);
  EXPECT_EQ(service.traffic.connections + service.traffic.in_packets + service.traffic.in_bytes, 0u);
  const Server& server = director_->services().server(service.servers[0]);
  EXPECT_EQ(server.traffic.connections + server.traffic.in_packets + server.references(), 0u);
  EXPECT_EQ(count(Exit::check_sent), 1u);
  EXPECT_EQ(count(Exit::forwarded), 0u);
}

TEST_F(CheckTest, WaitsForTheServersMacAddress) {
  key_ = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
  ASSERT_FALSE(director_->add({.key = key_}, {now_, out_}));
  ASSERT_FALSE(director_->add_server(key_, server(1), {now_, out_}));
  EXPECT_EQ(check(own(), 1), Exit::held);
  EXPECT_EQ(left(), "");
  arrived_.assign(arrived_.size(), 0xff);  // what is held is a copy
  resolve(1);
  EXPECT_EQ(left(), to_server(1, "192.0.2.10:1001 > 192.0.2.100:80 S ttl 64"));
}

TEST_F(CheckTest, GoesThroughTheTunnelWithItsChecksumFinished) {
  tun({.type = TunnelType::ipip});
  const FrameBytes whole = own();
  FrameBytes partial = whole;
  // As the kernel leaves it: the sum of the pseudo-header alone.
  const Offload offload{.flags = Offload::needs_checksum, .checksum_start = 34, .checksum_offset = 16};
  const uint32_t sum = 0xc000u + 0x020a + 0xc000 + 0x0264 + 6 + static_cast<uint32_t>(whole.size() - 34);
  store_be16(partial, 34 + 16, static_cast<uint16_t>((sum & 0xffff) + (sum >> 16)));
  EXPECT_EQ(check(partial, 1, offload), Exit::check_sent);
  ASSERT_EQ(out_.departures().size(), 1u);
  const Frame& left = out_.departures()[0].frame;
  Packet outer;
  ASSERT_FALSE(parse_ip(left, outer));
  EXPECT_EQ(outer.protocol, Protocol::ipip);
  EXPECT_EQ(outer.src, ip("192.0.2.10"));
  EXPECT_EQ(outer.dst, ip("192.0.2.11"));
  EXPECT_FALSE(left.offload.partial_checksum());
  const FrameBytes inner(left.data + 34, left.data + left.size);
  EXPECT_EQ(inner, FrameBytes(whole.begin() + 14, whole.end()));
}

TEST_F(CheckTest, IsCutWhereItIsTooLongSinceNobodyCanBeTold) {
  tun({.type = TunnelType::ipip});
  EXPECT_EQ(check(own({.flags = "A", .data = std::string(1460, 'x')}), 1), Exit::check_sent);
  EXPECT_EQ(out_.departures().size(), 2u);
  EXPECT_EQ(count(Exit::too_big), 0u);
}

TEST_F(CheckTest, DoesNotGoWhereThereIsNoVip) {
  nat(1);
  Tcp tcp;
  tcp.src = "203.0.113.10";
  arrived_ = frame(tcp);
  Frame f;
  f.data = arrived_.data(), f.size = static_cast<uint32_t>(arrived_.size());
  out_.clear();
  EXPECT_EQ(director_->check_arrived(f, key_, {ip("203.0.113.11"), Port(8080)}, {now_, out_}), Exit::not_vip);
  EXPECT_EQ(left(), "");
}

TEST_F(CheckTest, OfAServerThatIsNotThereIsDropped) {
  web(1);
  EXPECT_EQ(check(own(), 2), Exit::server_gone);
  ASSERT_FALSE(director_->remove(key_, {now_, out_}));
  EXPECT_EQ(check(own(), 1), Exit::server_gone);
}

TEST_F(CheckTest, OfAnyLengthThatIsTooShortIsDropped) {
  web(1);
  const FrameBytes whole = own();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(check(FrameBytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)), 1), Exit::check_sent);
    EXPECT_EQ(left(), "");
  }
}

}  // namespace
}  // namespace rawvs
