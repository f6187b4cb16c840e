// SPDX-License-Identifier: BSD-2-Clause
// peer.cpp: SO_PEERCRED, /proc and /etc/passwd.
#include "sys/engine/peer.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "sys/fd.h"
#include "sys/rights/account.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

std::string program_name(pid_t pid) {  // empty: unknown
  const std::string path = formatted("/proc/{}/comm", pid);
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char name[64];
  const ssize_t size = fd ? read(fd.get(), name, sizeof name) : 0;
  std::string out(name, static_cast<size_t>(std::max<ssize_t>(size, 0)));
  out.resize(std::min(out.find('\n'), out.size()));
  std::ranges::replace_if(
      out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

}  // namespace

Peer peer_of(int fd) {
  ucred found{};
  socklen_t size = sizeof found;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &found, &size) != 0) return {};
  return {found.uid, found.pid, found.gid};
}

std::string text(const Peer& peer) {
  if (peer.uid == static_cast<uid_t>(-1)) return "somebody";
  std::string user = user_name(peer.uid);
  if (peer.pid == 0) return user;
  const std::string program = program_name(peer.pid);
  return formatted("{} (pid {}{}{})", user, peer.pid, program.empty() ? "" : ", ", program);
}

}  // namespace rawvs
