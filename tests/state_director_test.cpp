// SPDX-License-Identifier: BSD-2-Clause
// Tests state through director.h: connections of one director continue in another.
#include "core/state.h"
#include "core/track.h"
#include "director_fixture.h"
#include "links.h"

namespace rawvs {
namespace {

class StateDirectorTest : public DirectorTest {
 protected:
  std::vector<uint8_t> save(Instant since = {}) {
    StateWriter writer(clock(), since);
    std::vector<uint8_t> bytes;
    for (int n = 0; n < 1000 && !writer.done(); ++n) {
      const Bytes portion = writer.next(director_->state_tables(), now_);
      bytes.insert(bytes.end(), portion.begin(), portion.end());
    }
    return bytes;
  }
  std::string restore(const std::vector<uint8_t>& bytes, bool renews = false) {
    StateReader reader(bytes, clock());
    bool more = reader.fault() == StateFault::none;
    while (more) out_.clear(), more = reader.read(director_->state_tables(renews), {now_, out_});
    director_->state_restored({now_, out_});
    return text(reader.report());
  }
  StateClock clock() const { return {now_, 1'800'000'000'000, {1}}; }
  std::string answer(const std::string& flags, uint16_t sport = 8080, const std::string& data = "", uint32_t seq = 5000,
                     uint32_t ack = 0) {
    return arrive(frame(Tcp{.src = "203.0.113.11",
                            .dst = "198.51.100.1",
                            .sport = sport,
                            .dport = 1001,
                            .flags = flags,
                            .data = data,
                            .seq = seq,
                            .ack = ack,
                            .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                            .to = kInsideMac}),
                  kInLink);
  }
  // All that was taken back ends like any other connection.
  void expect_an_end() {
    for (int n = 0; n < 100 && director_->connections().size() != 0; ++n) pass(900s);
    EXPECT_EQ(director_->connections().size(), 0u);
    EXPECT_EQ(director_->connections().two_sided(), 0u);
    for (const Server& s : director_->services().servers()) EXPECT_EQ(s.references(), 0u);
  }
};

TEST_F(StateDirectorTest, AConnectionGoesOnWithItsServer) {
  web(2);
  arrive(frame(Tcp{.sport = 1001})), arrive(frame(Tcp{.sport = 1002}));
  EXPECT_EQ(arrive(frame(Tcp{.sport = 1001, .flags = "A"})),
            to_server(2, "198.51.100.1:1001 > 192.0.2.100:80 A ttl 63"));
  const std::vector<uint8_t> bytes = save();
  make({});
  web(2);
  EXPECT_EQ(restore(bytes), "2 connections and 0 templates taken back");
  EXPECT_EQ(arrive(frame(Tcp{.sport = 1001, .flags = "A"})),
            to_server(2, "198.51.100.1:1001 > 192.0.2.100:80 A ttl 63"));
  EXPECT_EQ(arrive(frame(Tcp{.sport = 1002, .flags = "A"})),
            to_server(1, "198.51.100.1:1002 > 192.0.2.100:80 A ttl 63"));
  EXPECT_EQ(director_->services().servers()[0].active + director_->services().servers()[1].active, 2u);
  expect_an_end();
}

// What changes between a state and the next one: a connection goes on, another begins, and others are as they were.
TEST_F(StateDirectorTest, AStateContinuesAnother) {
  nat(1);
  std::vector<std::string> there;
  for (const uint16_t port : {uint16_t{1001}, uint16_t{1002}, uint16_t{1003}}) {
    arrive(frame(Tcp{.sport = port})), arrive(frame(Tcp{.sport = port, .flags = "A"}));
    there.push_back(arrive(frame(Tcp{.sport = port, .flags = "A"})));
  }
  answer("SA"), arrive(frame(Tcp{.flags = "PA", .data = "x"})), answer("PA", 8080, "y");  // of port 1001
  arrive(frame(Tcp{.flags = "PA", .data = "x"}));
  pass(60s);
  const Instant since = now_;
  const std::vector<uint8_t> first = save();
  pass(5s);
  arrive(frame(Tcp{.sport = 1002, .flags = "FA"}));
  arrive(frame(Tcp{.sport = 1004})), arrive(frame(Tcp{.sport = 1004, .flags = "A"}));
  const std::vector<uint8_t> changes = save(since);
  make({});
  nat(1);
  EXPECT_EQ(restore(first), "3 connections and 0 templates taken back");
  EXPECT_EQ(restore(changes, true), "3 connections and 0 templates taken back") << "not the one that is proven";
  EXPECT_EQ(director_->connections().size(), 4u);
  const FlowKey ended{ip("198.51.100.1"), ip("192.0.2.100"), Port(1002), Port(80), Protocol::tcp, false};
  const Connection* const c = director_->connections().find(Side::client, ended, director_->connections().hash(ended));
  ASSERT_TRUE(c);
  EXPECT_STREQ(state_name(*c), "CLOSE_WAIT");
  EXPECT_LE(director_->connections().left(*c, now_), 120s);
  size_t n = 0;
  for (const uint16_t port : {uint16_t{1001}, uint16_t{1002}, uint16_t{1003}})
    EXPECT_EQ(arrive(frame(Tcp{.sport = port, .flags = "A"})), there[n++]) << port;
  expect_an_end();
}

TEST_F(StateDirectorTest, AContinuationMayHaveAnotherServerForAConnection) {
  web(2);
  arrive(frame(Tcp{.sport = 1001}));
  const std::vector<uint8_t> first = save();
  make({});
  web(2);
  arrive(frame(Tcp{.sport = 1002})), arrive(frame(Tcp{.sport = 1001}));
  const std::string there = arrive(frame(Tcp{.sport = 1001, .flags = "A"}));
  const std::vector<uint8_t> changes = save();
  make({});
  web(2);
  restore(first), restore(changes, true);
  EXPECT_EQ(director_->connections().size(), 2u);
  EXPECT_EQ(arrive(frame(Tcp{.sport = 1001, .flags = "A"})), there);
  expect_an_end();
}

// The timeout may have been set to a month.
TEST_F(StateDirectorTest, NoLifetimeIsLongerThanTodaysTimeouts) {
  Settings settings;
  settings.timeouts.tcp = 31 * 24h;
  make(settings);
  web(1);
  arrive(frame(Tcp{})), arrive(frame(Tcp{.flags = "A"}));
  ASSERT_GT(director_->connections().left(*director_->connections().at(1), now_), 24h);
  const std::vector<uint8_t> bytes = save();
  make({});
  web(1);
  EXPECT_EQ(restore(bytes), "1 connection and 0 templates taken back; 1 lifetime cut to today's timeouts");
  EXPECT_LE(director_->connections().left(*director_->connections().at(1), now_), 900s);
  expect_an_end();
}

TEST_F(StateDirectorTest, ALifetimeThatBeganWithinATickIsNotCut) {
  web(1);
  pass(5ms);
  arrive(frame(Tcp{})), arrive(frame(Tcp{.flags = "A"}));
  const std::vector<uint8_t> bytes = save();
  make({});
  web(1);
  EXPECT_EQ(restore(bytes), "1 connection and 0 templates taken back");
}

TEST_F(StateDirectorTest, NatIsTranslatedBothWays) {
  nat(1);
  arrive(frame(Tcp{})), answer("SA"), arrive(frame(Tcp{.flags = "A"}));
  const std::string there = arrive(frame(Tcp{.flags = "PA", .data = "x"})), back = answer("PA");
  const std::vector<uint8_t> bytes = save();
  make({});
  nat(1);
  EXPECT_EQ(restore(bytes), "1 connection and 0 templates taken back");
  EXPECT_EQ(arrive(frame(Tcp{.flags = "PA", .data = "x"})), there);
  EXPECT_EQ(answer("PA"), back);
  EXPECT_NE(back, "");
  expect_an_end();
}

TEST_F(StateDirectorTest, ServersThatWereNatAreWatchedAgain) {
  nat(1);
  arrive(frame(Tcp{}));
  const std::vector<uint8_t> bytes = save();
  make({});
  key_ = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
  ASSERT_FALSE(director_->add({key_}, {now_, out_}));
  ASSERT_FALSE(director_->add_server(key_, {.at = {ip("203.0.113.11"), Port(8080)}}, {now_, out_}));
  EXPECT_TRUE(director_->watch().nat_servers.empty());
  restore(bytes);
  EXPECT_EQ(director_->watch().nat_servers, std::vector<Ip>{ip("203.0.113.11")});
  resolve_inside(1);
  EXPECT_NE(answer("SA"), "");
}

TEST_F(StateDirectorTest, AnFtpDataConnectionThatWasAnnouncedIsExpectedStill) {
  const auto control = [&](const std::string& flags, const std::string& data, uint32_t seq, uint32_t ack) {
    return arrive(frame(Tcp{.dport = 21, .flags = flags, .data = data, .seq = seq, .ack = ack}));
  };
  const auto ftp = [&] { nat(1, 21, {.key = {Protocol::tcp, {ip("192.0.2.100"), Port(21)}, {}}}); };
  ftp();
  control("S", "", 1000, 0), answer("SA", 21, "", 5000, 1001), control("A", "", 1001, 5001);
  control("PA", "PASV\r\n", 1001, 5001);
  answer("PA", 21, "227 Entering Passive Mode (203,0,113,11,39,17).\r\n", 5001, 1007);
  EXPECT_EQ(director_->connections().size(), 2u);
  const std::vector<uint8_t> bytes = save();
  make({});
  ftp();
  EXPECT_EQ(restore(bytes), "2 connections and 0 templates taken back");
  EXPECT_EQ(arrive(frame(Tcp{.sport = 2222, .dport = 10001})),
            to_inside(1, "198.51.100.1:2222 > 203.0.113.11:10001 S ttl 63"));
  expect_an_end();
}

TEST_F(StateDirectorTest, AClientStaysWhereItBegan) {
  const auto sticky = [&] {
    key_ = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
    ServiceSpec spec{.key = key_, .scheduler = Scheduler::rr};
    spec.persistence = 300s;
    ASSERT_FALSE(director_->add(spec, {now_, out_}));
    for (int i = 1; i <= 2; ++i) ASSERT_FALSE(director_->add_server(key_, server(i), {now_, out_}));
    for (int i = 1; i <= 2; ++i) resolve(i);
  };
  sticky();
  arrive(frame(Tcp{.src = "198.51.100.9"}));  // to the second
  EXPECT_EQ(arrive(frame(Tcp{})), to_server(1, "198.51.100.1:1001 > 192.0.2.100:80 S ttl 63"));
  const std::vector<uint8_t> bytes = save();
  make({});
  sticky();
  EXPECT_EQ(restore(bytes), "2 connections and 2 templates taken back");
  EXPECT_EQ(arrive(frame(Tcp{.sport = 1002})), to_server(1, "198.51.100.1:1002 > 192.0.2.100:80 S ttl 63"));
  expect_an_end();
}

TEST_F(StateDirectorTest, OnePacketSchedulingLeavesNothingToWrite) {
  key_ = {Protocol::udp, {ip("192.0.2.100"), Port(53)}, {}};
  ServiceSpec spec{.key = key_, .scheduler = Scheduler::rr};
  spec.one_packet = true;
  ASSERT_FALSE(director_->add(spec, {now_, out_}));
  ASSERT_FALSE(director_->add_server(key_, server(1), {now_, out_}));
  resolve(1);
  const size_t empty = save().size();
  EXPECT_NE(arrive(frame(Udp{})), "");
  EXPECT_EQ(save().size(), empty);
}

}  // namespace
}  // namespace rawvs
