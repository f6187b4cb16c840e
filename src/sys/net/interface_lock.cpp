// SPDX-License-Identifier: BSD-2-Clause
// interface_lock.cpp: binds the name and listens: another process can ask the kernel who holds the lock.
#include "sys/net/interface_lock.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "sys/sys.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

struct Name {
  sockaddr_un address{};
  socklen_t size = 0;
  const sockaddr* generic() const { return reinterpret_cast<const sockaddr*>(&address); }
};

Name name_of(int ifindex) {
  const std::string text = formatted("rawvsd interface {}", ifindex);
  Name name;
  name.address.sun_family = AF_UNIX;
  std::ranges::copy(text, name.address.sun_path + 1);  // after a zero byte: abstract
  name.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return name;
}

Fd new_socket() { return Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

// The process that listens; empty: none, or it does not answer.
std::optional<ucred> holder_of(const Name& name) {
  constexpr int kTries = 3;  // it may be about to listen
  for (int tries = 0; tries < kTries; ++tries) {
    const Fd asking = new_socket();
    ucred holder{};
    socklen_t size = sizeof holder;
    if (asking && connect(asking.get(), name.generic(), name.size) == 0 &&
        getsockopt(asking.get(), SOL_SOCKET, SO_PEERCRED, &holder, &size) == 0)
      return holder;
    poll(nullptr, 0, 1);
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<std::string>> InterfaceLock::take(const std::string& interface, int ifindex) {
  if (ifindex == ifindex_) return std::optional<std::string>();
  socket_.reset();
  ifindex_ = 0;
  if (ifindex == 0) return std::optional<std::string>();
  const std::string place = "interface " + interface;
  const Name name = name_of(ifindex);
  Fd socket = new_socket();
  if (!socket) return Error{system_error(place + ": lock: socket", errno)};
  if (bind(socket.get(), name.generic(), name.size) != 0) {
    if (errno != EADDRINUSE) return Error{system_error(place + ": lock: bind", errno)};
    if (refused_index_ == ifindex) return refusal_;
    const auto holder = holder_of(name);
    if (holder && (holder->uid == 0 || holder->uid == geteuid())) {
      refused_index_ = ifindex;
      refusal_ = {
          formatted("{}: another rawvsd (process {}) serves it: both would forward every packet", place, holder->pid)};
      return refusal_;
    }
    ifindex_ = ifindex;
    return std::optional(place +
                         ": another user's program holds the name that a director would: whether another "
                         "rawvsd serves the interface is not known");
  }
  if (listen(socket.get(), SOMAXCONN) != 0) return Error{system_error(place + ": lock: listen", errno)};
  socket_ = std::move(socket);
  ifindex_ = ifindex;
  refused_index_ = 0;
  return std::optional<std::string>();
}

}  // namespace rawvs
