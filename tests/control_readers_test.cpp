// SPDX-License-Identifier: BSD-2-Clause
// Tests read_group: whose members may ask, and change nothing; who is refused. As root: clients are other users.
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "control_fixture.h"
#include "control_socket_fixture.h"

namespace rawvs {
namespace {

constexpr char kReadersNo[] = "error permission permission denied: read-only (group users)\nend\n";

struct ReaderAtTable : Table {
  std::string read(const std::string& request) {
    Conversation c = answer("rawvs/1 " + request, director, {now, out}, context, {1000, "ann (pid 8)", "users"});
    std::string all;
    for (int i = 0; i < 1000 && !c.over() && !c.waiting(); ++i) all += c.next(director, now).text();
    return all;
  }
};

TEST(Readers, ChangeNothing) {
  ReaderAtTable t;
  t.serve_web();
  const std::string before = t.everything();
  const std::string service = " service=tcp:192.0.2.100:80", server = service + " server=192.0.2.11:80";
  for (const std::string& request :
       std::vector<std::string>{"add-service service=tcp:192.0.2.100:81", "edit-service" + service + " scheduler=rr",
                                "delete-service" + service, "add-server" + service + " server=192.0.2.12:80",
                                "edit-server" + server + " weight=0", "delete-server" + server, "clear", "zero",
                                "zero" + service, "set-timeouts tcp=1", "start-sync role=master link=eth0",
                                "stop-sync role=master", "reload", "reload reset=1"}) {
    EXPECT_EQ(t.read(request), kReadersNo) << request;
    EXPECT_EQ(code(t.ask(request.substr(0, request.find(' ')) + " colour=red")), "usage");
  }
  EXPECT_EQ(t.everything(), before);
}

TEST(Readers, MayAskForAllButSecretsAndBytes) {
  ReaderAtTable t;
  t.serve_web();
  const Events events;
  const Config config;
  t.context.events = &events, t.context.config = &config;
  for (const char* const request :
       {"list", "list service=tcp:192.0.2.100:80", "connections", "timeouts", "exits", "arp", "vrrp", "sync", "events",
        "ini", "ini secrets=0", "explain protocol=tcp client=198.51.100.1:1001 virtual=192.0.2.100:80"}) {
    EXPECT_EQ(t.read(request), t.ask(request)) << request;
  }
  for (const char* const request : {"trace count=1", "trace snap=0"}) EXPECT_EQ(t.read(request), "ok\n") << request;
  for (const char* const request : {"ini secrets=1", "trace snap=96", "trace snap=96 count=1"}) {
    EXPECT_EQ(t.read(request), kReadersNo) << request;
  }
}

TEST(Readers, WaitForNoJobUnlessTheyLookAtTheWholeFile) {
  for (const char* const word : {"list", "events", "connections", "exits", "arp", "trace", "vrrp", "sync"}) {
    EXPECT_FALSE(changes_something(std::string("rawvs/1 ") + word)) << word;
  }
  for (const char* const word : {"ini", "reload", "clear", "zero"}) {
    EXPECT_TRUE(changes_something(std::string("rawvs/1 ") + word)) << word;
  }
}

class ReadGroupTest : public ControlSocketTest {
 protected:
  void SetUp() override {
    const group* const found = getgrnam("daemon");
    if (geteuid() != 0 || !found) GTEST_SKIP() << "needs root, and a group daemon";
    full_ = found->gr_gid;
    const group* const readers = getgrnam("bin");
    if (!readers) GTEST_SKIP() << "needs a group bin";
    readers_ = readers->gr_gid;
    ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  }
  std::unique_ptr<ControlSocket> listen_for(const std::string& group, const std::string& readers) {
    auto made = ControlSocket::listen(path_, group, readers);
    EXPECT_TRUE(made) << (made ? "" : made.error().text);
    return made ? std::move(*made) : nullptr;
  }
  // What a client with this main group and these further ones is told, who is no user of /etc/passwd.
  std::string told(ControlSocket& socket, gid_t main, const std::vector<gid_t>& further, uid_t user = 54321) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      if (setgroups(further.size(), further.data()) != 0 || setgid(main) != 0 || setuid(user) != 0) _exit(1);
      ControlClient client(path_);
      std::string text = client.connected() ? "" : "no connection";
      pollfd wait{client.fd(), POLLIN, 0};
      if (text.empty()) client.say("x");
      if (text.empty() && poll(&wait, 1, 10'000) == 1) text = client.hear();
      if (text == "EOF") text = client.hear();  // that the request was not read is reported first, and once
      _exit(write(ends[1], text.data(), text.size()) < 0 ? 2 : 0);
    }
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    std::string text(500, '\0');
    ssize_t size = -1;
    for (int turn = 0; turn < 1000 && size < 0; ++turn) {
      socket.serve(
          [](std::string_view, const Operator& who) {
            RowSources rows;
            rows.push_back(text_rows("may", {who.readers.empty() ? "change" : "ask, as " + who.readers}));
            return Conversation(std::move(rows));
          },
          [this](Conversation& c) { return c.next(director_, now_); }, now_);
      pollfd wait{ends[0], POLLIN, 0};
      if (poll(&wait, 1, 10) == 1) size = read(ends[0], text.data(), text.size());
    }
    int status = 0;
    waitpid(child, &status, 0);
    close(ends[0]);
    EXPECT_EQ(status, 0);
    return text.substr(0, static_cast<size_t>(std::max<ssize_t>(size, 0)));
  }
  struct stat file() const {
    struct stat there {};
    EXPECT_EQ(stat(path_.c_str(), &there), 0);
    return there;
  }
  gid_t full_ = 0, readers_ = 0;
  static constexpr char kChange[] = "ok\nmay text=change\nend\n", kAsk[] = "ok\nmay text=ask, as bin\nend\n";
};

TEST_F(ReadGroupTest, DecidesByTheGroupsThatAClientHad) {
  const auto socket = listen_for("daemon", "bin");
  ASSERT_TRUE(socket);
  struct stat there = file();
  EXPECT_EQ(there.st_mode & 07777, 0666u);
  EXPECT_EQ(there.st_gid, full_);
  EXPECT_EQ(told(*socket, readers_, {}), kAsk);
  EXPECT_EQ(told(*socket, 54321, {1234, readers_, 4321}), kAsk);
  EXPECT_EQ(told(*socket, full_, {}), kChange);
  EXPECT_EQ(told(*socket, 54321, {readers_, full_}), kChange);
  EXPECT_EQ(told(*socket, 54321, {}, 0), kChange);
  std::vector<gid_t> many(200);
  for (size_t i = 0; i < many.size(); ++i) many[i] = static_cast<gid_t>(100'000 + i);
  const std::string stranger =
      "error permission permission denied: expected root, or a member of the group daemon, or a member of the group "
      "bin\nend\n";
  EXPECT_EQ(told(*socket, 54321, many), stranger);
  many.back() = readers_;
  EXPECT_EQ(told(*socket, 54321, many), kAsk);
  EXPECT_EQ(told(*socket, 54321, {}), stranger);
}

TEST_F(ReadGroupTest, ReadersDoNotKeepOutWhoMayChangeEverything) {
  const auto socket = listen_for("daemon", "bin");
  ASSERT_TRUE(socket);
  std::vector<gid_t> own(static_cast<size_t>(getgroups(0, nullptr)));
  ASSERT_EQ(getgroups(static_cast<int>(own.size()), own.data()), static_cast<int>(own.size()));
  std::vector<ControlClient> deaf;
  ASSERT_EQ(setgroups(0, nullptr), 0);
  ASSERT_EQ(setegid(readers_), 0);
  ASSERT_EQ(seteuid(54321), 0);
  for (size_t i = 0; i < ControlSocket::kClients; ++i) {
    deaf.emplace_back(path_);
    EXPECT_TRUE(deaf.back().say("long"));
  }
  ASSERT_EQ(seteuid(0), 0);
  ASSERT_EQ(setegid(getgid()), 0);
  ASSERT_EQ(setgroups(own.size(), own.data()), 0);
  serve(*socket, 40'000);
  EXPECT_EQ(told(*socket, readers_, {}), "error busy 128 clients are served: try again\nend\n");
  EXPECT_EQ(told(*socket, full_, {}), kChange);
}

TEST_F(ReadGroupTest, WithoutAGroupForChangesOnlyRootMakesThem) {
  const auto socket = listen_for("", "bin");
  ASSERT_TRUE(socket);
  EXPECT_EQ(told(*socket, readers_, {}), kAsk);
  EXPECT_EQ(told(*socket, 54321, {}, 0), kChange);
  EXPECT_EQ(told(*socket, full_, {}),
            "error permission permission denied: expected root, or a member of the group bin\nend\n");
}

TEST_F(ReadGroupTest, WithoutOneTheFilesModeDecides) {
  const auto socket = listen_for("daemon", "");
  ASSERT_TRUE(socket);
  struct stat there = file();
  EXPECT_EQ(there.st_mode & 07777, 0660u);
  EXPECT_EQ(told(*socket, readers_, {}), "no connection");
  EXPECT_EQ(told(*socket, full_, {}), kChange);
  EXPECT_EQ(ControlSocket::could_listen(path_, "", "no-such-readers").error().text,
            "control socket " + path_ + ": there is no group \"no-such-readers\"");
}

}  // namespace
}  // namespace rawvs
