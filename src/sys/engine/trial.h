// SPDX-License-Identifier: BSD-2-Clause
// trial.h: the program that is to take this one's place, tried first: asked whether it could start with the
// configuration (-t), in a process of its own, while packets are served. Only one that says so takes over.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rawvs/result.h"
#include "rawvs/time.h"
#include "sys/fd.h"

namespace rawvs {

// What rawvsd -t says last, behind the file's name, when a start would not be refused. Other programs that end well,
// /bin/true say, do not: the words must stay the same from one version to the next.
inline constexpr char kValid[] = ": the configuration is valid";

class Trial {
 public:
  // argv[0]: the program's absolute path.
  static Result<Trial> begin(const std::vector<std::string>& argv, Instant now);
  Trial(Trial&& other) noexcept;
  Trial& operator=(Trial&&) = delete;
  ~Trial();  // ends it

  Instant next_deadline() const { return look_; }
  // Nothing: it goes on. Then: it could start; or its words, a line for each reason, why it could not.
  std::optional<Result<Done>> result(Instant now);

 private:
  Trial(pid_t pid, Fd said, Instant now);
  void listen();
  Error refusal(const std::string& how) const;

  pid_t pid_ = -1;
  Fd output_;
  std::string said_;
  Instant look_{}, given_up_{};
};

}  // namespace rawvs
