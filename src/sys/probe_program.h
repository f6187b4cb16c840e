// SPDX-License-Identifier: BSD-2-Clause
// probe_program.h: runs a program with few rights and nothing of ours but a pipe.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "fd.h"
#include "rawvs/result.h"

namespace rawvs {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};
// From /etc/passwd alone: other sources of users may have to ask the network, which nobody must wait for.
Result<User> find_user(const std::string& name);

struct Program {
  pid_t pid = -1;  // and its session's and process group's
  Fd output;       // what it writes to standard output and error; non-blocking
};
// argv[0]: an absolute path. No group but the user's own; where the user is ourselves, rights stay as they are. Returns
// when the program has begun, or why it has not. Whoever calls has to wait for its end (waitpid(2)).
Result<Program> run_program(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                            const User& user);

}  // namespace rawvs
