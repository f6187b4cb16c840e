// SPDX-License-Identifier: BSD-2-Clause
// rawvsadm's connection to rawvsd, against a peer that closes it in between.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "tools/rawvsadm/client.h"

namespace rawvs::adm {
namespace {

TEST(Client, ConnectsAgainWhenItsIdleConnectionWasClosed) {
  char folder[] = "/tmp/rawvsadm-XXXXXX";
  ASSERT_TRUE(mkdtemp(folder));
  const std::string path = std::string(folder) + "/s";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener, 4), 0);

  Client client(path);
  int connections = 0;
  for (int request = 0; request < 3; ++request) {
    // The peer takes one connection, answers one request and closes.
    std::thread peer([&] {
      const int fd = accept(listener, nullptr, nullptr);
      char text[100];
      const ssize_t size = recv(fd, text, sizeof text, 0);
      if (size > 0 && std::string(text, static_cast<size_t>(size)) == "rawvs/1 clear") ++connections;
      EXPECT_EQ(send(fd, "ok\nend\n", 7, MSG_NOSIGNAL), 7);
      close(fd);
    });
    const auto asked = client.ask("rawvs/1 clear", [](const Row&) {});
    peer.join();
    ASSERT_TRUE(asked) << asked.error().text;
    EXPECT_FALSE(*asked);
  }
  EXPECT_EQ(connections, 3);
  close(listener);
  const auto asked =
      client.ask("rawvs/1 clear", [](const Row&) {});  // nobody is there any more: said, not tried for ever
  ASSERT_FALSE(asked);
  EXPECT_NE(asked.error().text.find("cannot reach rawvsd at " + path), std::string::npos) << asked.error().text;
  unlink(path.c_str());
  rmdir(folder);
}

}  // namespace
}  // namespace rawvs::adm
