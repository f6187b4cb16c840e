// SPDX-License-Identifier: BSD-2-Clause
// signals.cpp: reads signals from their descriptor. signalfd(2).
#include "sys/engine/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

namespace rawvs {

Result<Done> Signals::open(int fd) {
  fd_ = fd;
  return context_.poller.add(fd, &ready_);
}

void Signals::serve(Instant) {
  if (!ready_.take()) return;
  signalfd_siginfo info{};
  while (read(fd_, &info, sizeof info) == sizeof info) take(info.ssi_signo);
}

void Signals::take(uint32_t signal) {
  switch (signal) {
    case SIGHUP:
      requests_.renew();
      context_.log.write(Severity::notice, "SIGHUP: reading " + jobs_.file() + " again");
      static_cast<void>(jobs_.begin_reload(false));  // the result is logged
      return;
    case SIGUSR2:
      context_.log.write(Severity::notice, "SIGUSR2: the program is to be replaced");
      return replacement_.begin();
    default:
      context_.log.write(Severity::notice, signal == SIGINT ? "SIGINT: stopping" : "SIGTERM: stopping");
      stopping_ = true;
  }
}

}  // namespace rawvs
