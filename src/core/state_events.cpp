// SPDX-License-Identifier: BSD-2-Clause
// state_events.cpp: events as rows of a state.
#include <algorithm>

#include "core/state_rows.h"

namespace rawvs::state {
namespace {

constexpr uint64_t kMostNumber = uint64_t{1} << 53;  // of an event, and milliseconds: what a reader of JSON can hold
constexpr size_t kTextAt = kEventSize - Event::kTextMost;

}  // namespace

void save(const Event& event, MutableBytes row) {
  store_be64(row, 0, event.number);
  store_be64(row, 8, static_cast<uint64_t>(event.wall));
  row[16] = static_cast<uint8_t>(event.severity);
  row[17] = static_cast<uint8_t>(event.topic);
  store_be16(row, 18, event.length);
  std::ranges::copy(event.text(), row.begin() + kTextAt);
}

std::optional<Event> read_event(Bytes row) {
  Event e;
  e.number = load_be64(row, 0);
  const uint64_t wall = load_be64(row, 8);
  e.length = load_be16(row, 18);
  if (e.number == 0 || e.number > kMostNumber || wall > kMostNumber || row[17] >= kTopics ||
      row[16] > static_cast<uint8_t>(Severity::error) || e.length > Event::kTextMost) {
    return std::nullopt;
  }
  e.wall = static_cast<int64_t>(wall);
  e.severity = static_cast<Severity>(row[16]);
  e.topic = static_cast<Topic>(row[17]);
  const Bytes text = row.subspan(kTextAt, e.length);
  if (!std::ranges::all_of(text, [](uint8_t c) { return c >= ' ' && c <= '~'; })) return std::nullopt;
  std::ranges::copy(text, e.line.begin());
  return e;
}

}  // namespace rawvs::state
