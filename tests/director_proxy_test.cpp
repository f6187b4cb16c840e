// SPDX-License-Identifier: BSD-2-Clause
// Tests the PROXY protocol of full NAT through director.h: the header's segment, numbers, lost segments.
#include "director_fixture.h"
#include "wire/checksum.h"

namespace rawvs {
namespace {

constexpr uint32_t kHeader = proxy_header_size(Family::ipv4);
constexpr uint32_t kIsn = 1000, kServerIsn = 7000;

class ProxyTest : public DirectorTest {
 protected:
  ProxyTest() {
    key_ = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
    EXPECT_FALSE(director_->add({.key = key_, .scheduler = Scheduler::rr}, {now_, out_}));
    const ServerSpec server{.at = {ip("203.0.113.11"), Port(8080)}, .method = Method::fullnat, .proxy = true};
    EXPECT_FALSE(director_->add_server(key_, server, {now_, out_}));
    resolve_inside(1);
    out_.clear();
  }
  struct Sent {
    uint32_t seq = 0, ack = 0;
    std::string flags, data;
    bool sound = false;
    friend bool operator==(const Sent&, const Sent&) = default;
  };
  // What left, and whether its checksums are right.
  std::vector<Sent> sent() {
    std::vector<Sent> all;
    for (const Departure& d : out_.departures()) {
      Packet p;
      Sent& s = all.emplace_back();
      if (parse_ip(d.frame, p)) continue;
      s = {p.tcp_seq, p.tcp_ack, "", "", l4_checksum_right(d.frame, p)};
      const std::pair<uint8_t, char> kFlags[] = {
          {TcpFlags::syn, 'S'}, {TcpFlags::fin, 'F'}, {TcpFlags::rst, 'R'}, {TcpFlags::psh, 'P'}, {TcpFlags::ack, 'A'}};
      for (const auto& [flag, letter] : kFlags) {
        if ((p.tcp_flags & flag) != 0) s.flags += letter;
      }
      const Bytes l4 = Bytes(d.frame.bytes()).subspan(p.l4_at, p.l4_size());
      const Bytes data = l4.last(p.tcp_payload);
      s.data.assign(data.begin(), data.end());
      local_ = p.src == ip("203.0.113.10") ? p.sport.value : local_;
    }
    return all;
  }
  std::vector<Sent> client(const std::string& flags, uint32_t seq, uint32_t ack = kServerIsn + 1,
                           const std::string& data = "") {
    arrive(frame(Tcp{.flags = flags, .data = data, .seq = seq, .ack = flags == "S" ? 0 : ack}));
    return sent();
  }
  std::vector<Sent> server(const std::string& flags, uint32_t seq, uint32_t ack, const std::string& data = "") {
    arrive(frame(Tcp{.src = "203.0.113.11",
                     .dst = "203.0.113.10",
                     .sport = 8080,
                     .dport = local_,
                     .flags = flags,
                     .data = data,
                     .seq = seq,
                     .ack = ack,
                     .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                     .to = kInsideMac}),
           kInLink);
    return sent();
  }
  static std::string header() {
    std::string h("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16);
    for (const int b : {198, 51, 100, 1, 192, 0, 2, 100, 1001 >> 8, 1001 & 0xff, 0, 80}) h += static_cast<char>(b);
    return h;
  }
  void shake_hands() {
    client("S", kIsn);
    server("SA", kServerIsn, kIsn - kHeader + 1);
  }
  uint16_t local_ = 0;
};

TEST_F(ProxyTest, TheHeaderHasTheNumbersBeforeTheClientsFirstByte) {
  EXPECT_EQ(client("S", kIsn), (std::vector<Sent>{{kIsn - kHeader, 0, "S", "", true}}));
  EXPECT_EQ(server("SA", kServerIsn, kIsn - kHeader + 1), (std::vector<Sent>{{kServerIsn, kIsn + 1, "SA", "", true}}));
  EXPECT_EQ(client("A", kIsn + 1), (std::vector<Sent>{{kIsn + 1 - kHeader, kServerIsn + 1, "PA", header(), true}}));
  EXPECT_EQ(server("A", kServerIsn + 1, kIsn + 1), (std::vector<Sent>{{kServerIsn + 1, kIsn + 1, "A", "", true}}));
  EXPECT_EQ(client("PA", kIsn + 1, kServerIsn + 1, "GET"),
            (std::vector<Sent>{{kIsn + 1, kServerIsn + 1, "PA", "GET", true}}));
  EXPECT_EQ(server("PA", kServerIsn + 1, kIsn + 4, "page"),
            (std::vector<Sent>{{kServerIsn + 1, kIsn + 4, "PA", "page", true}}));
}

TEST_F(ProxyTest, TheHeaderIsRepeatedBeforeTheFirstDataUntilItIsAcknowledged) {
  shake_hands();
  client("A", kIsn + 1);  // lost
  const Sent first{kIsn + 1 - kHeader, kServerIsn + 1, "PA", header(), true},
      data{kIsn + 1, kServerIsn + 1, "PA", "GET", true};
  EXPECT_EQ(client("PA", kIsn + 1, kServerIsn + 1, "GET"), (std::vector<Sent>{first, data}));
  EXPECT_EQ(client("PA", kIsn + 4, kServerIsn + 1, " /"),
            (std::vector<Sent>{{kIsn + 4, kServerIsn + 1, "PA", " /", true}}));
  EXPECT_EQ(server("A", kServerIsn + 1, kIsn + 1 - kHeader),
            (std::vector<Sent>{{kServerIsn + 1, kIsn + 1, "A", "", true}}))
      << "the server misses the header: to the client this is a repeated acknowledgement";
  EXPECT_EQ(client("PA", kIsn + 1, kServerIsn + 1, "GET"), (std::vector<Sent>{first, data}));
  server("A", kServerIsn + 1, kIsn + 6);
  EXPECT_EQ(client("PA", kIsn + 1, kServerIsn + 1, "GET"), (std::vector<Sent>{data}));
}

TEST_F(ProxyTest, AClientThatOnlyEndsTheConnectionHasTheHeaderBefore) {
  shake_hands();
  const Sent first{kIsn + 1 - kHeader, kServerIsn + 1, "PA", header(), true};
  EXPECT_EQ(client("FA", kIsn + 1), (std::vector<Sent>{first, {kIsn + 1, kServerIsn + 1, "FA", "", true}}));
}

TEST_F(ProxyTest, ARefusalIsAnAnswerToTheClientsSyn) {
  client("S", kIsn);
  EXPECT_EQ(server("RA", 0, kIsn - kHeader + 1), (std::vector<Sent>{{0, kIsn + 1, "RA", "", true}}));
}

TEST_F(ProxyTest, DataInASynComeAgainLater) {
  EXPECT_EQ(client("S", kIsn, 0, "early"), (std::vector<Sent>{{kIsn - kHeader, 0, "S", "", true}}));
}

TEST_F(ProxyTest, NumbersMayWrap) {
  EXPECT_EQ(client("S", 5), (std::vector<Sent>{{5 - kHeader, 0, "S", "", true}}));
  EXPECT_EQ(server("SA", kServerIsn, 6 - kHeader), (std::vector<Sent>{{kServerIsn, 6, "SA", "", true}}));
  EXPECT_EQ(client("A", 6).size(), 1u);
  server("A", kServerIsn + 1, 6);
  EXPECT_EQ(client("A", 6), (std::vector<Sent>{{6, kServerIsn + 1, "A", "", true}}));
}

TEST_F(ProxyTest, AnErrorAboutTheSynQuotesTheClientsNumber) {
  client("S", kIsn);
  FrameBytes error = frame(IcmpError{
      .src = "203.0.113.1",
      .dst = "203.0.113.10",
      .code = 1,
      .mtu = 0,
      .about = frame(
          Tcp{.src = "203.0.113.10", .dst = "203.0.113.11", .sport = local_, .dport = 8080, .seq = kIsn - kHeader})});
  std::ranges::copy(kInsideMac.bytes, error.begin());
  arrive(error, kInLink);
  EXPECT_EQ(quoted_number(), kIsn);
}

TEST_F(ProxyTest, OnlyTcpOfFullNatHasIt) {
  ServerSpec server{.at = {ip("203.0.113.12"), Port(8080)}, .method = Method::masq, .proxy = true};
  EXPECT_EQ(director_->add_server(key_, server, {now_, out_}), Refusal::unsupported);
  const ServiceKey dns{Protocol::udp, {ip("192.0.2.100"), Port(53)}, {}};
  ASSERT_FALSE(director_->add({.key = dns}, {now_, out_}));
  server.method = Method::fullnat;
  EXPECT_EQ(director_->add_server(dns, server, {now_, out_}), Refusal::unsupported);
}

TEST_F(ProxyTest, AProbeComesWhereTheServerExpectsItWhileTheHeaderIsNotAcknowledged) {
  shake_hands();
  client("A", kIsn + 1);  // lost
  EXPECT_EQ(client("A", kIsn), (std::vector<Sent>{{kIsn - kHeader, kServerIsn + 1, "A", "", true}}));
  EXPECT_EQ(client("A", kIsn, kServerIsn + 1, "x"),
            (std::vector<Sent>{{kIsn - kHeader, kServerIsn + 1, "A", "x", true}}));
  server("A", kServerIsn + 1, kIsn + 1);
  EXPECT_EQ(client("A", kIsn), (std::vector<Sent>{{kIsn, kServerIsn + 1, "A", "", true}}));
}

TEST_F(ProxyTest, ABareResetComesWhereTheServerExpectsIt) {
  shake_hands();
  EXPECT_EQ(client("R", kIsn + 1, 0), (std::vector<Sent>{{kIsn + 1 - kHeader, 0, "R", "", true}}));
  EXPECT_EQ(server("A", kServerIsn + 1, kIsn + 1), (std::vector<Sent>{{kServerIsn + 1, kIsn + 1, "A", "", true}}))
      << "it had the header already";
  EXPECT_EQ(client("R", kIsn + 1, 0), (std::vector<Sent>{{kIsn + 1, 0, "R", "", true}}));
}

TEST_F(ProxyTest, AClientThatUsesItsPortAgainInAnEntryThatPersistenceKeepsGetsTheHeaderAgain) {
  ServiceSpec spec{.key = key_, .scheduler = Scheduler::rr};
  spec.persistence = 300s;
  EXPECT_FALSE(director_->edit(spec, {now_, out_}));
  client("S", kIsn, 0);
  server("SA", kServerIsn, kIsn + 1 - kHeader);
  client("A", kIsn + 1);
  server("A", kServerIsn + 1, kIsn + 1);
  client("R", kIsn + 1);
  pass(1s);
  const std::vector<Sent> again = client("S", 500000, 0);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].seq, 500000 - kHeader);
  server("SA", 9000, 500001 - kHeader);
  const std::vector<Sent> first = client("PA", 500001, 9001, "GET");
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].data, header());
  EXPECT_EQ(first[1].data, "GET");
}

}  // namespace
}  // namespace rawvs
