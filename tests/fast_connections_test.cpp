// SPDX-License-Identifier: BSD-2-Clause
// Tests which connections go over to the program in the kernel, and what it is told, with memory that no program reads:
// the tests write what it would.
#include "director/fast_connections.h"

#include <gtest/gtest.h>

#include "director_fixture.h"

namespace rawvs {
namespace {

class FastConnectionsTest : public DirectorTest {
 protected:
  FastConnectionsTest() { begin({}); }
  void begin(Settings settings) {
    settings.fast_after = 4;
    make(settings);
    fast_memory_ = {};
    director_->use_fast_path(memory(), HashKey{5, 6});
    director_->fast_on(kOutLink, true);
    director_->fast_on(kInLink, true);
  }
  struct Memory {
    fast_head head{};
    std::vector<fast_bucket> buckets{16};
    std::vector<fast_flow> flows{9};
    std::vector<fast_server> servers{4096};
    std::vector<fast_hop> hops{4096 + kMostLinks};
    std::vector<fast_own> owns{FAST_OWNS};
    std::vector<fast_counts> counts{2 * 4096};  // of two processors
  };
  FastMemory memory() {
    Memory& m = fast_memory_;
    return {&m.head, m.buckets, m.flows, m.servers, m.hops, m.owns, m.counts};
  }
  FastUse use() { return director_->fast_use(); }
  bool on() { return fast_memory_.head.on != 0; }
  size_t cells() {
    size_t n = 0;
    for (const fast_bucket& b : fast_memory_.buckets)
      n += std::ranges::count_if(b.cell, [](uint32_t c) { return c != 0; });
    return n;
  }
  std::string request(const std::string& flags = "A", uint16_t sport = 1001) {
    const std::string sent =
        arrive(frame(Tcp{.sport = sport, .flags = flags, .data = flags == "A" ? "x" : "", .seq = seq_++}));
    director_->caught_up(true, now_);
    return sent;
  }
  void reply(const std::string& flags = "A") {
    arrive(frame(Tcp{.src = "203.0.113.11",
                     .dst = "198.51.100.1",
                     .sport = 8080,
                     .dport = 1001,
                     .flags = flags,
                     .data = flags == "A" ? "x" : "",
                     .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                     .to = kInsideMac}),
           kInLink);
    director_->caught_up(true, now_);
  }
  void established(int requests = 6) {
    request("S");
    for (int i = 1; i < requests; ++i) request();
  }
  // A packet passes the program now.
  void pass_by_program(uint32_t requests = 1) {
    for (fast_flow& f : fast_memory_.flows) {
      if (f.cport == 0) continue;
      f.seen = static_cast<uint32_t>(static_cast<uint64_t>(now_.time_since_epoch() / 1ns) >> FAST_SEEN_SHIFT);
      f.requests += requests;
      fast_memory_.counts[f.server].in_packets += requests;
      fast_memory_.counts[f.server + 4096].in_bytes += requests * 60;
    }
  }
  const Connection* connection() {
    return director_->connections().find(
        Side::client, {ip("198.51.100.1"), ip("192.0.2.100"), Port(1001), Port(80), Protocol::tcp, false},
        director_->connections().hash(
            {ip("198.51.100.1"), ip("192.0.2.100"), Port(1001), Port(80), Protocol::tcp, false}));
  }
  Memory fast_memory_{};
  uint32_t seq_ = 1000;
};

TEST_F(FastConnectionsTest, AConnectionGoesOverAfterSoManyPackets) {
  web(1);
  EXPECT_TRUE(on());
  established(3);
  EXPECT_EQ(use().flows, 0u);
  request(), request();
  EXPECT_EQ(use().flows, 1u);
  EXPECT_EQ(cells(), 1u);  // replies do not come here
  const fast_server& server = fast_memory_.servers[connection()->server];
  EXPECT_EQ(server.on, 1);
  EXPECT_EQ(server.mtu, 1500);
  const fast_hop& hop = fast_memory_.hops[server.hop];
  EXPECT_EQ(hop.to[5], 0x11);
  EXPECT_EQ(hop.ifindex, 2u);
}

TEST_F(FastConnectionsTest, RepliesOfNatGoOverWhenOneIsSeen) {
  nat(1);
  request("S"), reply("SA"), request(), reply(), request(), request(), request();
  EXPECT_EQ(cells(), 1u);
  reply();
  EXPECT_EQ(cells(), 2u);
  request("FA");
  EXPECT_EQ(cells(), 0u) << "its end is the director's";
  EXPECT_EQ(use().flows, 0u);
}

TEST_F(FastConnectionsTest, RepliesThatTwoConnectionsHaveInCommonAreTheNewerOnes) {
  nat(1);
  request("S"), reply("SA");
  for (int i = 0; i < 5; ++i) request(), reply();
  EXPECT_EQ(cells(), 2u);
  const ServiceKey other{Protocol::tcp, {ip("192.0.2.101"), Port(80)}, {}};
  ASSERT_FALSE(director_->add({other, Scheduler::rr}, {now_, out_}));
  ASSERT_FALSE(
      director_->add_server(other, {.at = {ip("203.0.113.11"), Port(8080)}, .method = Method::masq}, {now_, out_}));
  arrive(frame(Tcp{.dst = "192.0.2.101"}));
  EXPECT_EQ(cells(), 0u);
  request();
  EXPECT_EQ(cells(), 1u) << "its requests are its own";
  reply();
  EXPECT_EQ(cells(), 1u);
}

TEST_F(FastConnectionsTest, ItWaitsUntilNoPacketWaits) {
  web(1);
  established(4);
  arrive(frame(Tcp{.flags = "A", .data = "x", .seq = seq_++}));
  EXPECT_TRUE(director_->choosing());
  director_->caught_up(false, now_);
  EXPECT_EQ(use().flows, 0u);
  director_->caught_up(false, now_ + 20ms);
  EXPECT_EQ(use().flows, 1u) << "too busy a moment does not come";
  EXPECT_FALSE(director_->choosing());
}

TEST_F(FastConnectionsTest, ItsDeadlineAndItsCountersFollowTheProgram) {
  web(1);
  established();
  pass(800s);
  pass_by_program(10);
  pass(800s);
  ASSERT_NE(connection(), nullptr) << "a packet has passed meanwhile";
  EXPECT_NEAR(static_cast<double>(director_->connections().left(*connection(), now_) / 1s), 100, 1);
  director_->estimate(now_);
  EXPECT_EQ(director_->services().find(key_)->traffic.in_packets, 16u);
  EXPECT_EQ(count(Exit::forwarded), 16u);
  EXPECT_EQ(use().packets, 10u);
  EXPECT_EQ(use().bytes, 600u);
  pass(101s);
  EXPECT_EQ(connection(), nullptr);
  EXPECT_EQ(cells(), 0u);
}

TEST_F(FastConnectionsTest, WhatChangesForAServerIsOneWrite) {
  web(1);
  established();
  const fast_server& row = fast_memory_.servers[connection()->server];
  ASSERT_FALSE(director_->edit_server(key_, server(1, 0), {now_, out_}));
  EXPECT_EQ(row.on, 1) << "a quiet server keeps its connections";
  ASSERT_FALSE(director_->set_standing(key_, server(1).at, Standing::resets, 0));
  EXPECT_EQ(row.on, 0);
  ASSERT_FALSE(director_->set_standing(key_, server(1).at, Standing::serves, INT32_MAX));
  EXPECT_EQ(row.on, 1);
  director_->share({{.vip = ip("192.0.2.100"), .link = kOutLink, .ours = false}}, std::nullopt, {now_, out_});
  EXPECT_EQ(row.on, 0) << "another director is master";
  director_->share({}, std::nullopt, {now_, out_});
  EXPECT_EQ(row.on, 1);
  ASSERT_FALSE(director_->remove_server(key_, server(1).at, {now_, out_}));
  EXPECT_EQ(row.on, 0);
}

TEST_F(FastConnectionsTest, AnObserverSeesAllPackets) {
  struct Nobody final : Observer {
    bool cares(Protocol, Endpoint, Endpoint, const Server*) const override { return false; }
    void saw(const PacketView&) override {}
  };
  web(1);
  established();
  auto observer = std::make_shared<Nobody>();
  ASSERT_TRUE(director_->observe(observer));
  EXPECT_FALSE(on());
  EXPECT_EQ(use().flows, 1u) << "it stays";
  observer.reset();
  request();
  EXPECT_TRUE(on());
}

TEST_F(FastConnectionsTest, NoPacketsAreForwardedWhereItIsNot) {
  web(1);
  director_->fast_on(kOutLink, false);
  established();
  EXPECT_EQ(use().flows, 0u);
  director_->fast_on(kOutLink, true);
  request();
  EXPECT_EQ(use().flows, 1u);
  director_->hold_fast_path(true);
  EXPECT_FALSE(on());
  director_->hold_fast_path(false);
  EXPECT_TRUE(on());
}

TEST_F(FastConnectionsTest, WhenItIsFullNewOnesStay) {
  web(1);
  for (uint16_t port = 1001; port < 1011; ++port) {
    request("S", port);
    for (int i = 0; i < 5; ++i) request("A", port);
  }
  EXPECT_EQ(use().flows, 8u);
  EXPECT_GE(use().no_room, 2u);
  EXPECT_EQ(use().chosen, 8u);
}

TEST_F(FastConnectionsTest, NewTimeoutsBeginAnew) {
  web(1);
  established();
  director_->set_timeouts({.tcp = 60s});
  pass(0s);
  EXPECT_EQ(use().flows, 0u);
  request();
  EXPECT_EQ(use().flows, 1u);
  EXPECT_LE(director_->connections().left(*connection(), now_), 61s);
}

}  // namespace
}  // namespace rawvs
