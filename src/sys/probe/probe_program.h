// SPDX-License-Identifier: BSD-2-Clause
// probe_program.h: runs a program with few rights and no descriptor of ours but a pipe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rawvs/result.h"
#include "sys/fd.h"
#include "sys/rights/account.h"

namespace rawvs {

struct RunningProgram {
  pid_t pid = -1;  // also the number of its session and process group
  Fd output;       // its output; non-blocking
};
enum class Heard : uint8_t { all, errors };  // standard output and error, or standard error alone

struct ProgramCall {
  std::vector<std::string> argv{};  // [0]: an absolute path
  std::vector<std::string> environment{};
  const User* user = nullptr;  // whose rights, with the user's own group only; null: this process's
  Heard heard = Heard::all;
  int input = -1;   // standard input; -1: /dev/null
  int output = -1;  // -1: a new pipe
  // It gets all descriptors that are not close-on-exec.
  bool keeps_descriptors = false;
};

// Returns when the program has started, or why it has not. The caller has to collect its exit status (waitpid(2)). It
// gains no rights that its user does not have (no set-user-id: PR_SET_NO_NEW_PRIVS). Refuses a program that others than
// root and its user could have written, and as root one that they could have replaced.
Result<RunningProgram> run_program(const ProgramCall& call);

// Why the program must not be run as this user; empty: it may be.
std::optional<Error> untrusted(const std::string& path, const User& user);

void close_descriptors_from(int first);

}  // namespace rawvs
