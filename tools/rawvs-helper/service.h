// SPDX-License-Identifier: BSD-2-Clause
// service.h: answers rawvsd's requests (sys/helper/helper_message.h): runs programs, opens the configuration file.
// In:  requests, of a process that may be an attacker's by now.
// Out: programs that the file names, with the arguments and as the users that it names; answers.
// Not: verdicts, timeouts: rawvsd closes a check's socket, and its program is killed.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "allowed.h"
#include "rawvs/time.h"
#include "sys/fd.h"
#include "sys/helper/helper_message.h"

namespace rawvs::helper {

class Service {
 public:
  // requests: the common socket. children: a signalfd of SIGCHLD.
  Service(Fd requests, Fd children, std::string config);

  void read_config();  // while all rights are held
  SeccompMode seccomp() const { return allowed_.seccomp(); }
  enum class End : uint8_t { daemon_gone, renew };
  End run();
  void keep_guards();  // rawvsd has ended: returns when no guard has to be kept any more

 private:
  struct Running {
    pid_t pid = -1;
    Fd answers;                  // closed: rawvsd does not wait any more
    bool killed_with_it = true;  // a check's; a notify program ends by itself
  };
  struct Guard {
    Fd answers, link;
    Instant until = kNever;  // rawvsd has gone without releasing it
  };
  enum class Taken : uint8_t { yes, none, gone, renew };

  Taken take_request();
  void answer(const HelperRequest& request, std::vector<Fd>& fds);
  void run_check(const HelperRequest& request, Fd answers, Fd output);
  void run_notify(const HelperRequest& request, Fd answers);
  void run_notify_virtual(const HelperRequest& request, Fd answers);
  void run_as_root(std::vector<std::string> argv, Fd answers);
  void open_config(Fd answers);
  void keep_guard(Fd answers, Fd link);
  void begin(pid_t pid, Fd answers, bool killed_with_it);
  void collect();
  void kill_unwanted();
  void wait();
  void look_at_guards();

  Fd requests_, children_;
  std::string config_;
  Allowed allowed_;
  std::vector<Running> running_;
  std::vector<Guard> guards_;
  std::vector<size_t> hung_up_;  // of running_, found by wait()
  bool requests_wait_ = false;
};

Fd children_signals();  // a signalfd of SIGCHLD; SIGPIPE is ignored

// Removes what rawvsd could not remove itself: a pid file of this process, a socket that nobody listens on.
void remove_left(const std::string& path, pid_t daemon);

}  // namespace rawvs::helper
