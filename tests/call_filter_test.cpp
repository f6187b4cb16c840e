// SPDX-License-Identifier: BSD-2-Clause
// Tests rights/call_filter.h: what is refused, what is not, and that filters do not pile up. Each in a process of its
// own. That the lists are complete: the lab runs with seccomp = kill.
#include "sys/rights/call_filter.h"

#include <gtest/gtest.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "sys/engine/start_check.h"
#include "sys/fd.h"
#include "sys/rights/calls.h"
#include "sys/sys.h"

#ifdef RAWVS_SECCOMP
#include <seccomp.h>
#endif

namespace rawvs {
namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

std::vector<std::string> directors_calls() {
  std::vector<std::string> out;
  for (const AllowedCalls& some : kDirectorCalls) {
    for (const std::string& name : words_of(some.names)) out.push_back(name);
  }
  return out;
}

TEST(Calls, EachHasAReasonAndIsThereOnce) {
  for (const AllowedCalls& some : kDirectorCalls) EXPECT_NE(std::string(some.why), "") << some.names;
  const std::vector<std::string> names = directors_calls();
  std::set<std::string> seen;
  for (const std::string& name : names) EXPECT_TRUE(seen.insert(name).second) << name << " is there twice";
  for (const std::string& name : words_of(kRefusedToPrograms)) EXPECT_FALSE(seen.contains(name)) << name;
}

TEST(Calls, WhatWouldGiveRightsIsNotAllowed) {
  const std::vector<std::string> all = directors_calls();
  const std::set<std::string> allowed(all.begin(), all.end());
  for (const char* const name :
       {"setuid",   "setgid",     "setgroups", "setresuid",     "setresgid",   "setreuid",        "setregid",
        "setfsuid", "unshare",    "setns",     "chroot",        "clone3",      "clone",           "execveat",
        "socket",   "socketpair", "ioctl",     "prctl",         "personality", "pidfd_open",      "pidfd_send_signal",
        "mknod",    "mknodat",    "symlink",   "symlinkat",     "link",        "linkat",          "setxattr",
        "msgget",   "semget",     "shmget",    "inotify_init1", "bpf",         "perf_event_open", "socketcall",
        "ipc",      "syscall"}) {
    EXPECT_FALSE(allowed.contains(name)) << name;
  }
}

TEST(CallFilter, TheTestOfAConfigurationSaysWhereThereIsNone) {
  Config config;
  EXPECT_EQ(start_warnings(config).size(), kHasCallFilter ? 0u : 1u);
  config.seccomp = SeccompMode::off;
  EXPECT_TRUE(start_warnings(config).empty());
}

#ifndef RAWVS_SECCOMP

TEST(CallFilter, SaysThatItIsNotBuiltIn) {
  EXPECT_EQ(allowed_text({}, allow_directors_calls({})), "seccomp: not built in");
}

#else

Config config_with(SeccompMode mode, IoMode io = IoMode::automatic) {
  Config config;
  config.seccomp = mode;
  config.io = io;
  return config;
}

struct ChildEnd {
  std::string said;
  int status = 0;
};
// What the function returns in a child process, and how that ends.
ChildEnd in_child(const std::function<std::string()>& work) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const std::string text = work();
    [[maybe_unused]] const ssize_t done = write(ends[1], text.data(), text.size());
    _exit(0);
  }
  const Fd from(ends[0]);
  close(ends[1]);
  ChildEnd end;
  char piece[4096];
  for (ssize_t got; (got = read(from.get(), piece, sizeof piece)) > 0;)
    end.said.append(piece, static_cast<size_t>(got));
  waitpid(child, &end.status, 0);
  return end;
}

std::string filters_in_force() {
  const auto file = read_file("/proc/self/status");
  const std::string status = file ? *file : "";
  const std::string key = "\nSeccomp_filters:\t";
  const size_t at = status.find(key);
  return at == std::string::npos ? "?" : status.substr(at + key.size(), status.find('\n', at + 1) - at - key.size());
}

struct Tried {
  const char* what;
  std::function<long()> call;
};
std::string errors_of(const std::vector<Tried>& all, int expected) {
  std::string out;
  for (const Tried& one : all) {
    errno = 0;
    const long result = one.call();
    if (result != -1 || errno != expected) out += std::string(one.what) + ": " + std::to_string(errno) + "; ";
  }
  return out;
}

TEST(CallFilter, RefusesWhatIsNotOnTheListAsIfTheKernelDidNotHaveIt) {
  const ChildEnd end = in_child([] {
    if (const auto filter = allow_directors_calls(config_with(SeccompMode::on)); !filter) return filter.error().text;
    return errors_of(
        {{"ptrace", [] { return syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }},
         {"socket: alg", [] { return syscall(SYS_socket, 38, SOCK_SEQPACKET, 0); }},
         {"socket: vsock", [] { return syscall(SYS_socket, 40, SOCK_STREAM, 0); }},
         {"socket: xdp", [] { return syscall(SYS_socket, 44, SOCK_RAW, 0); }},
         {"socketpair: inet", [] { return syscall(SYS_socketpair, AF_INET, SOCK_STREAM, 0, nullptr); }},
         {"unshare", [] { return syscall(SYS_unshare, CLONE_NEWUSER); }},
         {"clone: user", [] { return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); }},
         {"clone: net", [] { return syscall(SYS_clone, CLONE_NEWNET | CLONE_VM | SIGCHLD, 0, 0, 0, 0); }},
         {"clone3", [] { return syscall(SYS_clone3, nullptr, 0); }},
         {"setuid", [] { return syscall(SYS_setuid, 0); }},
         {"setresuid", [] { return syscall(SYS_setresuid, 0, 0, 0); }},
         {"setgroups", [] { return syscall(SYS_setgroups, 0, nullptr); }},
         {"mount", [] { return syscall(SYS_mount, "/", "/", "", 0, nullptr); }},
         {"keyctl", [] { return syscall(SYS_keyctl, 0, 0); }},
         {"io_uring_setup", [] { return syscall(SYS_io_uring_setup, 1, nullptr); }},
         {"userfaultfd", [] { return syscall(SYS_userfaultfd, 0); }},
         {"process_vm_readv", [] { return syscall(SYS_process_vm_readv, getppid(), nullptr, 0, nullptr, 0, 0); }},
         {"open_by_handle_at", [] { return syscall(SYS_open_by_handle_at, 0, nullptr, 0); }},
         {"ioctl: TIOCSTI", [] { return syscall(SYS_ioctl, 0, TIOCSTI, "x"); }},
         {"ioctl: TIOCSTI, more bits", [] { return syscall(SYS_ioctl, 0, 0xffffffff00000000UL | TIOCSTI, "x"); }},
         {"prctl: dumpable", [] { return syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0); }},
         {"prctl: ptracer", [] { return syscall(SYS_prctl, PR_SET_PTRACER, getppid(), 0, 0, 0); }}},
        ENOSYS);
  });
  EXPECT_EQ(end.said, "");
  EXPECT_EQ(end.status, 0);
}

TEST(CallFilter, AllowsWhatTheDirectorNeeds) {
  const ChildEnd end = in_child([]() -> std::string {
    const auto filter = allow_directors_calls(config_with(SeccompMode::kill, IoMode::xdp));
    if (!filter) return filter.error().text;
    for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, 44}) {
      const Fd one(socket(family, SOCK_RAW, 0));
      ifreq request{};
      if (one) ioctl(one.get(), static_cast<int>(SIOCGIFFLAGS), &request);
    }
    isatty(0);
    const Fd memory(memfd_create("test", MFD_CLOEXEC));
    const pid_t child = fork();
    if (child == 0) execl("/bin/true", "true", nullptr);
    int status = 1;
    waitpid(child, &status, 0);
    return "its program: " + std::to_string(status);
  });
  EXPECT_EQ(end.said, "its program: 0");
  EXPECT_EQ(end.status, 0);
}

TEST(CallFilter, EndsTheProcessWhereThatIsWanted) {
  const ChildEnd end = in_child([] {
    static_cast<void>(allow_directors_calls(config_with(SeccompMode::kill)));
    return std::to_string(syscall(SYS_unshare, 0));
  });
  EXPECT_EQ(end.said, "");
  EXPECT_TRUE(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGSYS) << end.status;
}

TEST(CallFilter, AddsNoneThatIsInForce) {
  if (filters_in_force() == "?") GTEST_SKIP() << "this kernel does not say how many filters there are (Linux 5.9)";
  const std::string before = filters_in_force();
  const ChildEnd end = in_child([] {
    std::string said;
    for (int i = 0; i < 30; ++i) {
      for (const IoMode io : {IoMode::automatic, IoMode::xdp}) {
        const auto filter = allow_directors_calls(config_with(SeccompMode::on, io));
        if (!filter) return filter.error().text;
        if (filter->added) said += std::to_string(i) + (io == IoMode::xdp ? " xdp; " : "; ");
      }
    }
    return said + filters_in_force();
  });
  EXPECT_EQ(end.said, "0; 0 xdp; " + std::to_string(std::stoi(before) + 2));
}

TEST(CallFilter, AnEnvironmentThatLiesPreventsNoFilter) {
  const ChildEnd end = in_child([] {
    const ChildEnd other = in_child([] {
      const auto filter = allow_directors_calls(config_with(SeccompMode::on));
      return filter ? std::string(getenv(kFiltersVariable)) : filter.error().text;
    });
    setenv(kFiltersVariable, other.said.c_str(), 1);
    const auto filter = allow_directors_calls(config_with(SeccompMode::on));
    return std::string(filter && filter->added ? "added" : "not added");
  });
  if (filters_in_force() != "0") GTEST_SKIP() << "a container's filter is in force";
  EXPECT_EQ(end.said, "added");
}

TEST(CallFilter, ProgramsOfChecksKeepAllButWhatNoneNeeds) {
  const ChildEnd end = in_child([]() -> std::string {
    if (const auto filter = refuse_to_programs(SeccompMode::on); !filter) return filter.error().text;
    const std::string wrong = errors_of({{"ptrace", [] { return syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }},
                                         {"mount", [] { return syscall(SYS_mount, "/", "/", "", 0, nullptr); }},
                                         {"bpf", [] { return syscall(SYS_bpf, 0, nullptr, 0); }},
                                         {"io_uring_setup", [] { return syscall(SYS_io_uring_setup, 1, nullptr); }}},
                                        EPERM);
    const Fd socket_of_any_family(socket(AF_NETLINK, SOCK_RAW, 0));
    return wrong + (socket_of_any_family ? "" : "no socket; ") + std::to_string(system("sleep 0"));
  });
  EXPECT_EQ(end.said, "0");
}

TEST(CallFilter, IsSaid) {
  EXPECT_EQ(allowed_text({}, Error{"this kernel has none"}), "seccomp: this kernel has none");
  EXPECT_EQ(allowed_text({}, CallFilter{120, true}), "seccomp: 120 system calls allowed");
  EXPECT_EQ(allowed_text(config_with(SeccompMode::log), CallFilter{120, true}),
            "seccomp: 120 system calls allowed, others are logged");
  const Config off = config_with(SeccompMode::off);
  EXPECT_EQ(allowed_text(off, allow_directors_calls(off)), "seccomp: off");
  EXPECT_FALSE(refuse_to_programs(SeccompMode::off));
}

// A misspelt name would be skipped on every machine.
TEST(Calls, EachNameIsKnown) {
  std::vector<std::string> names = directors_calls();
  for (const std::string& name : words_of(kRefusedToPrograms)) names.push_back(name);
  for (const std::string& name : words_of(kProgramCalls[0].names)) names.push_back(name);
  for (const std::string& name : names) {
    bool known = false;
    for (const uint32_t machine :
         {uint32_t{SCMP_ARCH_X86_64}, uint32_t{SCMP_ARCH_X86}, uint32_t{SCMP_ARCH_ARM}, uint32_t{SCMP_ARCH_AARCH64},
          uint32_t{SCMP_ARCH_MIPS}, uint32_t{SCMP_ARCH_RISCV64}}) {
      const int number = seccomp_syscall_resolve_name_arch(machine, name.c_str());
      known = known || number >= 0;
    }
    EXPECT_TRUE(known || name == "riscv_hwprobe") << name;  // libseccomp 2.5.5
  }
}

#endif

}  // namespace
}  // namespace rawvs
