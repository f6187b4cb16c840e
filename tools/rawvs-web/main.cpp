// SPDX-License-Identifier: BSD-2-Clause
// main.cpp: rawvs-web: starts, gives up rights, and asks the director until a signal ends it.
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "rawvs/control.h"
#include "sys/daemon.h"
#include "sys/engine/pid_file.h"
#include "sys/rights/account.h"
#include "sys/sys.h"
#include "tools/rawvs-web/board.h"
#include "tools/rawvs-web/server.h"

namespace rawvs::web {
namespace {

constexpr int kOk = 0, kFailed = 1, kUsageError = 2;

int fail(const std::string& text, int code) {
  std::fprintf(stderr, "rawvs-web: %s\n", text.c_str());
  return code;
}

int block_signals() {  // before the server's thread begins: the main thread reads them
  sigset_t set;
  sigemptyset(&set);
  for (const int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, s);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

// With the groups of /etc/group: one of them may use the control socket.
Result<Done> become(const std::string& name) {
  if (geteuid() == 0 && name != "root") {
    const auto user = find_user(name);
    if (!user) return Error{user.error().text + ": make it, or name another with --user"};
    if (initgroups(name.c_str(), user->gid) != 0 || setgid(user->gid) != 0 || setuid(user->uid) != 0) {
      return Error{system_error("user " + name, errno)};
    }
  }
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  constexpr int kModest = 5;  // the director goes first
  [[maybe_unused]] const int niceness = nice(kModest);
  return Done{};
}

std::string own_name() {
  char name[256] = "";
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

bool is_loopback(Ip addr) { return addr == Ip(0, 1) || (addr.is_v4() && addr.v4() >> 24 == 127); }

void serve(Board& board, Server& server, int signals) {
  for (;;) {
    const Duration wait = std::min<Duration>(board.until_next(clock_now()), 1s);
    pollfd ready[] = {{signals, POLLIN, 0}, {board.wake_fd(), POLLIN, 0}};
    poll(ready, 2, static_cast<int>(wait.count()));
    if (ready[0].revents != 0) return;
    const Instant now = clock_now();
    server.time_passed(now);
    if (board.until_next(now) == Duration::zero()) board.ask(now);
  }
}

int run(const Options& options) {
  std::optional<Passwords> passwords;
  if (!options.auth_file.empty()) {
    const auto text = read_file(options.auth_file);
    if (!text) return fail(text.error().text, kFailed);
    auto read = Passwords::read(options.auth_file, *text);
    if (!read) return fail(read.error().text, kFailed);
    passwords = std::move(*read);
  }
  auto listening = listen_at(options.listen);
  if (!listening) return fail(listening.error().text, kFailed);
  const auto ready = options.foreground ? Result<int>(-1) : detach(kFailed);
  if (!ready) return fail(ready.error().text, kFailed);
  const int signals = block_signals();
  const Log log(options.foreground ? Log::To::standard_error : Log::To::syslog, true);
  PidFile pidfile(options.pidfile);
  Site site(options, std::move(passwords), own_name());
  Board board(site, options.control);
  Server server(board);
  Result<Done> done = pidfile.write();
  if (done) done = become(options.user);
  if (done) board.ask(clock_now());  // the first reader finds something
  if (done) done = server.start(std::move(*listening));
  const char code = done ? char{kOk} : char{kFailed};
  if (!done) fail(done.error().text, kFailed);
  if (*ready >= 0 && write(*ready, &code, 1) != 1) return kFailed;
  if (!done) return kFailed;
  if (!options.foreground) leave_terminal();
  log.write(Severity::notice, "rawvs-web " + std::string(kVersion) + " answers at " + text(options.listen));
  if (!is_loopback(options.listen.addr) && options.auth_file.empty()) {
    log.write(Severity::warning, "whoever reaches " + text(options.listen) + " may read all: see --auth-file");
  }
  serve(board, server, signals);
  log.write(Severity::notice, "rawvs-web ends");
  return kOk;
}

}  // namespace
}  // namespace rawvs::web

int main(int argc, char** argv) {
  using namespace rawvs::web;
  std::vector<std::string> args(argv + 1, argv + argc);
  const char* const socket = std::getenv("RAWVS_SOCKET");
  if (socket && *socket != '\0') args.insert(args.begin(), {"--control", socket});
  const auto options = read_options(args);
  if (!options) return fail(options.error().text, kUsageError);
  if (options->help) return std::fputs(usage().c_str(), stdout) >= 0 ? kOk : kFailed;
  if (options->version) return std::printf("rawvs-web %s\n", rawvs::kVersion.data()) > 0 ? kOk : kFailed;
  return run(*options);
}
