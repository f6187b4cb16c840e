// SPDX-License-Identifier: BSD-2-Clause
// events.h: the last changes, for who asks later: servers up and down, masters, conflicts, operators' commands.
// In:  lines as they are written to the log, with the wall clock; events of an earlier process.
// Out: the last kEvents of them, oldest first.
// Not: which lines there are (they are said where things change), the log itself (sys.h), files (state.h).
//
// Events are numbered in their order. A reader that wants what is new asks for those after the last one it has seen.
// Memory is reserved at the start: 256 bytes for each event.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/outbox.h"

namespace rawvs {

struct Event {
  static constexpr size_t kTextMost = 236;  // bytes; the end of a longer line is left out
  uint64_t number = 0;
  int64_t wall = 0;  // milliseconds since 1970
  Severity severity = Severity::notice;
  Topic topic = Topic::daemon;
  uint16_t length = 0;
  std::array<char, kTextMost> line{};
  std::string_view text() const { return {line.data(), length}; }
};

class Events {
 public:
  static constexpr size_t kEvents = 1000;

  Events() { events_.reserve(kEvents); }
  // Control characters, and bytes that are not ASCII, become question marks: a line stays one line on a terminal.
  void add(int64_t wall, Severity severity, Topic topic, std::string_view text);
  // An event of an earlier process goes where its time belongs, and those behind it are numbered anew. One that is here
  // already, or is older than all of a full list, changes nothing.
  void restore(const Event& event);

  size_t size() const { return events_.size(); }
  const Event& operator[](size_t at) const { return events_[place(at)]; }  // 0: the oldest
  uint64_t last() const { return next_ - 1; }                              // number of the newest; 0: there was none
  // How many there are with a greater number than this one: they are the last ones. A number that was not given yet is
  // another process's, whose events are not here: all.
  size_t after(uint64_t number) const;

 private:
  size_t place(size_t at) const { return (oldest_ + at) % events_.size(); }
  Event& push();

  std::vector<Event> events_;  // a ring, once it has kEvents
  size_t oldest_ = 0;
  uint64_t next_ = 1;
};

}  // namespace rawvs
