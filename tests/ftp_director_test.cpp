// SPDX-License-Identifier: BSD-2-Clause
// Tests FTP with NAT through director.h: when sessions begin and end, and data connections without room.
#include <map>

#include "director_fixture.h"
#include "links.h"

namespace rawvs {
namespace {

constexpr uint32_t kClientIsn = 1000, kServerIsn = 5000;
const std::string kReply = "227 Entering Passive Mode (203,0,113,11,39,17).\r\n";
const std::string kRewritten = "227 Entering Passive Mode (192,0,2,100,39,17).\r\n";

class FtpDirectorTest : public DirectorTest {
 protected:
  struct Numbers {
    uint32_t client = kClientIsn, server = kServerIsn;  // of what comes next
    uint32_t at_client = kServerIsn;                    // the server's, as the client sees it
  };
  void ftp(Settings settings = {.max_ftp = 4}) {
    make(settings);
    nat(1, 21, {.key = {Protocol::tcp, {ip("192.0.2.100"), Port(21)}, {}}});
  }
  std::string says(uint16_t cport, const std::string& flags, const std::string& data = "") {
    Numbers& n = numbers_[cport];
    std::string sent = says_again(cport, flags, data, n.client);
    n.client += static_cast<uint32_t>(data.size()) + (flags.find_first_of("SF") != std::string::npos ? 1 : 0);
    return sent;
  }
  std::string says_again(uint16_t cport, const std::string& flags, const std::string& data, uint32_t seq) {
    return arrive(frame(
        Tcp{.sport = cport, .dport = 21, .flags = flags, .data = data, .seq = seq, .ack = numbers_[cport].at_client}));
  }
  std::string hears(uint16_t cport, const std::string& flags, const std::string& data = "") {
    Numbers& n = numbers_[cport];
    std::string sent = hears_again(cport, flags, data, n.server);
    const uint32_t ends = flags.find_first_of("SF") != std::string::npos ? 1 : 0;
    n.server += static_cast<uint32_t>(data.size()) + ends;
    if (!sent.empty()) n.at_client = left_number(4) + static_cast<uint32_t>(left_data().size()) + ends;
    return sent;
  }
  std::string hears_again(uint16_t cport, const std::string& flags, const std::string& data, uint32_t seq) {
    return arrive(frame(Tcp{.src = "203.0.113.11",
                            .dst = "198.51.100.1",
                            .sport = 21,
                            .dport = cport,
                            .flags = flags,
                            .data = data,
                            .seq = seq,
                            .ack = numbers_[cport].client,
                            .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                            .to = kInsideMac}),
                  kInLink);
  }
  void shake_hands(uint16_t cport) { says(cport, "S"), hears(cport, "SA"), says(cport, "A"); }
  void part(uint16_t cport) { says(cport, "FA"), hears(cport, "FA"), says(cport, "A"); }
  void log_in(uint16_t cport) {
    shake_hands(cport);
    EXPECT_NE(hears(cport, "PA", "220 ready\r\n"), "") << cport;
  }
  // The server's answer to a PASV, as the client reads it.
  std::string passive(uint16_t cport) {
    says(cport, "PA", "PASV\r\n");
    hears(cport, "PA", kReply);
    return left_data();
  }
  uint32_t left_number(size_t at) { return load_be32(out_.departures().at(0).frame.bytes(), 34 + at); }
  std::string left_data() {
    if (out_.departures().empty()) return "";
    const Frame& f = out_.departures()[0].frame;
    return {f.data + 54, f.data + f.size};
  }
  // The connection from this port of the client, or the one with an unknown port; null: none.
  Connection* connection(uint16_t cport, uint16_t vport = 21) {
    ConnectionTable& table = table_of(*director_);
    const FlowKey key{ip("198.51.100.1"), ip("192.0.2.100"), Port(cport), Port(vport), Protocol::tcp};
    return table.find(Side::client, key, table.hash(key));
  }
  bool followed(uint16_t cport) { return connection(cport) && connection(cport)->peer.ftp != 0; }

  std::map<uint16_t, Numbers> numbers_;
};

TEST_F(FtpDirectorTest, HandshakesOfClientsThatDoNotExistTakeNoSession) {
  ftp();
  for (uint16_t cport = 2000; cport < 2100; ++cport) {
    EXPECT_NE(says(cport, "S"), "");
    EXPECT_NE(says(cport, "A"), "");
    EXPECT_FALSE(followed(cport));
  }
  log_in(1001);
  EXPECT_TRUE(followed(1001));
  EXPECT_EQ(passive(1001), kRewritten);
  EXPECT_EQ(count(Exit::ftp_full), 0u);
}

TEST_F(FtpDirectorTest, ClientsAloneTakeHalfOfTheSessionsAndServersThatSpeakTheRest) {
  ftp();
  for (uint16_t cport = 2000; cport < 2010; ++cport) {
    says(cport, "S");
    EXPECT_EQ(says(cport, "PA", "PASV\r\n").empty(), cport >= 2002) << cport;
  }
  EXPECT_EQ(count(Exit::ftp_full), 8u);
  EXPECT_EQ(static_cast<TcpState>(connection(2002)->state), TcpState::syn_recv) << "what was dropped was never here";
  log_in(1001), log_in(1002);
  EXPECT_EQ(passive(1001), kRewritten);
  EXPECT_EQ(passive(1002), kRewritten);
  shake_hands(1003);
  EXPECT_EQ(hears(1003, "PA", "220 ready\r\n"), "");
  EXPECT_EQ(count(Exit::ftp_full), 9u);
  says(2000, "R");  // believed: its number is the next one
  EXPECT_NE(hears_again(1003, "PA", "220 ready\r\n", kServerIsn + 1), "") << "repeated, and now there is room";
  numbers_[1003].at_client += 11;
  EXPECT_EQ(passive(1003), kRewritten);
}

TEST_F(FtpDirectorTest, ReadsACommandThatComesBeforeTheGreeting) {
  ftp();
  shake_hands(1001);
  EXPECT_EQ(passive(1001), kRewritten);
}

TEST_F(FtpDirectorTest, KnowsTheFirstByteOfTheSideThatHasNotSpokenYet) {
  ftp();
  log_in(1001);
  numbers_[1001].client += 3;
  EXPECT_EQ(says(1001, "PA", "V\r\n"), "") << "the first three bytes are missing";
  EXPECT_EQ(count(Exit::ftp_disorder), 1u);
  numbers_[1001].client -= 6;
  says(1001, "PA", "PAS"), says(1001, "PA", "V\r\n");
  hears(1001, "PA", kReply);
  EXPECT_EQ(left_data(), kRewritten);
}

TEST_F(FtpDirectorTest, ASessionGoesWithTheLastAcknowledgementAndNotBefore) {
  ftp();
  log_in(1001);
  says(1001, "PA", "PASV\r\n");
  hears(1001, "PA", "227 (203,0,113,11,39");  // edited, and nothing expected
  hears(1001, "PA", "\r\n");
  ASSERT_NE(numbers_[1001].at_client, numbers_[1001].server) << "numbers differ";
  says(1001, "FA"), hears(1001, "FA");
  EXPECT_TRUE(followed(1001));
  says(1001, "A");
  EXPECT_EQ(left_number(8), numbers_[1001].server) << "the last number is mapped, too";
  ASSERT_TRUE(connection(1001));
  EXPECT_FALSE(followed(1001));
  says_again(1001, "PA", "PASV\r\n", kClientIsn + 1);
  EXPECT_FALSE(followed(1001)) << "a repetition takes no new one";
}

TEST_F(FtpDirectorTest, MoreSessionsThanThereIsRoomForComeOneAfterTheOther) {
  ftp();
  for (uint16_t cport = 1001; cport < 1050; ++cport) {
    log_in(cport);
    says(cport, "PA", "EPSV\r\n");
    part(cport);
  }
  EXPECT_EQ(count(Exit::ftp_full), 0u);
  EXPECT_EQ(director_->connections().size(), 49u);
}

TEST_F(FtpDirectorTest, ASessionStaysWhileItControlsADataConnection) {
  ftp();
  log_in(1001);
  EXPECT_EQ(passive(1001), kRewritten);
  part(1001);
  EXPECT_TRUE(followed(1001));
  ASSERT_TRUE(connection(0, 10001));
  arrive(frame(Tcp{.sport = 1002, .dport = 10001}));
  arrive(frame(Tcp{.sport = 1002, .dport = 10001, .flags = "R"}));
  ASSERT_TRUE(connection(1002, 10001));
  pass(62s);
  EXPECT_FALSE(connection(1002, 10001));
  ASSERT_TRUE(connection(1001));
  EXPECT_FALSE(followed(1001)) << "and goes with the last one";
}

TEST_F(FtpDirectorTest, AForgedResetEndsNoSession) {
  ftp();
  log_in(1001);
  says_again(1001, "R", "", kClientIsn + 77);
  EXPECT_TRUE(followed(1001));
  EXPECT_EQ(passive(1001), kRewritten);
}

TEST_F(FtpDirectorTest, ALostExpectationIsCountedAndComesWithTheRepetition) {
  ftp({.max_connections = 2, .max_ftp = 4, .drop_entry = 0});
  log_in(1001);
  says(1002, "S");
  const uint32_t at = numbers_[1001].server;
  EXPECT_EQ(passive(1001), "") << "nothing goes on that promises a connection";
  EXPECT_EQ(count(Exit::table_full), 1u);
  EXPECT_FALSE(connection(0, 10001));
  pass(62s);
  ASSERT_FALSE(connection(1002));
  hears_again(1001, "PA", kReply, at);
  EXPECT_EQ(left_data(), kRewritten);
  EXPECT_TRUE(connection(0, 10001));
  EXPECT_EQ(count(Exit::table_full), 1u);
}

TEST_F(FtpDirectorTest, ALostExpectationOfAClientsIsCountedToo) {
  ftp({.max_connections = 1, .max_ftp = 4});
  log_in(1001);
  EXPECT_EQ(says(1001, "PA", "PORT 198,51,100,1,39,20\r\n"), "");
  EXPECT_EQ(count(Exit::table_full), 1u);
}

TEST_F(FtpDirectorTest, AnotherHostsAddressGoesOnAndIsCounted) {
  ftp();
  log_in(1001);
  EXPECT_NE(says(1001, "PA", "PORT 198,51,100,2,39,20\r\n"), "");
  EXPECT_EQ(count(Exit::ftp_refused), 1u);
  says(1001, "PA", "PASV\r\n");
  EXPECT_NE(hears(1001, "PA", "227 (203,0,113,12,39,17)\r\n"), "");
  EXPECT_EQ(count(Exit::ftp_refused), 2u);
  EXPECT_EQ(director_->connections().size(), 1u);
}

TEST_F(FtpDirectorTest, AFullTableIsNoClosedPort) {
  make({.max_connections = 1, .drop_entry = 0});
  ServiceSpec spec{.key = {Protocol::tcp, {ip("192.0.2.100"), Port(21)}, {}}};
  spec.persistence = 300s;
  nat(1, 21, spec);
  ASSERT_NE(arrive(frame(Udp{.dst = "192.0.2.100"})), "") << "a VIP's own answer";
  EXPECT_EQ(arrive(frame(Tcp{.dport = 30000})), "") << "the template has taken the only place";
  EXPECT_EQ(count(Exit::table_full), 1u);
  EXPECT_EQ(arrive(frame(Tcp{.src = "198.51.100.2", .dport = 30000})), "") << "not even a template";
  EXPECT_EQ(count(Exit::table_full), 2u);
  EXPECT_EQ(count(Exit::reset_sent), 0u);
}

}  // namespace
}  // namespace rawvs
