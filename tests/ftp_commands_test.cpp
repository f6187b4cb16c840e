// SPDX-License-Identifier: BSD-2-Clause
// Tests FTP clients' commands, offload facts of servers' segments, the beginning and end of sessions, and their pool.
#include "ftp_nat.h"

namespace rawvs {
namespace {

using namespace test;

// --- commands -----------------------------------------------------------------------------------------------------

TEST(Ftp, ReadsWhatTheClientAnnouncesAndNothingElse) {
  struct Row {
    std::string line;
    int port;  // -1: refused
  };
  const std::string eprt(kClient);
  const Row rows[] = {
      {"PORT 198,51,100,1,4,1", 1025},
      {"port 198,51,100,1,255,255", 65535},
      {"PoRt   198,51,100,1,4,1  ", 1025},
      {"PORT 198,051,100,001,004,001", 1025},
      {"PORT 198,51,100,2,4,1", -1},  // RFC 2577: another host
      {"PORT 198,51,100,1,0,0", -1},
      {"PORT 198,51,100,1,4", 0},
      {"PORT 198,51,100,1,4,1,", 0},
      {"PORT 198,51,100,1,4,1,1", 0},
      {"PORT 198,51,100,1,4,256", 0},
      {"PORT 198,51,100,1,4,0001", 0},
      {"PORT 198,51,100,1,4,-1", 0},
      {"PORT 198,51,100,,4,1", 0},
      {"PORT198,51,100,1,4,1", 0},
      {" PORT 198,51,100,1,4,1", 0},
      {"PORT", 0},
      {"PORT ", 0},
      {"PORT 4294967494,51,100,1,4,1", 0},
      {"STOR 198,51,100,1,4,1", 0},
      {"EPRT |1|198.51.100.1|6446|", 6446},
      {"eprt !1!198.51.100.1!65535!", 65535},
      {"EPRT ~1~198.51.100.1~1~", 1},
      {"EPRT |1|198.51.100.2|6446|", -1},
      {"EPRT |1|198.51.100.1|0|", -1},
      {"EPRT |1|198.51.100.1|65536|", 0},
      {"EPRT |1|198.51.100.1|99999999999999999999|", 0},
      {"EPRT |2|2001:db8::1|6446|", 0},
      {"EPRT |1|198.51.100.1|6446", 0},
      {"EPRT |1|198.51.100.1|6446||", 0},
      {"EPRT |1|198.51.100|6446|", 0},
      {"EPRT 1198.51.100.116446", 0},
      {"EPRT", 0},
      {"EPRT |", 0},
      {"EPRT |||", 0},
      {"EPRT ||||", 0},
      {"EPRT \x7f"
       "1\x7f"
       "198.51.100.1\x7f"
       "6446\x7f",
       0},
      {"EPRT \xff"
       "1\xff"
       "198.51.100.1\xff"
       "6446\xff",
       0},
      {"PORT 198,51,100,1,4,1" + std::string(40, ' '), 0},  // longer than any that a client means
      {std::string(5000, 'P'), 0},
      {std::string("PORT 198,51,100,1,4,1\0", 22), 0},
      {"", 0},
  };
  for (const Row& row : rows) {
    for (const char* end : {"\r\n", "\n"}) {
      Nat nat;
      nat.shake_hands();
      const Seen whole = nat.say(row.line + end);
      EXPECT_EQ(whole.data, row.line + end);
      EXPECT_EQ(whole.expected(),
                row.port > 0 ? active(static_cast<uint16_t>(row.port)) : std::vector<FtpExpectation>{})
          << row.line;
      EXPECT_EQ(whole.outcome.found.refused, row.port < 0 ? 1 : 0) << row.line;
      EXPECT_EQ(nat.say("PORT 198,51,100,1,4,2\r\n").expected(), active(1026)) << "after " << row.line;
    }
  }
}

TEST(Ftp, TakesOnlyThePlainFormsOfPasvAndEpsv) {
  for (const char* command : {"PASV x", "PASVX", "PAS", "EPSV ALL", "EPSV 2", "EPSV 11", "XPASV"}) {
    Nat nat;
    nat.shake_hands();
    nat.say(std::string(command) + "\r\n");
    EXPECT_EQ(nat.reply(kReply).data, kReply) << command;
    EXPECT_TRUE(nat.reply("229 (|||21|)\r\n").expected().empty()) << command;
  }
}

// --- offloads -----------------------------------------------------------------------------------------------------

struct Offloaded {  // a segment of the server with offload facts, and what became of it
  Offloaded(Nat& nat, const std::string& data, Offload offload)
      : bytes(segment_frame(kServer, kClient, {nat.s_, nat.c_, data})) {
    out.resize(bytes.size() + kFtpGrowth);
    if (offload.partial_checksum()) store_be16({bytes.data(), bytes.size()}, 50, pseudo_sum(bytes.size() - 34));
    const Frame in{
        .data = bytes.data(), .size = static_cast<uint32_t>(bytes.size()), .headroom = 64, .offload = offload};
    EXPECT_FALSE(parse_ip(in, before));
    outcome = from_server(nat.session, in, before, {out.data(), out.size()}, sent);
    EXPECT_FALSE(parse_ip(sent, after));
  }
  static uint16_t pseudo_sum(size_t l4_size) {
    FrameBytes b;
    put32(b, ip(kServer).v4()), put32(b, ip(kClient).v4()), put32(b, static_cast<uint32_t>(6 << 16 | l4_size));
    return static_cast<uint16_t>(~slow_checksum(b.data(), b.size()));
  }
  FrameBytes bytes, out;
  Packet before{}, after{};
  Frame sent{};
  FtpOutcome outcome{};
};

constexpr Offload kPartial{.flags = Offload::needs_checksum, .checksum_start = 34, .checksum_offset = 16};

TEST(Ftp, KeepsAPartialChecksumPartial) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n");
  const Offloaded o(nat, kReply, kPartial);
  ASSERT_EQ(o.outcome.what, What::rewritten);
  EXPECT_EQ(o.sent.offload, kPartial);
  EXPECT_EQ(load_be16(o.sent.bytes(), 50), Offloaded::pseudo_sum(o.after.l4_size()));
  EXPECT_EQ(o.sent.headroom, 0u);
}

TEST(Ftp, RewritesEveryLineOfASuperFrameAndKeepsItOne) {
  Nat nat;
  nat.shake_hands();
  std::string lines, wanted;
  for (int i = 0; i < 4; ++i) {
    nat.say("PASV\r\n");
    lines += kReply + std::string(1000, 'x') + "\r\n";
    wanted += kRewritten + std::string(1000, 'x') + "\r\n";
  }
  Offload offload = kPartial;
  offload.segmentation = Offload::tcp4, offload.segment_size = 1448, offload.header_size = 54;
  const Offloaded o(nat, lines, offload);
  ASSERT_EQ(o.outcome.what, What::rewritten);
  EXPECT_EQ(o.outcome.found.count, 4);
  EXPECT_EQ(std::string(o.sent.data + 54, o.sent.data + o.sent.size), wanted);
  EXPECT_EQ(o.sent.offload, offload);
}

TEST(Ftp, MakesASuperFrameThatShrankToOneSegmentAPlainOne) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n");
  Offload offload = kPartial;
  offload.segmentation = Offload::tcp4 | Offload::ecn, offload.header_size = 54;
  offload.segment_size = static_cast<uint16_t>(kReply.size() - 1);
  const Offloaded o(nat, kReply, offload);
  EXPECT_FALSE(o.sent.offload.super_frame());
  EXPECT_TRUE(o.sent.offload.partial_checksum());
}

TEST(Ftp, KeepsAWrongChecksumWrongAndDropsThePadding) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n");
  FrameBytes f = segment_frame(kServer, kClient, {nat.s_, nat.c_, kReply});
  f.back() ^= 0x40;  // damaged on its way
  f.resize(f.size() + 7, 0);
  FrameBytes out(f.size() + kFtpGrowth);
  const Frame in{.data = f.data(), .size = static_cast<uint32_t>(f.size())};
  Frame sent;
  Packet p;
  ASSERT_FALSE(parse_ip(in, p));
  ASSERT_EQ(from_server(nat.session, in, p, {out.data(), out.size()}, sent).what, What::rewritten);
  ASSERT_FALSE(parse_ip(sent, p));
  EXPECT_FALSE(l4_checksum_right(sent, p));
  EXPECT_EQ(sent.size, p.ip_at + p.ip_size);
}

// --- beginning and end --------------------------------------------------------------------------------------------

TEST(Ftp, JoinsAConnectionInMidStream) {
  Nat nat;
  EXPECT_TRUE(nat.client({nat.c_ - 1, nat.s_, "", "A"}).sent())
      << "a keep-alive starts nothing: its number is one less";
  EXPECT_EQ(nat.say("PASV\r\n").outcome.what, What::forward);
  EXPECT_EQ(nat.reply(kReply).data, kRewritten);
}

TEST(Ftp, GoesOnWhenItJoinedWithAnOldRepetitionAndTheReceiverIsFurther) {
  Nat nat;
  EXPECT_TRUE(nat.client({nat.c_, nat.s_, "NOOP\r\n"}).sent());          // old: the server has 100 bytes more
  EXPECT_TRUE(nat.server({nat.s_, nat.c_ + 106, "200 ok\r\n"}).sent());  // old, too
  EXPECT_TRUE(nat.client({nat.c_ + 106, nat.s_ + 108, "", "A"}).sent());
  nat.c_ += 106, nat.s_ += 108, nat.at_client_ += 108;
  EXPECT_TRUE(nat.say("EOL\r\n").sent()) << "no gap, since it was acknowledged";
  EXPECT_TRUE(nat.reply("of a line we did not see\r\n").sent());
  nat.say("PASV\r\n");
  EXPECT_EQ(nat.reply(kReply).data, kRewritten);
}

TEST(Ftp, BeginsAnewWithASynOnlyWhenTheOldConnectionIsOver) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n"), nat.reply(kReply);
  const uint32_t c = nat.c_, s = nat.s_, at_client = nat.at_client_;
  nat.session.children = 3;
  EXPECT_TRUE(nat.client({77777, 0, "", "S"}).sent());
  EXPECT_TRUE(nat.client({kClientIsn, 0, "", "S"}).sent()) << "an old duplicate";
  EXPECT_EQ(nat.client({c, at_client, "", "A"}).ack, s) << "still mapped";
  EXPECT_TRUE(nat.client({c - 5, at_client, "", "RA"}).sent());
  EXPECT_TRUE(nat.client({77777, 0, "", "S"}).sent());
  EXPECT_EQ(nat.client({c, at_client, "", "A"}).ack, s) << "that RST had not the exact number";
  nat.client({c, at_client, "", "RA"});
  nat.shake_hands(77777, 88888);
  EXPECT_EQ(nat.say("NOOP\r\n").ack, 88889u);
  EXPECT_EQ(nat.reply("200 ok\r\n").seq, 88889u);
  EXPECT_EQ(nat.session.children, 3u);
}

// --- the pool -----------------------------------------------------------------------------------------------------

TEST(FtpSessions, LendsAFixedNumberAndTakesThemBack) {
  FtpSessions pool(2);
  EXPECT_EQ(pool.at(0), nullptr);
  EXPECT_EQ(pool.at(1), nullptr) << "never taken";
  const uint16_t a = pool.take(ip(kServer), ip(kVip), ip(kClient)), b = pool.take(ip(kServer), ip(kVip), ip(kClient));
  EXPECT_EQ(a, 1);
  EXPECT_EQ(b, 2);
  EXPECT_EQ(pool.take(ip(kServer), ip(kVip), ip(kClient)), 0) << "full";
  pool.at(a)->children = 7;
  pool.release(a);
  EXPECT_EQ(pool.size(), 1);
  EXPECT_EQ(pool.take(ip(kServer), ip(kVip), ip("198.51.100.9")), a);
  EXPECT_EQ(pool.at(a)->children, 0u);
  EXPECT_EQ(pool.at(a)->client_addr, ip("198.51.100.9"));
  pool.release(b), pool.release(a);
  EXPECT_EQ(pool.size(), 0);
  EXPECT_EQ(FtpSessions(0).take(ip(kServer), ip(kVip), ip(kClient)), 0);
  FtpSessions most(65535);
  for (uint32_t i = 1; i <= 65535; ++i) ASSERT_EQ(most.take(ip(kServer), ip(kVip), ip(kClient)), i);
  EXPECT_EQ(most.take(ip(kServer), ip(kVip), ip(kClient)), 0);
  EXPECT_NE(most.at(65535), nullptr);
}

}  // namespace
}  // namespace rawvs
