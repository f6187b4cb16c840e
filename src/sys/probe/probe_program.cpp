// SPDX-License-Identifier: BSD-2-Clause
// probe_program.cpp: a child that shares our memory until execve(2), like posix_spawn(3)'s, which cannot change the
// user. fork() would copy the page tables of a large connection table each time.
#include "sys/probe/probe_program.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "sys/sys.h"

namespace rawvs {
namespace {

#ifndef SYS_close_range
#define SYS_close_range 436  // missing from older headers; equal on all supported architectures
#endif

// System calls, not the C library's setuid() etc.: these notify all threads, which the child does not have, through our
// memory. On some 32-bit machines the plain numbers are calls with 16-bit ids.
#ifdef SYS_setuid32
constexpr long kSetGroups = SYS_setgroups32, kSetGid = SYS_setgid32, kSetUid = SYS_setuid32;
#else
constexpr long kSetGroups = SYS_setgroups, kSetGid = SYS_setgid, kSetUid = SYS_setuid;
#endif

constexpr size_t kStack = 64 * 1024;  // bytes, of the child before execve(2)
constexpr int kOldestDescriptors = 1024;

struct Start {  // arguments for the child, and its error
  const char* path;
  char* const* argv;
  char* const* environment;
  int input, null, output;
  bool output_too;  // not standard error alone
  bool drop;        // drop rights
  bool keep;        // descriptors
  uid_t uid;
  gid_t gid;
  const char* failed = nullptr;
  int error = 0;
};

int fail(Start& start, const char* what) {
  start.error = errno;
  start.failed = what;
  _exit(127);
}

void forget_signals() {  // the program must not inherit blocked and ignored signals
  for (int number = 1; number < NSIG; ++number) static_cast<void>(std::signal(number, SIG_DFL));
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Runs in the child, on a stack that the sanitizers do not know.
__attribute__((no_sanitize("address", "undefined"))) int become_program(void* argument) {
  Start& start = *static_cast<Start*>(argument);
  forget_signals();
  if (setsid() < 0) return fail(start, "setsid");
  const int output = start.output_too ? start.output : start.null;
  if (dup2(start.input, 0) < 0 || dup2(output, 1) < 0 || dup2(start.output, 2) < 0) return fail(start, "dup2");
  // Ours are close-on-exec; a library may have opened others.
  if (!start.keep) close_descriptors_from(STDERR_FILENO + 1);
  if (chdir("/") != 0) return fail(start, "chdir /");
  if (start.drop) {
    if (syscall(kSetGroups, 0, nullptr) != 0) return fail(start, "setgroups");
    if (syscall(kSetGid, start.gid) != 0) return fail(start, "setgid");
    if (syscall(kSetUid, start.uid) != 0) return fail(start, "setuid");
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail(start, "no_new_privs");
  execve(start.path, start.argv, start.environment);
  return fail(start, start.path);
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));  // execve(2) changes nothing
  out.push_back(nullptr);
  return out;
}

struct MemoryFree {
  void operator()(char* text) const { std::free(text); }
};

std::string parent_of(const std::string& path) {  // nothing is above /
  const size_t slash = path.rfind('/');
  return path == "/" || slash == std::string::npos ? "" : path.substr(0, std::max<size_t>(slash, 1));
}

// place: the program, or a folder on its path. In a folder with the sticky bit only owners remove or replace files.
std::optional<Error> others_may_change(const std::string& program, const std::string& place, const User& user) {
  struct stat facts {};
  if (stat(place.c_str(), &facts) != 0) return Error{system_error(place, errno)};
  const bool of_group = facts.st_gid != 0 && facts.st_gid != user.gid;
  const bool others_write = (facts.st_mode & S_IWOTH) != 0 || ((facts.st_mode & S_IWGRP) != 0 && of_group);
  const bool kept_apart = S_ISDIR(facts.st_mode) && (facts.st_mode & S_ISVTX) != 0;
  if ((facts.st_uid == 0 || facts.st_uid == user.uid) && (!others_write || kept_apart)) return std::nullopt;
  const std::string who = user.uid == 0 ? "root" : "root and " + user.name;
  return Error{program + ": not run as " + user.name + ": others than " + who + " can write " +
               (place == program ? "it" : place)};
}

}  // namespace

std::optional<Error> untrusted(const std::string& path, const User& user) {
  const std::unique_ptr<char, MemoryFree> real(realpath(path.c_str(), nullptr));
  if (!real) return Error{system_error(path, errno)};
  if (user.uid != 0) return others_may_change(real.get(), real.get(), user);
  for (const std::string& name : {path, std::string(real.get())}) {
    for (std::string place = name; !place.empty(); place = parent_of(place)) {
      if (auto why = others_may_change(name, place, user)) return why;
    }
  }
  return std::nullopt;
}

void close_descriptors_from(int first) {
  if (syscall(SYS_close_range, first, UINT_MAX, 0) == 0) return;
  for (int fd = first; fd < kOldestDescriptors; ++fd) close(fd);
}

Result<RunningProgram> run_program(const ProgramCall& call) {
  const User* const user = call.user;
  if (call.argv.empty() || !call.argv[0].starts_with('/'))
    return Error{"not an absolute path: \"" + (call.argv.empty() ? "" : call.argv[0]) + '"'};
  if (user != nullptr && geteuid() == 0) {
    if (auto why = untrusted(call.argv[0], *user)) return *why;
  }
  int ends[2] = {-1, -1};
  if (call.output < 0 && pipe2(ends, O_CLOEXEC) != 0) return Error{system_error("pipe", errno)};
  RunningProgram program{-1, Fd(ends[0])};
  const Fd output(ends[1]);  // closed here when the child has its own
  const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return Error{system_error("/dev/null", errno)};
  if (program.output && fcntl(program.output.get(), F_SETFL, O_NONBLOCK) != 0)
    return Error{system_error("pipe", errno)};

  const std::vector<char*> arguments = pointers(call.argv), variables = pointers(call.environment);
  const bool drop = user != nullptr && (geteuid() == 0 || geteuid() != user->uid);
  Start start{call.argv[0].c_str(),
              arguments.data(),
              variables.data(),
              call.input < 0 ? null.get() : call.input,
              null.get(),
              output ? output.get() : call.output,
              call.heard == Heard::all,
              drop,
              call.keeps_descriptors,
              drop ? user->uid : 0,
              drop ? user->gid : 0};
  const auto stack = std::make_unique<std::array<char, kStack>>();
  // No signal handler may run in the child, which shares our memory.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  // Stacks grow downwards on all supported machines. clone() returns when the child has called execve() or ended.
  program.pid = clone(become_program, stack->data() + stack->size(), CLONE_VM | CLONE_VFORK | SIGCHLD, &start);
  const int error = errno;
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (program.pid < 0) return Error{system_error("clone", error)};
  if (!start.failed) return program;
  static_cast<void>(waitpid(program.pid, nullptr, 0));
  const bool rights =
      user != nullptr && start.failed != start.path && std::string_view(start.failed).starts_with("set");
  return Error{
      system_error(rights ? "user \"" + user->name + "\": " + start.failed : std::string(start.failed), start.error)};
}

}  // namespace rawvs
