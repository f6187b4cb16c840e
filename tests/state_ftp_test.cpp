// SPDX-License-Identifier: BSD-2-Clause
// Tests state.h with FTP's control connections and NAT: sessions, data connections, shifted numbers.
#include <functional>
#include <random>

#include "ftp_nat.h"
#include "state_world.h"

namespace rawvs {
namespace {

using namespace test;

// An FTP service behind NAT, and a control connection with a session.
void ftp_service(World& w) { w.web(Method::masq, Protocol::tcp, "192.0.2.100", 0, 21); }
Connection& control_connection(World& w) {
  Connection& control = w.open(0, 0, Port(2000));
  w.set_state(control, static_cast<uint8_t>(TcpState::established));
  control.peer.ftp = w.ftp.take(ip("203.0.113.11"), ip("192.0.2.100"), ip("198.51.100.1"));
  return control;
}

TEST(StateFtp, AnFtpSessionGoesOnWithItsNumbers) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::masq, Protocol::tcp, "192.0.2.100", 0, 21);
  Connection& control = before.open(0, 0, Port(2000));
  before.set_state(control, static_cast<uint8_t>(TcpState::established));
  Nat nat("203.0.113.11");
  nat.shake_hands();
  nat.say("PASV\r\n");
  nat.reply("227 Entering Passive Mode (203,0,113,11,4,1).\r\n");
  nat.say("LIST\r\n");  // acknowledges it
  control.peer.ftp = before.ftp.take(ip("203.0.113.11"), ip("192.0.2.100"), ip("198.51.100.1"));
  *before.ftp.at(control.peer.ftp) = nat.session;
  Connection& data = before.open(0, 0, Port(0), &control, Port(1025));
  before.set_state(data, static_cast<uint8_t>(TcpState::listen));
  ++before.unknown_ports;

  EXPECT_EQ(text(after.restore(before.state())), "2 connections and 0 templates taken back");
  EXPECT_EQ(after.picture(), before.picture());
  EXPECT_EQ(after.report.ftp_sessions, 1u);
  EXPECT_EQ(after.unknown_ports, 1u);
  EXPECT_EQ(after.connections.two_sided(), 1u);
  Nat there = nat;
  there.session = *after.ftp.at(after.find(0, Port(2000))->peer.ftp);
  for (Nat* const n : {&nat, &there}) {
    const Seen reply = n->reply("150 Here comes the directory listing.\r\n");
    EXPECT_EQ(reply.seq, 9001u + 47 - 1);  // the server's address has one character more
    EXPECT_EQ(reply.data, "150 Here comes the directory listing.\r\n");
    n->say("PASV\r\n");
    const Seen passive_mode = n->reply("227 Entering Passive Mode (203,0,113,11,4,2).\r\n");
    EXPECT_EQ(passive_mode.data, "227 Entering Passive Mode (192,0,2,100,4,2).\r\n");
    EXPECT_EQ(passive_mode.expected(), passive(1026));
    EXPECT_EQ(n->say("QUIT\r\n").ack, n->s_);
  }
}

TEST(StateFtp, AnFtpStreamMayHaveBeenShiftedFar) {
  for (const uint32_t shift : {1u, 7u, 8u, 100000u, 0u - 1, 0u - 240, 0u - 5000}) {
    World before, after;
    for (World* const w : {&before, &after}) w->web(Method::masq, Protocol::tcp, "192.0.2.100", 0, 21);
    Connection& control = before.open(0, 0, Port(2000));
    control.peer.ftp = before.ftp.take(ip("203.0.113.11"), ip("192.0.2.100"), ip("198.51.100.1"));
    std::vector<uint8_t> bytes = before.state();
    World::change(bytes, 1, 44, shift);
    after.restore(bytes);
    const FtpSession* const session = after.ftp.at(after.find(0, Port(2000))->peer.ftp);
    EXPECT_EQ(session->edits.to_client(0xfffffff0), 0xfffffff0 + shift);
    EXPECT_EQ(session->edits.to_server(0xfffffff0 + shift), 0xfffffff0);
  }
}

// A session as it is, and the same after a restart: taken back from a state.
struct Restarted {
  explicit Restarted(const Nat& nat) : before(nat), after(nat) {
    World here, there;
    for (World* const w : {&here, &there}) ftp_service(*w);
    *here.ftp.at(control_connection(here).peer.ftp) = nat.session;
    there.restore(here.state());
    Connection* const control = there.find(0, Port(2000));
    if (control) after.session = *there.ftp.at(control->peer.ftp);
    taken = control != nullptr;
  }
  // Both get it, and what goes on is the same.
  Seen both(const std::function<Seen(Nat&)>& act) {
    const Seen one = act(before);
    Seen other = act(after);
    EXPECT_EQ(one.outcome.what, other.outcome.what);
    EXPECT_EQ(one.seq, other.seq);
    EXPECT_EQ(one.ack, other.ack);
    EXPECT_EQ(one.data, other.data);
    EXPECT_EQ(one.sack, other.sack);
    EXPECT_EQ(one.expected(), other.expected());
    return other;
  }
  Nat before, after;
  bool taken = false;
};

Nat asked_for(const std::string& commands) {
  Nat nat;
  nat.shake_hands();
  nat.say(commands);
  return nat;
}

TEST(StateFtp, ARepeatedReplyIsRewrittenAndItsAcknowledgmentsMappedAsWithoutTheRestart) {
  Nat nat = asked_for("PASV\r\nPASV\r\n");
  const uint32_t first = nat.s_;
  nat.reply(kReply);
  nat.reply(kReply);
  Restarted all(nat);
  ASSERT_TRUE(all.taken);
  const Seen again = all.both([&](Nat& n) { return n.server({first, n.c_, kReply}); });
  EXPECT_EQ(again.outcome.what, What::rewritten);
  EXPECT_EQ(again.data, kRewritten);
  EXPECT_EQ(again.expected(), std::vector<FtpExpectation>()) << "it was announced before";
  all.both([&](Nat& n) { return n.server({first + 20, n.c_, kReply.substr(20)}); });  // cut otherwise
  for (uint32_t ack = first; ack <= first + 2 * kRewritten.size(); ++ack) {
    all.both([&](Nat& n) { return n.client({n.c_, first, "", "A", sack_option({{ack, ack + 3}})}); });
  }
  EXPECT_EQ(all.both([&](Nat& n) { return n.client({n.c_, first + 49, "", "A"}); }).ack, first + kReply.size());
  EXPECT_EQ(all.both([&](Nat& n) { return n.say("QUIT\r\n"); }).ack, nat.s_);
  EXPECT_EQ(all.both([&](Nat& n) { return n.reply("221 Bye.\r\n"); }).seq, nat.at_client_);
}

TEST(StateFtp, AReplyMayBeCutByTheRestartAnywhere) {
  for (size_t cut = 0; cut <= kReply.size(); ++cut) {
    Nat nat = asked_for("PASV\r\n");
    std::string data;
    std::vector<FtpExpectation> expected;
    const auto note = [&](const Seen& seen) {
      data += seen.data;
      for (const FtpExpectation& e : seen.expected()) expected.push_back(e);
    };
    if (cut != 0) note(nat.reply(kReply.substr(0, cut)));
    Restarted all(nat);
    ASSERT_TRUE(all.taken) << cut;
    if (cut != kReply.size()) note(all.both([&](Nat& n) { return n.reply(kReply.substr(cut)); }));
    EXPECT_EQ(data, kRewritten) << cut;
    EXPECT_EQ(expected, passive(kPort)) << cut;
    EXPECT_EQ(all.both([&](Nat& n) { return n.say("NOOP\r\n"); }).ack, nat.session.server.first + kReply.size());
  }
}

TEST(StateFtp, AnExtendedReplyAndOneOfManyLinesMayBeCutByTheRestartAnywhere) {
  const std::string text = "230-Welcome\r\n227 (203,0,113,11,1,1)\r\n230 done\r\n229 Extended (|||6446|)\r\n";
  for (size_t cut = 1; cut < text.size(); ++cut) {
    Nat nat = asked_for("PASV\r\nEPSV\r\n");
    std::vector<FtpExpectation> expected = nat.reply(text.substr(0, cut)).expected();
    Restarted all(nat);
    ASSERT_TRUE(all.taken) << cut;
    const Seen rest = all.both([&](Nat& n) { return n.reply(text.substr(cut)); });
    EXPECT_EQ(rest.data, text.substr(cut)) << cut;
    for (const FtpExpectation& e : rest.expected()) expected.push_back(e);
    EXPECT_EQ(expected, passive(6446)) << cut;
  }
}

TEST(StateFtp, ACommandMayBeCutByTheRestartAnywhere) {
  const std::string commands = "pasv\r\nPORT 198,51,100,1,4,1\r\n";
  for (size_t cut = 0; cut <= commands.size(); ++cut) {
    Nat nat;
    nat.shake_hands();
    std::vector<FtpExpectation> expected;
    if (cut != 0) expected = nat.say(commands.substr(0, cut)).expected();
    Restarted all(nat);
    ASSERT_TRUE(all.taken) << cut;
    if (cut != commands.size()) {
      for (const FtpExpectation& e : all.both([&](Nat& n) { return n.say(commands.substr(cut)); }).expected()) {
        expected.push_back(e);
      }
    }
    EXPECT_EQ(expected, active(1025)) << cut;
    EXPECT_EQ(all.both([](Nat& n) { return n.reply(kReply); }).data, kRewritten) << cut;
  }
}

TEST(StateFtp, AHalfReadPasswordIsNotWritten) {
  Nat nat = asked_for("PASS very-secret");
  World w;
  ftp_service(w);
  *w.ftp.at(control_connection(w).peer.ftp) = nat.session;
  const std::vector<uint8_t> bytes = w.state();
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()).find("secret"), std::string::npos);
  Restarted all(nat);
  ASSERT_TRUE(all.taken);
  all.both([](Nat& n) { return n.say("\r\nPASV\r\n"); });
  EXPECT_EQ(all.both([](Nat& n) { return n.reply(kReply); }).data, kRewritten);
}

// Whatever the bytes of a session are, it is refused, or it does with segments what a session may do: ftp_nat.h looks
// at each frame.
TEST(StateFtp, NoBytesOfASessionMakeItWriteWhereItMustNot) {
  std::mt19937 engine(11);
  const auto below = [&](uint32_t end) { return static_cast<uint32_t>(engine()) % end; };
  uint32_t taken = 0;
  for (int round = 0; round < 20'000; ++round) {
    Nat nat = asked_for("PASV\r\nPASV\r\n");
    const uint32_t first = nat.s_;
    nat.reply(kReply);
    nat.reply(kReply.substr(0, below(50)));
    std::vector<uint8_t> bytes(kFtpSessionSaved);
    save(nat.session, bytes);
    for (uint32_t n = below(4) + 1; n != 0; --n) {
      const uint32_t at = below(2) == 0 ? below(kFtpSessionSaved) : below(30);
      bytes[at] = static_cast<uint8_t>(below(2) == 0 ? engine() : bytes[at] + below(5) - 2);
    }
    FtpSession session(ip("203.0.113.11"), ip("192.0.2.100"), ip("198.51.100.1"));
    if (!restore(session, bytes)) continue;
    ++taken;
    nat.session = session;
    for (int n = 0; n < 4; ++n) {
      const uint32_t from = below(60);
      nat.server({first + from, nat.c_, (kReply + kReply).substr(from, below(120))}, below(2) * kFtpGrowth);
      nat.client({nat.c_, first + below(120), "", "A"});
    }
  }
  EXPECT_GT(taken, 1000u);
}

TEST(StateFtp, ASessionThatCannotBeIsRefused) {
  Nat nat = asked_for("PASV\r\nPASV\r\n");
  nat.reply(kReply);
  nat.reply(kReply.substr(0, 32));  // amid the address
  std::vector<uint8_t> good(kFtpSessionSaved);
  save(nat.session, good);
  const auto refused = [&](size_t at, uint8_t value) {
    std::vector<uint8_t> bytes = good;
    bytes[at] = value;
    FtpSession session(ip("203.0.113.11"), ip("192.0.2.100"), ip("198.51.100.1"));
    return !restore(session, bytes);
  };
  EXPECT_FALSE(refused(4, good[4]));
  ASSERT_EQ(good[4], 2);
  EXPECT_TRUE(refused(4, 9)) << "more edits than there may be";
  EXPECT_TRUE(refused(4, 1)) << "an address that is read, and none that is edited";
  EXPECT_TRUE(refused(12, 0)) << "an edit of nothing";
  EXPECT_TRUE(refused(12, 7)) << "an address that is too short";
  EXPECT_TRUE(refused(12, 17)) << "and one that is too long";
  EXPECT_TRUE(refused(13, 0)) << "one before the last that is not finished";
  EXPECT_TRUE(refused(13, 3));
  EXPECT_TRUE(refused(19, static_cast<uint8_t>(good[19] + 1))) << "an edit that ends behind what was read";
  EXPECT_TRUE(refused(8, 0x40)) << "one that is far away";
  const size_t tail = FtpEdits::kSaved + 8 + 2 * kFtpDirectionSaved, replies = tail + FtpTail::kSaved;
  EXPECT_TRUE(refused(tail, 9));
  EXPECT_TRUE(refused(replies + 2, 8)) << "no place in a reply";
  EXPECT_TRUE(refused(replies + 2, 1)) << "elsewhere than the edit";
  EXPECT_TRUE(refused(replies + 3, 4));
  EXPECT_TRUE(refused(replies + 9, 1)) << "a number above 65535";
  EXPECT_TRUE(refused(replies + 12, 6));
  EXPECT_TRUE(refused(replies + 13, 6));
  EXPECT_TRUE(refused(replies + FtpReplies::kSaved, 49)) << "a line longer than its room";
}

TEST(StateFtp, AReplyWhoseCommandCameBeforeIsUnderstood) {
  World before, after;
  for (World* const w : {&before, &after}) ftp_service(*w);
  Connection& control = control_connection(before);
  Nat nat("203.0.113.11");
  nat.shake_hands();
  nat.say("PASV\r\n");
  *before.ftp.at(control.peer.ftp) = nat.session;
  after.restore(before.state());
  nat.session = *after.ftp.at(after.find(0, Port(2000))->peer.ftp);
  const Seen reply = nat.reply("227 Entering Passive Mode (203,0,113,11,4,2).\r\n");
  EXPECT_EQ(reply.data, "227 Entering Passive Mode (192,0,2,100,4,2).\r\n");
  EXPECT_EQ(reply.expected(), passive(1026));
}

TEST(StateFtp, AControlConnectionThatGaveWayIsNotWritten) {
  World before, after;
  for (World* const w : {&before, &after}) ftp_service(*w);
  Connection& old = control_connection(before);
  before.open(0, 0, Port(2001), &old, Port(20));
  control_connection(before).packets = 77;  // of the same name
  EXPECT_EQ(text(after.restore(before.state())), "2 connections and 0 templates taken back");
  EXPECT_EQ(after.find(0, Port(2000))->packets, 77);
  EXPECT_EQ(after.report.uncontrolled, 1u);
}

TEST(StateFtp, WithoutRoomNothingIsLeftOfASession) {
  World before, full(1), sessionless;
  for (World* const w : {&before, &full, &sessionless}) ftp_service(*w);
  control_connection(before);
  full.open(0, 1, Port(2001));
  EXPECT_EQ(text(full.restore(before.state())), "0 connections and 0 templates taken back, 1 not: 1 without room");
  EXPECT_EQ(full.ftp.size(), 0u);
  while (sessionless.ftp.size() != sessionless.ftp.capacity()) sessionless.ftp.take(Ip(), Ip(), Ip());
  EXPECT_EQ(text(sessionless.restore(before.state())),
            "0 connections and 0 templates taken back, 1 not: 1 without room");
  EXPECT_EQ(sessionless.connections.size(), 0u);
}

TEST(StateFtp, OnlyAControlConnectionHasASession) {
  World before;
  ftp_service(before);
  control_connection(before);
  const std::vector<uint8_t> bytes = before.state();
  const auto taken = [&](size_t at, uint32_t value) {
    World after;
    ftp_service(after);
    std::vector<uint8_t> changed = bytes;
    World::change(changed, 1, at, value);
    return after.restore(changed).connections;
  };
  EXPECT_EQ(taken(44, 1u << 20), 1u);
  EXPECT_EQ(taken(44, (1u << 20) + 1), 0u);  // nobody's stream was shifted so far
  EXPECT_EQ(taken(44, 0x80000000), 0u);
  EXPECT_EQ(taken(8, 2000u << 16 | 22), 0u);  // another port of the VIP's
}

}  // namespace
}  // namespace rawvs
