// SPDX-License-Identifier: BSD-2-Clause
// control_rows_events.cpp: the rows of events.
#include "control/control_rows.h"
#include "control/control_words.h"

namespace rawvs {

void put_time(std::string& row, int64_t wall) {
  put(row, "time", std::to_string(wall / 1000) + '.' + std::to_string(1000 + wall % 1000).substr(1));
}

// Events that come while the rows are written are written, too: the last number that was seen leads on.
std::unique_ptr<RowSource> event_rows(const Events& events, uint64_t after) {
  return rows_from([&events, after](std::string& row, Director&, Instant) mutable {
    const size_t left = events.after(after);
    if (left == 0) return RowSource::Next::end;
    const Event& e = events[events.size() - left];
    after = e.number;
    row = "event";
    put(row, "number", e.number);
    put_time(row, e.wall);
    put(row, "severity", name(e.severity));
    put(row, "topic", name(e.topic));
    put(row, "text", e.text());
    return RowSource::Next::row;
  });
}

}  // namespace rawvs
