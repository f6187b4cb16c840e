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

// argv[0]: an absolute path. Returns when the program has started, or why it has not. The caller has to collect its
// exit status (waitpid(2)). It gains no rights that its user does not have (no set-user-id: PR_SET_NO_NEW_PRIVS).
// user: whose rights, with the user's own group only; null: this process's. As root, refuses a program that others than
// root could have written or replaced.
Result<RunningProgram> run_program(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                                   const User* user, Heard heard = Heard::all);

// Why the program must not be run as root; empty: it may be.
std::optional<Error> untrusted(const std::string& path);

}  // namespace rawvs
