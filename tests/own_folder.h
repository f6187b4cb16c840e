// SPDX-License-Identifier: BSD-2-Clause
// own_folder.h: a folder of a test's own in /tmp, removed with all that is in it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace rawvs::test {

class OwnFolder {
 public:
  OwnFolder() { EXPECT_NE(mkdtemp(path_.data()), nullptr); }
  ~OwnFolder() { std::filesystem::remove_all(path_); }
  OwnFolder(const OwnFolder&) = delete;
  OwnFolder& operator=(const OwnFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string at(const std::string& name) const { return path_ + '/' + name; }

 private:
  std::string path_ = "/tmp/rawvs-test-XXXXXX";
};

}  // namespace rawvs::test
