// SPDX-License-Identifier: BSD-2-Clause
// config_report.cpp: where sections and keys stood in a file, and the messages about them.

#include <algorithm>

#include "config/config_rows.h"
#include "core/sort.h"
#include "wire/formatted.h"

namespace rawvs {

const Place::Key* Place::find(std::string_view key) const {
  const auto found = std::ranges::find(keys, key, &Key::key);
  return found == keys.end() ? nullptr : &*found;
}

int Place::line_of(const char* key, size_t nth) const {
  const Key* const found = find(key);
  return found && nth < found->lines.size() ? found->lines[nth] : line;
}

bool Place::bad(const char* key) const {
  const Key* const found = find(key);
  return found && found->bad;
}

void Report::fault(int line, const std::string& text) {
  if (full()) {
    ++findings_.more_faults;
    return;
  }
  faults_.push_back({line, line == 0 ? formatted("{}: {}", file_, text) : formatted("{}:{}: {}", file_, line, text)});
}

void Report::wrong(const Place& place, const char* key, const std::string& text, size_t nth) {
  const int line = place.line_of(key, nth);
  fault(line, formatted("[{}] {}: {}", place.title, key, text));
}

void Report::warn(const Place& place, const char* key, const std::string& text, size_t nth) {
  if (warnings_.size() >= Findings::kMost) {
    ++findings_.more_warnings;
    return;
  }
  const int line = place.line_of(key, nth);
  warnings_.push_back({line, formatted("{}:{}: [{}] {}: {}", file_, line, place.title, key, text)});
}

void Report::sort() {
  const auto into = [](std::vector<Found>& from, std::vector<std::string>& all) {
    // Messages about the file as a whole come last.
    sort_with(from, [](const Found& a, const Found& b) { return a.line != 0 && (b.line == 0 || a.line < b.line); });
    for (Found& found : from) all.push_back(std::move(found.text));
    from.clear();
  };
  into(faults_, findings_.faults);
  into(warnings_, findings_.warnings);
}

std::vector<std::string> Findings::lines() const {
  std::vector<std::string> all = faults;
  const auto more = [&](size_t n, const char* what) {
    if (n != 0) all.push_back(formatted("and {} more {}{}", n, what, n == 1 ? "" : "s"));
  };
  more(more_faults, "fault");
  for (const std::string& warning : warnings) all.push_back("warning: " + warning);
  more(more_warnings, "warning");
  return all;
}

}  // namespace rawvs
