// SPDX-License-Identifier: BSD-2-Clause
// Tests the control socket's conversations with good and bad clients. control_socket_path_test.cpp has its path.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "control_socket_fixture.h"

namespace rawvs {
namespace {

TEST_F(ControlSocketTest, AnswersTwoClientsInTurn) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  EXPECT_FALSE(ready(*socket));
  ControlClient one(path_), two(path_);
  EXPECT_TRUE(one.say("a") && two.say("bb") && one.say("ccc"));
  EXPECT_TRUE(ready(*socket));
  serve(*socket, 4);
  EXPECT_EQ(one.hear(), got(1));
  EXPECT_EQ(two.hear(), got(2));
  EXPECT_EQ(one.hear(), got(3));
  EXPECT_FALSE(ready(*socket));
}

TEST_F(ControlSocketTest, AClientThatNeverReadsWaitsAloneAndIsDroppedAfterAWhile) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  EXPECT_EQ(socket->next_deadline(), kNever);
  ControlClient deaf(path_);
  ASSERT_TRUE(deaf.say("long"));
  serve(*socket, 300);
  EXPECT_LT(long_pieces_, kLongListing);
  EXPECT_FALSE(ready(*socket));  // nothing to do until a client reads: the loop does not spin
  EXPECT_EQ(socket->next_deadline(), now_ + ControlSocket::kPatience);

  now_ += 1s;
  ControlClient other(path_);
  ASSERT_TRUE(other.say("x"));
  serve(*socket, 3);
  EXPECT_EQ(other.hear(), got(1));

  now_ += ControlSocket::kPatience - 1s;
  socket->time_passed(now_);
  EXPECT_EQ(socket->next_deadline(), now_ + 1s);  // only the other one is left
  while (deaf.hear() != "EOF") continue;
  now_ += 1s;
  socket->time_passed(now_);
  EXPECT_EQ(other.hear(), "EOF");
  EXPECT_EQ(socket->next_deadline(), kNever);
}

TEST_F(ControlSocketTest, SendsALongReplyWholeToAClientThatReadsSlowly) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  ControlClient slow(path_);
  ASSERT_TRUE(slow.say("long"));
  size_t heard = 0;
  std::string piece;
  for (size_t turn = 0; turn < 4 * kLongListing && piece != "end\n"; ++turn) {
    serve(*socket);
    piece = slow.hear();
    if (piece.size() == kPieceMost) ++heard;
  }
  EXPECT_EQ(heard, kLongListing);
  EXPECT_TRUE(slow.say("x"));
  serve(*socket, 2);
  EXPECT_EQ(slow.hear(), got(1));
}

TEST_F(ControlSocketTest, ServesEverybodyBetweenThePiecesOfALongReply) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  ControlClient greedy(path_), modest(path_);
  ASSERT_TRUE(greedy.say("long"));
  serve(*socket, 2);
  const size_t before = long_pieces_;
  ASSERT_TRUE(modest.say("x"));
  serve(*socket, 4);
  EXPECT_EQ(modest.hear(), got(1));
  EXPECT_LE(long_pieces_, before + 3);  // a call of serve() is one piece for one of them, in turn
}

TEST_F(ControlSocketTest, AMegabyteOfGarbageIsAnsweredMessageByMessage) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  ControlClient loud(path_);
  size_t total = 0;
  for (size_t size = 1; total < 1'000'000; size = size * 3 % 100'003) {
    std::string garbage(size, '\0');
    for (size_t i = 0; i < size; ++i) garbage[i] = static_cast<char>(i * 37 + size);
    ASSERT_TRUE(loud.say(garbage)) << size;
    serve(*socket, 2);
    EXPECT_EQ(loud.hear(), got(std::min(size, kRequestMost + 1)));  // one more: seen to be too long
    total += size;
  }
}

TEST_F(ControlSocketTest, AnEmptyMessageIsARequestAndAHalfClosedClientStillGetsItsReply) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  ControlClient client(path_);
  ASSERT_TRUE(client.say(""));
  serve(*socket, 3);
  EXPECT_EQ(client.hear(), got(0));
  ASSERT_TRUE(client.say("last"));
  client.say_no_more();
  serve(*socket, 3);
  EXPECT_EQ(client.hear(), got(4));
  EXPECT_EQ(client.hear(), "EOF");
}

TEST_F(ControlSocketTest, AClientThatLeavesInTheMiddleOfItsReplyIsForgotten) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  {
    ControlClient hasty(path_);
    ASSERT_TRUE(hasty.say("long"));
    serve(*socket, 2);
  }
  serve(*socket, 2);  // a signal would end the test here
  EXPECT_FALSE(ready(*socket));
  EXPECT_EQ(socket->next_deadline(), kNever);
}

TEST_F(ControlSocketTest, TwoHundredClientsAtOnceAreAllServedSinceIdleOnesMakeRoom) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  std::vector<ControlClient> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back(path_);
    ASSERT_TRUE(clients.back().connected()) << i;
    ASSERT_TRUE(clients.back().say("x"));
  }
  serve(*socket, 1000);
  for (ControlClient& c : clients) EXPECT_EQ(c.hear(), got(1));
  EXPECT_FALSE(ready(*socket));
}

class AsAnother {  // this process's effective user, as long as it lives: connections are that user's
 public:
  AsAnother() : done_(seteuid(kNobody) == 0) {}
  ~AsAnother() {
    if (done_) {
      EXPECT_EQ(seteuid(0), 0);
    }
  }
  static constexpr uid_t kNobody = 65534;

 private:
  bool done_;
};

TEST_F(ControlSocketTest, SilentMembersOfTheGroupDoNotKeepRootOut) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else";
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  ASSERT_EQ(chmod(path_.c_str(), 0666), 0);
  std::vector<ControlClient> silent, deaf;
  const auto come = [&](std::vector<ControlClient>& clients, size_t count, const char* request) {
    const AsAnother other;
    for (size_t i = 0; i < count; ++i) {
      clients.emplace_back(path_);
      if (*request != '\0') {
        EXPECT_TRUE(clients.back().say(request));
      }
    }
  };
  come(silent, ControlSocket::kClients, "");
  serve(*socket, 100);
  now_ += 1s;
  // There are places for root; when these are taken, too, root replaces an idle client of another user.
  std::vector<ControlClient> roots;
  for (size_t i = 0; i < ControlSocket::kRootClients + 3; ++i) {
    roots.emplace_back(path_);
    ASSERT_TRUE(roots.back().say("x"));
    serve(*socket, 3);
    EXPECT_EQ(roots.back().hear(), got(1)) << i;
  }
  EXPECT_EQ(std::ranges::count_if(silent, [](ControlClient& c) { return c.hear() == "EOF"; }), 3);
  EXPECT_TRUE(asked_by_.back().starts_with("root (pid " + std::to_string(getpid()) + ", ")) << asked_by_.back();
  // A new member replaces an idle one. Without an idle one it is refused.
  come(deaf, ControlSocket::kClients, "long");
  serve(*socket, 40'000);
  std::vector<ControlClient> late;
  come(late, 1, "");
  serve(*socket, 1);
  EXPECT_EQ(late[0].hear(), "error busy 144 clients are served: try again\nend\n");
  roots.emplace_back(path_);
  ASSERT_TRUE(roots.back().say("x"));
  serve(*socket, 3);
  EXPECT_EQ(roots.back().hear(), got(1)) << "root may take the place of one who does not read";
}

TEST_F(ControlSocketTest, WithoutDescriptorsItWaitsInsteadOfSpinning) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  ControlClient client(path_);
  ASSERT_TRUE(client.say("x"));
  const Instant now = now_;
  rlimit normal{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &normal), 0);
  const int next_free = dup(client.fd());
  close(next_free);
  rlimit none = normal;
  none.rlim_cur = static_cast<rlim_t>(next_free);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  // Uses no member of the fixture here: UBSan's check of a vptr needs descriptors itself.
  socket->serve([](std::string_view, const Operator&) { return Conversation{}; }, [](Conversation&) { return Piece(); },
                now);
  const bool spins = ready(*socket);
  setrlimit(RLIMIT_NOFILE, &normal);
  EXPECT_FALSE(spins);
  EXPECT_EQ(socket->next_deadline(), now + 1s);
  now_ += 1s;
  socket->time_passed(now_);
  serve(*socket, 2);
  EXPECT_EQ(client.hear(), got(1));
}

}  // namespace
}  // namespace rawvs
