// SPDX-License-Identifier: BSD-2-Clause
// pid_file.h: the file that says which process the daemon is. Only a file of our own that holds a process id, or
// nothing, is written over: neither what a symbolic link points at nor a file that was named by mistake.
#pragma once

#include <string>

#include "rawvs/result.h"

namespace rawvs {

class PidFile {  // empty path: there is none
 public:
  explicit PidFile(std::string path) : path_(std::move(path)) {}
  ~PidFile();  // removes it, if it was written
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

  Result<Done> check() const;  // would write() work, as far as can be known? Changes nothing
  Result<Done> write();

 private:
  std::string path_;
  bool written_ = false;
};

}  // namespace rawvs
