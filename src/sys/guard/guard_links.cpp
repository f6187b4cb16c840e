// SPDX-License-Identifier: BSD-2-Clause
// guard_links.cpp: passes descriptors through exec() and fork().
#include "sys/guard/guard_links.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include "sys/handed_over.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr unsigned kKept = 10;   // seconds
constexpr int kMostOpen = 4096;  // descriptors

bool is_bpf_link(int fd) {
  std::array<char, 64> target{};
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  const std::string_view name(target.data(), size > 0 ? static_cast<size_t>(size) : 0);
  return name == "anon_inode:bpf_link" || name == "anon_inode:bpf-link" || name == "anon_inode:[bpf_link]";
}

}  // namespace

GuardLinks::GuardLinks(std::span<const int> links) {
  for (const int fd : links) links_.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

GuardLinks GuardLinks::inherited() {
  GuardLinks out;
  for (const int fd : descriptors_in(take_variable(kGuardVariable).value_or(""))) {
    // A descriptor that is no such link is left open.
    if (fd > STDERR_FILENO && is_bpf_link(fd) && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) out.links_.emplace_back(fd);
  }
  return out;
}

// A grandchild, so that nobody has to wait for it.
void GuardLinks::keep_a_while() const {
  if (links_.empty()) return;
  const pid_t child = fork();
  if (child > 0) waitpid(child, nullptr, 0);
  if (child != 0) return;
  setsid();
  const auto limit = static_cast<int>(sysconf(_SC_OPEN_MAX));
  for (int fd = 0; fd < std::min(limit, kMostOpen); ++fd) {
    if (std::ranges::find(links_, fd, [](const Fd& link) { return link.get(); }) == links_.end()) close(fd);
  }
  if (fork() != 0) _exit(0);
  sleep(kKept);
  _exit(0);
}

}  // namespace rawvs
