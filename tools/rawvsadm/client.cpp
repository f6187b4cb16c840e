// SPDX-License-Identifier: BSD-2-Clause
// client.cpp: requests to rawvsd over one SOCK_SEQPACKET connection.
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

namespace {

std::string seconds(Client::Milliseconds limit) {
  const auto whole = limit.count() / 1000, rest = limit.count() % 1000;
  return std::to_string(whole) + (rest == 0 ? "" : '.' + std::to_string(1000 + rest).substr(1)) + " s";
}

}  // namespace

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
  // Also limits connect(), which waits when many others do.
  const timeval limit{limit_.count() / 1000, limit_.count() % 1000 * 1000};
  if (fd_ >= 0) setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (fd_ >= 0 && connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return ++connections_, Done{};
  const int why = errno;
  close();
  const std::string reason = place + ": " + std::strerror(why);
  if (why == EACCES || why == EPERM)
    return Error{reason + ": are you root, or in the group that control_group or read_group names?"};
  if (why == EAGAIN) return Error{place + ": it does not take a connection within " + seconds(limit_)};
  return Error{reason + ": is it running? (start it with: rawvsd -c /etc/rawvs.ini)" +
               (why == ENOENT ? " If it is and its socket was deleted, SIGHUP makes that again" : "")};
}

// rawvsd closes a connection without requests for a while, as during typed input of -R: then connects again.
Result<Done> Client::put(const std::string& request) {
  for (bool old = fd_ >= 0;; old = false) {
    if (auto reached = reach(); !reached) return reached;
    if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) >= 0) return Done{};
    const int why = errno;
    const bool gone = why == EPIPE || why == ECONNRESET;
    if (gone && !old) return Done{};  // it may have sent the reason before it closed the connection
    close();
    if (gone) continue;
    if (why == EAGAIN) return Error{"rawvsd at " + path_ + " does not take the request within " + seconds(limit_)};
    return Error{"rawvsd at " + path_ + " does not take the request: " + std::strerror(why)};
  }
}

Client::Waited Client::wait(int end) const {
  pollfd wanted[] = {{fd_, POLLIN, 0}, {end, POLLIN, 0}};
  const int limit = end >= 0 ? -1 : static_cast<int>(limit_.count());
  int ready = 0;
  do ready = poll(wanted, 2, limit);
  while (ready < 0 && errno == EINTR);
  return ready == 0 ? Waited::late : wanted[1].revents != 0 ? Waited::end : Waited::message;
}

Error Client::late(const Heard& heard) const {
  const std::string missed = heard.messages == 0 ? "no answer within " + seconds(limit_)
                                                 : "no complete answer: " + std::to_string(heard.rows) +
                                                       " rows came in " + std::to_string(heard.messages) +
                                                       " messages, then nothing for " + seconds(limit_);
  return Error{"rawvsd at " + path_ + ": " + missed + "; see --wait"};
}

Result<std::optional<Refused>> Client::hear(const Reply::EachRow& each, int end) {
  const std::string place = "rawvsd at " + path_;
  Reply reply;
  Heard heard;
  const auto count_and_tell = [&](const Row& row) { ++heard.rows, each(row); };
  std::vector<char> message(kPieceMost + 1);  // one more byte: a message that is too long is noticed
  for (;;) {
    switch (wait(end)) {
      case Waited::message: break;
      case Waited::end: return close(), std::optional<Refused>();
      case Waited::late: return close(), late(heard);
    }
    ssize_t size = 0;
    do size = recv(fd_, message.data(), message.size(), 0);
    while (size < 0 && errno == EINTR);
    // Reported once, before the last messages: the other end closed before it had read everything.
    if (size < 0 && errno == ECONNRESET) size = recv(fd_, message.data(), message.size(), 0);
    if (size <= 0) {
      const std::string why = size == 0 ? "closed the connection" : std::strerror(errno);
      close();
      return at(place, Error{"no complete answer: " + why});
    }
    ++heard.messages;
    switch (reply.take({message.data(), static_cast<size_t>(size)}, count_and_tell)) {
      case Reply::Step::more: continue;
      case Reply::Step::over: return reply.refused();
      case Reply::Step::broken: break;
    }
    close();
    return Error{place + ": not an answer in " + std::string(kControlVersion) + ": is it rawvsd?"};
  }
}

// "Too many clients" is sent before the request is read: nothing was done, and the request is repeated.
Result<std::optional<Refused>> Client::ask(const std::string& request, const Reply::EachRow& each, int end) {
  constexpr Milliseconds kPause(100);
  for (Milliseconds waited{};; waited += kPause) {
    if (auto put_there = put(request); !put_there) return put_there.error();
    auto heard = hear(each, end);
    const bool busy = heard && *heard && (*heard)->code == "busy";
    if (!busy) return heard;
    close();
    if (waited >= limit_) return heard;
    poll(nullptr, 0, static_cast<int>(kPause.count()));
  }
}

}  // namespace rawvs::adm
