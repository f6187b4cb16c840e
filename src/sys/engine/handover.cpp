// SPDX-License-Identifier: BSD-2-Clause
// handover.cpp: messages of one size, each with at most one descriptor. unix(7).
#include "sys/engine/handover.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "sys/handed_over.h"
#include "sys/helper/passing.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr Duration kSnapshotPatience = 120s;  // the other one writes it beside its packets
constexpr Duration kStopPatience = 30s;       // a million connections take a quarter of a second

struct Message {
  uint32_t version = 1;
  uint32_t what = 0;
  int32_t process = -1;
  uint32_t size = 0;  // of text
  std::array<char, 4080> text{};
};
static_assert(sizeof(Message) == 4096);

Error broken(int error) {
  if (error == EPIPE || error == ECONNRESET) return {"it has ended"};
  return {system_error("the socket between both programs", error)};
}

Result<HandOver::Heard> expect(const HandOver& socket, HandOver::What what, Duration most) {
  auto heard = socket.wait(most);
  if (heard && heard->what != what) return Error{"the other rawvsd does not go on"};
  if (heard && !heard->file) return Error{"no descriptor is free for the other rawvsd's connections"};
  return heard;
}

}  // namespace

Result<std::pair<HandOver, HandOver>> HandOver::pair() {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
    return Error{system_error("socketpair", errno)};
  return std::pair(HandOver(Fd(ends[0])), HandOver(Fd(ends[1])));
}

HandOver HandOver::inherited() {
  const auto fd = descriptor_in(take_variable(kPredecessorVariable).value_or(""));
  int type = 0;
  socklen_t size = sizeof type;
  if (!fd || *fd <= STDERR_FILENO) return {};
  if (getsockopt(*fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) return {};
  if (fcntl(*fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(*fd, F_SETFL, O_NONBLOCK) != 0) return {};
  return HandOver(Fd(*fd));
}

Result<Done> HandOver::say(What what, const std::string& text, int file) const {
  Message message;
  message.what = static_cast<uint32_t>(what);
  message.process = getpid();
  message.size = static_cast<uint32_t>(std::min(text.size(), message.text.size()));
  std::memcpy(message.text.data(), text.data(), message.size);
  const std::span<const int> files(&file, file < 0 ? 0U : 1U);
  const int problem = send_with(fd(), &message, sizeof message, files);
  return problem == 0 ? Result<Done>(Done{}) : broken(problem);
}

std::optional<Result<HandOver::Heard>> HandOver::hear() const {
  Message message;
  std::vector<Fd> files;
  const ssize_t got = receive_with(fd(), &message, sizeof message, files);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  if (got <= 0) return broken(got < 0 ? errno : EPIPE);
  const bool known =
      message.what >= static_cast<uint32_t>(What::begun) && message.what <= static_cast<uint32_t>(What::failed);
  if (got != sizeof message || message.version != Message().version || message.size > message.text.size() || !known)
    return Error{"it speaks another protocol"};
  Heard heard{static_cast<What>(message.what), std::string(message.text.data(), message.size), {}, message.process};
  if (!files.empty()) heard.file = std::move(files[0]);
  return heard;
}

Result<HandOver::Heard> HandOver::wait(Duration most) const {
  for (const Instant until = clock_now() + most;;) {
    if (auto heard = hear()) return std::move(*heard);
    const Duration left = until - clock_now();
    if (left <= Duration::zero()) return Error{"it does not answer"};
    pollfd one{fd(), POLLIN, 0};
    poll(&one, 1, static_cast<int>(left / 1ms) + 1);
  }
}

Predecessor Predecessor::inherited() {
  Predecessor out;
  out.socket_ = HandOver::inherited();
  out.interim_ = take_variable(kInterimVariable).has_value() && out.socket_;
  if (out.socket_) static_cast<void>(out.socket_.say(HandOver::What::begun));  // the other one waits only so long
  return out;
}

Result<Fd> Predecessor::state() const {
  if (const auto said = socket_.say(HandOver::What::state); !said) return said.error();
  auto heard = expect(socket_, HandOver::What::state, kSnapshotPatience);
  if (!heard) return heard.error();
  return std::move(heard->file);
}

Result<HandOver::Heard> Predecessor::take() const {
  if (const auto said = socket_.say(HandOver::What::loaded); !said) return said.error();
  return expect(socket_, HandOver::What::take, kStopPatience);
}

}  // namespace rawvs
