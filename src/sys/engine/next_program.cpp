// SPDX-License-Identifier: BSD-2-Clause
// next_program.cpp: variables and descriptors for a program, by exec(2) here or in a child process.
#include "sys/engine/next_program.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "sys/handed_over.h"
#include "sys/net/tun.h"
#include "sys/probe/probe_program.h"
#include "sys/rights/rights.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

// While it lives, exec(2) passes everything on.
class Passing {
 public:
  Passing(const Engine& engine, Helper& helper, const HandOver& socket, bool interim)
      : engine_(engine), helper_(helper), socket_(socket.fd()), tun_(engine.tun_fd()) {
    fcntl(socket_, F_SETFD, 0);
    setenv(kPredecessorVariable, std::to_string(socket_).c_str(), 1);
    if (interim) setenv(kInterimVariable, "1", 1);
    engine_.hand_over_control(true);
    helper_.hand_over();
    Rights::keep_over_exec(true);
  }
  ~Passing() {
    Rights::keep_over_exec(false);
    helper_.take_back();
    engine_.hand_over_control(false);
    unsetenv(kInterimVariable);
    unsetenv(kPredecessorVariable);
    fcntl(socket_, F_SETFD, FD_CLOEXEC);
  }
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;

 private:
  const Engine& engine_;
  Helper& helper_;
  int socket_;
  TunHandOver tun_;
};

std::vector<std::string> environment_now() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) out.emplace_back(*entry);
  return out;
}

}  // namespace

std::vector<std::string> NextProgram::trial() const {
  std::vector<std::string> out = argv_;
  out.insert(out.begin() + 1, "-t");
  return out;
}

Result<pid_t> NextProgram::start(const HandOver& socket) const {
  const Passing passing(engine_, helper_, socket, true);
  const auto program = run_program({.argv = argv_,
                                    .environment = environment_now(),
                                    .heard = Heard::all,
                                    .output = STDERR_FILENO,
                                    .keeps_descriptors = true});
  if (!program) return program.error();
  return program->pid;
}

Error NextProgram::become(const HandOver& socket) const {
  const Passing passing(engine_, helper_, socket, false);
  std::vector<char*> argv;
  argv.reserve(argv_.size() + 1);
  for (const std::string& word : argv_) argv.push_back(const_cast<char*>(word.c_str()));  // execv(2) changes nothing
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  return {system_error(argv_[0], errno)};
}

}  // namespace rawvs
