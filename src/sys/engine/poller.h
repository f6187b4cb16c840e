// SPDX-License-Identifier: BSD-2-Clause
// poller.h: the descriptors of all parts, and the wait for them.
// Frames by poll(): nobody is called back for every one that arrives while we are awake. What seldom speaks is behind
// one epoll, so that poll() has three descriptors to look at.
#pragma once

#include <poll.h>

#include <array>
#include <utility>

#include "rawvs/frame.h"
#include "rawvs/result.h"
#include "rawvs/time.h"
#include "sys/fd.h"

namespace rawvs {

class Ready {  // a descriptor can be read, or is at its end
 public:
  bool take() { return std::exchange(ready_, false); }

 private:
  friend class Poller;
  bool ready_ = false;
};

class Poller {
 public:
  Result<Done> open();
  // Until the descriptor is closed. REQUIRES: ready outlives it. null: its part looks in every turn anyway, and only
  // the wait has to end.
  Result<Done> add(int fd, Ready* ready);
  void set_frames(Link link, int fd) { polled_[index(link)].fd = fd; }  // -1: none

  void wait(Instant deadline);  // until then, or until something is ready
  // What the wait has found.
  bool frames_wait() const { return polled_[0].revents != 0 || polled_[1].revents != 0; }
  bool failed(Link link) const { return (polled_[index(link)].revents & POLLERR) != 0; }

 private:
  static_assert(kLinks == 2);
  Fd seldom_{};                                                                                 // epoll
  std::array<pollfd, kLinks + 1> polled_{{{-1, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}}};  // -1: passed over
};

}  // namespace rawvs
