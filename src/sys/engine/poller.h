// SPDX-License-Identifier: BSD-2-Clause
// poller.h: the descriptors of all parts, and the wait for them.
//
// poll() watches the frames' descriptors: arrivals cost nothing while the loop is awake. All other descriptors are
// behind one epoll, so poll() has three to watch.
#pragma once

#include <poll.h>

#include <array>
#include <utility>

#include "rawvs/frame.h"
#include "rawvs/result.h"
#include "rawvs/time.h"
#include "sys/fd.h"

namespace rawvs {

class Ready {  // set when a descriptor is readable or at its end
 public:
  bool take() { return std::exchange(ready_, false); }

 private:
  friend class Poller;
  bool ready_ = false;
};

class Poller {
 public:
  Result<Done> open();
  // Watches a descriptor until it is closed. REQUIRES: ready outlives it. Null: its part reads in every turn, and only
  // the wait has to end.
  Result<Done> add(int fd, Ready* ready);
  void set_frames(Link link, int fd) { polled_[index(link)].fd = fd; }  // -1: none

  void wait(Instant deadline);  // until the deadline, or until something is ready
  // Results of the wait.
  bool frames_wait() const { return polled_[0].revents != 0 || polled_[1].revents != 0; }
  bool failed(Link link) const { return (polled_[index(link)].revents & POLLERR) != 0; }

 private:
  static_assert(kLinks == 2);
  Fd seldom_{};                                                                                 // epoll
  std::array<pollfd, kLinks + 1> polled_{{{-1, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}}};  // fd -1: ignored
};

}  // namespace rawvs
