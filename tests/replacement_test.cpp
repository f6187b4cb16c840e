// SPDX-License-Identifier: BSD-2-Clause
// Tests replacing the program (the new one is tried first), one director per interface, and that root runs only root's
// programs.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "own_folder.h"
#include "sys/engine/start_check.h"
#include "sys/engine/trial.h"
#include "sys/guard/guard_links.h"
#include "sys/net/interface_lock.h"
#include "sys/probe/probe_program.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

namespace fs = std::filesystem;

class Replacement : public testing::Test {
 protected:
  std::string script(const std::string& text) const {
    std::string path = folder_ + "/program";
    std::ofstream(path) << "#!/bin/sh\n" << text << '\n';
    EXPECT_EQ(chmod(path.c_str(), 0755), 0);
    return path;
  }
  // "well", or why it is refused.
  static std::string verdict(const std::string& program) {
    auto trial = Trial::begin({program, "-t", "-c", "/etc/rawvs.ini"}, clock_now());
    if (!trial) return trial.error().text;
    for (;;) {
      const Instant now = clock_now();
      if (const auto result = trial->result(now)) return *result ? "well" : result->error().text;
      usleep(1000);
    }
  }
  static bool no_child_is_left() { return waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD; }

  test::OwnFolder own_;
  const std::string folder_ = own_.path();
};

TEST_F(Replacement, OnlyAProgramThatSaysItCouldStartIsTaken) {
  EXPECT_EQ(
      verdict(script("[ \"$*\" = '-t -c /etc/rawvs.ini' ] && echo \"rawvsd: $3: the configuration is valid\" >&2")),
      "well");
  EXPECT_EQ(verdict(script("exit 0")), "it is no rawvsd: it does not say whether it could start");
  EXPECT_EQ(verdict(script("exit 3")), "it ended with 3");
  EXPECT_EQ(verdict(script("echo 'rawvsd: one' >&2; echo 'rawvsd: two' >&2; exit 6")), "rawvsd: one\nrawvsd: two");
  EXPECT_EQ(verdict(script("kill -KILL $$")), "it was ended by signal 9");
  EXPECT_EQ(verdict(folder_ + "/nowhere"), folder_ + "/nowhere: No such file or directory");
  const std::string forbidden = script("exit 0");
  ASSERT_EQ(chmod(forbidden.c_str(), 0644), 0);
  EXPECT_EQ(verdict(forbidden), forbidden + ": Permission denied");
  EXPECT_TRUE(no_child_is_left());
}

TEST_F(Replacement, OfMuchThatAProgramPrintsNothingBlocksIt) {
  EXPECT_EQ(verdict(script("head -c 300000 /dev/zero; echo ': the configuration is valid' >&2")), "well");
  EXPECT_EQ(verdict(script("head -c 300000 /dev/zero | tr '\\0' x >&2; exit 1")).size(), 8192U);
}

TEST_F(Replacement, ATrialThatIsGivenUpLeavesNoProcess) {
  {
    auto trial = Trial::begin({script("exec sleep 600")}, Instant(1000s));
    ASSERT_TRUE(trial);
    EXPECT_FALSE(trial->result(Instant(1000s)));
    EXPECT_GT(trial->next_deadline(), Instant(1000s));
    const auto late = trial->result(Instant(2000s));
    ASSERT_TRUE(late);
    EXPECT_FALSE(*late);
    while (!trial->gone()) {  // a killed process takes its time on a busy machine
      EXPECT_FALSE(trial->result(Instant(2001s))) << "told twice";
      usleep(1000);
    }
  }
  EXPECT_TRUE(no_child_is_left());
}

TEST_F(Replacement, TheCheckFindsWhatAStartWouldRefuse) {
  Config config;
  config.control = folder_ + "/rawvs.sock";
  EXPECT_TRUE(start_faults(config).empty());
  config.control_group = "no-such-group-here";
  auto faults = start_faults(config);
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_NE(faults[0].text.find("there is no group \"no-such-group-here\""), std::string::npos) << faults[0].text;
  config.control_group.clear();
  config.read_group = "no-such-readers";
  faults = start_faults(config);
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_NE(faults[0].text.find("there is no group \"no-such-readers\""), std::string::npos) << faults[0].text;
  config.read_group.clear();
  config.control = folder_ + "/nowhere/rawvs.sock";
  faults = start_faults(config);
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_NE(faults[0].text.find("there is no folder " + folder_ + "/nowhere"), std::string::npos) << faults[0].text;
  config.control = script("exit 0");
  faults = start_faults(config);
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_NE(faults[0].text.find("something that is not a socket"), std::string::npos) << faults[0].text;
}

TEST_F(Replacement, AnInterfaceHasOneDirector) {
  constexpr int kIndex = 2'000'000'001;  // no interface here has this one
  InterfaceLock first, second;
  const auto taken = first.take("eth0", kIndex);
  ASSERT_TRUE(taken);
  EXPECT_FALSE(*taken);
  for (int tries = 0; tries < 2; ++tries) {
    const auto refused = second.take("eth0", kIndex);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().text, "interface eth0: another rawvsd (process " + std::to_string(getpid()) +
                                        ") serves it: both would forward every packet");
  }
  EXPECT_TRUE(first.take("eth0", kIndex));  // held already
  EXPECT_TRUE(second.take("eth1", kIndex + 1));
  EXPECT_TRUE(first.take("eth0", 0));  // the interface is gone
  EXPECT_TRUE(second.take("eth0", kIndex));
  EXPECT_TRUE(first.take("eth1", kIndex + 1)) << "the second one has given it up for the other";
}

TEST_F(Replacement, GuardsThatAreNoneAreNotInherited) {
  const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  setenv("RAWVS_GUARD_FDS", (std::to_string(file) + ",x,0,99999,").c_str(), 1);
  EXPECT_TRUE(inherited_guard_links().empty());
  EXPECT_EQ(getenv("RAWVS_GUARD_FDS"), nullptr);
  EXPECT_EQ(fcntl(file, F_GETFD), FD_CLOEXEC) << "it was closed, or changed";
  close(file);
}

TEST_F(Replacement, RootRunsWhatOnlyRootCanWrite) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const std::string program = script("exit 0");
  const auto why = [](const std::string& path) {
    const auto refused = untrusted(path, User{"root", 0, 0});
    return refused ? refused->text : "";
  };
  EXPECT_EQ(why(program), "");
  ASSERT_EQ(chmod(program.c_str(), 0777), 0);
  EXPECT_EQ(why(program), program + ": not run as root: others than root can write it");
  ASSERT_EQ(chmod(program.c_str(), 0755), 0);
  ASSERT_EQ(chown(program.c_str(), 12345, 0), 0);
  EXPECT_EQ(why(program), program + ": not run as root: others than root can write it");
  ASSERT_EQ(chown(program.c_str(), 0, 0), 0);
  ASSERT_EQ(chmod(folder_.c_str(), 0777), 0);
  EXPECT_EQ(why(program), program + ": not run as root: others than root can write " + folder_);
  ASSERT_EQ(chmod(folder_.c_str(), 01777), 0);
  EXPECT_EQ(why(program), "") << "the sticky bit keeps others from replacing it";
  ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  const std::string elsewhere = folder_ + "/open";
  fs::create_directory(elsewhere);
  ASSERT_EQ(chmod(elsewhere.c_str(), 0777), 0);
  fs::create_symlink(program, elsewhere + "/link");
  EXPECT_EQ(why(elsewhere + "/link"), elsewhere + "/link: not run as root: others than root can write " + elsewhere);
  const User root{"root", 0, 0};
  EXPECT_FALSE(run_program({.argv = {elsewhere + "/link"}, .user = &root}));
}

TEST_F(Replacement, AProgramGainsNoRights) {
  const std::string out = folder_ + "/out";
  auto program = run_program(
      {.argv = {script("grep NoNewPrivs /proc/self/status >" + out)}, .environment = {"PATH=/usr/bin:/bin"}});
  ASSERT_TRUE(program) << program.error().text;
  ASSERT_EQ(waitpid(program->pid, nullptr, 0), program->pid);
  std::string key, value;
  std::ifstream(out) >> key >> value;
  EXPECT_EQ(value, "1");
}

}  // namespace
}  // namespace rawvs
