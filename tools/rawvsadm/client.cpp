// SPDX-License-Identifier: BSD-2-Clause
// client.cpp: the way to rawvsd: one SOCK_SEQPACKET connection, one request at a time.
#include "client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "rawvs/control.h"

namespace rawvs::adm {

Client::~Client() { close(); }

void Client::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<Done> Client::reach() {
  if (fd_ >= 0) return Done{};
  const std::string place = "cannot reach rawvsd at " + path_;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path_.empty() || path_.size() >= sizeof to.sun_path) {
    return Error{place + ": expected a path of 1 to " + std::to_string(sizeof to.sun_path - 1) + " characters"};
  }
  std::memcpy(to.sun_path, path_.data(), path_.size());
  fd_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd_ >= 0 && connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return Done{};
  const int why = errno;
  close();
  const std::string reason = place + ": " + std::strerror(why);
  if (why == EACCES || why == EPERM) return Error{reason + ": are you root, or in the group control_group names?"};
  return Error{reason + ": is it running? (start it with: rawvsd -c /etc/rawvs.ini)"};
}

// rawvsd ends a connection on which nothing was asked for a while, as when somebody types at -R: then a new one is
// made.
Result<Done> Client::put(const std::string& request) {
  for (bool old = fd_ >= 0;; old = false) {
    if (auto reached = reach(); !reached) return reached;
    if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) >= 0) return Done{};
    const int why = errno;
    close();
    if (old && (why == EPIPE || why == ECONNRESET)) continue;
    return Error{"rawvsd at " + path_ + " does not take the request: " + std::strerror(why)};
  }
}

// Waits until there is something of the reply. True: the end came first.
bool Client::ended(int end) const {
  pollfd wanted[] = {{fd_, POLLIN, 0}, {end, POLLIN, 0}};
  while (poll(wanted, 2, -1) < 0 && errno == EINTR) continue;
  return wanted[1].revents != 0;
}

Result<std::optional<Refused>> Client::ask(const std::string& request, const Reply::EachRow& each, int end) {
  if (auto put_there = put(request); !put_there) return put_there.error();
  const std::string place = "rawvsd at " + path_;
  Reply reply;
  std::vector<char> message(kPieceMost + 1);  // one more, so that a longer one is noticed
  for (;;) {
    if (end >= 0 && ended(end)) {
      close();
      return std::optional<Refused>();
    }
    ssize_t size = 0;
    do size = recv(fd_, message.data(), message.size(), 0);
    while (size < 0 && errno == EINTR);
    if (size <= 0) {
      const std::string why = size == 0 ? "closed the connection" : std::strerror(errno);
      close();
      return at(place, Error{"no complete answer: " + why});
    }
    switch (reply.take({message.data(), static_cast<size_t>(size)}, each)) {
      case Reply::Step::more: continue;
      case Reply::Step::over: return reply.refused();
      case Reply::Step::broken: break;
    }
    close();
    return Error{place + ": not an answer in " + std::string(kControlVersion) + ": is it rawvsd?"};
  }
}

}  // namespace rawvs::adm
