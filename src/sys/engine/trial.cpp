// SPDX-License-Identifier: BSD-2-Clause
// trial.cpp: a child process that is polled until it has ended.
#include "sys/engine/trial.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>

#include "sys/helper/helper.h"
#include "sys/probe/probe_program.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr Duration kLooking = 20ms;
constexpr Duration kPatience = 120s;  // enough for a large configuration on a small machine
constexpr size_t kMostSaid = 8192;

std::vector<std::string> own_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) out.emplace_back(*entry);
  return out;
}

}  // namespace

Result<Trial> Trial::begin(const std::vector<std::string>& argv, Instant now, int helper) {
  ProgramCall call{.argv = argv, .environment = own_environment(), .heard = Heard::errors, .input = helper};
  if (helper >= 0) call.environment.push_back(std::string(kHelperVariable) + "=0");
  auto program = run_program(call);
  if (!program) return program.error();
  return Trial(program->pid, std::move(program->output), now);
}

Trial::Trial(pid_t pid, Fd output, Instant now)
    : pid_(pid), output_(std::move(output)), look_(now + kLooking), given_up_(now + kPatience) {}

Trial::Trial(Trial&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      killed_(other.killed_),
      output_(std::move(other.output_)),
      said_(std::move(other.said_)),
      look_(other.look_),
      given_up_(other.given_up_) {}

Trial::~Trial() {
  if (pid_ < 0) return;
  static_cast<void>(kill(-pid_, SIGKILL));
  constexpr int kTries = 4;  // then a process that waits for a disk is left to init
  for (int tries = 0; tries < kTries && waitpid(pid_, nullptr, WNOHANG) == 0; ++tries) usleep(1000);
}

void Trial::listen() {
  std::array<char, 4096> piece;
  for (ssize_t got = 0; (got = read(output_.get(), piece.data(), piece.size())) > 0;) {
    said_.append(piece.data(), static_cast<size_t>(got));
    if (said_.size() > kMostSaid) said_.resize(kMostSaid);
  }
}

Error Trial::refusal(const std::string& how) const {
  std::string text = said_;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return {text.empty() ? how : text};
}

std::optional<Result<Done>> Trial::result(Instant now) {
  if (gone()) return std::nullopt;
  listen();
  int status = 0;
  const pid_t ended = waitpid(pid_, &status, WNOHANG);
  look_ = now + kLooking;
  if (killed_) {
    if (ended != 0) pid_ = -1;
    return std::nullopt;
  }
  if (ended == 0 && now < given_up_) return std::nullopt;
  if (ended == 0) {
    static_cast<void>(kill(-pid_, SIGKILL));
    killed_ = true;
    return Error{formatted("it has not said within {} s whether it could start", kPatience / 1s)};
  }
  pid_ = -1;
  listen();
  if (ended < 0 || WIFSIGNALED(status))
    return refusal(formatted("it was ended by signal {}", ended < 0 ? 0 : WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0) return refusal(formatted("it ended with {}", WEXITSTATUS(status)));
  if (!said_.ends_with(std::string(kValid) + '\n'))
    return Error{"it is no rawvsd: it does not say whether it could start"};
  return Done{};
}

}  // namespace rawvs
