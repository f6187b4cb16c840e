// SPDX-License-Identifier: BSD-2-Clause
// Tests state_file.h: files and memory as another process finds them, and those that it must refuse.
#include "sys/ha/state_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "own_folder.h"
#include "state_world.h"

namespace rawvs {
namespace {

using namespace test;
namespace fs = std::filesystem;

Bytes bytes(std::string_view s) { return {reinterpret_cast<const uint8_t*>(s.data()), s.size()}; }
std::string text(Bytes b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }

// What was read; or "none"; or the Error.
std::string read(Result<std::optional<StateImage>> image) {
  if (!image) return image.error().text;
  return *image ? text((*image)->bytes()) : "none";
}

class StateFileTest : public testing::Test {
 protected:
  ~StateFileTest() override { unsetenv("RAWVS_STATE_FD"); }
  void keep(std::string_view what) {
    auto file = StateFile::create(path_);
    ASSERT_TRUE(file) << file.error().text;
    ASSERT_TRUE(file->append(bytes(what)));
    ASSERT_TRUE(file->keep());
  }
  std::string names() const {
    std::string all;
    for (const auto& entry : fs::directory_iterator(directory_)) all += entry.path().filename().string() + ' ';
    return all;
  }
  // What becomes of a descriptor that is said to be a state.
  std::string inherited(const std::string& said) {
    setenv("RAWVS_STATE_FD", said.c_str(), 1);
    std::string found = read(StateImage::inherited());
    EXPECT_EQ(getenv("RAWVS_STATE_FD"), nullptr);
    return found;
  }
  std::string inherited(int fd) {
    std::string found = inherited(std::to_string(fd));
    const std::string said = "RAWVS_STATE_FD=" + std::to_string(fd);
    if (const size_t at = found.find(said); at != std::string::npos) found.replace(at, said.size(), "it");
    return found;
  }
  OwnFolder own_;
  const std::string directory_ = own_.path(), path_ = own_.at("state");
};

TEST_F(StateFileTest, TakesTheOldOnesPlaceWhenItIsWhole) {
  keep("old");
  {
    auto file = StateFile::create(path_);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->append(bytes("ne")));
    EXPECT_EQ(read(StateImage::open(path_)), "old");
    ASSERT_TRUE(file->append(bytes("w")));
    ASSERT_TRUE(file->keep());
  }
  EXPECT_EQ(read(StateImage::open(path_)), "new");
  EXPECT_EQ(names(), "state ");
  struct stat facts {};
  ASSERT_EQ(stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
}

TEST_F(StateFileTest, OneThatIsNotKeptIsGone) {
  keep("old");
  {
    auto file = StateFile::create(path_);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->append(bytes("half of i")));
    EXPECT_EQ(names().size(), std::string("state .state.new ").size());
  }
  EXPECT_EQ(names(), "state ");
  EXPECT_EQ(read(StateImage::open(path_)), "old");
}

TEST_F(StateFileTest, WhatAKilledProcessLeftIsNotInTheWay) {
  std::ofstream(directory_ + "/.state.new") << "half of i";
  keep("new");
  EXPECT_EQ(names(), "state ");
  EXPECT_EQ(read(StateImage::open(path_)), "new");
}

TEST_F(StateFileTest, FollowsNoLinks) {
  const std::string target = directory_ + "/target";
  std::ofstream(target) << "precious";
  fs::permissions(target, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink(target, path_);
  fs::create_symlink(target, directory_ + "/.state.new");
  EXPECT_EQ(read(StateImage::open(path_)), "state " + path_ + ": open: Too many levels of symbolic links");
  keep("new");
  EXPECT_FALSE(fs::is_symlink(path_));
  EXPECT_EQ(read(StateImage::open(path_)), "new");
  EXPECT_EQ(read(StateImage::open(target)), "precious");
}

TEST_F(StateFileTest, WhatIsNotThereIsNoError) {
  EXPECT_EQ(read(StateImage::open(path_)), "none");
  EXPECT_EQ(read(StateImage::open(directory_ + "/nowhere/state")), "none");
}

TEST_F(StateFileTest, RefusesWhatOthersMayHaveMade) {
  keep("new");
  fs::permissions(path_, fs::perms::group_write, fs::perm_options::add);
  EXPECT_NE(read(StateImage::open(path_)).find("others may have written it"), std::string::npos);
  fs::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(read(StateImage::open(path_)), "state " + path_ + ": it is no file");
  EXPECT_EQ(read(StateImage::open(directory_)), "state " + directory_ + ": it is no file");
  fs::remove(path_);
  keep("");
  EXPECT_EQ(read(StateImage::open(path_)), "state " + path_ + ": it is empty, or too large");
}

TEST_F(StateFileTest, SaysWhyItCannotBeWritten) {
  const auto refusal = [](const std::string& path) {
    const auto file = StateFile::create(path);
    return file ? "" : file.error().text;
  };
  EXPECT_EQ(refusal("/nowhere/state"), "state /nowhere/state: its directory: No such file or directory");
  EXPECT_EQ(refusal("/tmp/"), "state /tmp/: expected a file, something like /run/rawvs/state");
  EXPECT_EQ(refusal(""), "state : expected a file, something like /run/rawvs/state");
  EXPECT_EQ(refusal(directory_ + "/.."),
            "state " + directory_ + "/..: expected a file, something like /run/rawvs/state");
}

TEST_F(StateFileTest, AFullDiskLeavesTheOldOne) {
  keep("old");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit tight{100, before.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  {
    auto file = StateFile::create(path_);
    ASSERT_TRUE(file);
    const auto written = file->append(bytes(std::string(200, 'x')));
    EXPECT_EQ(written ? "written" : written.error().text, "state " + path_ + ": write: File too large");
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(names(), "state ");
  EXPECT_EQ(read(StateImage::open(path_)), "old");
}

TEST_F(StateFileTest, MemoryIsSealed) {
  auto memory = StateMemory::create();
  ASSERT_TRUE(memory) << memory.error().text;
  ASSERT_TRUE(memory->append(bytes("connec")));
  const Fd early(dup(memory->fd()));
  EXPECT_FALSE(StateImage::of(early)) << "its writer could change it";
  ASSERT_TRUE(memory->append(bytes("tions")));
  EXPECT_NE(fcntl(memory->fd(), F_GETFD) & FD_CLOEXEC, 0);
  ASSERT_TRUE(memory->seal());
  EXPECT_FALSE(memory->append(bytes("!")));
  EXPECT_NE(ftruncate(memory->fd(), 3), 0);
  EXPECT_EQ(read(StateImage::of(early)), "connections");
  const int copy = dup(memory->fd());
  EXPECT_EQ(inherited(copy), "connections");
  EXPECT_EQ(fcntl(copy, F_GETFD), -1);  // it was closed
}

TEST_F(StateFileTest, BelievesNoOtherDescriptor) {
  for (const std::string said : {"", "x", "-1", "2", "1", "99999999999", "7 "}) {
    EXPECT_EQ(inherited(said), "RAWVS_STATE_FD=" + said + ": expected a descriptor's number");
  }
  EXPECT_EQ(inherited(9999), "it: no such descriptor: Bad file descriptor");
  keep("new");
  const Fd file(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(inherited(file.get()), "it: it is no sealed memory file");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Fd in(ends[0]), out(ends[1]);
  EXPECT_EQ(inherited(in.get()), "it: it is no memory file of ours");
  const Fd open_memory(memfd_create("rawvs-state", MFD_ALLOW_SEALING | MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(open_memory.get(), 100), 0);
  EXPECT_EQ(inherited(open_memory.get()), "it: it is no sealed memory file");
  const Fd other(memfd_create("another", MFD_ALLOW_SEALING | MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(other.get(), 100), 0);
  ASSERT_EQ(fcntl(other.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
  EXPECT_EQ(inherited(other.get()), "it: it is another program's memory file");
  for (const Fd* fd : {&file, &in, &open_memory, &other}) EXPECT_NE(fcntl(fd->get(), F_GETFD), -1);  // not closed
}

TEST_F(StateFileTest, ATableGoesThroughAFileAndThroughMemory) {
  World before, by_file, by_memory;
  for (World* const w : {&before, &by_file, &by_memory}) w->web(Method::masq), w->shop(Mark(10), {80, 443});
  Connection& client_template = before.client_template(1, 0, 300);
  for (uint16_t n = 0; n < 600; ++n) before.open(0, n % 2, Port(static_cast<uint16_t>(2000 + n)));
  before.open(1, 0, Port(2000), &client_template);
  auto file = StateFile::create(path_);
  auto memory = StateMemory::create();
  ASSERT_TRUE(file && memory);
  StateWriter writer(before.clock);
  for (int n = 0; n < 100 && !writer.done(); ++n) {
    const Bytes portion = writer.next(before.tables(), before.now);
    ASSERT_TRUE(file->append(portion));
    ASSERT_TRUE(memory->append(portion));
  }
  ASSERT_TRUE(file->keep());
  ASSERT_TRUE(memory->seal());
  const auto restore = [&](World& after, Result<std::optional<StateImage>> image) {
    ASSERT_TRUE(image && *image);
    const Bytes all = (*image)->bytes();
    after.restore({all.begin(), all.end()});
    EXPECT_EQ(after.picture(), before.picture());
    EXPECT_EQ(after.report.connections, 601u);
  };
  restore(by_file, StateImage::open(path_));
  setenv("RAWVS_STATE_FD", std::to_string(dup(memory->fd())).c_str(), 1);
  restore(by_memory, StateImage::inherited());
}

TEST(StateClock, KnowsThisBoot) {
  const StateClock first = state_clock(), second = state_clock();
  EXPECT_EQ(first.boot, second.boot);
  EXPECT_NE(first.boot, (std::array<uint8_t, 16>{}));
  EXPECT_GE(second.now, first.now);
  EXPECT_GT(first.wall, 1'600'000'000'000);
}

}  // namespace
}  // namespace rawvs
