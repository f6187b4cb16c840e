// SPDX-License-Identifier: BSD-2-Clause
// Tests FTP's control connection with sequence numbers that do not advance or go back, where each segment is read by
// itself; and repetitions, which are not such segments.
#include "ftp_nat.h"

namespace rawvs {
namespace {

using namespace test;

constexpr uint32_t kStill = 1000;

// A session whose sequence numbers never advance, SYNs included.
struct Still : Nat {
  explicit Still(const std::string& server = kServer, const std::string& vip = kVip) : Nat(server, vip) {
    client({kStill, 0, "", "S"});
    server_says("", "SA");
    client({kStill, 0, "", "A"});
    server_says("220 ready\r\n");
    client_says("USER me\r\n");
    server_says("230 in\r\n");
  }
  Seen client_says(const std::string& line) { return client({kStill, 0, line}); }
  Seen server_says(const std::string& line, const std::string& flags = "PA") {
    return server({kStill, 0, line, flags});
  }
};

TEST(FtpNumbers, ReadsEachSegmentByItselfWhereNumbersStandStill) {
  for (const auto& [server, vip] : {std::pair(kServer, kVip), {"192.0.2.1", "203.0.113.111"}}) {
    Still nat(server, vip);
    const auto commas = [](std::string address) {
      std::replace(address.begin(), address.end(), '.', ',');
      return address;
    };
    for (const char* end : {",39,17).\r\n", ",39,18)\r\n", ",39,18)\r\n", ",4,1) and so on, longer than ever\r\n"}) {
      EXPECT_TRUE(nat.client_says("PASV\r\n").expected().empty());
      const Seen seen = nat.server_says("227 Entering Passive Mode (" + commas(server) + end);
      EXPECT_EQ(seen.outcome.what, What::rewritten);
      EXPECT_EQ(seen.data, "227 Entering Passive Mode (" + commas(vip) + end);
      EXPECT_EQ(seen.seq, kStill) << "the numbering does not change";
      EXPECT_EQ(seen.expected().size(), 1u);
      EXPECT_EQ(seen.outcome.found.refused, 0);
    }
    EXPECT_TRUE(nat.session.edits.neutral());
    nat.client_says("epsv\r\n");
    EXPECT_EQ(nat.server_says("229 Entering Extended Passive Mode (|||10002|)\r\n").expected(), passive(10002));
    EXPECT_EQ(nat.client_says("PORT 198,51,100,1,39,20\r\n").expected(), active(10004));
    EXPECT_EQ(nat.client_says("EPRT |1|198.51.100.1|10005|\r\n").expected(), active(10005));
  }
}

TEST(FtpNumbers, StandStillBehindTheSynAsWell) {
  Nat nat;
  nat.shake_hands();
  const uint32_t c = nat.c_, s = nat.s_;
  nat.server({s, c, "220 ready\r\n"}), nat.client({c, s, "USER me\r\n"}), nat.server({s, c, "230 in\r\n"});
  for (const int port : {17, 18, 18}) {
    nat.client({c, s, "PASV\r\n"});
    const std::string end = ",39," + std::to_string(port) + ").\r\n";
    const Seen seen = nat.server({s, c, "227 Entering Passive Mode (203,0,113,11" + end});
    EXPECT_EQ(seen.data, "227 Entering Passive Mode (192,0,2,100" + end);
    EXPECT_EQ(seen.expected(), passive(static_cast<uint16_t>(39 * 256 + port)));
  }
}

TEST(FtpNumbers, MeanNothingWhereOneSideAloneStandsStill) {
  Nat client_still;
  client_still.shake_hands();
  for (int i = 0; i < 3; ++i) {
    client_still.client({kClientIsn, 0, "PASV\r\n"});
    const Seen seen = client_still.reply(kReply);
    EXPECT_EQ(seen.data, kRewritten);
    EXPECT_EQ(seen.expected(), passive(kPort));
  }
  Nat server_still;
  server_still.shake_hands();
  for (int i = 0; i < 3; ++i) {
    server_still.say("PASV\r\n");
    const Seen seen = server_still.server({kServerIsn, 0, kReply});
    EXPECT_EQ(seen.data, kRewritten);
    EXPECT_EQ(seen.expected(), passive(kPort));
    EXPECT_EQ(server_still.server({kServerIsn, 0, kReply}).data, kReply) << "one reply for one command";
  }
}

TEST(FtpNumbers, HoldTheSameRulesAboutAddressesWhenTheyStandStill) {
  Still nat;
  nat.client_says("PASV\r\n");
  const std::string other = "227 Entering Passive Mode (203,0,113,12,39,17).\r\n";
  const Seen seen = nat.server_says(other);
  EXPECT_EQ(seen.data, other);
  EXPECT_TRUE(seen.expected().empty());
  EXPECT_EQ(seen.outcome.found.refused, 1);
  EXPECT_EQ(nat.client_says("PORT 198,51,100,2,39,20\r\n").outcome.found.refused, 1);
  EXPECT_EQ(nat.client_says("EPRT |1|198.51.100.2|10005|\r\n").outcome.found.refused, 1);
}

TEST(FtpNumbers, NeedAWholeLineAtASegmentsBeginningWhenTheyStandStill) {
  Still nat;
  EXPECT_TRUE(nat.client_says("PORT 198,51,100,1,39,20").expected().empty());
  EXPECT_TRUE(nat.client_says("NOOP\r\nPORT 198,51,100,1,39,20\r\n").expected().empty());
  EXPECT_TRUE(nat.client({kStill, 0, "PORT 198,51,100,1,39,20\r\n", "RA"}).expected().empty());
  nat.client_says("PASV\r\n");
  for (const std::string& text : {kReply.substr(0, kReply.size() - 1), " " + kReply, "2" + kReply, "250 x\r\n" + kReply,
                                  "227-" + kReply.substr(4), std::string("227\r\n")}) {
    const Seen seen = nat.server_says(text);
    EXPECT_EQ(seen.data, text);
    EXPECT_TRUE(seen.expected().empty()) << text;
  }
  EXPECT_EQ(nat.server_says(kReply).data, kRewritten);
}

TEST(FtpNumbers, GoBackBeforeTheSynAndAreMappedLikeItsNumber) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n"), nat.reply(kReply);
  nat.client({nat.c_, nat.at_client_, "", "A"});  // the edit has become a shift
  const uint32_t at_client = nat.at_client_;
  nat.say("PASV\r\n");
  const Seen seen = nat.server({kServerIsn - 3000, 0, kReply});
  EXPECT_EQ(seen.data, kRewritten);
  EXPECT_EQ(seen.seq, kServerIsn - 3000 - 1) << "the shift of all that was acknowledged";
  EXPECT_EQ(nat.reply("200 ok\r\n").seq, at_client);
  nat.client({nat.c_, kServerIsn, "PASV\r\nPASV\r\n"}), nat.c_ += 12;
  EXPECT_EQ(nat.reply(kReply).data, kRewritten);
  const uint32_t s = nat.s_, behind_edit = nat.at_client_;
  nat.reply("200 ok\r\n");
  const Seen other = nat.server({s, 0, kReply});
  EXPECT_EQ(other.data, kRewritten);
  EXPECT_EQ(other.seq, behind_edit) << "the edit before it counts, though it was not acknowledged";
  EXPECT_EQ(nat.client({kClientIsn - 3000, 0, "PORT 198,51,100,1,4,1\r\n"}).expected(), active(1025));
}

// --- repetitions --------------------------------------------------------------------------------------------------

TEST(FtpNumbers, OfARepeatedPortExpectWhatIsExpectedAndOnlyOnceInASegment) {
  Nat nat;
  nat.shake_hands();
  const std::string line = "PORT 198,51,100,1,4,1\r\n";
  EXPECT_EQ(nat.say(line).expected(), active(1025));
  EXPECT_EQ(nat.client({nat.c_ - 23, nat.at_client_, line}).expected(), active(1025));
  EXPECT_EQ(nat.client({nat.c_ - 23, nat.at_client_, line + "PORT 198,51,100,1,4,2\r\n"}).expected(), active(1026));
  nat.c_ += 23;
  nat.say(line.substr(0, 10));
  EXPECT_EQ(nat.client({nat.c_ - 10, nat.at_client_, line}).expected(), active(1025)) << "the stream's line, once";
}

TEST(FtpNumbers, OfARepeatedPasvAskForOneReply) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n");
  for (int i = 0; i < 3; ++i) nat.client({nat.c_ - 6, nat.at_client_, "PASV\r\n"});
  EXPECT_EQ(nat.reply(kReply).data, kRewritten);
  EXPECT_EQ(nat.reply(kReply).data, kReply);
}

TEST(FtpNumbers, OfARepeated227InsideAMultiLineReplyNeverMakeItOne) {
  for (const bool acknowledged : {false, true}) {
    Nat nat;
    nat.shake_hands();
    nat.say("STAT x\r\nPASV\r\n");
    const std::string line = "227 (203,0,113,11,0,22)\r\n", rest = "213 End\r\n";
    nat.reply("213-Status:\r\n");
    const uint32_t at = nat.s_;
    EXPECT_EQ(nat.reply(line).data, line);
    if (acknowledged) nat.client({nat.c_, nat.at_client_, "", "A"});
    for (const std::string& more : {std::string(), rest}) {
      const Seen seen = nat.server({at, nat.c_, line + more});
      EXPECT_EQ(seen.data, line + more) << "it goes out as it did";
      EXPECT_EQ(seen.seq, at);
      EXPECT_TRUE(seen.expected().empty());
    }
    nat.s_ += 9, nat.at_client_ += 9;
    EXPECT_EQ(nat.reply(kReply).data, kRewritten) << "the reply is still awaited";
  }
}

TEST(FtpNumbers, OfARepeated227ThatWasAcknowledgedTakeNothingFromTheNextOne) {
  Nat nat("192.0.2.1", "203.0.113.111");
  nat.shake_hands();
  const std::string first = "227 (192,0,2,1,200,13)\r\n", second = "227 (192,0,2,1,200,14)\r\n";
  nat.say("PASV\r\n");
  const uint32_t at = nat.s_;
  nat.reply(first);
  nat.say("PASV\r\n");
  const Seen coalesced = nat.server({at, nat.c_, first + second});
  EXPECT_EQ(coalesced.expected(), passive(200 * 256 + 14));
  EXPECT_EQ(coalesced.seq + coalesced.data.size(), at + first.size() + second.size() + 8);
}

TEST(FtpNumbers, ThatSeemUntrueForADamagedSegmentAreNot) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n");
  std::string damaged = kReply;
  damaged[40] = '7';  // of the address, and of the last bytes
  damaged[damaged.size() - 4] = '7';
  FrameBytes f = segment_frame(kServer, kClient, {nat.s_, nat.c_, damaged}), out(f.size() + kFtpGrowth);
  f[50] ^= 1;
  const Frame in{.data = f.data(), .size = static_cast<uint32_t>(f.size())};
  Frame sent;
  Packet p;
  ASSERT_FALSE(parse_ip(in, p));
  from_server(nat.session, in, p, {out.data(), out.size()}, sent);
  nat.say("PASV\r\n");
  const Seen again = nat.server({nat.s_, nat.c_, kReply});
  EXPECT_TRUE(again.expected().empty());
  EXPECT_FALSE(nat.session.untrue_numbers);
}

// --- beginning and end --------------------------------------------------------------------------------------------

TEST(FtpNumbers, BeginAnewWhereTheyBeganBeforeWhenTheOldConnectionIsOver) {
  for (const char* flags : {"RA", "FA"}) {
    Nat nat;
    nat.shake_hands();
    nat.say("PASV\r\n"), nat.reply(kReply);
    nat.client({nat.c_, nat.at_client_, "", flags});
    nat.shake_hands();
    EXPECT_EQ(nat.reply("220 ready\r\n").seq, kServerIsn + 1);
    nat.say("PASV\r\n");
    const Seen seen = nat.reply(kReply);
    EXPECT_EQ(seen.expected(), passive(kPort)) << flags;
    EXPECT_EQ(seen.seq, kServerIsn + 1 + 11);
  }
}

TEST(FtpNumbers, BeginAnewWhenTheServerHadForgottenTheConnectionAndTakesTheSyn) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n"), nat.reply(kReply);
  nat.session.children = 3;
  const uint32_t c = nat.c_, s = nat.s_, at_client = nat.at_client_;
  nat.server({88888, 77778, "", "SA"});
  nat.client({77777, 0, "", "S"});
  nat.server({88888, 66666, "", "SA"});
  EXPECT_EQ(nat.client({c, at_client, "", "A"}).ack, s) << "that answered another SYN";
  nat.shake_hands(77777, 88888);
  EXPECT_EQ(nat.reply("220 ready\r\n").seq, 88889u);
  EXPECT_EQ(nat.say("PASV\r\n").ack, 88889u + 11);
  EXPECT_EQ(nat.reply(kReply).expected(), passive(kPort));
  EXPECT_EQ(nat.session.children, 3u);
}

TEST(FtpNumbers, ThatStandStillReadOnThroughEndsAndBeginnings) {
  Still nat;
  for (const char* flags : {"FA", "R", "SA", "S"}) {
    nat.server_says("", flags), nat.client({kStill, 0, "", flags});
    nat.client_says("PASV\r\n");
    EXPECT_EQ(nat.server_says(kReply).expected(), passive(kPort)) << flags;
  }
}

TEST(FtpNumbers, AreNotBelievedWhenTheyAcknowledgeWhatNobodySent) {
  for (const uint32_t beyond : {1u, 10u, 1000u, 0x10000000u}) {
    Nat nat;
    nat.shake_hands();
    nat.say("PASV\r\n");
    const uint32_t from = nat.s_;
    nat.reply(kReply.substr(0, 30));
    nat.client({nat.c_, nat.at_client_ + beyond, "", "A"});
    nat.server({nat.s_, nat.c_ + beyond, "", "A"});
    const Seen rest = nat.reply(kReply.substr(30));
    EXPECT_EQ(rest.expected(), passive(kPort)) << beyond;
    nat.client({nat.c_, nat.at_client_ + beyond, "", "A"});
    const Seen again = nat.server({from, nat.c_, kReply});
    EXPECT_EQ(again.data, kRewritten) << "the client has not got it yet, whoever says so";
    EXPECT_EQ(again.seq, from);
    EXPECT_EQ(nat.say("PORT 198,51,100,1,4,1\r\n").expected(), active(1025)) << beyond;
  }
}

TEST(FtpNumbers, BeginWithTheFirstContentOfEitherSide) {
  for (const bool client_first : {false, true}) {
    Nat nat;
    const auto first = [&](const Segment& s) {
      FrameBytes f = client_first ? segment_frame(kClient, kVip, s) : segment_frame(kServer, kClient, s);
      const Frame in{.data = f.data(), .size = static_cast<uint32_t>(f.size())};
      Packet p;
      EXPECT_FALSE(parse_ip(in, p));
      begin_with(nat.session, p, client_first);
    };
    if (client_first) {
      first({nat.c_, nat.s_, "PASV\r\n"});
    } else {
      first({nat.s_, nat.c_, "220 ready\r\n"});
      EXPECT_TRUE(nat.reply("220 ready\r\n").sent());
    }
    EXPECT_EQ(nat.client({nat.c_ + 1, nat.at_client_, "ASV\r\n"}).outcome.what, What::out_of_order);
    nat.say("PASV\r\n");
    EXPECT_EQ(nat.server({nat.s_ + 3, nat.c_, kReply.substr(3)}).outcome.what, What::out_of_order);
    EXPECT_EQ(nat.reply(kReply).data, kRewritten);
    EXPECT_FALSE(nat.session.over());
  }
}

TEST(FtpNumbers, AreOverWhenBothEndsWereAcknowledgedOrAResetIsBelieved) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n"), nat.reply(kReply);
  nat.client({nat.c_, nat.at_client_, "", "FA"});
  nat.server({nat.s_, nat.c_ + 1, "", "FA"});
  EXPECT_FALSE(nat.session.over());
  nat.client({nat.c_ + 1, nat.at_client_, "", "A"});
  EXPECT_FALSE(nat.session.over()) << "of an earlier byte";
  EXPECT_EQ(nat.client({nat.c_ + 1, nat.at_client_ + 1, "", "A"}).ack, nat.s_ + 1);
  EXPECT_TRUE(nat.session.over());

  Nat broken;
  broken.shake_hands();
  broken.client({broken.c_ + 5, 0, "", "R"});
  EXPECT_FALSE(broken.session.over());
  broken.server({broken.s_, 0, "", "R"});
  EXPECT_TRUE(broken.session.over());
}

}  // namespace
}  // namespace rawvs
