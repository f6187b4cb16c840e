// SPDX-License-Identifier: BSD-2-Clause
// board.h: asks the director at a bounded rate, however many clients there are, and answers clients from what it said.
// In:  requests of clients, in the server's thread; the time, in the main thread.
// Out: answers.
//
// The director is asked when somebody reads and its answers are older than kFresh, else once in ten seconds; more
// seldom if its answers take long, so that they take at most a twentieth of the time. A page that is asked for each
// second shows what happened two seconds ago, however many such pages there are.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>

#include "sys/fd.h"
#include "tools/rawvs-web/event_list.h"
#include "tools/rawvs-web/site.h"
#include "tools/rawvsadm/client.h"

namespace rawvs::web {

class Board {
 public:
  static constexpr Duration kPatience = 1s, kLong = 10s, kFresh = 900ms;
  static constexpr int kMostShare = 20;  // a twentieth

  Board(Site& site, const std::string& control);
  int wake_fd() const { return wake_.get(); }  // readable: a reader wants news

  Answer answer(const Request& request);  // in the server's thread; may wait a second for news
  // In the main thread.
  Duration until_next(Instant now);
  void ask(Instant now);

 private:
  std::string ask_events();  // what failed; empty: nothing
  Site& site_;
  adm::Client client_;
  EventList events_{};
  Fd wake_;
  std::mutex mutex_{};  // of all below, and of site_
  std::condition_variable news_{};
  Instant begun_{}, asked_{};  // the last asking's begin and end
  Duration took_{};
  bool asking_ = false, wanted_ = false;  // wanted_: a reader found its answers old
};

}  // namespace rawvs::web
