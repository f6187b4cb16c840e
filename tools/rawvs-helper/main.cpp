// SPDX-License-Identifier: BSD-2-Clause
// main.cpp: rawvs-helper, which rawvsd starts before it gives up root's rights. rawvs-helper(8).
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "rawvs/addr.h"
#include "service.h"
#include "sys/helper/helper.h"
#include "sys/probe/probe_program.h"
#include "sys/rights/call_filter.h"
#include "sys/rights/rights.h"

namespace {

using namespace rawvs;

struct Arguments {  // as Helper::start() writes them
  std::string config;
  bool keeps_all = false;
  pid_t daemon = 0;
  std::vector<std::string> to_remove;
};

bool read_arguments(int argc, char** argv, Arguments& out) {
  int type = 0;
  socklen_t size = sizeof type;
  if (argc < 4 || getsockopt(kHelperFd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) return false;
  const auto daemon = parse_number(argv[3], INT32_MAX);
  const std::string mode = argv[2];
  if (!daemon || (mode != "keep" && mode != "drop")) return false;
  out = {argv[1], mode == "keep", static_cast<pid_t>(*daemon), {argv + 4, argv + argc}};
  return true;
}

// What is installed now is run in this process's place, if only root can have written it.
void renew(char** argv) {
  if (geteuid() == 0 && untrusted(argv[0], User{"root", 0, 0})) return;
  fcntl(kHelperFd, F_SETFD, 0);
  const char* const filters = getenv(kFiltersVariable);
  std::string told = std::string(kFiltersVariable) + '=' + (filters ? filters : "");
  char* const environment[] = {filters ? told.data() : nullptr, nullptr};
  execve(argv[0], argv, environment);
  fcntl(kHelperFd, F_SETFD, FD_CLOEXEC);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!read_arguments(argc, argv, arguments)) {
    std::fputs("rawvs-helper is started by rawvsd; see rawvsd(8)\n", stderr);
    return 2;
  }
  fcntl(kHelperFd, F_SETFD, FD_CLOEXEC);
  fcntl(kHelperFd, F_SETFL, O_NONBLOCK);
  helper::Service service(Fd(kHelperFd), helper::children_signals(), arguments.config);
  service.read_config();
  if (!arguments.keeps_all) {
    if (!keep_for_programs()) return 1;
    static_cast<void>(refuse_to_programs(service.seccomp()));  // rawvsd logs whether there can be a filter
  }
  while (service.run() == helper::Service::End::renew) renew(argv);
  for (const std::string& path : arguments.to_remove) helper::remove_left(path, arguments.daemon);
  service.keep_guards();
  return 0;
}
