// SPDX-License-Identifier: BSD-2-Clause
// words_events.cpp: events: what changed, oldest first; with --follow also what changes from now on.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <deque>
#include <functional>
#include <set>
#include <utility>
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

constexpr std::chrono::seconds kBetween(1);  // an event is seen this long after it at most

struct WantedEvents {
  std::vector<std::string> topics;  // none: each
  uint64_t count = 0;
  bool follow = false;
  bool fits(const Row& row) const {
    return row.word() == "event" && (topics.empty() || std::ranges::find(topics, row.get("topic")) != topics.end());
  }
};

Result<WantedEvents> read_wanted_events(const WordArgs& args) {
  WantedEvents wanted{args.values("topic"), 0, args.has("follow")};
  const auto count = read_count(args, "count", 1, Events::kEvents, Events::kEvents);
  if (!count) return count.error();
  wanted.count = *count;
  std::vector<std::string_view> known;
  for (size_t i = 0; i < kTopics; ++i) known.emplace_back(name(static_cast<Topic>(i)));
  for (const std::string& topic : wanted.topics) {
    if (std::ranges::find(known, topic) == known.end()) {
      return Error{"--topic: found \"" + topic + "\", expected one of " + listed(known) + did_you_mean(topic, known)};
    }
  }
  return wanted;
}

// "2026-01-31 23:59:59  server    warning: web: server 192.0.2.11:80 is down: ..."
std::string event_text(const Row& row) {
  constexpr size_t kTopicWidth = 10;
  const std::string_view severity = row.get("severity");
  std::string topic(row.get("topic"));
  topic.resize(std::max(kTopicWidth, topic.size() + 1), ' ');
  return event_time(row) + "  " + topic + (severity == "notice" ? "" : std::string(severity) + ": ") +
         std::string(row.tail("text")) + '\n';
}

void show_events(const WordCall& call, const std::vector<std::string>& rows) {
  for (const std::string& line : rows) {
    const Row row(line);
    print(call.json ? Json::of(row).line() : event_text(row));
  }
}

// What was seen. A number is good for one connection alone: another rawvsd counts anew, and its events are known by
// everything else. Not by their time alone: the clock may have been set back.
struct ShownEvents {
  uint64_t number = 0;
  bool take(const Row& row) {                       // whether it is new
    constexpr size_t kMost = 16 * Events::kEvents;  // a state that is read again may be older than what was seen since
    number = row.number("number");
    const std::string_view line = row.line();
    const size_t hash = std::hash<std::string_view>()(line.substr(std::min(line.find(" time="), line.size())));
    if (seen_.size() == kMost) seen_.pop_front();
    seen_.push_back(hash);
    return !before_.contains(hash);
  }
  void connect_anew() { number = 0, before_ = {seen_.begin(), seen_.end()}; }

 private:
  std::deque<size_t> seen_;
  std::set<size_t> before_;  // by earlier connections
};

// Asks again and again. A rawvsd that is away, because it starts again, is waited for.
int follow_events(WordCall& call, const WantedEvents& wanted, ShownEvents shown) {
  const EndSignals signals;
  uint64_t connection = call.client.connections();
  bool at_once = false;
  for (size_t failures = 0; std::ferror(stdout) == 0 && (at_once || !signals.within(kBetween));) {
    std::vector<std::string> rows;
    const auto asked = call.client.ask(std::string(kControlVersion) + " events after=" + std::to_string(shown.number),
                                       [&](const Row& row) { rows.emplace_back(row.line()); });
    failures = asked ? 0 : failures + 1;
    // It may have closed a connection that it had no room for; or it is another rawvsd, which was asked for those after
    // the former one's number.
    const bool anew = std::exchange(connection, call.client.connections()) != connection;
    at_once = failures == 1 || (anew && shown.number != 0);
    if (!asked || anew) shown.connect_anew();
    if (failures == 2) std::fprintf(stderr, "rawvsadm: %s; waiting for it\n", asked.error().text.c_str());
    if (at_once) continue;
    std::erase_if(rows, [&](const std::string& row) { return !shown.take(Row(row)) || !wanted.fits(Row(row)); });
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
