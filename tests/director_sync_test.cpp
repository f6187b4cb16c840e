// SPDX-License-Identifier: BSD-2-Clause
// Tests two directors through director.h: the second one receives the changes of the first one's connections.
#include "core/sync.h"
#include "director_fixture.h"
#include "links.h"

namespace rawvs {
namespace {

constexpr UnixTime kClock{1'700'000'000'000};
constexpr uint32_t kCapacity = 262144;

class DirectorSyncTest : public DirectorTest {
 protected:
  template <class Services>
  void both(const Services& services, const SyncSettings& settings = {}) {
    sender_ = std::make_unique<SyncSender>(settings, kCapacity, 1, SyncSeal{}, kStart);
    receiver_ = std::make_unique<SyncReceiver>(settings, 2, SyncSeal{});
    services();
    director_->tell(sender_.get());
    sender_->lead(true, kStart);
    swap();
    make({});
    services();
    swap();
  }
  void swap() {
    std::swap(director_, other_);
    if (!director_) make({});
  }
  // Delivers all messages of the first director to the second one, which then gets the frames. Returns the number of
  // entries that were not adopted.
  int fail_over() {
    int refused = 0;
    now_ += 200ms;
    while (const auto message = sender_->next(director_->sync_view(), now_, kClock)) {
      EXPECT_FALSE(receiver_->arrived(*message, now_, kClock));
      Adoption entry;
      while (receiver_->next(other_->sync_view(), entry)) refused += !other_->adopt(entry, {now_, out_});
    }
    swap();
    return refused;
  }
  std::string from_inside(const std::string& flags) {
    return arrive(frame(Tcp{.src = "203.0.113.11",
                            .dst = "198.51.100.1",
                            .sport = 8080,
                            .dport = 1001,
                            .flags = flags,
                            .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                            .to = kInsideMac}),
                  kInLink);
  }
  const Server& server_of(size_t n) {
    return director_->services().server(director_->services().services()[0].servers[n]);
  }

  std::unique_ptr<Director> other_;
  std::unique_ptr<SyncSender> sender_;
  std::unique_ptr<SyncReceiver> receiver_;
};

TEST_F(DirectorSyncTest, TheOtherOneSendsTheNextPacketToTheSameServer) {
  both([&] { web(2); });
  arrive(frame(Tcp{.sport = 999}));  // the first server's turn is over
  const std::string first = arrive(frame(Tcp{}));
  arrive(frame(Tcp{.flags = "A"}));
  EXPECT_EQ(fail_over(), 0);
  EXPECT_EQ(arrive(frame(Tcp{.flags = "PA"})).substr(0, 35), first.substr(0, 35)) << "MAC addresses";
  EXPECT_EQ(count(Exit::forwarded), 1u);
  EXPECT_EQ(server_of(0).active + server_of(1).active, 1u);
  EXPECT_EQ(arrive(frame(Tcp{.sport = 999, .flags = "A"})).find('R'),
            arrive(frame(Tcp{.sport = 999, .flags = "A"})).find('R'))
      << "whose handshake was not over is not told";
  EXPECT_EQ(count(Exit::reset_sent), 2u);
}

// The same address may be a server of two services, and a message may name the one that is not the entry's.
TEST_F(DirectorSyncTest, AnEntryIsCountedByItsOwnServerWhicheverIsTold) {
  web(1);
  web(1, Scheduler::rr, Protocol::udp);
  arrive(frame(Tcp{}));
  const Service& tcp = director_->services().services()[0];
  const Service& udp = director_->services().services()[1];
  const Server& own = director_->services().server(tcp.servers[0]);
  const Server& other = director_->services().server(udp.servers[0]);
  ASSERT_EQ(own.active + own.inactive, 1u);
  Adoption told{.what = Adoption::What::update, .old = 1, .server = udp.servers[0], .left = 60s};
  for (const bool inactive : {false, true}) {
    told.inactive = inactive;
    told.state = static_cast<uint8_t>(inactive ? TcpState::fin_wait : TcpState::established);
    ASSERT_TRUE(director_->adopt(told, {now_, out_}));
    EXPECT_EQ(own.active, inactive ? 0u : 1u);
    EXPECT_EQ(own.inactive, inactive ? 1u : 0u);
    EXPECT_EQ(other.active + other.inactive, 0u);
  }
}

TEST_F(DirectorSyncTest, NatsAnswersFindTheirClientBeforeItSpeaks) {
  both([&] { nat(1); });
  arrive(frame(Tcp{}));
  from_inside("SA");
  arrive(frame(Tcp{.flags = "A"}));
  out_.clear();
  EXPECT_EQ(fail_over(), 0);
  ASSERT_EQ(out_.reply_changes().size(), 1u) << "what the guard has to keep from the host's kernel";
  EXPECT_TRUE(out_.reply_changes()[0].expected);
  EXPECT_EQ(from_inside("PA"), to_client("192.0.2.100:80 > 198.51.100.1:1001 PA ttl 63"));
  EXPECT_EQ(count(Exit::answer_forwarded), 1u);
}

TEST_F(DirectorSyncTest, AKernelDoesNotSayWhereClientsAreThenTheHostKnows) {
  both([&] { nat(1); }, {.extra = false});
  arrive(frame(Tcp{}));
  from_inside("SA");
  arrive(frame(Tcp{.flags = "A"}));
  EXPECT_EQ(fail_over(), 0);
  EXPECT_EQ(from_inside("PA"), "");
  ASSERT_EQ(out_.returned().size(), 1u);
  const Frame& f = out_.returned()[0];
  EXPECT_NE(describe({f.data, f.data + f.size}).find("192.0.2.100:80 > 198.51.100.1:1001 PA"), std::string::npos);
  arrive(frame(Tcp{.flags = "A"}));
  EXPECT_EQ(from_inside("PA"), to_client("192.0.2.100:80 > 198.51.100.1:1001 PA ttl 63"));
}

TEST_F(DirectorSyncTest, WhatEndsOnOneEndsOnTheOther) {
  both([&] { nat(1); });
  arrive(frame(Tcp{}));
  from_inside("SA");
  arrive(frame(Tcp{.flags = "A"}));
  fail_over();
  swap();
  arrive(frame(Tcp{.flags = "R"}));
  fail_over();
  EXPECT_EQ(director_->connections().size(), 1u);
  EXPECT_EQ(server_of(0).active, 0u);
  EXPECT_EQ(server_of(0).inactive, 1u);
  pass(11s);  // CLOSE lasts for 10 s
  EXPECT_EQ(director_->connections().size(), 0u);
  EXPECT_EQ(server_of(0).inactive, 0u);
}

TEST_F(DirectorSyncTest, AConnectionThatGoesToAnotherServerThereIsReplaced) {
  both([&] { web(2); });
  arrive(frame(Tcp{}));
  arrive(frame(Tcp{.flags = "A"}));
  swap();
  arrive(frame(Tcp{.sport = 999}));
  const std::string there = arrive(frame(Tcp{}));  // its other server's turn
  swap();
  EXPECT_EQ(fail_over(), 0);
  const std::string now = arrive(frame(Tcp{.flags = "A"}));
  EXPECT_NE(now.substr(0, 35), there.substr(0, 35));
  EXPECT_EQ(director_->connections().size(), 2u);
  EXPECT_EQ(server_of(0).active + server_of(1).active + server_of(0).inactive + server_of(1).inactive, 2u);
}

TEST_F(DirectorSyncTest, FtpThatWasEditedThereGoesOnWithItsNumbers) {
  nat(1, 21, {.key = {Protocol::tcp, {ip("192.0.2.100"), Port(21)}, {}}});
  Adoption heard;
  heard.key = {ip("198.51.100.1"), ip("192.0.2.100"), Port(1001), Port(21), Protocol::tcp, false};
  heard.server = director_->services().services()[0].servers[0];
  heard.port = Port(21);
  heard.state = static_cast<uint8_t>(TcpState::established);
  heard.left = 900s;
  heard.extra = SyncExtra{.left = 900s, .client_mac = kClientMac, .link = {}};
  heard.shifts = SyncShifts{.client = {}, .server = {5000, 7, 7}};
  ASSERT_TRUE(director_->adopt(heard, {now_, out_}));
  const auto reply = [&](uint32_t seq, uint32_t ack) {
    Frame f;
    arrived_ = frame(Tcp{.src = "203.0.113.11",
                         .dst = "198.51.100.1",
                         .sport = 21,
                         .dport = 1001,
                         .flags = "PA",
                         .data = "250 well\r\n",
                         .seq = seq,
                         .ack = ack,
                         .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                         .to = kInsideMac});
    f.data = arrived_.data(), f.size = static_cast<uint32_t>(arrived_.size()), f.link = kInLink;
    out_.clear();
    director_->frames_arrived({&f, 1}, {now_, out_});
    return out_.departures().empty() ? 0 : load_be32(out_.departures()[0].frame.bytes(), 38);
  };
  EXPECT_EQ(reply(5000, 300), 5007u);
  EXPECT_EQ(reply(5010, 300), 5017u);
  arrive(frame(Tcp{.dport = 21, .flags = "A", .seq = 300, .ack = 5027}));
  ASSERT_FALSE(out_.departures().empty());
  EXPECT_EQ(load_be32(out_.departures()[0].frame.bytes(), 42), 5020u) << "as the server counts";
  heard.shifts->server.shift = 1u << 30;
  heard.key.cport = Port(1002);
  EXPECT_TRUE(director_->adopt(heard, {now_, out_})) << "nonsense is left out";
}

TEST_F(DirectorSyncTest, ATableThatIsFullSaysSo) {
  both([&] { web(1); }, {.share = 100});
  arrive(frame(Tcp{}));
  arrive(frame(Tcp{.flags = "A"}));
  swap();
  Settings small;
  small.max_connections = 1;
  small.drop_entry = 0;
  make(small);
  web(1);
  arrive(frame(Tcp{.sport = 999}));
  swap();
  EXPECT_EQ(fail_over(), 1);
  EXPECT_EQ(director_->connections().size(), 1u);
}

}  // namespace
}  // namespace rawvs
