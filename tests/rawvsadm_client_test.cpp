// SPDX-License-Identifier: BSD-2-Clause
// Tests rawvsadm's connection to rawvsd against a peer that closes it.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "own_folder.h"
#include "tools/rawvsadm/client.h"

namespace rawvs::adm {
namespace {

class ClientTest : public testing::Test {  // a client, and a peer who listens and answers in a thread
 protected:
  void SetUp() override {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ASSERT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(listener_, 4), 0);
  }
  void TearDown() override {
    if (listener_ >= 0) close(listener_);
  }
  static void say(int fd, const std::string& text) {
    EXPECT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  static std::string hear(int fd) {
    char text[100];
    const ssize_t size = recv(fd, text, sizeof text, 0);
    return size > 0 ? std::string(text, static_cast<size_t>(size)) : "";
  }
  test::OwnFolder own_;
  const std::string path_ = own_.at("s");
  int listener_ = -1;
};

TEST_F(ClientTest, ConnectsAgainWhenItsIdleConnectionWasClosed) {
  Client client(path_);
  int connections = 0;
  for (int request = 0; request < 3; ++request) {
    // The peer takes one connection, answers one request and closes.
    std::thread peer([&] {
      const int fd = accept(listener_, nullptr, nullptr);
      if (hear(fd) == "rawvs/1 clear") ++connections;
      say(fd, "ok\nend\n");
      close(fd);
    });
    const auto asked = client.ask("rawvs/1 clear", [](const Row&) {});
    peer.join();
    ASSERT_TRUE(asked) << asked.error().text;
    EXPECT_FALSE(*asked);
  }
  EXPECT_EQ(connections, 3);
  close(std::exchange(listener_, -1));
  const auto asked =
      client.ask("rawvs/1 clear", [](const Row&) {});  // nobody is there any more: said, not tried for ever
  ASSERT_FALSE(asked);
  EXPECT_NE(asked.error().text.find("cannot reach rawvsd at " + path_), std::string::npos) << asked.error().text;
}

TEST_F(ClientTest, ADaemonThatDoesNotGoOnIsLeftAndWhatCameIsSaid) {
  Client client(path_, std::chrono::milliseconds(50));
  std::atomic<bool> over = false;
  std::thread peer([&] {  // of the second reply comes a part, of the first nothing
    for (const char* part : {"", "ok\nline text=a\nline text=b\n"}) {
      const int fd = accept(listener_, nullptr, nullptr);
      EXPECT_EQ(hear(fd), "rawvs/1 ini");
      if (*part != '\0') say(fd, part);
      EXPECT_EQ(hear(fd), "");  // until it has left
      close(fd);
    }
    over = true;
  });
  size_t rows = 0;
  auto asked = client.ask("rawvs/1 ini", [&](const Row&) { ++rows; });
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().text, "rawvsd at " + path_ + ": no answer within 0.050 s; see --wait");
  asked = client.ask("rawvs/1 ini", [&](const Row&) { ++rows; });
  peer.join();
  ASSERT_FALSE(asked);
  EXPECT_TRUE(over);
  EXPECT_EQ(rows, 2u);
  EXPECT_EQ(asked.error().text, "rawvsd at " + path_ +
                                    ": no complete answer: 2 rows came in 1 messages, then nothing "
                                    "for 0.050 s; see --wait");
}

TEST_F(ClientTest, ABusyDaemonIsAskedAgainAndOthersErrorsAreToldWhole) {
  Client client(path_);
  std::thread peer([&] {
    int fd = accept(listener_, nullptr, nullptr);
    say(fd, "error busy 128 clients are served\nend\n");
    close(fd);  // and what was asked is not read
    fd = accept(listener_, nullptr, nullptr);
    EXPECT_EQ(hear(fd), "rawvs/1 reload");
    say(fd, "error file a.ini:1: first\nfault text=a.ini:2: second\nend\n");
    close(fd);
  });
  const auto asked = client.ask("rawvs/1 reload", [](const Row&) { FAIL() << "an error has no rows"; });
  peer.join();
  ASSERT_TRUE(asked) << asked.error().text;
  ASSERT_TRUE(*asked);
  EXPECT_EQ((*asked)->code, "file");
  EXPECT_EQ((*asked)->text, "a.ini:1: first\na.ini:2: second");
}

}  // namespace
}  // namespace rawvs::adm
