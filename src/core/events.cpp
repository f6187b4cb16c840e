// SPDX-License-Identifier: BSD-2-Clause
// events.cpp: a ring of events.
#include "core/events.h"

#include <algorithm>

namespace rawvs {

const char* name(Topic topic) {
  switch (topic) {
    case Topic::daemon: return "daemon";
    case Topic::server: return "server";
    case Topic::service: return "service";
    case Topic::vrrp: return "vrrp";
    case Topic::conflict: return "conflict";
    case Topic::control: return "control";
    case Topic::table: return "table";
    case Topic::sync: return "sync";
    case Topic::interface: return "interface";
    case Topic::reload: return "reload";
  }
  return "daemon";
}

const char* name(Severity severity) {
  switch (severity) {
    case Severity::info: return "info";
    case Severity::notice: return "notice";
    case Severity::warning: return "warning";
    case Severity::error: return "error";
  }
  return "error";
}

Event& Events::push() {
  if (events_.size() < kEvents) return events_.emplace_back();
  Event& taken = events_[oldest_];
  oldest_ = (oldest_ + 1) % kEvents;
  return taken;
}

void Events::add(int64_t wall, Severity severity, Topic topic, std::string_view text) {
  Event& e = push();
  e.number = next_++;
  e.wall = wall;
  e.severity = severity;
  e.topic = topic;
  e.length = static_cast<uint16_t>(std::min(text.size(), Event::kTextMost));
  std::ranges::transform(text.substr(0, e.length), e.line.begin(),
                         [](char c) { return c >= ' ' && c <= '~' ? c : '?'; });
  if (text.size() > Event::kTextMost) std::fill_n(e.line.end() - 3, 3, '.');
}

void Events::restore(const Event& event) {
  size_t at = events_.size();  // before which it belongs
  while (at != 0 && (*this)[at - 1].wall > event.wall) --at;
  for (size_t same = at; same != 0 && (*this)[same - 1].wall == event.wall; --same) {
    if ((*this)[same - 1].text() == event.text()) return;
  }
  if (events_.size() == kEvents) {
    if (at == 0) return;
    --at;  // the oldest one goes
  }
  push();
  for (size_t to = events_.size() - 1; to > at; --to) events_[place(to)] = events_[place(to - 1)];
  events_[place(at)] = event;
  // An earlier process's number stays. Where there is one before it, the order decides.
  uint64_t number = at != 0 ? (*this)[at - 1].number + 1 : event.number;
  for (size_t i = at; i < events_.size(); ++i) events_[place(i)].number = number++;
  next_ = number;
}

size_t Events::after(uint64_t number) const {
  if (number == last()) return 0;
  if (number > last()) return events_.size();
  return static_cast<size_t>(std::min<uint64_t>(last() - number, events_.size()));
}

}  // namespace rawvs
