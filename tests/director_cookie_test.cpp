// SPDX-License-Identifier: BSD-2-Clause
// Tests SYN cookies through director.h: both halves of the handshake, numbers in both directions, lost and repeated
// segments.
#include "cookie_world.h"

namespace rawvs {
namespace {

using CookieTest = CookieWorld;

TEST_F(CookieTest, ASynIsAnsweredAndLeavesNoEntry) {
  serve();
  const auto all = client(syn());
  const TcpSegment answer = only(all, false);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].src, vip_);
  EXPECT_EQ(all[0].dst, client_);
  EXPECT_EQ(answer.flags, kS | kA);
  EXPECT_EQ(answer.ack, kClientIsn + 1);
  EXPECT_EQ(answer.window, 0);
  EXPECT_EQ(answer.options.mss, 1460);
  EXPECT_EQ(answer.options.scale, uint8_t{7});
  EXPECT_TRUE(answer.options.sack);
  ASSERT_TRUE(answer.options.stamps);
  EXPECT_EQ(answer.options.stamps->echo, 500u);
  EXPECT_EQ(director_->connections().size(), 0u);
  EXPECT_EQ(count(Exit::cookie_sent), 1u);
}

TEST_F(CookieTest, AClientWithoutTimestampsIsPromisedTheSegmentSizeAlone) {
  serve();
  TcpSegment s = syn();
  s.options.stamps.reset();
  EXPECT_EQ(only(client(s), false).options, (TcpOptions{1460, {}, false, {}}));
  s.options = {};
  EXPECT_EQ(only(client(s), false).options, (TcpOptions{1460, {}, false, {}}));
  s.options = {.stamps = TcpStamps{1, 0}};
  const TcpOptions answer = only(client(s), false).options;
  EXPECT_TRUE(answer.stamps);
  EXPECT_FALSE(answer.scale);
  EXPECT_FALSE(answer.sack);
}

TEST_F(CookieTest, TheRightAckSendsTheClientsSynToAServer) {
  serve();
  begin();
  const auto all = client(last());
  const TcpSegment sent = only(all, true);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].src, client_);
  EXPECT_EQ(all[0].dst, server_);
  EXPECT_EQ(sent.flags, kS);
  EXPECT_EQ(sent.seq, kClientIsn);
  EXPECT_EQ(sent.window, 502 << 7);
  EXPECT_EQ(sent.options, (TcpOptions{1460, uint8_t{7}, true, TcpStamps{510, 0}}));
  EXPECT_EQ(director_->connections().size(), 1u);
  EXPECT_EQ(count(Exit::cookie_right), 1u);
}

TEST_F(CookieTest, BothHalvesOpenWithTheServersSynAck) {
  serve();
  begin();
  client(last());
  const auto all = server(syn_ack());
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(all[0].to_server);
  EXPECT_EQ(all[0].src, client_);
  EXPECT_EQ(all[0].dst, server_);
  EXPECT_EQ(all[0].tcp.flags, kA);
  EXPECT_EQ(all[0].tcp.seq, kClientIsn + 1);
  EXPECT_EQ(all[0].tcp.ack, kServerIsn + 1);
  EXPECT_EQ(all[0].tcp.window, 502);
  EXPECT_EQ(all[0].tcp.options, (TcpOptions{0, {}, false, TcpStamps{510, kServerClock}}));
  EXPECT_FALSE(all[1].to_server);
  EXPECT_EQ(all[1].src, vip_);
  EXPECT_EQ(all[1].dst, client_);
  EXPECT_EQ(all[1].tcp.flags, kA);
  EXPECT_EQ(all[1].tcp.seq, cookie_ + 1);
  EXPECT_EQ(all[1].tcp.ack, kClientIsn + 1);
  EXPECT_EQ(all[1].tcp.window, 65160 >> 7);
  EXPECT_EQ(all[1].tcp.options, (TcpOptions{0, {}, false, TcpStamps{*stamp_, 510}}));
  ASSERT_TRUE(connection());
  EXPECT_EQ(static_cast<TcpState>(connection()->state), TcpState::established);
}

TEST_F(CookieTest, DataFlowsWithEachSidesOwnNumbers) {
  serve();
  open();
  TcpSegment request = last();
  request.flags = kA | kP;
  request.options.stamps = TcpStamps{600, *stamp_};
  auto all = client(request, "GET");
  TcpSegment got = only(all, true);
  EXPECT_EQ(all[0].data, "GET");
  EXPECT_EQ(got.seq, kClientIsn + 1);
  EXPECT_EQ(got.ack, kServerIsn + 1);
  EXPECT_EQ(got.options.stamps, (TcpStamps{600, kServerClock}));
  all = server({.seq = kServerIsn + 1,
                .ack = kClientIsn + 4,
                .flags = kA | kP,
                .window = 509,
                .options = {.stamps = TcpStamps{kServerClock + 50, 600}}},
               "page");
  got = only(all, false);
  EXPECT_EQ(all[0].data, "page");
  EXPECT_EQ(got.seq, cookie_ + 1);
  EXPECT_EQ(got.ack, kClientIsn + 4);
  EXPECT_EQ(got.window, 509);
  EXPECT_EQ(got.options.stamps, (TcpStamps{*stamp_ + 50, 600}));
  got = only(client({.seq = kClientIsn + 4,
                     .ack = cookie_ + 5,
                     .flags = kF | kA,
                     .window = 502,
                     .options = {.stamps = TcpStamps{650, *stamp_ + 50}}}),
             true);
  EXPECT_EQ(got.ack, kServerIsn + 5);
  EXPECT_EQ(got.options.stamps, (TcpStamps{650, kServerClock + 50}));
}

TEST_F(CookieTest, WrongAcksAreAnsweredAsStrays) {
  serve();
  begin();
  TcpSegment wrong = last();
  ++wrong.ack;
  const TcpSegment reset = only(client(wrong), false);
  EXPECT_EQ(reset.flags, kR);
  EXPECT_EQ(reset.seq, cookie_ + 2);
  EXPECT_EQ(director_->connections().size(), 0u);
  wrong = last(), wrong.seq += 7;
  EXPECT_EQ(only(client(wrong), false).flags, kR);
  wrong = last(), wrong.flags = kR;
  EXPECT_TRUE(client(wrong).empty());
  now_ += 2 * SynCookies::kUnit;
  EXPECT_EQ(only(client(last()), false).flags, kR) << "too old";
  EXPECT_EQ(director_->connections().size(), 0u);
}

TEST_F(CookieTest, ALostAckIsMadeUpByAProbeOrByData) {
  serve();
  begin();
  TcpSegment probe = last();
  --probe.seq;  // Linux probes a window of 0 so
  EXPECT_EQ(only(client(probe), true).seq, kClientIsn);
  EXPECT_EQ(server(syn_ack()).size(), 2u);

  client_.port = Port(1002);
  begin();
  TcpSegment data = last();
  data.flags = kA | kP;
  const auto all = client(data, "x");
  EXPECT_EQ(only(all, true).seq, kClientIsn);
  EXPECT_EQ(all[0].data, "");
}

TEST_F(CookieTest, TheClientsPacketsRepeatALostSyn) {
  serve();
  begin();
  client(last());
  TcpSegment probe = last(400);
  --probe.seq;
  probe.options.stamps->value = 900;
  const TcpSegment again = only(client(probe), true);
  EXPECT_EQ(again.flags, kS);
  EXPECT_EQ(again.seq, kClientIsn);
  EXPECT_EQ(again.window, 400 << 7);
  EXPECT_EQ(again.options.stamps, (TcpStamps{900, 0}));
  EXPECT_EQ(count(Exit::half_waits), 1u);
  EXPECT_EQ(server(syn_ack()).size(), 2u);
}

TEST_F(CookieTest, TimeRepeatsALostSynAndEndsAConnectionWithoutServer) {
  serve();
  begin();
  client(last());
  const auto repeats = [&](Duration after) {
    pass(after);
    int syns = 0;
    for (const SeenSegment& s : seen()) {
      EXPECT_EQ(s.tcp.flags, kS);
      EXPECT_EQ(s.tcp.seq, kClientIsn);
      EXPECT_EQ(s.tcp.options.stamps, (TcpStamps{510, 0}));
      ++syns;
    }
    return syns;
  };
  EXPECT_EQ(repeats(900ms), 0);
  EXPECT_EQ(repeats(400ms), 1);  // the wheel has units of 160 ms
  EXPECT_EQ(repeats(1500ms), 0);
  EXPECT_EQ(repeats(800ms), 1);
  EXPECT_EQ(repeats(4300ms), 1);
  EXPECT_EQ(repeats(8300ms), 1);
  EXPECT_EQ(repeats(16300ms), 1);
  EXPECT_EQ(director_->connections().size(), 1u);
  EXPECT_EQ(repeats(17s), 0);
  EXPECT_EQ(director_->connections().size(), 0u);
}

TEST_F(CookieTest, ARepeatedSynAckIsAcknowledgedAgainForASilentClient) {
  serve();
  open();
  const TcpSegment ack = only(server(syn_ack()), true);
  EXPECT_EQ(ack.flags, kA);
  EXPECT_EQ(ack.seq, kClientIsn + 1);
  EXPECT_EQ(ack.ack, kServerIsn + 1);
  EXPECT_EQ(count(Exit::half_repeated), 1u);
}

TEST_F(CookieTest, AProbeOfAWindowWhoseOpeningWasLostIsAnsweredAndCompletesTheServersHandshake) {
  serve();
  open();
  TcpSegment probe = last(400);
  --probe.seq;
  probe.options.stamps->value = 900;
  const auto all = client(probe);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(all[0].to_server);
  EXPECT_EQ(all[0].tcp.flags, kA);
  EXPECT_EQ(all[0].tcp.seq, kClientIsn + 1);
  EXPECT_EQ(all[0].tcp.ack, kServerIsn + 1);
  EXPECT_EQ(all[0].tcp.window, 400);
  EXPECT_EQ(all[0].tcp.options, (TcpOptions{0, {}, false, TcpStamps{900, kServerClock}}));
  EXPECT_FALSE(all[1].to_server);
  EXPECT_EQ(all[1].tcp.flags, kA);
  EXPECT_EQ(all[1].tcp.seq, cookie_ + 1);
  EXPECT_EQ(all[1].tcp.ack, kClientIsn + 1);
  EXPECT_EQ(all[1].tcp.window, 65160 >> 7);
  EXPECT_EQ(all[1].tcp.options, (TcpOptions{0, {}, false, TcpStamps{*stamp_, 900}}));
  server({.seq = kServerIsn + 1, .ack = kClientIsn + 1, .flags = kA, .window = 0});
  EXPECT_EQ(only(client(probe), true).seq, kClientIsn) << "the server speaks for itself now";
}

TEST_F(CookieTest, ARepeatedSynGetsAnotherCookieOrNothing) {
  serve();
  begin();
  now_ += 1s;
  const TcpSegment second = only(client(syn()), false);
  EXPECT_EQ(second.seq, cookie_) << "within a unit of time";
  client(last());
  EXPECT_TRUE(client(syn()).empty()) << "it was on its way for long";
  server(syn_ack());
  EXPECT_TRUE(client(syn()).empty());
  EXPECT_EQ(count(Exit::half_repeated), 2u);
}

TEST_F(CookieTest, AClientThatBeginsAnewWhileTheServerIsAskedGetsAnotherCookie) {
  serve();
  begin();
  client(last());
  TcpSegment anew = syn();
  anew.seq += 100000;
  EXPECT_EQ(only(client(anew), false).flags, kS | kA);
  EXPECT_EQ(director_->connections().size(), 0u);
}

TEST_F(CookieTest, ARefusalReachesTheClientInItsNumbers) {
  serve();
  begin();
  client(last());
  const TcpSegment reset = only(server({.seq = 0, .ack = kClientIsn + 1, .flags = kR | kA}), false);
  EXPECT_EQ(reset.flags, kR | kA);
  EXPECT_EQ(reset.seq, cookie_ + 1);
  EXPECT_EQ(reset.ack, kClientIsn + 1);
}

TEST_F(CookieTest, AServerThatRemembersAnEarlierConnectionIsToldToForgetIt) {
  serve();
  begin();
  client(last());
  const TcpSegment reset = only(server({.seq = 5, .ack = 123456, .flags = kA, .window = 1}), true);
  EXPECT_EQ(reset.flags, kR);
  EXPECT_EQ(reset.seq, 123456u);
  pass(1200ms);
  EXPECT_EQ(seen().size(), 1u) << "and is asked again";
  EXPECT_EQ(server(syn_ack()).size(), 2u);
}

TEST_F(CookieTest, AClientThatEndsItWhileTheServerIsAskedEndsBoth) {
  serve();
  begin();
  client(last());
  EXPECT_TRUE(client({.seq = kClientIsn + 50, .flags = kR}).empty()) << "not its number: forged";
  EXPECT_EQ(only(client({.seq = kClientIsn + 1, .flags = kR}), true).flags, kR);
}

TEST_F(CookieTest, ResetsOfAnOpenConnectionHaveTheirNumbers) {
  serve();
  open();
  TcpSegment reset = only(server({.seq = kServerIsn + 1, .ack = kClientIsn + 1, .flags = kR | kA}), false);
  EXPECT_EQ(reset.seq, cookie_ + 1);
  reset = only(client({.seq = kClientIsn + 1, .flags = kR}), true);
  EXPECT_EQ(reset.seq, kClientIsn + 1);
  EXPECT_EQ(reset.ack, 0u);
}

TEST_F(CookieTest, SackBlocksAreTheServers) {
  serve();
  open();
  FrameBytes b(200);
  TcpSegment s = last();
  s.from = kClientMac, s.to = kDirectorMac, s.src = client_, s.dst = vip_;
  s.options = {.mss = 1, .scale = uint8_t{1}, .sack = true, .stamps = TcpStamps{1, 2}};
  b.resize(write_tcp_segment(b, s));
  const FrameBytes sack{5, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
  std::ranges::copy(sack, b.begin() + 54);
  store_be32(b, 56, cookie_ + 100), store_be32(b, 60, cookie_ + 200);
  fix_l4_checksum(b);
  arrive(b);
  const auto all = seen();
  ASSERT_EQ(all.size(), 1u);
  const Bytes left = out_.departures()[0].frame.bytes();
  EXPECT_EQ(load_be32(left, 56), kServerIsn + 100);
  EXPECT_EQ(load_be32(left, 60), kServerIsn + 200);
}

TEST_F(CookieTest, AnErrorOnTheWayToTheClientQuotesTheServersNumber) {
  serve();
  open();
  FrameBytes about = frame(
      Tcp{.src = "192.0.2.100", .dst = "198.51.100.1", .sport = 80, .dport = 1001, .flags = "A", .seq = cookie_ + 9});
  arrive(frame(IcmpError{.about = about}));
  EXPECT_EQ(quoted_number(), kServerIsn + 9);
}

TEST_F(CookieTest, ADamagedSynIsNotAnswered) {
  serve();
  FrameBytes b = frame(Tcp{});
  b[40] ^= 1;
  EXPECT_EQ(arrive(b), "");
  EXPECT_EQ(count(Exit::bad_l4_checksum), 1u);
}

TEST_F(CookieTest, OffAndAutomatic) {
  settings_.syn_cookies = SynCookieMode::off;
  director_->set_settings(settings_, now_);
  serve();
  EXPECT_EQ(only(client(syn()), true).flags, kS);
  settings_.syn_cookies = SynCookieMode::automatic;
  director_->set_settings(settings_, now_);
  client_.port = Port(1002);
  EXPECT_EQ(only(client(syn()), true).flags, kS);
}

}  // namespace
}  // namespace rawvs
