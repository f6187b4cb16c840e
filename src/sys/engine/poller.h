// SPDX-License-Identifier: BSD-2-Clause
// poller.h: the descriptors of all parts, and the wait for them.
//
// poll() watches the frames' descriptors: arrivals cost nothing while the loop is awake. All other descriptors are
// behind one epoll, so poll() has one more to watch.
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
  void set_frames(Link link, int fd);  // -1: none

  void wait(Instant deadline);  // until the deadline, or until something is ready
  // Results of the wait.
  bool frames_wait() const { return frames_wait_; }
  bool failed(Link link) const { return (polled_[1 + index(link)].revents & POLLERR) != 0; }

 private:
  Fd seldom_{};                                  // epoll
  std::array<pollfd, 1 + kMostLinks> polled_{};  // the epoll, then the links; fd -1: ignored
  size_t used_ = 1;                              // of polled_
  bool frames_wait_ = false;
};

}  // namespace rawvs
