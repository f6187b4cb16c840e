// SPDX-License-Identifier: BSD-2-Clause
// Tests what a director sends to its backups, and when; and that two tables become equal over a network that loses
// messages.
#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "sync_node.h"

namespace rawvs {
namespace {

TEST_F(SyncTest, TellsOfAConnectionWithItsThirdPacketAndThenEveryFiftieth) {
  make({.full_every = 0s});
  Connection& c = master_->open(flow(0));
  std::string packets;
  for (int n = 1; n <= 160; ++n) {
    master_->packet(c, n == 1 ? TcpFlags::syn : TcpFlags::ack);
    if (!said().empty()) packets += std::to_string(n) + ' ';
  }
  EXPECT_EQ(packets, "3 53 103 153 ");
}

TEST_F(SyncTest, TellsEachStateOfAnEndAtOnceButNeitherSynNorEstablished) {
  Connection& c = master_->open(flow(0, Port(82)));
  std::string story;
  const auto step = [&](uint8_t flags, Direction direction) {
    master_->packet(c, flags, direction);
    story += std::string(state_name(c)) + (said().empty() ? "" : "!") + ' ';
  };
  step(TcpFlags::syn, Direction::input);
  step(TcpFlags::syn | TcpFlags::ack, Direction::output);
  step(TcpFlags::ack, Direction::input);
  step(TcpFlags::fin | TcpFlags::ack, Direction::output);
  step(TcpFlags::ack, Direction::input);
  step(TcpFlags::fin | TcpFlags::ack, Direction::input);
  step(TcpFlags::ack, Direction::output);
  EXPECT_EQ(story, "SYN_RECV SYN_RECV ESTABLISHED FIN_WAIT! FIN_WAIT! TIME_WAIT! TIME_WAIT ");  // the fifth: packet 3
}

TEST_F(SyncTest, TellsOfUdpAndSctpAsOfTcp) {
  Connection& udp = master_->open(flow(0, Port(53), Protocol::udp));
  for (int n = 0; n < 3; ++n) {
    EXPECT_EQ(said(), "");
    master_->packet(udp, 0);
  }
  EXPECT_EQ(said(), "198.51.100.1:1001 0");
  Connection& sctp = master_->open(flow(0, Port(99), Protocol::sctp));
  for (const uint8_t chunk : {SctpChunk::init, SctpChunk::cookie_echo, SctpChunk::data}) master_->packet(sctp, chunk);
  EXPECT_EQ(said(), "198.51.100.1:1001 " + std::to_string(static_cast<int>(SctpState::established)));
  master_->packet(sctp, SctpChunk::shutdown);
  EXPECT_EQ(said(), "198.51.100.1:1001 " + std::to_string(static_cast<int>(SctpState::shutdown_received)));
}

TEST_F(SyncTest, ATemplateGoesWithItsConnectionButNotWithEachPacket) {
  Connection& c = master_->open(flow(0, Port(90)));
  master_->packet(c, TcpFlags::syn);
  EXPECT_EQ(said(), "198.51.100.1:0 template");
  for (int n = 0; n < 4; ++n) master_->packet(c, TcpFlags::ack);
  EXPECT_EQ(said(), "198.51.100.1:1001 ESTABLISHED");
  wait(5s);
  master_->packet(c, TcpFlags::ack);
  EXPECT_EQ(said(), "");
  wait(4s);
  master_->packet(c, TcpFlags::ack);
  EXPECT_EQ(said(), "198.51.100.1:0 template");
}

TEST_F(SyncTest, PersistModeTellsTemplatesOnly) {
  make({.persist_mode = true});
  Connection& c = master_->open(flow(0, Port(90)));
  master_->established(c);
  master_->packet(c, TcpFlags::rst);
  master_->established(master_->open(flow(1)));
  EXPECT_EQ(said(), "198.51.100.1:0 template, 198.51.100.2:1001 ESTABLISHED");
  master_->sender.tell_all(master_->now);
  EXPECT_EQ(said(), "198.51.100.1:0 template, 198.51.100.2:1001 ESTABLISHED");
}

TEST_F(SyncTest, FtpsControlConnectionGoesWithItsDataConnectionEveryTenSeconds) {
  Connection& control = master_->open(flow(0));
  master_->established(control);
  EXPECT_EQ(said(), "198.51.100.1:1001 ESTABLISHED");
  Connection& data = master_->open(flow(1));
  data.set_controller(master_->table.id(control));
  master_->established(data);
  EXPECT_EQ(said(), "198.51.100.2:1001 ESTABLISHED");
  std::string seconds;
  for (int s = 2; s < 40; s += 2) {
    master_->packet(data, TcpFlags::ack);
    if (!said().empty()) seconds += std::to_string(s) + ' ';
  }
  EXPECT_EQ(seconds, "10 22 34 ");  // when its message went, not when it was queued
}

TEST_F(SyncTest, FtpsShiftIsTold) {
  FtpSessions sessions(4);
  Connection& c = master_->open(flow(2, Port(82)));
  c.peer.ftp = sessions.take(ip("203.0.113.11"), ip("192.0.2.100"), ip("198.51.100.3"));
  const SyncView view{master_->table, master_->services, &sessions, master_->timeouts};
  const auto shifts = [&] {
    master_->sender.tell_all(master_->now);
    const auto d = master_->sender.next(view, master_->now, kClock);
    wait(1s);
    const auto all = entries({d->begin(), d->end()});
    EXPECT_EQ((all.at(0).flags & SyncFlags::server_shift) != 0, all.at(0).shifts.has_value());
    return all.at(0).shifts;
  };
  master_->established(c);
  FtpSession& session = *sessions.at(c.peer.ftp);
  session.server.started = true;
  session.server.next = 5060;
  EXPECT_EQ(shifts(), std::nullopt);
  ASSERT_TRUE(session.edits.open(5039));  // "203,0,113,11," becomes "192,0,2,100,"
  for (int n = 0; n < 13; ++n) session.edits.grow();
  session.edits.finish();
  EXPECT_EQ(shifts(), (SyncShifts{.client = {}, .server = {5060, 0xffffffff, 0xffffffff}}));
}

TEST_F(SyncTest, WithoutAPeriodAConnectionIsToldOnceAndARefreshPeriodLooksAtItsDeadline) {
  make({.period = 0, .full_every = 0s});
  Connection& c = master_->open(flow(0));
  std::string packets;
  for (int n = 1; n <= 60; ++n) {
    master_->packet(c, n == 1 ? TcpFlags::syn : TcpFlags::ack);
    if (!said().empty()) packets += std::to_string(n) + ' ';
  }
  EXPECT_EQ(packets, "3 ");
  make({.period = 0, .refresh_period = 40s, .retries = 1});
  Connection& d = master_->open(flow(0));
  master_->established(d);
  EXPECT_EQ(said(), "198.51.100.1:1001 ESTABLISHED");
  std::string seconds;
  for (int s = 2; s < 100; s += 2) {
    master_->packet(d, TcpFlags::ack);
    if (!said().empty()) seconds += std::to_string(s) + ' ';
  }
  EXPECT_EQ(seconds, "8 50 58 ");  // after an eighth again, once; then when 40 seconds are over
}

TEST_F(SyncTest, SendsAFullMessageAtOnceAndTheRestSoonAfter) {
  SyncMessage m;
  for (uint32_t n = 0; n < 40; ++n) master_->established(master_->open(flow(n)));
  EXPECT_LE(master_->sender.next_deadline(), kStart);
  auto messages = master_->speak();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_LE(messages[0].size(), 1472u);
  ASSERT_FALSE(parse_sync(messages[0], m));
  EXPECT_EQ(m.count, 27);
  EXPECT_EQ(master_->sender.next_deadline(), kStart + 200ms);
  wait(199ms);
  EXPECT_TRUE(master_->speak().empty());
  wait(1ms);
  messages = master_->speak();
  ASSERT_EQ(messages.size(), 1u);
  ASSERT_FALSE(parse_sync(messages[0], m));
  EXPECT_EQ(m.count, 13);
  EXPECT_EQ(m.trailer->number, 2u);
}

TEST_F(SyncTest, TellsOfAConnectionAsSoonAsItIsOneHoweverOftenItsSynCame) {
  Node node(3);
  node.sender.lead(true, kStart);
  const auto said = [&] {
    node.now += 200ms;
    return told(node.speak());
  };
  Connection& c = node.open(flow(0));
  node.packet(c, TcpFlags::syn);
  EXPECT_EQ(said(), "");
  node.packet(c, TcpFlags::ack);
  EXPECT_EQ(said(), "198.51.100.1:1001 ESTABLISHED");
  Connection& slow = node.open(flow(1));
  for (int n = 0; n < 3; ++n) node.packet(slow, TcpFlags::syn);
  EXPECT_EQ(said(), "");
  node.packet(slow, TcpFlags::ack);
  EXPECT_EQ(said(), "198.51.100.2:1001 ESTABLISHED");
  node.packet(slow, TcpFlags::ack);
  EXPECT_EQ(said(), "");
}

TEST_F(SyncTest, AMessageSaysTheNewestStateOnceAndNothingOfWhatHasEnded) {
  Connection& c = master_->open(flow(0));
  master_->established(c);
  master_->packet(c, TcpFlags::fin | TcpFlags::ack);
  Connection& gone = master_->open(flow(1));
  master_->established(gone);
  master_->end(gone);
  EXPECT_EQ(said(), "198.51.100.1:1001 FIN_WAIT");
}

TEST_F(SyncTest, ABackupDoesNotTell) {
  master_->sender.lead(false, kStart);
  master_->established(master_->open(flow(0)));
  EXPECT_EQ(said(), "");
  EXPECT_EQ(master_->sender.next_deadline(), kNever);
  master_->sender.lead(true, master_->now);
  master_->established(master_->open(flow(1)));
  master_->sender.lead(false, master_->now);  // discards what it was about to send
  EXPECT_EQ(said(), "");
  master_->sender.lead(true, master_->now);
  for (int n = 3; n < 53; ++n) master_->packet(*master_->find(flow(1)), TcpFlags::ack);
  EXPECT_EQ(said(), "198.51.100.2:1001 ESTABLISHED");
}

TEST_F(SyncTest, ANodeThatJoinsAsksAndGetsAllInPortions) {
  make({.share = 100});
  for (uint32_t n = 0; n < 2500; ++n) master_->established(master_->open(flow(n)));
  wait(2s);
  master_->speak();
  backup_->receiver.start(backup_->now);
  ASSERT_TRUE(backup_->receiver.should_ask(backup_->now));
  backup_->sender.ask_all();
  const auto requests = backup_->speak();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].size(), 24u);
  EXPECT_FALSE(master_->hear(requests[0]));
  size_t rounds = 0;
  for (; !backup_->receiver.complete() && rounds < 100; ++rounds) {
    const auto messages = master_->speak();
    EXPECT_LE(messages.size(), 4u);  // a receiver's buffer is limited
    for (const Datagram& d : messages) EXPECT_FALSE(backup_->hear(d));
    EXPECT_LE(master_->sender.next_deadline(), backup_->receiver.complete() ? kNever : master_->now + 10ms);
    wait(10ms);
  }
  EXPECT_EQ(rounds, 24u);  // 2,500 entries, 27 in a message, 4 messages in 10 ms
  EXPECT_EQ(backup_->listing(), master_->listing());
  EXPECT_FALSE(backup_->receiver.should_ask(backup_->now + 1h));
  EXPECT_EQ(master_->sender.counters().complete, 1u);
}

TEST_F(SyncTest, AnEmptyMasterAnswersToo) {
  backup_->sender.ask_all();
  EXPECT_FALSE(master_->hear(backup_->speak().at(0)));
  backup_->receiver.start(backup_->now);
  ASSERT_TRUE(backup_->receiver.should_ask(backup_->now));
  const auto messages = master_->speak();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_FALSE(backup_->hear(messages[0]));
  EXPECT_TRUE(backup_->receiver.complete());
}

TEST_F(SyncTest, ABackupDoesNotAnswerAndAskingEndsAfterThreeTries) {
  backup_->receiver.start(kStart);
  std::string asked;
  for (int turn = 0; turn < 600; ++turn) {
    if (backup_->receiver.should_ask(kStart + Duration(100 * turn))) asked += std::to_string(turn) + ' ';
  }
  EXPECT_EQ(asked, "0 10 20 ");
  EXPECT_EQ(backup_->receiver.next_deadline(), kNever);
  master_->sender.ask_all();
  EXPECT_FALSE(backup_->hear(master_->speak().at(0)));
  EXPECT_TRUE(backup_->speak().empty());
}

TEST_F(SyncTest, AskedWhileTellingItTellsAWholeRoundMore) {
  for (uint32_t n = 0; n < 1000; ++n) master_->established(master_->open(flow(n)));
  wait(2s);
  master_->speak();
  master_->sender.tell_all(master_->now);
  master_->speak();
  wait(10ms);
  master_->speak();  // 216 are told
  master_->sender.tell_all(master_->now);
  std::multiset<uint64_t> seen;
  SyncTrailer last;
  for (int round = 0; round < 100 && !last.complete; ++round) {
    wait(10ms);
    for (const Datagram& d : master_->speak()) {
      for (const SyncEntry& e : entries(d)) seen.insert(uint64_t{e.client.addr.v4()} << 16 | e.client.port.value);
      SyncMessage m;
      ASSERT_FALSE(parse_sync(d, m));
      last = *m.trailer;
    }
  }
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_EQ(std::set<uint64_t>(seen.begin(), seen.end()).size(), 1000u);
}

TEST_F(SyncTest, ConnectionsThatFindTheQueueFullAreToldAllTheSame) {
  ConnectionTable& table = master_->table;
  ASSERT_GE(table.capacity(), 3000u);
  // The queue is larger than this table: another sender fills it.
  ConnectionTable large(6000, {1, 2}, kStart);
  const SyncView view{large, master_->services, nullptr, master_->timeouts};
  SyncSender sender({}, 6000, 9, {}, kStart);
  sender.lead(true, kStart);
  Service& service = *master_->services.classify(flow(0));
  for (uint32_t n = 0; n < 5000; ++n) {
    Connection& c = *large.create(flow(n), large.hash(flow(n)));
    join(c, service.servers[0], master_->services.server(service.servers[0]), Port(80));
    large.arm(c, kStart, 900s);
    c.state = static_cast<uint8_t>(TcpState::established);
    c.packets = 3;
    sender.packet(c, view, kStart);
  }
  EXPECT_EQ(sender.counters().overflows, 5000u - 4096u);
  std::set<uint64_t> seen;
  for (int turn = 0; turn < 400; ++turn) {
    const Instant now = kStart + Duration(10 * turn);
    while (const auto d = sender.next(view, now, kClock)) {
      for (const SyncEntry& e : entries({d->begin(), d->end()})) {
        seen.insert(uint64_t{e.client.addr.v4()} << 16 | e.client.port.value);
      }
    }
  }
  EXPECT_EQ(seen.size(), 5000u);
}

TEST_F(SyncTest, AllAreToldAgainEveryTwoMinutes) {
  Connection& idle = master_->open(flow(0));
  master_->established(idle);
  deliver();
  EXPECT_EQ(master_->sender.next_deadline(), kStart + 120s);
  wait(118s);
  EXPECT_EQ(told(master_->speak()), "198.51.100.1:1001 ESTABLISHED");
  EXPECT_EQ(master_->sender.next_deadline(), kStart + 240s);
}

TEST_F(SyncTest, ALostMessageIsNoticedAndAskedForButNotTooOften) {
  backup_->receiver.start(backup_->now);
  backup_->receiver.should_ask(backup_->now);
  master_->sender.tell_all(master_->now);
  EXPECT_FALSE(backup_->hear(master_->speak().at(0)));
  ASSERT_TRUE(backup_->receiver.complete());
  wait(60s);
  for (uint32_t n = 0; n < 6; ++n) {
    master_->established(master_->open(flow(n)));
    wait(2s);
    const auto messages = master_->speak();
    ASSERT_EQ(messages.size(), 1u);
    if (n % 2 == 0) {
      EXPECT_FALSE(backup_->hear(messages[0]));
    }
  }
  EXPECT_EQ(backup_->receiver.counters().lost, 2u);
  EXPECT_EQ(backup_->listing().size(), 3u);
  ASSERT_TRUE(backup_->receiver.should_ask(backup_->now));
  EXPECT_FALSE(backup_->receiver.should_ask(backup_->now + 1h));
  backup_->sender.ask_all();
  EXPECT_FALSE(master_->hear(backup_->speak().at(0)));
  for (const Datagram& d : master_->speak()) EXPECT_FALSE(backup_->hear(d));
  EXPECT_EQ(backup_->listing(), master_->listing());
}

TEST_F(SyncTest, OverAWireThatLosesAndDisordersTablesEndEqual) {
  std::mt19937 engine(7);
  const auto random = [&](uint32_t n) { return static_cast<uint32_t>(engine()) % n; };
  backup_->receiver.start(backup_->now);
  std::vector<FlowKey> flows;
  std::deque<Datagram> wire;
  const auto carry = [&](Node& from, Node& to, uint32_t loss) {
    for (Datagram& d : from.speak()) {
      if (random(100) >= loss) wire.insert(random(3) == 0 ? wire.begin() : wire.end(), std::move(d));
    }
    for (; !wire.empty(); wire.pop_front()) EXPECT_FALSE(to.hear(wire.front()));
  };
  uint32_t serial = 0;
  for (int round = 0; round < 4000; ++round) {
    const bool quiet = round >= 3000;  // then nothing new comes, and nothing is lost in the end
    if (!quiet && (flows.size() < 200 || random(3) == 0) && flows.size() < 1500) {
      const uint32_t n = serial++ % 5000;
      constexpr std::array<uint16_t, 4> kPorts{80, 82, 90, 85};
      flows.push_back(flow(n, Port(kPorts[n % 4])));
      Connection& c = master_->open(flows.back(), n % 4 == 0 ? n / 4 % 2 : 0);
      master_->established(c);
    } else if (!quiet) {
      const size_t i = random(static_cast<uint32_t>(flows.size()));
      Connection& c = *master_->find(flows[i]);
      if (random(20) == 0) {
        master_->packet(c, TcpFlags::rst);
        master_->end(c);
        flows.erase(flows.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        master_->packet(c, random(30) == 0 ? TcpFlags::fin | TcpFlags::ack : TcpFlags::ack);
      }
    }
    wait(Duration(random(30)));
    carry(*master_, *backup_, quiet && round > 3900 ? 0 : 20);
    if (backup_->receiver.should_ask(backup_->now)) backup_->sender.ask_all();
    carry(*backup_, *master_, quiet ? 0 : 20);
    if (round == 3901) master_->sender.tell_all(master_->now);
  }
  wait(12s);  // a connection that ended on the master was sent as CLOSE, or its deadline has passed
  EXPECT_GT(backup_->receiver.counters().lost, 10u);
  const auto mine = master_->listing(), theirs = backup_->listing();
  EXPECT_GT(mine.size(), 200u);
  for (const std::string& line : mine) EXPECT_TRUE(theirs.contains(line)) << line;
  EXPECT_LE(theirs.size(), mine.size() + mine.size() / 4);  // an end that was lost: until its timeout
}

}  // namespace
}  // namespace rawvs
