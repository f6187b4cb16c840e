// SPDX-License-Identifier: BSD-2-Clause
// next_numbers_test.cpp: segments whose sequence numbers cannot be their sender's end no connection.
#include "core/next_numbers.h"

#include "core/pressure.h"
#include "core/track.h"
#include "director_fixture.h"

namespace rawvs {
namespace {

TEST(NextNumbers, AreNearWithinAQuarterOfAMegabyteAcrossTheWrapToo) {
  for (const uint32_t next : {1u, 1000u, 0x7fffffffu, 0xffffffffu}) {
    EXPECT_TRUE(near_number(next, next));
    EXPECT_TRUE(near_number(next, next + kNumbersApart));
    EXPECT_TRUE(near_number(next, next - kNumbersApart));
    EXPECT_FALSE(near_number(next, next + kNumbersApart + 1));
    EXPECT_FALSE(near_number(next, next - kNumbersApart - 1));
    EXPECT_FALSE(near_number(next, next + 0x80000000u));
  }
  EXPECT_TRUE(near_number(0, 0x80000000u)) << "nothing is known";
}

Packet segment(uint8_t flags, uint32_t seq, uint32_t payload = 0) {
  Packet p;
  p.protocol = Protocol::tcp;
  p.tcp_flags = flags;
  p.tcp_seq = seq;
  p.tcp_payload = payload;
  return p;
}

TEST(NextNumbers, GoAheadWithWhatIsSentAndNeverBack) {
  uint32_t next = 0;
  const auto heard = [&](uint8_t flags, uint32_t seq, uint32_t payload = 0, bool anew = false) {
    return next = next_number(next, segment(flags, seq, payload), anew);
  };
  EXPECT_EQ(heard(TcpFlags::rst, 5), 0u);
  EXPECT_EQ(heard(TcpFlags::syn, 0xfffffff0), 0xfffffff1u);
  EXPECT_EQ(heard(TcpFlags::ack, 0xfffffff1, 15), 1u) << "0 says that nothing is known";
  EXPECT_EQ(heard(TcpFlags::ack, 0, 1000), 1000u);
  EXPECT_EQ(heard(TcpFlags::ack, 0, 500), 1000u) << "a repeated one";
  EXPECT_EQ(heard(TcpFlags::ack, 0x40000000, 500), 1000u) << "not its own";
  EXPECT_EQ(heard(TcpFlags::ack, 3000, 1000), 4000u) << "what lies between was lost, or comes late";
  EXPECT_EQ(heard(TcpFlags::ack, 4000 + kNumbersUnseen + 1, 100), 4000u) << "too much to have been lost";
  EXPECT_EQ(heard(TcpFlags::ack, 4000 + kNumbersUnseen, 100), 4100u + kNumbersUnseen) << "a burst was lost";
  next = 4000;
  EXPECT_EQ(heard(TcpFlags::fin | TcpFlags::ack, 4000), 4001u);
  EXPECT_EQ(heard(TcpFlags::rst, 4100), 4001u);
  EXPECT_EQ(heard(TcpFlags::syn, 0x40000000, 0, true), 0x40000001u);
}

TEST(NextNumbers, JudgeResetsEndsAndWhatHasNoFlagsOnly) {
  EXPECT_TRUE(ends(segment(TcpFlags::rst, 0)));
  EXPECT_TRUE(ends(segment(TcpFlags::rst | TcpFlags::syn, 0)));
  EXPECT_TRUE(ends(segment(TcpFlags::fin | TcpFlags::ack, 0)));
  EXPECT_TRUE(ends(segment(0, 0)));
  EXPECT_TRUE(ends(segment(TcpFlags::psh, 0)));
  EXPECT_FALSE(ends(segment(TcpFlags::syn, 0)));
  EXPECT_FALSE(ends(segment(TcpFlags::ack, 0)));
}

class SpoofTest : public DirectorTest {
 protected:
  static constexpr uint32_t kNext = 1006, kFar = 0x70000000;  // the client's next number; a forger's guess
  const Connection* connection() {
    const auto& table = director_->connections();
    const FlowKey key{ip("198.51.100.1"), key_.vip.addr, Port(1001), key_.vip.port, key_.protocol, false};
    return table.find(Side::client, key, table.hash(key));
  }
  std::string state() { return connection() ? state_name(*connection()) : "gone"; }
  Duration left() { return director_->connections().left(*connection(), now_); }
  std::string client(const char* flags, uint32_t seq, uint32_t ack = 5001, const char* data = "") {
    return arrive(
        frame(Tcp{.src = "198.51.100.1", .sport = 1001, .flags = flags, .data = data, .seq = seq, .ack = ack}));
  }
  std::string from_nat_server(const char* flags, uint32_t seq, const char* data = "") {
    return arrive(frame(Tcp{.src = "203.0.113.11",
                            .dst = "198.51.100.1",
                            .sport = 8080,
                            .dport = 1001,
                            .flags = flags,
                            .data = data,
                            .seq = seq,
                            .ack = kNext,
                            .to = kInsideMac}),
                  kInLink);
  }
  void converse() {  // by DR: its packets alone are seen
    client("S", 1000, 0);
    client("A", 1001);
    client("PA", 1001, 5001, "GET /");
    for (uint32_t ack = 6449; ack < 5001 + 8 * 1448; ack += 1448) client("A", kNext, ack);
  }
  void converse_by_nat() {
    client("S", 1000, 0);
    from_nat_server("SA", 5000);
    client("A", 1001);
    client("PA", 1001, 5001, "GET /");
    from_nat_server("PA", 5001, "hello");
    client("A", kNext, 5006);
  }
};

TEST_F(SpoofTest, AForgedEndLeavesTheConnectionAsItWasAndIsForwarded) {
  web(1);
  converse();
  ASSERT_EQ(state(), "ESTABLISHED");
  for (const char* flags : {"R", "RA", "", "F", "FA", "P"}) {
    pass(1s);
    const Duration before = left();
    EXPECT_NE(client(flags, kFar), "") << flags;
    EXPECT_EQ(state(), "ESTABLISHED") << flags;
    EXPECT_EQ(left(), before) << flags;
  }
  EXPECT_EQ(director_->pressure().implausible, 6u);
  EXPECT_EQ(director_->services().servers()[0].active, 1u);
  EXPECT_NE(client("R", kNext), "");
  EXPECT_EQ(state(), "CLOSE");
}

TEST_F(SpoofTest, AClientsOwnEndIsBelieved) {
  web(1);
  converse();
  client("FA", kNext);
  EXPECT_EQ(state(), "FIN_WAIT");
  client("FA", kNext);
  client("R", kNext + 1);
  EXPECT_EQ(state(), "CLOSE");
  EXPECT_EQ(director_->pressure().implausible, 0u);
}

TEST_F(SpoofTest, AForgersOtherSegmentsDoNotMoveTheNumbers) {
  web(1);
  converse();
  client("A", kFar);
  client("S", kFar, 0);
  client("R", kFar);
  EXPECT_EQ(state(), "ESTABLISHED");
  client("R", kNext);
  EXPECT_EQ(state(), "CLOSE");
}

TEST_F(SpoofTest, AConnectionThatBeginsAnewInTheSameEntryHasNewNumbers) {
  web(1);
  converse();
  client("FA", kNext);
  client("S", 0x20000000, 0);
  EXPECT_EQ(state(), "SYN_RECV");
  client("A", 0x20000001);
  EXPECT_EQ(state(), "ESTABLISHED");
  client("R", kNext);
  EXPECT_EQ(state(), "ESTABLISHED") << "the old one's";
  client("R", 0x20000001);
  EXPECT_EQ(state(), "CLOSE");
}

TEST_F(SpoofTest, ManyMegabytesLaterTheNumbersAreStillTheClients) {
  web(1);
  converse();
  const std::string data(1400, 'x');
  uint32_t seq = kNext;
  for (int n = 0; n < 4000; ++n, seq += 1400) {
    if (n % 3 != 0) client("A", seq, 20000, data.c_str());  // a third was lost on the way
  }
  client("R", kNext);
  EXPECT_EQ(state(), "ESTABLISHED");
  client("FA", seq);
  EXPECT_EQ(state(), "FIN_WAIT");
}

TEST_F(SpoofTest, WithNatEachSideHasItsNumbers) {
  nat(1);
  converse_by_nat();
  ASSERT_EQ(state(), "ESTABLISHED");
  from_nat_server("R", kFar);
  from_nat_server("FA", kFar);
  client("R", kFar);
  EXPECT_EQ(state(), "ESTABLISHED");
  EXPECT_EQ(director_->pressure().implausible, 3u);
  from_nat_server("FA", 5006);
  EXPECT_EQ(state(), "FIN_WAIT");
  client("R", kNext);
  EXPECT_EQ(state(), "CLOSE");
}

TEST_F(SpoofTest, WhatHasShownNoClientIsJudgedAsIpvsDoes) {
  web(1);
  client("S", 1000, 0);
  client("A", 1001);
  ASSERT_EQ(state(), "ESTABLISHED");
  client("R", kFar);
  EXPECT_EQ(state(), "CLOSE");
}

}  // namespace
}  // namespace rawvs
