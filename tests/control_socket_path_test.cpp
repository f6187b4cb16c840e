// SPDX-License-Identifier: BSD-2-Clause
// Tests the control socket's path: who may use it, what it replaces, what it leaves behind.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "control_socket_fixture.h"

namespace rawvs {
namespace {

TEST_F(ControlSocketTest, AFileThatWasDeletedIsMadeAgainAndClientsStay) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  ControlClient before(path_);
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
  ControlClient after(path_);
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

TEST_F(ControlSocketTest, ASecondListenerIsRefusedWithThePathAndThePid) {
  const auto socket = listen_here();
  ASSERT_TRUE(socket);
  EXPECT_EQ(refusal(path_),
            "control socket " + path_ + ": another rawvsd is listening there (pid " + std::to_string(getpid()) + ")");
  ControlClient client(path_);  // the first client is not affected
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
  EXPECT_TRUE(ControlClient(path_).connected());
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
  EXPECT_EQ(refusal(""), "control socket: the path is empty: expected something like /run/rawvs/control.sock");
  EXPECT_EQ(refusal(path_, "no-such-group"), "control socket " + path_ + ": there is no group \"no-such-group\"");
  EXPECT_EQ(access(path_.c_str(), F_OK), -1);
  const std::string nowhere = folder_ + "/none/rawvs.sock";
  EXPECT_EQ(refusal(nowhere), "control socket " + nowhere + ": bind: No such file or directory");
  std::ofstream(path_) << "precious";
  EXPECT_EQ(refusal(path_), "control socket " + path_ + ": there is something that is not a socket: not replaced");
  EXPECT_EQ(access(path_.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace rawvs
