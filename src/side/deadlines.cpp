// SPDX-License-Identifier: BSD-2-Clause
// deadlines.cpp: the heap of deadlines. Each number's place is known, so a deadline is moved without a search.
#include "side/deadlines.h"

namespace rawvs {

void Deadlines::make_room(size_t size) {
  if (size <= place_.size()) return;
  place_.resize(size, kNowhere);
  heap_.reserve(place_.capacity());
}

void Deadlines::put(size_t place, Entry entry) {
  heap_[place] = entry;
  place_[entry.who] = static_cast<uint32_t>(place);
}

void Deadlines::rise(size_t place, Entry entry) {
  while (place > 0 && entry < heap_[(place - 1) / 2]) {
    put(place, heap_[(place - 1) / 2]);
    place = (place - 1) / 2;
  }
  put(place, entry);
}

void Deadlines::sink(size_t place, Entry entry) {
  for (size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
    if (child + 1 < heap_.size() && heap_[child + 1] < heap_[child]) ++child;
    if (heap_[child] >= entry) break;
    put(place, heap_[child]);
    place = child;
  }
  put(place, entry);
}

void Deadlines::set(uint32_t who, Instant when) {
  size_t place = place_[who];
  Entry entry{when, who};
  if (when == kNever) {
    if (place == kNowhere) return;
    place_[who] = kNowhere;
    entry = heap_.back();  // takes the free place
    heap_.pop_back();
    if (place == heap_.size()) return;
  } else if (place == kNowhere) {
    place = heap_.size();
    heap_.push_back(entry);
  }
  if (place > 0 && entry < heap_[(place - 1) / 2]) {
    rise(place, entry);
  } else {
    sink(place, entry);
  }
}

}  // namespace rawvs
