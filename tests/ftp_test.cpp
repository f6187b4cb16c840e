// SPDX-License-Identifier: BSD-2-Clause
// Tests FTP's control connection with NAT: replies read and rewritten, cut anywhere, repeated and reordered.
#include <map>

#include "ftp_nat.h"

namespace rawvs {
namespace {

using namespace test;

// --- a dialogue ---------------------------------------------------------------------------------------------------

TEST(Ftp, RewritesThePassiveReplyOfARealDialogueAndMapsWhatFollows) {
  Nat nat;
  nat.shake_hands();
  EXPECT_EQ(nat.reply("220 (vsFTPd 3.0.3)\r\n").outcome.what, What::forward);
  nat.say("USER ftp\r\n"), nat.reply("331 Please specify the password.\r\n");
  nat.say("PASS x\r\n"), nat.reply("230 Login successful.\r\n");
  EXPECT_TRUE(nat.say("PASV\r\n").expected().empty());
  const Seen passive_reply = nat.reply(kReply);
  EXPECT_EQ(passive_reply.outcome.what, What::rewritten);
  EXPECT_EQ(passive_reply.data, kRewritten);
  EXPECT_EQ(passive_reply.expected(), passive(kPort));
  const uint32_t server_next = nat.s_;
  const Seen retr = nat.say("RETR file\r\n");
  EXPECT_EQ(retr.ack, server_next);  // "192,0,2,100" has one byte less than "203,0,113,11"
  EXPECT_EQ(nat.at_client_, server_next - 1);
  const Seen done = nat.reply("150 Here it comes.\r\n226 Transfer complete.\r\n");
  EXPECT_EQ(done.outcome.what, What::forward);
  EXPECT_EQ(done.seq, server_next - 1);
  EXPECT_EQ(nat.say("QUIT\r\n").ack, nat.s_);
  EXPECT_EQ(nat.client({nat.c_, nat.at_client_, "", "FA"}).ack, nat.s_);
  EXPECT_EQ(nat.server({nat.s_, nat.c_ + 1, "", "FA"}).seq, nat.at_client_);
}

TEST(Ftp, ReadsTheExtendedPassiveReplyAndLeavesItsBytes) {
  for (const char* command : {"EPSV\r\n", "epsv 1\r\n", "EPSV\n"}) {
    Nat nat;
    nat.shake_hands();
    nat.say(command);
    const Seen seen = nat.reply("229 Entering Extended Passive Mode (|||6446|)\r\n");
    EXPECT_EQ(seen.outcome.what, What::forward);
    EXPECT_EQ(seen.expected(), passive(6446)) << command;
  }
}

TEST(Ftp, ReadsExtendedPassiveRepliesWithAnyDelimiterAndRefusesHostileOnes) {
  const std::map<std::string, int> ports = {
      {"229 x (|||6446|)", 6446},
      {"229 x (!!!1!)", 1},
      {"229 (~~~65535~)", 65535},
      {"229 (1112221)", 222},
      {"229 a (b) (|||21|)", 21},
      {"229 ((|||21|)", 21},
      {"229 (|||0|)", -1},
      {"229 (|||65536|)", 0},
      {"229 (||||)", 0},
      {"229 (|||99999999999|)", 0},
      {"229 (|1|192.0.2.1|21|)", 0},
      {"229 (||!21|)", 0},
      {"229 (|||21)", 0},
      {"229 (   21 )", 0},
      {"229 |||21|", 0},
      {"229-(|||21|)", 0},
      {"229(|||21|)", 0},
      {"22 9(|||21|)", 0},
      {"230 (|||21|)", 0},
      {" 229 (|||21|)", 0},
      {"229 (|||2 1|)", 0},
  };
  for (const auto& [line, port] : ports) {
    Nat nat;
    nat.shake_hands();
    nat.say("EPSV\r\n");
    const Seen seen = nat.reply(line + "\r\n");
    EXPECT_EQ(seen.expected(), port > 0 ? passive(static_cast<uint16_t>(port)) : std::vector<FtpExpectation>{}) << line;
    EXPECT_EQ(seen.outcome.found.refused, port < 0 ? 1 : 0) << line;
  }
}

TEST(Ftp, RewritesNothingThatNoPasvAskedFor) {
  Nat nat;
  nat.shake_hands();
  EXPECT_EQ(nat.reply(kReply).data, kReply);
  nat.say("EPSV\r\n");
  EXPECT_TRUE(nat.reply(kReply).expected().empty());
  nat.say("PASV\r\n");
  EXPECT_EQ(nat.reply(kReply).data, kRewritten);
  EXPECT_EQ(nat.reply(kReply).data, kReply) << "one reply for one command";
}

TEST(Ftp, TakesTheSixNumbersWithoutParenthesisAndBehindOtherNumbers) {
  const std::pair<const char*, const char*> replies[] = {
      {"227 203,0,113,11,200,13\r\n", "227 192,0,2,100,200,13\r\n"},
      {"227 =203,0,113,11,200,13\n", "227 =192,0,2,100,200,13\n"},
      {"227 v2 1,2 2034 ok (203,0,113,11,200,13)\r\n", "227 v2 1,2 2034 ok (192,0,2,100,200,13)\r\n"},
  };
  for (const auto& [from, to] : replies) {
    Nat nat;
    nat.shake_hands();
    nat.say("PASV\r\n");
    const Seen seen = nat.reply(from);
    EXPECT_EQ(seen.data, to);
    EXPECT_EQ(seen.expected(), passive(kPort)) << from;
  }
}

TEST(Ftp, LeavesAReplyWithAnotherHostsAddressAloneAndCountsIt) {
  for (const char* text :
       {"227 (203,0,113,12,200,13)\r\n", "227 (10,0,0,1,0,22)\r\n", "227 (203,0,113,111,0,22)\r\n"}) {
    Nat nat;
    nat.shake_hands();
    nat.say("PASV\r\n");
    const Seen seen = nat.reply(text);
    EXPECT_EQ(seen.outcome.what, What::forward);
    EXPECT_EQ(seen.data, text);
    EXPECT_TRUE(seen.expected().empty());
    EXPECT_EQ(seen.outcome.found.refused, 1);
  }
}

TEST(Ftp, RefusesPortZeroInAReply) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n");
  const Seen seen = nat.reply("227 (203,0,113,11,0,0)\r\n");
  EXPECT_TRUE(seen.expected().empty());
  EXPECT_EQ(seen.outcome.found.refused, 1);
}

TEST(Ftp, TakesAReplyThatAlreadySaysTheVip) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n");
  const Seen seen = nat.reply(kRewritten);
  EXPECT_EQ(seen.outcome.what, What::forward);
  EXPECT_EQ(seen.expected(), passive(kPort));
}

TEST(Ftp, BelievesNo227InsideAMultiLineReply) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n");
  const std::string text =
      "213-Status:\r\n227 (203,0,113,11,0,22)\r\n213-more\r\n227 (203,0,113,11,0,22)\r\n213 End\r\n";
  EXPECT_EQ(nat.reply(text).data, text);
  EXPECT_EQ(nat.reply(kReply).data, kRewritten);
}

// --- cut anywhere -------------------------------------------------------------------------------------------------

TEST(Ftp, RewritesAReplyCutAtAnyPositionIntoTwo) {
  for (size_t cut = 1; cut < kReply.size(); ++cut) {
    Nat nat;
    nat.shake_hands();
    nat.say("PASV\r\n");
    const uint32_t start = nat.at_client_;
    const Seen first = nat.reply(kReply.substr(0, cut)), second = nat.reply(kReply.substr(cut));
    EXPECT_EQ(first.seq, start);
    EXPECT_EQ(second.seq, start + first.data.size()) << cut;
    EXPECT_EQ(first.data + second.data, kRewritten) << cut;
    auto expected = first.expected();
    for (const auto& e : second.expected()) expected.push_back(e);
    EXPECT_EQ(expected, passive(kPort)) << cut;
  }
}

void byte_by_byte(const char* server, const char* vip, const std::string& reply, const std::string& wanted) {
  Nat nat(server, vip);
  nat.shake_hands();
  for (const char c : std::string("PASV\r\n")) nat.say(std::string(1, c));
  std::string received;
  const uint32_t start = nat.at_client_;
  std::vector<FtpExpectation> expected;
  for (const char c : reply) {
    const Seen seen = nat.reply(std::string(1, c));
    ASSERT_TRUE(seen.sent());
    ASSERT_FALSE(seen.data.empty()) << "a receiver acknowledges only what has bytes";
    const size_t at = seen.seq - start;
    ASSERT_LE(at, received.size());
    received.resize(std::max(received.size(), at + seen.data.size()));
    EXPECT_EQ(received.substr(at, received.size() - at).size(), seen.data.size());
    received.replace(at, seen.data.size(), seen.data);
    for (const auto& e : seen.expected()) expected.push_back(e);
    // Everything that came is acknowledged, byte for byte, in the server's numbers.
    EXPECT_EQ(nat.client({nat.c_, start + static_cast<uint32_t>(received.size()), "", "A"}).ack, nat.s_);
  }
  EXPECT_EQ(received, wanted);
  EXPECT_EQ(expected, passive(kPort));
}

TEST(Ftp, RewritesAReplyInSingleBytesToAShorterLongerOrEqualAddress) {
  byte_by_byte(kServer, kVip, kReply, kRewritten);
  byte_by_byte("203.0.113.111", "192.0.2.1", "227 (203,0,113,111,200,13)\r\n", "227 (192,0,2,1,200,13)\r\n");
  byte_by_byte("192.0.2.1", "203.0.113.111", "227 (192,0,2,1,200,13)\r\n", "227 (203,0,113,111,200,13)\r\n");
  byte_by_byte("203.0.113.111", "198.51.100.99", "227 203,0,113,111,200,13\r\n", "227 198,51,100,99,200,13\r\n");
  byte_by_byte("192.0.2.11", "192.0.2.100", "227 (192,0,2,11,200,13)\r\n", "227 (192,0,2,100,200,13)\r\n");
  byte_by_byte("192.0.2.11", "192.0.2.100", "227 (192,0,2,100,200,13)\r\n", "227 (192,0,2,100,200,13)\r\n");
}

TEST(Ftp, NeverShowsTheClientAMixtureWhenAnotherAddressComesInPieces) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n");
  std::string received;
  uint8_t refused = 0;
  for (const char* piece : {"227 (20", "3,0,1", "14,9,0,22)\r\n"}) {
    const Seen seen = nat.reply(piece);
    received += seen.data;
    refused = static_cast<uint8_t>(refused + seen.outcome.found.refused);
    EXPECT_TRUE(seen.expected().empty());
  }
  EXPECT_EQ(received, "227 (192,0,2,100,0,22)\r\n");
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(nat.say("NOOP\r\n").ack, nat.s_);
  const uint32_t at_client = nat.at_client_;
  EXPECT_EQ(nat.reply("200 ok\r\n").seq, at_client);
}

TEST(Ftp, LeavesAnotherAddressAloneInPiecesWhenWhatWentOutEqualsWhatCame) {
  Nat nat("192.0.2.11", "192.0.2.100");
  nat.shake_hands();
  nat.say("PASV\r\n");
  EXPECT_EQ(nat.reply("227 (192,0,2,1").data, "227 (192,0,2,1");
  const Seen rest = nat.reply("2,0,22)\r\n");
  EXPECT_EQ(rest.data, "2,0,22)\r\n");
  EXPECT_EQ(rest.outcome.found.refused, 1);
}

TEST(Ftp, KeepsCountWhenAnAddressThatIsBeingEditedBreaksOff) {
  for (const char* end : {"\r\n", "x)\r\n", ",,1)\r\n", "9999999999999999999999,1)\r\n", "..,\r\n"}) {
    Nat nat;
    nat.shake_hands();
    nat.say("PASV\r\n");
    EXPECT_EQ(nat.reply("227 (203,0").data, "227 (192,0");
    EXPECT_TRUE(nat.reply(end).expected().empty());
    EXPECT_EQ(nat.say("NOOP\r\n").ack, nat.s_) << end;
    EXPECT_EQ(nat.reply("200 ok\r\n").data, "200 ok\r\n");
    nat.say("PASV\r\n");
    EXPECT_EQ(nat.reply(kReply).data, kRewritten);
  }
}

// --- again and in disorder ----------------------------------------------------------------------------------------

TEST(Ftp, RepeatsTheSameBytesHoweverARetransmissionIsCut) {
  Nat nat("192.0.2.1", "203.0.113.111");
  nat.shake_hands();
  nat.say("PASV\r\nPASV\r\n");
  const std::string text = "227 (192,0,2,1,200,13)\r\n227 (192,0,2,1,200,14)\r\nrest\r\n";
  const std::string wanted = "227 (203,0,113,111,200,13)\r\n227 (203,0,113,111,200,14)\r\nrest\r\n";
  const uint32_t from = nat.s_, to = nat.at_client_;
  ASSERT_EQ(nat.reply(text).data, wanted);
  for (uint32_t first = 0; first < text.size(); ++first) {
    for (uint32_t end = first + 1; end <= text.size(); ++end) {
      const Seen again = nat.server({from + first, nat.c_, text.substr(first, end - first)});
      ASSERT_TRUE(again.sent());
      EXPECT_EQ(again.data, wanted.substr(again.seq - to, again.data.size())) << first << "-" << end;
      EXPECT_TRUE(again.expected().empty());
    }
  }
}

TEST(Ftp, DropsWhatComesBeforeItsTurnAndTakesItWhenRepeated) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n");
  const uint32_t from = nat.s_;
  EXPECT_EQ(nat.server({from + 10, nat.c_, kReply.substr(10)}).outcome.what, What::out_of_order);
  EXPECT_EQ(nat.server({from + 10, nat.c_, "", "FA"}).outcome.what, What::out_of_order);
  EXPECT_TRUE(nat.server({from + 10, nat.c_, "", "A"}).sent()) << "nothing to read in it";
  EXPECT_EQ(nat.reply(kReply.substr(0, 10)).outcome.what, What::forward);
  EXPECT_EQ(nat.reply(kReply.substr(10)).expected(), passive(kPort));
  EXPECT_EQ(nat.client({nat.c_ + 1, nat.at_client_, "ASV\r\n"}).outcome.what, What::out_of_order);
}

TEST(Ftp, ReadsOnlyWhatIsNewInASegmentThatRepeatsOldBytes) {
  Nat nat;
  nat.shake_hands();
  nat.say("PORT 198,51,1");
  const Seen seen = nat.client({nat.c_ - 8, nat.at_client_, "198,51,100,1,4,1\r\n"});
  EXPECT_EQ(seen.outcome.what, What::forward);
  EXPECT_EQ(seen.expected(), active(1025));
  EXPECT_TRUE(nat.client({nat.c_ - 8, nat.at_client_, "198,51,100,1,4,1\r\n"}).expected().empty()) << "announced once";
}

TEST(Ftp, MapsAcksAndSacksThroughSeveralEditsAndAcrossTheWrapOfNumbers) {
  for (const uint32_t isn : {kServerIsn, 0xffffffd0u, 0xffffffffu}) {
    Nat nat("192.0.2.1", "203.0.113.111");  // each edit adds four bytes
    nat.shake_hands(kClientIsn, isn);
    nat.say("PASV\r\nPASV\r\nPASV\r\n");
    const std::string line = "227 (192,0,2,1,1,1)\r\n";  // region at 5, 10 bytes; then 14 bytes of text
    const uint32_t s = nat.s_, size = static_cast<uint32_t>(line.size()), grown = size + 4;
    std::string lines = line;
    lines.append(line).append(line);
    nat.server({s, nat.c_, lines});
    const auto ack = [&](uint32_t at) {
      FtpSession kept = nat.session;  // asking must not tell
      const uint32_t mapped = nat.client({nat.c_, s + at, "", "A"}).ack - s;
      nat.session = kept;
      return mapped;
    };
    EXPECT_EQ(ack(0), 0u);
    EXPECT_EQ(ack(5), 5u);
    EXPECT_EQ(ack(14), 14u);
    EXPECT_EQ(ack(15), 14u) << "the comma put out several bytes: not all of them are there";
    EXPECT_EQ(ack(18), 14u);
    EXPECT_EQ(ack(19), 15u);
    EXPECT_EQ(ack(grown), size);
    EXPECT_EQ(ack(2 * grown + 18), 2 * size + 14);
    EXPECT_EQ(ack(3 * grown), 3 * size);
    EXPECT_EQ(ack(3 * grown + 1), 3 * size + 1);
    for (const size_t nops : {2u, 1u}) {  // at even and odd places
      FtpSession kept = nat.session;
      const Sack sack =
          nat.client({nat.c_, s + 2, "", "A",
                      sack_option({{s + 16, s + grown + 18}, {s + 2 * grown, s + 3 * grown}, {s + 16, s + 18}}, nops)})
              .sack;
      nat.session = kept;
      EXPECT_EQ(sack, (Sack{{s + 15, s + size + 14}, {s + 2 * size, s + 3 * size}, {s + 14, s + 14}})) << nops;
    }
  }
}

TEST(Ftp, LeavesMalformedOptionsAlone) {
  Nat nat;
  nat.shake_hands();
  nat.say("PASV\r\n"), nat.reply(kReply);
  for (const FrameBytes& options :
       {FrameBytes{5, 0, 0, 0}, FrameBytes{1, 1, 1, 5}, FrameBytes{5, 40, 1, 1}, FrameBytes{5, 1, 0, 0},
        FrameBytes{5, 4, 9, 9}, FrameBytes{5, 2, 8, 255}, FrameBytes{0, 5, 10, 1}}) {
    EXPECT_EQ(nat.client({nat.c_, nat.at_client_, "", "A", options}).ack, nat.s_);
  }
}

TEST(Ftp, RefusesToForwardMoreEditsThanItCanRememberUntilTheClientAcknowledges) {
  Nat nat;
  nat.shake_hands();
  for (uint32_t i = 0; i < FtpEdits::kMost + 2; ++i) nat.client({nat.c_, kServerIsn + 1, "PASV\r\n"}), nat.c_ += 6;
  for (uint32_t i = 0; i < FtpEdits::kMost; ++i) EXPECT_EQ(nat.reply(kReply).data, kRewritten);
  EXPECT_EQ(nat.server({nat.s_, nat.c_, kReply}).outcome.what, What::crowded);
  EXPECT_EQ(nat.client({nat.c_, nat.at_client_, "", "A"}).ack, nat.s_);
  const Seen again = nat.reply(kReply);
  EXPECT_EQ(again.data, kRewritten);
  EXPECT_EQ(again.expected(), passive(kPort));
  EXPECT_EQ(nat.say("NOOP\r\n").ack, nat.s_);
}

TEST(Ftp, DropsASegmentThatDoesNotFit) {
  Nat nat("192.0.2.1", "203.0.113.111");
  nat.shake_hands();
  nat.say("PASV\r\n");
  const Segment s{nat.s_, nat.c_, "227 (192,0,2,1,200,13)\r\n"};
  EXPECT_EQ(nat.server(s, 3).outcome.what, What::crowded);
  EXPECT_EQ(nat.server(s, 4).expected(), passive(kPort)) << "and nothing was remembered of the first time";
}

TEST(Ftp, ExpectsFourDataConnectionsFromOneSegmentAndDropsMore) {
  Nat nat;
  nat.shake_hands();
  const std::string port = "PORT 198,51,100,1,4,1\r\n", all = port + port + port + port;
  EXPECT_EQ(nat.client({nat.c_, nat.at_client_, all + port}).outcome.what, What::crowded);
  EXPECT_EQ(nat.client({nat.c_, nat.at_client_, all}).expected().size(), 4u);
}

TEST(Ftp, DropsFragments) {
  Nat nat;
  FrameBytes f = segment_frame(kClient, kVip, {1, 1, "PASV\r\n"});
  f[20] = 0x20;
  fix_ip_checksum(f);
  Frame in{.data = f.data(), .size = static_cast<uint32_t>(f.size())};
  Packet p;
  ASSERT_FALSE(parse_ip(in, p));
  EXPECT_EQ(from_client(nat.session, in, p).what, What::fragment);
  EXPECT_EQ(from_server(nat.session, in, p, {}, in).what, What::fragment);
}

}  // namespace
}  // namespace rawvs
