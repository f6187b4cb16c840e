// SPDX-License-Identifier: BSD-2-Clause
// next_program.h: starts the program that is to take over, or becomes it, with everything that it goes on with.
// In:  this program's options, the engine, the helper.
// Out: a process; or this one executes it.
//
// It inherits: the socket between both (handover.h), the control socket, local_clients' interface, rawvs-helper's
// socket, this process's capabilities.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "rawvs/engine.h"
#include "rawvs/result.h"
#include "sys/engine/handover.h"
#include "sys/helper/helper.h"

namespace rawvs {

class NextProgram {
 public:
  // argv[0]: its absolute path. The files among the others are absolute, too: a daemon has left its folder.
  NextProgram(const Engine& engine, Helper& helper, std::vector<std::string> argv)
      : engine_(engine), helper_(helper), argv_(std::move(argv)) {}

  std::vector<std::string> trial() const;             // the command that tests the configuration with it
  Result<pid_t> start(const HandOver& socket) const;  // as the interim process
  Error become(const HandOver& socket) const;         // returns only when it failed

 private:
  const Engine& engine_;
  Helper& helper_;
  std::vector<std::string> argv_;
};

}  // namespace rawvs
