// SPDX-License-Identifier: BSD-2-Clause
// end_signals.h: SIGINT, SIGTERM and SIGHUP as a descriptor, so that a live view can finish its output.
#pragma once

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <initializer_list>

namespace rawvs::adm {

class EndSignals {  // SIGQUIT still ends the program at once
 public:
  EndSignals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, &before_);
    fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~EndSignals() {
    take();
    if (fd_ >= 0) close(fd_);
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  EndSignals(const EndSignals&) = delete;
  EndSignals& operator=(const EndSignals&) = delete;
  int fd() const { return fd_; }
  bool within(std::chrono::milliseconds time) const {  // waits for one: whether it came
    pollfd wanted{fd_, POLLIN, 0};
    return poll(&wanted, 1, static_cast<int>(time.count())) != 0;
  }
  void take() const {  // consumes it: it is not delivered again when it is unblocked
    signalfd_siginfo info;
    [[maybe_unused]] const ssize_t size = read(fd_, &info, sizeof info);
  }

 private:
  sigset_t before_{};
  int fd_ = -1;
};

}  // namespace rawvs::adm
