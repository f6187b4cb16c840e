// SPDX-License-Identifier: BSD-2-Clause
// probe_program.h: runs a program with few rights and nothing of ours but a pipe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};
// From /etc/passwd alone: other sources of users may have to ask the network, which nobody must wait for.
Result<User> find_user(const std::string& name);

struct RunningProgram {
  pid_t pid = -1;  // and its session's and process group's
  Fd output;       // what it writes; non-blocking
};
enum class Heard : uint8_t { all, errors };  // standard output and error, or standard error alone

// argv[0]: an absolute path. Returns when the program has begun, or why it has not. Whoever calls has to wait for its
// end (waitpid(2)). It gains no rights that its user does not have (no set-user-id: PR_SET_NO_NEW_PRIVS).
// user: whose rights, and no group but the user's own; null: as we are. As root no program is run that others than root
// could have written, or put in its place.
Result<RunningProgram> run_program(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                                   const User* user, Heard heard = Heard::all);

// Why it must not be run as root; nothing if it may.
std::optional<Error> untrusted(const std::string& path);

}  // namespace rawvs
