// SPDX-License-Identifier: BSD-2-Clause
// Tests the functions of sys.h: files, clock, randomness, log.
#include "sys/sys.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace rawvs {
namespace {

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
