// SPDX-License-Identifier: BSD-2-Clause
// state.h and FTP's control connections behind NAT: their sessions, what they control, and their shifted numbers.
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
