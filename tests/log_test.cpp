// SPDX-License-Identifier: BSD-2-Clause
// Tests that logging never waits: a syslogd that does not read, one that restarts, a full pipe.
#include <fcntl.h>
#include <fnmatch.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

class Syslogd {
 public:
  explicit Syslogd(const std::string& path, int type = SOCK_DGRAM)
      : path_(path), fd_(socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    if (type == SOCK_STREAM) {
      EXPECT_EQ(listen(fd_.get(), 4), 0);
    }
  }
  ~Syslogd() { unlink(path_.c_str()); }
  Syslogd(const Syslogd&) = delete;
  Syslogd& operator=(const Syslogd&) = delete;

  std::vector<std::string> read_all() {
    std::vector<std::string> lines;
    std::array<char, 4096> line;
    ssize_t size = 0;
    while ((size = recv(fd_.get(), line.data(), line.size(), 0)) > 0)
      lines.emplace_back(line.data(), static_cast<size_t>(size));
    return lines;
  }
  std::string read_stream() {
    const Fd client(accept(fd_.get(), nullptr, nullptr));
    std::array<char, 4096> bytes;
    const ssize_t size = recv(client.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    return size > 0 ? std::string(bytes.data(), static_cast<size_t>(size)) : "";
  }

 private:
  std::string path_;
  Fd fd_;
};

class LogTest : public testing::Test {
 protected:
  const std::string path_ = testing::TempDir() + "rawvs-log-" + std::to_string(getpid());
  const Log log_{Log::To::syslog, false, path_.c_str()};
};

TEST_F(LogTest, WritesLinesAsTheCLibraryDoes) {
  Syslogd syslogd(path_);
  log_.write(Severity::warning, "one\nline");
  log_.write(Severity::info, "a detail");
  const auto lines = syslogd.read_all();
  ASSERT_EQ(lines.size(), 1U);
  const std::string pid = std::to_string(getpid());
  const std::string wanted =
      "<28>[A-Z][a-z][a-z] [ 0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9] rawvsd\\[" + pid + "\\]: one\\?line";
  EXPECT_EQ(fnmatch(wanted.c_str(), lines[0].c_str(), 0), 0) << lines[0];
}

TEST_F(LogTest, DoesNotWaitForASyslogdThatDoesNotReadAndSaysHowManyLinesWereLost) {
  Syslogd syslogd(path_);
  constexpr size_t kWritten = 5000;  // more than net.unix.max_dgram_qlen
  for (size_t i = 0; i < kWritten; ++i) log_.write(Severity::notice, "a line");
  const size_t taken = syslogd.read_all().size();
  ASSERT_LT(taken, kWritten);
  log_.write(Severity::notice, "the next one");
  const auto lines = syslogd.read_all();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0].ends_with(": " + std::to_string(kWritten - taken) +
                                 " lines before this one were lost: nobody read them"))
      << lines[0];
  EXPECT_TRUE(lines[1].ends_with(": the next one"));
  log_.write(Severity::notice, "and another");
  EXPECT_EQ(syslogd.read_all().size(), 1U);
}

TEST_F(LogTest, FindsASyslogdThatWasStartedAnew) {
  std::optional<Syslogd> first(path_);
  log_.write(Severity::notice, "one");
  EXPECT_EQ(first->read_all().size(), 1U);
  first.reset();
  log_.write(Severity::notice, "two");
  Syslogd second(path_);
  log_.write(Severity::notice, "three");
  const auto lines = second.read_all();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0].ends_with(": 1 lines before this one were lost: nobody read them")) << lines[0];
  EXPECT_TRUE(lines[1].ends_with(": three")) << lines[1];
}

TEST_F(LogTest, SpeaksToAStreamSocketToo) {
  Syslogd syslogd(path_, SOCK_STREAM);
  log_.write(Severity::notice, "one");
  log_.write(Severity::notice, "two");
  const std::string all = syslogd.read_stream();
  EXPECT_NE(all.find(std::string(": one\0<29>", 10)), std::string::npos) << all;
  EXPECT_TRUE(all.ends_with(std::string(": two\0", 6))) << all;
}

TEST_F(LogTest, ALineThatIsTooLongIsCut) {
  Syslogd syslogd(path_);
  log_.write(Severity::error, std::string(10'000, 'x'));
  const auto lines = syslogd.read_all();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_LT(lines[0].size(), 2001U);
  EXPECT_TRUE(lines[0].ends_with("xxx"));
}

class StandardError {  // a pipe in its place
 public:
  StandardError() {
    EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC), 0);
    dup2(ends_[1], STDERR_FILENO);
    close(ends_[1]);
    fcntl(ends_[0], F_SETFL, O_NONBLOCK);
  }
  ~StandardError() {
    dup2(before_.get(), STDERR_FILENO);
    close(ends_[0]);
  }
  StandardError(const StandardError&) = delete;
  StandardError& operator=(const StandardError&) = delete;
  std::string read_all() const {
    std::string all;
    std::array<char, 4096> piece;
    ssize_t size = 0;
    while ((size = read(ends_[0], piece.data(), piece.size())) > 0) all.append(piece.data(), static_cast<size_t>(size));
    return all;
  }

 private:
  Fd before_{dup(STDERR_FILENO)};
  std::array<int, 2> ends_{};
};

TEST(LogToStandardError, DoesNotWaitForAPipeThatNobodyReads) {
  constexpr size_t kWritten = 10'000;
  std::string before, behind;
  {
    const StandardError pipe;
    const Log log(Log::To::standard_error, true);
    for (size_t i = 0; i < kWritten; ++i) log.write(Severity::notice, "a line that is long enough to fill a pipe");
    before = pipe.read_all();
    log.write(Severity::warning, "the next one");
    behind = pipe.read_all();
  }
  const auto taken = static_cast<size_t>(std::ranges::count(before, '\n'));
  EXPECT_LT(taken, kWritten);
  EXPECT_EQ(behind, "rawvsd: warning: " + std::to_string(kWritten - taken) +
                        " lines before this one were lost: nobody read them\nrawvsd: warning: the next one\n");
}

}  // namespace
}  // namespace rawvs
