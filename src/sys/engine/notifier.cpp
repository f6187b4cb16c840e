// SPDX-License-Identifier: BSD-2-Clause
// notifier.cpp: asks rawvs-helper, and hears what became of it.
#include "sys/engine/notifier.h"

#include <utility>

#include "wire/formatted.h"

namespace rawvs {

void Notifier::tell(const HelperRequest& request, const std::string& about) {
  if (waiting_.size() == kMostWaiting) {
    return warnings_.warn(formatted("{}: notify: {} programs wait already: not told", about, kMostWaiting));
  }
  waiting_.push_back({request, about});
  serve(context_.now);
}

void Notifier::serve(Instant) {
  forget_ended();
  while (!waiting_.empty() && running_.size() < kMostAtOnce) {
    begin(waiting_.front());
    waiting_.pop_front();
  }
}

void Notifier::begin(const Wish& wish) {
  auto asked = context_.helper.ask(wish.request);
  if (!asked) return warnings_.warn(wish.about + ": notify: " + asked.error().text);
  // What cannot be waited for is not: the program runs all the same.
  if (context_.poller.add(asked->get(), &answers_wait_)) running_.push_back({wish.about, std::move(*asked)});
}

void Notifier::forget_ended() {
  if (!answers_wait_.take()) return;
  std::erase_if(running_, [this](const Running& one) {
    const auto heard = hear(one.answers);
    if (heard && *heard && (*heard)->answer.what == HelperAnswer::What::failed) {
      warnings_.warn(one.about + ": notify: " + (*heard)->text());
    }
    return heard.has_value();
  });
}

}  // namespace rawvs
