// SPDX-License-Identifier: BSD-2-Clause
// board.cpp: asks the director, and answers clients from what it said.
#include "tools/rawvs-web/board.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "rawvs/control.h"
#include "sys/sys.h"

namespace rawvs::web {

namespace {

// What failed; empty: nothing.
std::string asked_rows(adm::Client& client, const std::string& request, adm::Rows& rows) {
  const auto heard = client.ask(std::string(kControlVersion) + ' ' + request,
                                [&](const adm::Row& row) { rows.emplace_back(row.line()); });
  if (!heard) return heard.error().text;
  return *heard ? "rawvsd: " + (*heard)->text : "";
}

}  // namespace

Board::Board(Site& site, const std::string& control)
    : site_(site), client_(control, 5s), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

// A reader that finds old answers waits for news, at most a second, and not while the director does not answer.
Answer Board::answer(const Request& request) {
  std::unique_lock lock(mutex_);
  const Instant now = clock_now();
  const bool old = now - asked_ > std::max<Duration>(kFresh, took_ * kMostShare);
  const bool stuck = asking_ && now - begun_ > kPatience;
  if (old && !stuck) {
    wanted_ = true;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
    news_.wait_for(lock, kPatience, [&] { return asked_ >= now; });
  }
  return site_.answer(request, clock_now(), time(nullptr));
}

Duration Board::until_next(Instant now) {
  const std::lock_guard lock(mutex_);
  const Duration pause = wanted_ ? kFresh : kLong;
  return left_until(asked_ + std::max(pause, took_ * kMostShare), now);
}

// Twice, if the connection was lost in between.
std::string Board::ask_events() {
  for (bool again = false;; again = true) {
    const uint64_t after = events_.after(client_.connections());
    adm::Rows rows;
    std::string trouble = asked_rows(client_, "events after=" + std::to_string(after), rows);
    if (!trouble.empty() || events_.take(std::move(rows), after, client_.connections()) || again) return trouble;
  }
}

void Board::ask(Instant now) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = read(wake_.get(), &count, sizeof count);
  {
    const std::lock_guard lock(mutex_);
    begun_ = now, asking_ = true, wanted_ = false;
  }
  Snapshot snapshot;
  for (const char* const request : adm::kStatusView.requests) {
    snapshot.trouble = asked_rows(client_, request, snapshot.replies[request]);
    if (!snapshot.trouble.empty()) break;
  }
  if (snapshot.trouble.empty()) snapshot.trouble = ask_events();
  snapshot.replies["events"] = events_.rows();
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
