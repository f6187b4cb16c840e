// SPDX-License-Identifier: BSD-2-Clause
// Tests which files a pid file may overwrite.
#include "sys/engine/pid_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "own_folder.h"

namespace rawvs {
namespace {

namespace fs = std::filesystem;

class PidFileTest : public testing::Test {
 protected:
  void put(const std::string& path, const std::string& content) const { std::ofstream(path) << content; }
  std::string content(const std::string& path) const {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // The refusal, without changing anything and when writing; expects the file to be unchanged.
  std::string refused(const std::string& path) const {
    PidFile file(path);
    const auto checked = file.check(), written = file.write();
    EXPECT_FALSE(checked);
    EXPECT_FALSE(written);
    return checked || written ? "" : written.error().text;
  }
  test::OwnFolder own_;
  const std::string folder_ = own_.path(), path_ = own_.at("rawvsd.pid");
};

TEST_F(PidFileTest, HoldsTheProcessIdAndIsRemovedAtTheEnd) {
  {
    PidFile file(path_);
    ASSERT_TRUE(file.check());
    EXPECT_FALSE(fs::exists(path_));
    ASSERT_TRUE(file.write());
    EXPECT_EQ(content(path_), std::to_string(getpid()) + "\n");
  }
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(PidFileTest, ReplacesAnOldOneOrAnEmptyOne) {
  for (const char* const old : {"", "4194303999\n", "12\n"}) {
    put(path_, old);
    PidFile file(path_);
    EXPECT_TRUE(file.check());
    EXPECT_TRUE(file.write());
    EXPECT_EQ(content(path_), std::to_string(getpid()) + "\n");
  }
}

TEST_F(PidFileTest, FollowsNoSymbolicLink) {
  const std::string target = folder_ + "/target";
  for (const char* const there : {"precious", "12\n"}) {
    put(target, there);
    fs::remove(path_);
    fs::create_symlink(target, path_);
    EXPECT_EQ(refused(path_), "pid file " + path_ + ": it is a symbolic link: not followed");
    EXPECT_EQ(content(target), there);
  }
  fs::remove(target);  // nor one that points at nothing
  EXPECT_EQ(refused(path_), "pid file " + path_ + ": it is a symbolic link: not followed");
  EXPECT_FALSE(fs::exists(target));
}

TEST_F(PidFileTest, WritesOverNothingElse) {
  put(path_, "[director]\ninterface = eth0\n");
  EXPECT_EQ(refused(path_), "pid file " + path_ + ": it holds something else than a process id: not replaced");
  EXPECT_EQ(content(path_), "[director]\ninterface = eth0\n");
  put(path_, "12\n");
  fs::create_hard_link(path_, folder_ + "/other");
  EXPECT_EQ(refused(path_), "pid file " + path_ + ": it has other names (hard links): not replaced");
  fs::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(refused(path_), "pid file " + path_ + ": there is something that is not a file: not replaced");
  fs::remove(path_);
  fs::create_directory(path_);
  EXPECT_NE(refused(path_), "");
  EXPECT_NE(refused(folder_ + "/nowhere/rawvsd.pid"), "");
}

TEST_F(PidFileTest, AnotherUsersIsNotReplaced) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  put(path_, "12\n");
  ASSERT_EQ(chown(path_.c_str(), 12345, 12345), 0);
  EXPECT_EQ(refused(path_), "pid file " + path_ + ": it is another user's: not replaced");
}

TEST_F(PidFileTest, WithoutAPathThereIsNone) {
  PidFile file("");
  EXPECT_TRUE(file.check());
  EXPECT_TRUE(file.write());
}

}  // namespace
}  // namespace rawvs
