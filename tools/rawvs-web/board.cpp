// SPDX-License-Identifier: BSD-2-Clause
// board.cpp: asks the director, and answers clients from what it said.
#include "tools/rawvs-web/board.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "rawvs/control.h"
#include "sys/sys.h"

namespace rawvs::web {

Board::Board(Site& site, const std::string& control)
    : site_(site), client_(control, 5s), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

// The first reader after a while waits for news, at most a second, and not while the director does not answer.
Answer Board::answer(const Request& request) {
  std::unique_lock lock(mutex_);
  const Instant now = clock_now();
  read_ = now;
  const bool old = now - asked_ > kFresh + took_ * kMostShare;
  const bool stuck = asking_ && now - begun_ > kShort;
  if (old && !stuck) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
    news_.wait_for(lock, kShort, [&] { return asked_ >= now; });
  }
  return site_.answer(request, clock_now(), time(nullptr));
}

Duration Board::until_next(Instant now) {
  const std::lock_guard lock(mutex_);
  const Duration pause = now - read_ < kLong ? kShort : kLong;
  return left_until(asked_ + std::max(pause, took_ * kMostShare), now);
}

void Board::ask(Instant now) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = read(wake_.get(), &count, sizeof count);
  {
    const std::lock_guard lock(mutex_);
    begun_ = now, asking_ = true;
  }
  Snapshot snapshot;
  for (const char* const request : adm::kStatusView.requests) {
    adm::Rows& rows = snapshot.replies[request];
    const auto heard = client_.ask(std::string(kControlVersion) + ' ' + request,
                                   [&](const adm::Row& row) { rows.emplace_back(row.line()); });
    if (!heard) snapshot.trouble = heard.error().text;
    if (heard && *heard) snapshot.trouble = "rawvsd: " + (*heard)->text;
    if (!snapshot.trouble.empty()) break;
  }
  snapshot.taken = time(nullptr);
  const std::lock_guard lock(mutex_);
  asked_ = clock_now();
  took_ = asked_ - now;
  asking_ = false;
  site_.update(std::move(snapshot),
               std::chrono::duration_cast<std::chrono::seconds>(asked_.time_since_epoch()).count());
  news_.notify_all();
}

}  // namespace rawvs::web
