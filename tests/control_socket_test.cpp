// SPDX-License-Identifier: BSD-2-Clause
// Tests the control socket with good and bad clients in one thread, so that waiting shows; and the functions of sys.h.
#include "sys/engine/control_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "own_folder.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr size_t kLongListing = 200;  // pieces of kPieceMost bytes: more than a socket holds

class Client {
 public:
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  Client& operator=(Client&& other) noexcept {
    std::swap(fd_, other.fd_), std::swap(connected_, other.connected_);
    return *this;
  }
  ~Client() {
    if (fd_ >= 0) close(fd_);
  }
  bool connected() const { return connected_; }
  bool say(const std::string& text) {
    return ::send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  void say_no_more() { shutdown(fd_, SHUT_WR); }
  std::string hear() {  // the next message; "" = none yet, "EOF" = the other side is gone
    std::string text(kPieceMost + 1, '\0');
    const ssize_t got = recv(fd_, text.data(), text.size(), MSG_DONTWAIT);
    if (got <= 0) return got == 0 || errno != EAGAIN ? "EOF" : "";
    text.resize(static_cast<size_t>(got));
    return text;
  }
  int fd() const { return fd_; }

 private:
  int fd_;
  bool connected_ = false;
};

class ControlSocketTest : public testing::Test {
 protected:
  void TearDown() override {
    unlink(path_.c_str());
    EXPECT_TRUE(std::filesystem::is_empty(own_.path())) << "something was left behind in " << own_.path();
  }
  std::unique_ptr<ControlSocket> listen_here() {
    auto made = ControlSocket::listen(path_, "");
    EXPECT_TRUE(made) << (made ? "" : made.error().text);
    return made ? std::move(*made) : nullptr;
  }
  std::string refusal(const std::string& path, const std::string& group = "") {
    const auto made = ControlSocket::listen(path, group);
    return made ? "it listens" : made.error().text;
  }
  // The reply to a request is its size; to "long", very many pieces.
  Conversation reply_to(std::string_view request) {
    RowSources rows;
    if (request == "long") {
      rows.push_back(rows_from([this, left = kLongListing](std::string& row, Director&, Instant) mutable {
        if (left-- == 0) return RowSource::Next::end;
        ++long_pieces_;
        row.assign(kPieceMost - 1, 'x');
        return RowSource::Next::row;
      }));
    } else {
      rows.push_back(text_rows("got", {std::to_string(request.size())}));
    }
    return Conversation(std::move(rows));
  }
  void serve(ControlSocket& socket, int turns = 1) {
    for (int i = 0; i < turns; ++i) {
      socket.serve([this](std::string_view request,
                          const Operator& who) { return asked_by_.push_back(who.text), reply_to(request); },
                   [this](Conversation& c) { return c.next(director_, now_); }, now_);
    }
  }
  static std::string got(size_t size) { return "ok\ngot text=" + std::to_string(size) + "\nend\n"; }
  static bool ready(const ControlSocket& socket) {
    pollfd p{socket.fd(), POLLIN, 0};
    return poll(&p, 1, 0) == 1;
  }
  test::OwnFolder own_;
  const std::string folder_ = own_.path(), path_ = own_.at("rawvs.sock");
  Instant now_{1h};
  Director director_{Settings{.max_connections = 16}, HashKey{1, 2}, false, now_};
  size_t long_pieces_ = 0;
  std::vector<std::string> asked_by_;
};

TEST_F(ControlSocketTest, AnswersTwoClientsInTurn) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  EXPECT_FALSE(ready(*socket));
  Client one(path_), two(path_);
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
  Client deaf(path_);
  ASSERT_TRUE(deaf.say("long"));
  serve(*socket, 300);
  EXPECT_LT(long_pieces_, kLongListing);
  EXPECT_FALSE(ready(*socket));  // nothing to do until a client reads: the loop does not spin
  EXPECT_EQ(socket->next_deadline(), now_ + ControlSocket::kPatience);

  now_ += 1s;
  Client other(path_);
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
  Client slow(path_);
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
  Client greedy(path_), modest(path_);
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
  Client loud(path_);
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
  Client client(path_);
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
    Client hasty(path_);
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
  std::vector<Client> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back(path_);
    ASSERT_TRUE(clients.back().connected()) << i;
    ASSERT_TRUE(clients.back().say("x"));
  }
  serve(*socket, 1000);
  for (Client& c : clients) EXPECT_EQ(c.hear(), got(1));
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
  std::vector<Client> silent, deaf;
  const auto come = [&](std::vector<Client>& clients, size_t count, const char* request) {
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
  std::vector<Client> roots;
  for (size_t i = 0; i < ControlSocket::kRootClients + 3; ++i) {
    roots.emplace_back(path_);
    ASSERT_TRUE(roots.back().say("x"));
    serve(*socket, 3);
    EXPECT_EQ(roots.back().hear(), got(1)) << i;
  }
  EXPECT_EQ(std::ranges::count_if(silent, [](Client& c) { return c.hear() == "EOF"; }), 3);
  EXPECT_TRUE(asked_by_.back().starts_with("root (pid " + std::to_string(getpid()) + ", ")) << asked_by_.back();
  // A new member replaces an idle one. Without an idle one it is refused.
  come(deaf, ControlSocket::kClients, "long");
  serve(*socket, 40'000);
  std::vector<Client> late;
  come(late, 1, "");
  serve(*socket, 1);
  EXPECT_EQ(late[0].hear(), "error busy 144 clients are served: try again\nend\n");
  roots.emplace_back(path_);
  ASSERT_TRUE(roots.back().say("x"));
  serve(*socket, 3);
  EXPECT_EQ(roots.back().hear(), got(1)) << "root may take the place of one who does not read";
}

TEST_F(ControlSocketTest, AFileThatWasDeletedIsMadeAgainAndClientsStay) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  Client before(path_);
  serve(*socket);
  auto made = socket->renew();
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_FALSE(*made) << "it is there";
  ASSERT_EQ(unlink(path_.c_str()), 0);
  made = socket->renew();
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_TRUE(*made);
  struct stat there {};
  ASSERT_EQ(stat(path_.c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 07777, 0660u);
  Client after(path_);
  ASSERT_TRUE(before.say("a") && after.say("bb"));
  serve(*socket, 4);
  EXPECT_EQ(before.hear(), got(1));
  EXPECT_EQ(after.hear(), got(2));
  ASSERT_EQ(unlink(path_.c_str()), 0);
  std::ofstream(path_) << "someone else's";
  made = socket->renew();
  ASSERT_FALSE(made);
  EXPECT_TRUE(made.error().text.ends_with("there is another file now: left alone, nobody can connect to this rawvsd"));
}

TEST_F(ControlSocketTest, WithoutDescriptorsItWaitsInsteadOfSpinning) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  Client client(path_);
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

TEST_F(ControlSocketTest, ASecondListenerIsRefusedWithThePathAndThePid) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  EXPECT_EQ(refusal(path_),
            "control socket " + path_ + ": another rawvsd is listening there (pid " + std::to_string(getpid()) + ")");
  Client client(path_);  // the first client is not affected
  ASSERT_TRUE(client.say("x"));
  serve(*socket, 4);
  EXPECT_EQ(client.hear(), got(1));
}

TEST_F(ControlSocketTest, ASocketThatNobodyListensOnIsReplaced) {
  {
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    close(fd);
  }
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  EXPECT_TRUE(Client(path_).connected());
}

TEST_F(ControlSocketTest, OwnerAndGroupMayUseItWhateverTheUmask) {
  for (const mode_t mask : {0000u, 0022u, 0777u}) {
    const mode_t before = umask(mask);
    const auto socket = listen_here();
    umask(before);
    struct stat there {};
    ASSERT_EQ(stat(path_.c_str(), &there), 0);
    EXPECT_EQ(there.st_mode & 07777, 0660u);
  }
}

TEST_F(ControlSocketTest, BelongsToTheGroupThatIsAsked) {
  const struct group* const own = getgrgid(getegid());
  if (!own) GTEST_SKIP() << "this process's group has no name";
  const auto made = ControlSocket::listen(path_, own->gr_name);
  ASSERT_TRUE(made) << made.error().text;
  struct stat there {};
  ASSERT_EQ(stat(path_.c_str(), &there), 0);
  EXPECT_EQ(there.st_gid, getegid());
}

TEST_F(ControlSocketTest, RemovesItsPathAtTheEnd) {
  ASSERT_TRUE(listen_here());  // and it ends at once
  EXPECT_EQ(access(path_.c_str(), F_OK), -1);
}

TEST_F(ControlSocketTest, LeavesAPathAloneThatIsNoLongerItsOwn) {
  {
    const auto socket = listen_here();
    ASSERT_EQ(unlink(path_.c_str()), 0);
    std::ofstream(path_) << "someone else's";
  }
  EXPECT_EQ(access(path_.c_str(), F_OK), 0);
}

TEST_F(ControlSocketTest, RefusesPathsAndGroupsThatCannotBeAndLeavesNothing) {
  const std::string long_path = folder_ + "/" + std::string(100, 'a');
  EXPECT_EQ(refusal(long_path), "control socket " + long_path + ": a path of " + std::to_string(long_path.size()) +
                                    " bytes: expected at most 107");
  EXPECT_EQ(refusal(""), "control socket: the path is empty: expected something like /run/rawvs.sock");
  EXPECT_EQ(refusal(path_, "no-such-group"), "control socket " + path_ + ": there is no group \"no-such-group\"");
  EXPECT_EQ(access(path_.c_str(), F_OK), -1);
  const std::string nowhere = folder_ + "/none/rawvs.sock";
  EXPECT_EQ(refusal(nowhere), "control socket " + nowhere + ": bind: No such file or directory");
  std::ofstream(path_) << "precious";
  EXPECT_EQ(refusal(path_), "control socket " + path_ + ": there is something that is not a socket: not replaced");
  EXPECT_EQ(access(path_.c_str(), F_OK), 0);
}

TEST(Sys, ReadsAFileOrSaysWhyNot) {
  char name[] = "/tmp/rawvs-file-XXXXXX";
  const int fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  close(fd);
  EXPECT_EQ(*read_file(name), "");
  std::ofstream(name) << std::string("a\0b\n", 4);
  EXPECT_EQ(*read_file(name), std::string("a\0b\n", 4));
  std::ofstream(name) << std::string(1024 * 1024, 'x');
  EXPECT_EQ(read_file(name)->size(), 1024u * 1024);
  std::ofstream(name) << std::string(1024 * 1024 + 1, 'x');
  EXPECT_EQ(read_file(name).error().text, std::string(name) + ": the file is larger than 1 MB");
  unlink(name);
  EXPECT_EQ(read_file(name).error().text, std::string(name) + ": No such file or directory");
  EXPECT_EQ(read_file("/tmp").error().text, "/tmp: Is a directory");
}

TEST(Sys, ClockAndRandomnessAreAlive) {
  const Instant before = clock_now();
  EXPECT_GT(before, Instant{});
  EXPECT_GE(clock_now(), before);
  const HashKey one = random_hash_key(), two = random_hash_key();
  EXPECT_TRUE(one.k0 != two.k0 || one.k1 != two.k1);
}

TEST(Sys, LogsOneLinePerEventAndInfoOnlyWhenAsked) {
  testing::internal::CaptureStderr();
  const Log quiet(Log::To::standard_error, false), verbose(Log::To::standard_error, true);
  quiet.write(Severity::info, "not this");
  verbose.write(Severity::info, "this");
  quiet.write(Severity::warning, "100%s\nof it");
  quiet.write(Severity::error, "bad");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "rawvsd: this\nrawvsd: warning: 100%s?of it\nrawvsd: error: bad\n");
}

}  // namespace
}  // namespace rawvs
