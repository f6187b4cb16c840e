// SPDX-License-Identifier: BSD-2-Clause
// Tests SYN cookies with IPv6, both families, FTP, persistence, a saved state, a filling table; and whole conversations
// over a wire that loses and repeats segments.
#include <deque>
#include <random>

#include "control/director_gate.h"
#include "cookie_world.h"
#include "core/pressure.h"
#include "core/state.h"

namespace rawvs {
namespace {

class CookiePathTest : public CookieWorld {
 protected:
  void use_ipv6(bool clients, bool servers) {
    for (const Link link : {kOutLink, kInLink}) {
      LinkFacts facts = director_->link(link);
      facts.addresses.push_back({ip(link == kOutLink ? "2001:db8:1::10" : "2001:db8:3::10"), 64});
      director_->link_changed(link, facts, {now_, out_});
    }
    if (clients) client_.addr = ip("2001:db8:2::1"), vip_.addr = ip("2001:db8:1::100");
    if (servers) server_.addr = ip("2001:db8:3::11");
  }
  void resolve6() {
    arrive(frame(NdFrame{.asks = false,
                         .src = "2001:db8:3::11",
                         .target = "2001:db8:3::11",
                         .dst = "2001:db8:3::10",
                         .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                         .option = Mac{{2, 0, 0, 0, 1, 0x11}},
                         .to = kInsideMac,
                         .solicited = true}),
           kInLink);
  }
  void converse() {
    open();
    TcpSegment request = last();
    request.flags = kA | kP;
    auto all = client(request, "GET");
    const TcpSegment got = only(all, true);
    EXPECT_EQ(got.ack, kServerIsn + 1);
    EXPECT_EQ(got.options.stamps, (TcpStamps{510, kServerClock}));
    all = server({.seq = kServerIsn + 1,
                  .ack = kClientIsn + 4,
                  .flags = kA,
                  .window = 509,
                  .options = {.stamps = TcpStamps{kServerClock + 9, 510}}},
                 "page");
    const TcpSegment page = only(all, false);
    EXPECT_EQ(page.seq, cookie_ + 1);
    EXPECT_EQ(page.options.stamps, (TcpStamps{*stamp_ + 9, 510}));
  }
};

TEST_F(CookiePathTest, Ipv6) {
  use_ipv6(true, true);
  serve();
  resolve6();
  EXPECT_EQ(only(client(syn()), false).options.mss, 1440);
  converse();
}

TEST_F(CookiePathTest, Ipv6ClientsOfIpv4Servers) {
  use_ipv6(true, false);
  serve(Method::fullnat);
  converse();
}

TEST_F(CookiePathTest, Ipv4ClientsOfIpv6ServersWithTheProxyProtocol) {
  use_ipv6(false, true);
  serve(Method::fullnat);
  resolve6();
  converse();
}

TEST_F(CookiePathTest, AServerThatIsNotReachedYetGetsTheSynLater) {
  use_ipv6(true, true);
  serve();
  begin();
  client(last());  // the SYN waits for the server's MAC address
  EXPECT_EQ(count(Exit::cookie_right), 1u);
  resolve6();
  ASSERT_EQ(seen().size(), 1u);
  EXPECT_EQ(server(syn_ack()).size(), 2u);
}

TEST_F(CookiePathTest, FtpsEditsComeOnTopOfTheShift) {
  vip_.port = server_.port = kFtp;
  serve();
  open();
  const auto says = [&](uint32_t seq, const std::string& line) {
    const auto all = server({.seq = kServerIsn + seq, .ack = kClientIsn + 1, .flags = kA | kP}, line);
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? SeenSegment{} : all[0];
  };
  EXPECT_EQ(says(1, "220 hi\r\n").tcp.seq, cookie_ + 1);
  TcpSegment pasv = last();
  pasv.flags = kA | kP, pasv.ack = cookie_ + 9;
  EXPECT_EQ(only(client(pasv, "PASV\r\n"), true).ack, kServerIsn + 9);
  const SeenSegment reply = says(9, "227 Entering Passive Mode (203,0,113,11,10,11).\r\n");
  EXPECT_EQ(reply.data, "227 Entering Passive Mode (192,0,2,100,10,11).\r\n");
  EXPECT_EQ(reply.tcp.seq, cookie_ + 9);
  const auto server_end = static_cast<uint32_t>(9 + reply.data.size() + 1);  // the address was a byte longer
  EXPECT_EQ(says(server_end, "226 done\r\n").tcp.seq, cookie_ + server_end - 1);
  TcpSegment ack = last();
  ack.seq += 6, ack.ack = cookie_ + server_end + 9;
  EXPECT_EQ(only(client(ack), true).ack, kServerIsn + server_end + 10);
  client_.port = Port(2000), vip_.port = Port(10 * 256 + 11);
  EXPECT_EQ(only(client(syn()), true).flags, kS) << "its data connection is expected, and needs no proof";
}

TEST_F(CookiePathTest, AForgedSynMakesNoTemplateAndAClientStaysWithItsServer) {
  serve(Method::masq, false, {.key = {Protocol::tcp, {vip_.addr, vip_.port}, {}}, .persistence = 300s});
  begin();
  EXPECT_EQ(director_->connections().size(), 0u);
  client(last());
  EXPECT_EQ(director_->connections().size(), 2u);
  EXPECT_EQ(server(syn_ack()).size(), 2u);
}

TEST_F(CookiePathTest, ANewConnectionInAnOldEntryHasItsOwnNumbers) {
  serve(Method::masq, false, {.key = {Protocol::tcp, {vip_.addr, vip_.port}, {}}, .persistence = 300s});
  open();
  client({.seq = kClientIsn + 1, .flags = kR});
  TcpSegment anew = syn();
  anew.seq += 5000;
  EXPECT_EQ(only(client(anew), true).seq, anew.seq);  // as IPVS: a connection with a template keeps its entry
  const TcpSegment answer = only(server(syn_ack(anew.seq + 1)), false);
  EXPECT_EQ(answer.flags, kS | kA);
  EXPECT_EQ(answer.seq, kServerIsn);
  EXPECT_EQ(answer.window, 65160);
}

TEST_F(CookiePathTest, StateKeepsTheNumbersOfOpenAndOfWaitingConnections) {
  serve();
  open();
  const uint32_t first_cookie = cookie_, first_stamp = *stamp_;
  client_.port = Port(1002);
  begin();
  client(last());
  const StateClock clock{now_, 1'800'000'000'000, {1}};
  StateWriter writer(clock);
  std::vector<uint8_t> bytes;
  while (!writer.done()) {
    const Bytes portion = writer.next(director_->state_tables(), now_);
    bytes.insert(bytes.end(), portion.begin(), portion.end());
  }
  make(settings_);
  serve();
  StateReader reader(bytes, clock);
  while (reader.read(director_->state_tables(), {now_, out_})) out_.clear();
  EXPECT_EQ(text(reader.report()), "2 connections and 0 templates taken back");
  EXPECT_EQ(server(syn_ack()).size(), 2u);
  client_.port = as_client_.port = Port(1001);
  const TcpSegment page = only(server({.seq = kServerIsn + 1,
                                       .ack = kClientIsn + 1,
                                       .flags = kA,
                                       .options = {.stamps = TcpStamps{kServerClock + 7, 1}}},
                                      "page"),
                               false);
  EXPECT_EQ(page.seq, first_cookie + 1);
  EXPECT_EQ(page.options.stamps, (TcpStamps{first_stamp + 7, 1}));
}

TEST_F(CookiePathTest, AutomaticBeginsWithAFloodAndKeepsTheTableForClients) {
  settings_.syn_cookies = SynCookieMode::automatic;
  settings_.max_connections = 400;
  settings_.client_share = 100;
  make(settings_);
  serve();
  const Endpoint living = client_;
  EXPECT_EQ(only(client(syn()), true).flags, kS);
  EXPECT_EQ(only(server(syn_ack()), false).seq, kServerIsn);
  client({.seq = kClientIsn + 1, .ack = kServerIsn + 1, .flags = kA}, "GET");
  server({.seq = kServerIsn + 1, .ack = kClientIsn + 4, .flags = kA}, "page");
  bool warned = false;
  for (uint16_t n = 0; n < 3000; ++n) {
    client_ = {Ip(0xc6336500u + n % 256), Port(static_cast<uint16_t>(2000 + n))};
    client(syn());
    warned = warned || notices().find("SYN cookies") != std::string::npos;
    if (n % 100 == 0) now_ += 1ms;
  }
  EXPECT_TRUE(warned);
  EXPECT_EQ(count(Exit::cookie_sent), 2900u);
  EXPECT_EQ(director_->connections().size(), 101u);
  client_ = {ip("198.51.100.7"), Port(5000)};
  open();
  client_ = living;
  EXPECT_EQ(only(client({.seq = kClientIsn + 4, .ack = kServerIsn + 5, .flags = kA}, "more"), true).ack,
            kServerIsn + 5);
  for (int n = 0; n < 20; ++n) pass(10s);
  client_ = {ip("198.51.100.8"), Port(5000)};
  const uint64_t cookies = count(Exit::cookie_sent);
  client(syn());
  EXPECT_EQ(count(Exit::cookie_sent), cookies) << "the flood is over";
}

// --- conversations over a wire that loses, repeats and disorders ---------------------------------------------------

class CookieWireTest : public CookieWorld {
 protected:
  // One end of a TCP connection that has only its peer's numbers to go by, and refuses all that a host would refuse.
  struct End {
    uint32_t isn, next, una, expected = 0;  // to be sent next, not acknowledged; to be received next
    uint32_t clock, last_stamp = 0;
    bool open = false;
    std::string to_send, got{};
    size_t sent = 0;
    uint32_t window = 0;  // of the peer, bytes
    uint8_t scale, peer_scale = 0;
    int refused = 0;

    TcpSegment segment(uint8_t flags, uint32_t seq) const {
      TcpSegment s{.seq = seq, .ack = (flags & kA) != 0 ? expected : 0, .flags = flags, .window = 500};
      s.options.stamps = TcpStamps{clock, (flags & kA) != 0 ? last_stamp : 0};
      if ((flags & kS) != 0) s.options.mss = 1460, s.options.scale = scale, s.options.sack = true;
      return s;
    }
    // False: out of order, or nothing new.
    bool take(const TcpSegment& s, const std::string& data) {
      EXPECT_EQ(s.flags & (kS | kR), 0);
      EXPECT_TRUE(s.options.stamps);
      if (!s.options.stamps) return false;
      EXPECT_LE(distance(s.options.stamps->echo, clock), 1000000) << "it echoes a time that has not come";
      EXPECT_GE(distance(s.options.stamps->echo, clock), 0);
      EXPECT_LE(distance(s.ack, next), static_cast<int32_t>(to_send.size()) + 1);
      EXPECT_GE(distance(s.ack, next), 0) << "it acknowledges what was never sent";
      if (distance(last_stamp, s.options.stamps->value) < 0) return ++refused, false;  // PAWS
      if (distance(una, s.ack) > 0) una = s.ack;
      window = uint32_t{s.window} << peer_scale;
      if (s.seq != expected) return false;
      last_stamp = s.options.stamps->value;
      expected += static_cast<uint32_t>(data.size());
      got += data;
      return !data.empty();
    }
  };

  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool lost() { return below(100) < loss_; }

  void deliver(const std::vector<SeenSegment>& all) {
    for (const SeenSegment& s : all) {
      if (lost()) continue;
      wire_.push_back(s);
      if (below(10) == 0) wire_.push_back(s);
    }
  }
  void from_client(const TcpSegment& s, const std::string& data = "") {
    if (!lost()) deliver(client(s, data));
  }
  void from_server(const TcpSegment& s, const std::string& data = "") {
    if (!lost()) deliver(server(s, data));
  }
  void reach_client(const SeenSegment& s) {
    if (s.tcp.flags == (kS | kA)) {
      if (c_.open) return from_client(c_.segment(kA, c_.next));
      EXPECT_EQ(s.tcp.ack, kClientIsn + 1);
      c_.open = true;
      c_.una = c_.next = kClientIsn + 1;
      c_.expected = s.tcp.seq + 1;
      c_.last_stamp = s.tcp.options.stamps->value;
      c_.peer_scale = *s.tcp.options.scale;
      c_.window = s.tcp.window;
      return from_client(c_.segment(kA, c_.next));
    }
    if (c_.take(s.tcp, s.data)) from_client(c_.segment(kA, c_.next));
  }
  void reach_server(const SeenSegment& s) {
    if (s.tcp.flags == kS) {
      if (s_.open) return from_server(s_.segment(kA, s_.next));
      EXPECT_EQ(s.tcp.seq, kClientIsn);
      s_.una = s_.next = s_.isn;
      s_.expected = s.tcp.seq + 1;
      s_.last_stamp = s.tcp.options.stamps->value;
      s_.peer_scale = *s.tcp.options.scale;
      half_ = true;
      return from_server(s_.segment(kS | kA, s_.isn));
    }
    if (!half_) return;
    if (!s_.open && s.tcp.ack == s_.isn + 1) s_.open = true, s_.una = s_.next = s_.isn + 1;
    if (s_.open && s_.take(s.tcp, s.data)) from_server(s_.segment(kA, s_.next));
  }
  static constexpr size_t kPiece = 90;
  // Sends from what is not acknowledged on, as far as the window allows.
  template <class Send>
  static void push(End& e, Send&& send) {
    const auto acked = static_cast<size_t>(e.una - (e.isn + 1));
    for (size_t at = acked; at < e.to_send.size() && at - acked + kPiece <= e.window; at += kPiece) {
      const std::string piece = e.to_send.substr(at, kPiece);
      const auto seq = e.isn + 1 + static_cast<uint32_t>(at);
      e.next = std::max(e.next, seq + static_cast<uint32_t>(piece.size()),
                        [](uint32_t a, uint32_t b) { return distance(a, b) > 0; });
      send(e.segment(kA | kP, seq), piece);
    }
  }
  void turn() {
    c_.clock += 100, s_.clock += 100;
    if (!c_.open) {
      from_client(c_.segment(kS, kClientIsn));
    } else if (c_.window == 0) {
      from_client(c_.segment(kA, c_.una - 1));
    } else {
      push(c_, [&](const TcpSegment& s, const std::string& d) { from_client(s, d); });
    }
    if (half_ && !s_.open) from_server(s_.segment(kS | kA, s_.isn));
    if (s_.open) push(s_, [&](const TcpSegment& s, const std::string& d) { from_server(s, d); });
    for (int n = 0; n < 400 && !wire_.empty(); ++n) {
      const size_t i = below(static_cast<uint32_t>(std::min<size_t>(wire_.size(), 2)));
      const SeenSegment s = wire_[i];
      wire_.erase(wire_.begin() + static_cast<std::ptrdiff_t>(i));
      s.to_server ? reach_server(s) : reach_client(s);
    }
    pass(100ms);
    deliver(seen());
  }

  std::mt19937 random_{11};
  uint32_t loss_ = 0;
  bool half_ = false;
  std::deque<SeenSegment> wire_;
  End c_{}, s_{};
};

TEST_F(CookieWireTest, BothStreamsArriveWhole) {
  for (uint32_t round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    loss_ = round % 4 * 10;
    make(settings_);
    server_ = {ip("203.0.113.11"), Port(8080)};
    serve(round % 2 != 0 ? Method::fullnat : Method::masq);
    half_ = false, wire_.clear();
    std::string up, down;
    for (int n = 0; n < 600; ++n) up += static_cast<char>('a' + below(26)), down += static_cast<char>('A' + below(26));
    c_ = End{.isn = kClientIsn,
             .next = kClientIsn + 1,
             .una = kClientIsn,
             .clock = 0xfffff000 + round * 997,
             .to_send = up,
             .scale = static_cast<uint8_t>(below(15))};
    s_ = End{.isn = kServerIsn + round * 0x11111111,
             .next = 0,
             .una = 0,
             .clock = round * 0x9000001,
             .to_send = down,
             .scale = static_cast<uint8_t>(4 + below(10))};
    for (int n = 0; n < 600 && (c_.got != down || s_.got != up); ++n) turn();
    EXPECT_EQ(s_.got, up);
    EXPECT_EQ(c_.got, down);
    EXPECT_EQ(count(Exit::reset_sent), 0u);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace rawvs
