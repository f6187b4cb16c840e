// SPDX-License-Identifier: BSD-2-Clause
// poller.cpp: poll(2) on the frames' descriptors and an epoll(7) of all others.
#include "sys/engine/poller.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include "sys/sys.h"

namespace rawvs {

Result<Done> Poller::open() {
  seldom_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!seldom_) return Error{system_error("epoll", errno)};
  for (pollfd& one : polled_) one = {-1, POLLIN, 0};
  polled_[0].fd = seldom_.get();
  return Done{};
}

void Poller::set_frames(Link link, int fd) {
  const size_t at = 1 + index(link);
  polled_[at] = {fd, POLLIN, 0};
  if (fd >= 0) used_ = std::max(used_, at + 1);
}

Result<Done> Poller::add(int fd, Ready* ready) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = ready;
  if (epoll_ctl(seldom_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return Error{system_error("epoll", errno)};
  return Done{};
}

void Poller::wait(Instant deadline) {
  constexpr Duration kLongestWait = 60s;
  const Duration wait = std::min(left_until(deadline, clock_now()), kLongestWait);
  const int wait_ms = deadline == kNever ? -1 : static_cast<int>(wait.count());
  const int found = poll(polled_.data(), used_, wait_ms);
  if (found <= 0) {
    for (pollfd& one : polled_) one.revents = 0;
    frames_wait_ = false;
    return;
  }
  const bool others_wait = polled_[0].revents != 0;
  frames_wait_ = found > (others_wait ? 1 : 0);
  if (!others_wait) return;
  std::array<epoll_event, 8> events;
  const int count = epoll_wait(seldom_.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    if (auto* const ready = static_cast<Ready*>(events[static_cast<size_t>(i)].data.ptr)) ready->ready_ = true;
  }
}

}  // namespace rawvs
