// SPDX-License-Identifier: BSD-2-Clause
// state_file.h: where a state (state.h) lies between two processes: a file in RAM, or a sealed memory file whose
// descriptor survives exec(). In:  bytes, portion by portion.   Out: the same bytes, mapped; or an Error.
// Not: what they mean. open(2), rename(2), memfd_create(2), F_ADD_SEALS in fcntl(2).
#pragma once

#include <optional>
#include <string>

#include "core/state.h"
#include "rawvs/bytes.h"
#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

StateClock state_clock();  // both clocks, now, and the kernel's boot id

// A file that takes the old one's place only when it is whole. Root's alone (0600); links are not followed.
class StateFile {
 public:
  static Result<StateFile> create(const std::string& path);
  StateFile(StateFile&&) = default;
  StateFile& operator=(StateFile&&) = delete;
  ~StateFile();  // one that was not kept is gone again
  Result<Done> append(Bytes bytes);
  Result<Done> keep();

 private:
  StateFile() = default;
  std::string path_, name_;  // name_: in its directory
  Fd directory_, fd_;
};

// Memory of the kernel's that the program which takes this one's place gets, with the environment variable
// RAWVS_STATE_FD. REQUIRES: one thread.
class StateMemory {
 public:
  static Result<StateMemory> create();
  StateMemory(StateMemory&&) = default;
  StateMemory& operator=(StateMemory&&) = delete;
  ~StateMemory();  // takes it out of the environment again: exec() has failed
  Result<Done> append(Bytes bytes);
  Result<Done> hand_over();  // nobody can change it any more, and exec() keeps it. exec() has to follow
  int fd() const { return fd_.get(); }

 private:
  StateMemory() = default;
  Fd fd_;
};

// The bytes of an earlier process. None, and no error: there are none.
class StateImage {
 public:
  static Result<std::optional<StateImage>> open(const std::string& path);
  // What RAWVS_STATE_FD names: a sealed memory file of this program, and nothing else. Afterwards the variable is gone.
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
