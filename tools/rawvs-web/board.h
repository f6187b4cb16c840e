// SPDX-License-Identifier: BSD-2-Clause
// board.h: asks the director at a bounded rate, however many clients there are, and answers clients from what it said.
// In:  requests of clients, in the server's thread; the time, in the main thread.
// Out: answers.
//
// The director is asked once a second while somebody reads, else once in ten seconds; more seldom if its answers take
// long, so that they take at most a twentieth of the time.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>

#include "sys/fd.h"
#include "tools/rawvs-web/site.h"
#include "tools/rawvsadm/client.h"

namespace rawvs::web {

class Board {
 public:
  static constexpr Duration kShort = 1s, kLong = 10s, kFresh = 1500ms;
  static constexpr int kMostShare = 20;  // a twentieth

  Board(Site& site, const std::string& control);
  int wake_fd() const { return wake_.get(); }  // readable: a reader wants news

  Answer answer(const Request& request);  // in the server's thread; may wait a second for news
  // In the main thread.
  Duration until_next(Instant now);
  void ask(Instant now);

 private:
  Site& site_;
  adm::Client client_;
  Fd wake_;
  std::mutex mutex_{};  // of all below, and of site_
  std::condition_variable news_{};
  Instant read_{}, begun_{}, asked_{};  // the last request of a reader; the last asking's begin and end
  Duration took_{};
  bool asking_ = false;
};

}  // namespace rawvs::web
