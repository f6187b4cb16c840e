// SPDX-License-Identifier: BSD-2-Clause
// guard_links.cpp: passes links to rawvs-helper; takes those of an earlier version.
#include "sys/guard/guard_links.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "sys/handed_over.h"

namespace rawvs {

bool is_bpf_link(int fd) {
  std::array<char, 64> target{};
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  const std::string_view name(target.data(), size > 0 ? static_cast<size_t>(size) : 0);
  return name == "anon_inode:bpf_link" || name == "anon_inode:bpf-link" || name == "anon_inode:[bpf_link]";
}

Result<KeptGuard> KeptGuard::keep(const Helper& helper, int link) {
  HelperRequest request;
  request.ask = HelperAsk::guard;
  auto socket = helper.ask(request, link);
  if (!socket) return socket.error();
  return KeptGuard(std::move(*socket));
}

// Where rawvs-helper has ended, or was renewed since, it has no link of this guard.
void KeptGuard::release() {
  constexpr char kReleased = 0;
  if (socket_) static_cast<void>(send(socket_.get(), &kReleased, sizeof kReleased, MSG_NOSIGNAL | MSG_DONTWAIT));
  socket_.reset();
}

std::vector<Fd> inherited_guard_links() {
  std::vector<Fd> out;
  for (const int fd : descriptors_in(take_variable(kGuardVariable).value_or(""))) {
    // A descriptor that is no such link is left open.
    if (fd > STDERR_FILENO && is_bpf_link(fd) && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) out.emplace_back(fd);
  }
  return out;
}

}  // namespace rawvs
