// SPDX-License-Identifier: BSD-2-Clause
// trial.h: tries the program that is to replace this one: runs it with -t and the configuration, in its own process,
// while packets are served. Only a program that succeeds takes over.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rawvs/result.h"
#include "rawvs/time.h"
#include "sys/fd.h"

namespace rawvs {

// The last output of a successful rawvsd -t, after the file's name. Other programs that succeed, such as /bin/true, do
// not print it. It must stay the same in all versions.
inline constexpr char kValid[] = ": the configuration is valid";

class Trial {
 public:
  // argv[0]: the program's absolute path. helper: the socket of rawvs-helper, which opens the configuration where the
  // program's user must not read it; -1: none.
  static Result<Trial> begin(const std::vector<std::string>& argv, Instant now, int helper = -1);
  Trial(Trial&& other) noexcept;
  Trial& operator=(Trial&&) = delete;
  ~Trial();  // kills it

  Instant next_deadline() const { return look_; }
  // Empty: it still runs, or its result was returned before. Then: it could start; or its output, a line for each
  // reason, why it could not.
  std::optional<Result<Done>> result(Instant now);
  // Its process has ended and been collected. One that was given up is killed, and may take a moment to end: call
  // result() until it is gone, or a zombie remains.
  bool gone() const { return pid_ < 0; }

 private:
  Trial(pid_t pid, Fd said, Instant now);
  void listen();
  Error refusal(const std::string& how) const;

  pid_t pid_ = -1;
  bool killed_ = false;
  Fd output_;
  std::string said_;
  Instant look_{}, given_up_{};
};

}  // namespace rawvs
