// SPDX-License-Identifier: BSD-2-Clause
// Tests SYN cookies by what servers are: which services have them, what is promised in their name, full NAT, the PROXY
// protocol.
#include "cookie_world.h"

namespace rawvs {
namespace {

using CookieServerTest = CookieWorld;

TEST_F(CookieServerTest, TheServersScaleAndSegmentSizeArePromisedFromThenOn) {
  serve();
  begin();
  client(last());
  TcpSegment answer = syn_ack();
  answer.options.scale = uint8_t{10};
  answer.options.mss = 1400;
  const auto all = server(answer);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].tcp.window, 65160 >> 7) << "a SYN-ACK's window is not scaled";
  const TcpSegment data =
      only(server({.seq = kServerIsn + 1, .ack = kClientIsn + 1, .flags = kA, .window = 64}), false);
  EXPECT_EQ(data.window, 64 << 3);
  client_.port = Port(1002);
  const TcpSegment next = only(client(syn()), false);
  EXPECT_EQ(next.options.scale, uint8_t{10});
  EXPECT_EQ(next.options.mss, 1400);
}

TEST_F(CookieServerTest, WhatAServerDoesNotTakeIsPromisedNoMore) {
  serve();
  begin();
  client(last());
  TcpSegment answer = syn_ack();
  answer.options = {1460, {}, false, {}};
  const auto all = server(answer);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].tcp.options, TcpOptions{});
  EXPECT_EQ(all[0].tcp.window, 65535 & (502 << 7)) << "to a server that does not scale";
  TcpSegment request = last();
  request.flags = kA | kP;
  EXPECT_EQ(only(client(request, "x"), true).window, 502 << 7);
  EXPECT_EQ(only(server({.seq = kServerIsn + 1, .ack = kClientIsn + 2, .flags = kA, .window = 64000}), false).window,
            64000 >> 7);
  client_.port = Port(1002);
  EXPECT_EQ(only(client(syn()), false).options, (TcpOptions{1460, {}, false, {}}));
}

TEST_F(CookieServerTest, OnlyWhereAllRepliesPass) {
  serve();
  ASSERT_FALSE(
      director_->add_server(key_, {.at = {ip("203.0.113.12"), Port(80)}, .method = Method::route}, {now_, out_}));
  client(syn());
  EXPECT_EQ(count(Exit::cookie_sent), 0u);
  ASSERT_FALSE(director_->remove_server(key_, {ip("203.0.113.12"), Port(80)}, {now_, out_}));
  client_.port = Port(1002);
  client(syn());
  EXPECT_EQ(count(Exit::cookie_sent), 1u);
  ASSERT_FALSE(director_->remove_server(key_, server_, {now_, out_}));
  client(syn());
  EXPECT_EQ(count(Exit::cookie_sent), 1u) << "no server at all";
}

TEST_F(CookieServerTest, AnEditOfTheServersMethodCounts) {
  serve();
  ASSERT_FALSE(director_->edit_server(key_, {.at = server_, .method = Method::route}, {now_, out_}));
  client(syn());
  EXPECT_EQ(count(Exit::cookie_sent), 0u);
  client_.port = Port(1002);
  ASSERT_FALSE(director_->edit_server(key_, {.at = server_, .method = Method::fullnat}, {now_, out_}));
  client(syn());
  EXPECT_EQ(count(Exit::cookie_sent), 1u);
}

TEST_F(CookieServerTest, WithoutAServerTheClientIsReset) {
  serve();
  begin();
  ASSERT_FALSE(director_->edit_server(key_, {.at = server_, .method = Method::masq, .weight = 0}, {now_, out_}));
  const TcpSegment reset = only(client(last()), false);
  EXPECT_EQ(reset.flags, kR);
  EXPECT_EQ(reset.seq, cookie_ + 1);
}

TEST_F(CookieServerTest, ARemovedServerGetsNothingInTheClientsName) {
  serve();
  begin();
  ASSERT_EQ(client(last()).size(), 1u) << "the SYN to the server";
  ASSERT_FALSE(director_->remove_server(key_, server_, {now_, out_}));
  out_.clear();
  EXPECT_TRUE(server(syn_ack()).empty());
  EXPECT_EQ(count(Exit::server_gone), 1u);
  ASSERT_FALSE(director_->remove(key_, {now_, out_}));
  out_.clear();
  EXPECT_TRUE(server(syn_ack()).empty());
}

TEST_F(CookieServerTest, FullNatHasBothHalves) {
  serve(Method::fullnat);
  open();
  EXPECT_EQ(as_client_.addr, ip("203.0.113.10"));
  TcpSegment request = last();
  request.flags = kA | kP;
  const auto all = client(request, "GET");
  EXPECT_EQ(only(all, true).ack, kServerIsn + 1);
  EXPECT_EQ(only(server({.seq = kServerIsn + 1, .ack = kClientIsn + 4, .flags = kA}), false).seq, cookie_ + 1);
}

TEST_F(CookieServerTest, TheProxyProtocolsHeaderComesFirst) {
  constexpr uint32_t kHeader = proxy_header_size(Family::ipv4);
  serve(Method::fullnat, true);
  begin();
  EXPECT_EQ(only(client(last()), true).seq, kClientIsn - kHeader);
  const auto all = server(syn_ack(kClientIsn + 1 - kHeader));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(all[0].to_server);
  EXPECT_EQ(all[0].tcp.seq, kClientIsn + 1 - kHeader);
  EXPECT_EQ(all[0].tcp.ack, kServerIsn + 1);
  EXPECT_EQ(all[0].data.size(), kHeader);
  EXPECT_EQ(all[1].tcp.seq, cookie_ + 1);
  EXPECT_EQ(all[1].tcp.ack, kClientIsn + 1);
  TcpSegment request = last();
  request.flags = kA | kP;
  const auto sent = client(request, "GET");
  ASSERT_EQ(sent.size(), 2u) << "the header was not acknowledged yet";
  EXPECT_EQ(sent[1].tcp.seq, kClientIsn + 1);
  EXPECT_EQ(sent[1].tcp.ack, kServerIsn + 1);
}

TEST_F(CookieServerTest, ARefusalWithTheProxyProtocol) {
  serve(Method::fullnat, true);
  begin();
  client(last());
  const uint32_t acked = kClientIsn + 1 - proxy_header_size(Family::ipv4);
  const TcpSegment reset = only(server({.seq = 0, .ack = acked, .flags = kR | kA}), false);
  EXPECT_EQ(reset.seq, cookie_ + 1);
  EXPECT_EQ(reset.ack, kClientIsn + 1);
}

}  // namespace
}  // namespace rawvs
