// SPDX-License-Identifier: BSD-2-Clause
// daemon.cpp: fork(2) and setsid(2).
#include "sys/daemon.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "sys/sys.h"

namespace rawvs {

Result<int> detach(char failed) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return Error{system_error("pipe", errno)};
  const pid_t child = fork();
  if (child < 0) return Error{system_error("fork", errno)};
  if (child > 0) {
    close(ready[1]);
    char code = failed;
    const ssize_t got = read(ready[0], &code, 1);
    _exit(got == 1 ? code : failed);
  }
  close(ready[0]);
  setsid();
  return ready[1];
}

void leave_terminal() {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, fd);
  close(null);
}

}  // namespace rawvs
