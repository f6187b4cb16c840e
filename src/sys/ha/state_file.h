// SPDX-License-Identifier: BSD-2-Clause
// state_file.h: stores a state (state.h) between two processes: a file in RAM, or a sealed memory file that survives
// exec().
// In:  bytes, portion by portion.
// Out: the same bytes, mapped; or an Error.
// Not: their meaning.
//
// open(2), rename(2), memfd_create(2), F_ADD_SEALS in fcntl(2).
#pragma once

#include <optional>
#include <string>

#include "core/state.h"
#include "rawvs/bytes.h"
#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

StateClock state_clock();  // both clocks now, and the kernel's boot id

// A file that replaces the old one when it is complete. Root's (0600); symbolic links are not followed.
class StateFile {
 public:
  static Result<StateFile> create(const std::string& path);
  StateFile(StateFile&&) = default;
  StateFile& operator=(StateFile&&) = delete;
  ~StateFile();  // removes the file unless keep() was called
  Result<Done> append(Bytes bytes);
  Result<Done> keep();

 private:
  StateFile() = default;
  std::string path_, name_;  // name_: within its directory
  Fd directory_, fd_;
};

// A memory file for the program that replaces this one.
class StateMemory {
 public:
  static Result<StateMemory> create();
  Result<Done> append(Bytes bytes);
  Result<Done> seal();  // nobody can change it any more
  int fd() const { return fd_.get(); }

 private:
  StateMemory() = default;
  Fd fd_;
};

// The bytes of an earlier process. No value and no error: there are none.
class StateImage {
 public:
  static Result<std::optional<StateImage>> open(const std::string& path);
  // A memory file that another process has sealed.
  static Result<std::optional<StateImage>> of(const Fd& file);
  // The file that RAWVS_STATE_FD names, if it is a sealed memory file of this program. Removes the variable.
  static Result<std::optional<StateImage>> inherited();
  StateImage(StateImage&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  StateImage& operator=(StateImage&&) = delete;
  ~StateImage();
  Bytes bytes() const { return bytes_; }

 private:
  static Result<std::optional<StateImage>> map(int fd, const std::string& place);
  explicit StateImage(Bytes bytes) : bytes_(bytes) {}
  Bytes bytes_;
};

}  // namespace rawvs
