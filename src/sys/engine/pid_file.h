// SPDX-License-Identifier: BSD-2-Clause
// pid_file.h: the file with the daemon's process id. Overwrites only a file of this user that holds a process id or
// nothing: not the target of a symbolic link, nor a file named by mistake.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>

#include "rawvs/result.h"

namespace rawvs {

class PidFile {  // empty path: no file
 public:
  // user: another one whose file may be overwritten, for check().
  explicit PidFile(std::string path, std::optional<uid_t> user = std::nullopt) : path_(std::move(path)), user_(user) {}
  ~PidFile();  // removes the file if it was written
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

  Result<Done> check() const;  // whether write() would work, as far as possible; changes nothing
  Result<Done> write();        // done already: does nothing
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::optional<uid_t> user_;
  bool written_ = false;
};

}  // namespace rawvs
