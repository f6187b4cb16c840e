// SPDX-License-Identifier: BSD-2-Clause
// defence.cpp: a few entries, searched one by one: hosts ask seldom.
#include "side/defence.h"

#include <algorithm>

namespace rawvs {

namespace {

constexpr std::array<Duration, 3> kAfter = {0ms, Defence::kLeastPause, 1000ms};  // the repeat before

}  // namespace

// A host that asks again has not learnt it yet, or has forgotten it: the repeats begin anew, at no higher rate.
bool Defence::asked(const Asker& asker, Instant now) {
  const auto known = std::ranges::find_if(entries_, [&](const Entry& e) {
    return e.next != kNever && e.asker.mac == asker.mac && e.asker.vip == asker.vip && e.asker.addr == asker.addr;
  });
  if (known != entries_.end()) {
    known->done = std::min<size_t>(known->done, 1);
    set(*known, std::min(known->next, now + kLeastPause));
    return true;
  }
  const auto free = std::ranges::find(entries_, kNever, &Entry::next);
  if (free == entries_.end()) return false;
  free->asker = asker, free->done = 0;
  set(*free, now + kAfter[0]);
  return true;
}

std::optional<Defence::Asker> Defence::take_due(Instant now) {
  if (earliest_ > now) return std::nullopt;
  const auto due = std::ranges::min_element(entries_, {}, &Entry::next);
  ++due->done;
  set(*due, due->done < kAfter.size() ? now + kAfter[due->done] : kNever);
  return due->asker;
}

void Defence::set(Entry& entry, Instant next) {
  entry.next = next;
  earliest_ = std::ranges::min(entries_, {}, &Entry::next).next;
}

}  // namespace rawvs
