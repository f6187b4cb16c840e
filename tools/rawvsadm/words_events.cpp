// SPDX-License-Identifier: BSD-2-Clause
// words_events.cpp: events: what changed, oldest first; with --follow also what changes from now on.
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <vector>

#include "config/config_values.h"
#include "core/events.h"
#include "end_signals.h"
#include "json.h"
#include "pcapng.h"
#include "rawvs/control.h"
#include "texts.h"
#include "word_args.h"

namespace rawvs::adm {

namespace {

constexpr int kBetween = 1000;  // milliseconds: an event is seen this long after it at most

struct WantedEvents {
  std::string topic;  // empty: each
  uint64_t count = 0;
  bool follow = false;
  bool fits(const Row& row) const { return row.word() == "event" && (topic.empty() || row.get("topic") == topic); }
};

Result<WantedEvents> read_wanted_events(const WordArgs& args) {
  WantedEvents wanted{args.value("topic"), 0, args.has("follow")};
  const auto count = read_count(args, "count", 1, Events::kEvents, Events::kEvents);
  if (!count) return count.error();
  wanted.count = *count;
  if (wanted.topic.empty()) return wanted;
  std::vector<std::string_view> known;
  for (size_t i = 0; i < kTopics; ++i) known.emplace_back(name(static_cast<Topic>(i)));
  if (std::ranges::find(known, wanted.topic) != known.end()) return wanted;
  std::string list;
  for (const std::string_view one : known) list.append(list.empty() ? "" : ", ").append(one);
  return Error{"--topic: found \"" + wanted.topic + "\", expected one of " + list};
}

// "2026-01-31 23:59:59  server    warning: web: server 192.0.2.11:80 is down: ..."
std::string event_text(const Row& row) {
  constexpr size_t kTopicWidth = 10;
  const std::string_view time = row.get("time"), severity = row.get("severity");
  const auto seconds = parse_number(time.substr(0, time.find('.')), UINT32_MAX);
  std::string topic(row.get("topic"));
  topic.resize(std::max(kTopicWidth, topic.size() + 1), ' ');
  return (seconds ? clock_text(static_cast<time_t>(*seconds)) : std::string(time)) + "  " + topic +
         (severity == "notice" ? "" : std::string(severity) + ": ") + std::string(row.tail("text")) + '\n';
}

void show_events(const WordCall& call, const std::vector<std::string>& rows) {
  for (const std::string& line : rows) {
    const Row row(line);
    print(call.json ? Json::of(row).line() : event_text(row));
  }
}

bool ended_within(const EndSignals& signals) {
  pollfd wanted{signals.fd(), POLLIN, 0};
  return poll(&wanted, 1, kBetween) != 0;
}

// What was shown last. A number is good for one connection alone: another rawvsd counts anew, and its events are known
// by their time.
struct ShownEvents {
  uint64_t number = 0, time = 0;
  bool take(const Row& row) {  // whether it is new
    number = row.number("number");
    const uint64_t at = milliseconds(row.get("time"));
    const bool later = at > before_;
    time = std::max(time, at);
    return later;
  }
  void connect_anew() { number = 0, before_ = time; }

 private:
  uint64_t before_ = 0;
};

// Asks again and again. A rawvsd that is away, because it starts again, is waited for.
int follow_events(WordCall& call, const WantedEvents& wanted, ShownEvents shown) {
  const EndSignals signals;
  for (size_t failures = 0; std::ferror(stdout) == 0 && (failures == 1 || !ended_within(signals));) {
    std::vector<std::string> rows;
    const auto asked = call.client.ask(std::string(kControlVersion) + " events after=" + std::to_string(shown.number),
                                       [&](const Row& row) {
                                         if (shown.take(row) && wanted.fits(row)) rows.emplace_back(row.line());
                                       });
    failures = asked ? 0 : failures + 1;
    if (failures == 1) shown.connect_anew();  // it may have closed a connection that it had no room for
    if (failures == 2) std::fprintf(stderr, "rawvsadm: %s; waiting for it\n", asked.error().text.c_str());
    show_events(call, rows);
  }
  return 0;
}

}  // namespace

int events_word(WordCall& call) {
  const auto args = read_args(call, {{"follow", false}, {"count"}, {"topic"}});
  if (!args) return wrong(call, args.error().text);
  const auto wanted = read_wanted_events(*args);
  if (!wanted) return wrong(call, wanted.error().text);
  std::vector<std::string> rows;
  ShownEvents shown;
  const Status status = ask(call, "events", [&](const Row& row) {
    shown.take(row);
    if (wanted->fits(row)) rows.emplace_back(row.line());
  });
  if (status) return *status;
  if (rows.size() > wanted->count) rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(wanted->count));
  if (call.json && !wanted->follow) {
    print(json_of(rows, {"event"}).line());
  } else {
    show_events(call, rows);
  }
  return wanted->follow ? follow_events(call, *wanted, shown) : 0;
}

}  // namespace rawvs::adm
