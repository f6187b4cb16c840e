// SPDX-License-Identifier: BSD-2-Clause
// pid_file.h: the file with the daemon's process id. Overwrites only a file of this user that holds a process id or
// nothing: not the target of a symbolic link, nor a file named by mistake.
#pragma once

#include <string>

#include "rawvs/result.h"

namespace rawvs {

class PidFile {  // empty path: no file
 public:
  explicit PidFile(std::string path) : path_(std::move(path)) {}
  ~PidFile();  // removes the file if it was written
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

  Result<Done> check() const;  // whether write() would work, as far as possible; changes nothing
  Result<Done> write();

 private:
  std::string path_;
  bool written_ = false;
};

}  // namespace rawvs
