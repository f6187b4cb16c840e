// SPDX-License-Identifier: BSD-2-Clause
// helper.h: rawvs-helper, the process that runs programs with the rights that this one has given up.
// In:  what to run, and where its output goes.
// Out: a socket for the answers to each request. Nothing waits.
// Not: whether it may run (rawvs-helper decides, by the configuration file); verdicts.
//
// It ends when this process does, and keeps the guards for some seconds then (guard/guard_links.h). SIGUSR2's successor
// goes on with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rawvs/result.h"
#include "rawvs/time.h"
#include "sys/fd.h"
#include "sys/handed_over.h"
#include "sys/helper/helper_message.h"

namespace rawvs {

inline constexpr int kHelperFd = 3;  // of rawvs-helper's common socket

struct HelperCommand {
  std::string program;                   // absolute path
  std::string config;                    // the configuration's absolute path
  bool keeps_all = false;                // root's rights, as the configuration says
  std::vector<std::string> to_remove{};  // files that this process cannot remove: when it has ended
};

class Helper {
 public:
  Helper() = default;  // there is none
  Helper(Helper&& other) noexcept = default;
  Helper& operator=(Helper&&) = delete;
  ~Helper();  // tells it to end, and waits a moment

  static Result<Helper> start(const HelperCommand& command);
  static Helper inherited();  // which kHelperVariable names; else none
  explicit operator bool() const { return static_cast<bool>(requests_); }
  int fd() const { return requests_.get(); }

  // Sends a request. Out: the socket for hear(). file: a check's output, a guard's link; -1: none.
  Result<Fd> ask(const HelperRequest& request, int file = -1) const;
  Result<Fd> open_config() const;
  void renew() const;  // what is installed now goes on, after a replacement

  // For the program that replaces this one: exec(2) follows. If it fails: take_back().
  void hand_over();
  void take_back();

 private:
  explicit Helper(Fd requests) : requests_(std::move(requests)) {}
  Fd requests_;
};

struct HelperHeard {
  HelperAnswer answer;
  Fd file;  // HelperAnswer::What::opened
  std::string text() const;
};
// Empty: no answer yet. An Error: there will be none.
std::optional<Result<HelperHeard>> hear(const Fd& answers);
Result<Fd> wait_for_file(const Fd& answers);  // blocks: at the start alone

}  // namespace rawvs
