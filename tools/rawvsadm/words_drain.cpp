// SPDX-License-Identifier: BSD-2-Clause
// words_drain.cpp: drain: sets a server's weights to 0 and waits until it has no connections.
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <set>

#include "drain.h"
#include "table_names.h"
#include "word_args.h"

namespace rawvs::adm {

namespace {

class Progress {  // one line that changes on a terminal; else a line per change; nothing with --json
 public:
  explicit Progress(bool silent) : silent_(silent), terminal_(isatty(STDOUT_FILENO) != 0) {}
  ~Progress() { end(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void show(const std::string& text) {
    if (silent_ || text == shown_) return;
    print(terminal_ ? "\r" + text + "\033[K" : text + '\n');
    shown_ = text;
  }
  void end() {
    if (terminal_ && !shown_.empty()) print("\n");
    shown_.clear();
  }

 private:
  bool silent_, terminal_;
  std::string shown_;
};

struct Asked {
  std::string server;                                   // as people call it
  std::set<std::pair<std::string, std::string>> meant;  // service and server of each
  std::optional<uint64_t> timeout;                      // seconds
  bool holds(const Row& row) const {
    return meant.contains({std::string(row.get("service")), std::string(row.get("server"))});
  }
};

Result<std::optional<uint64_t>> read_timeout(const WordArgs& args) {
  constexpr uint64_t kMostSeconds = 31'536'000;  // a year
  if (!args.has("timeout")) return std::optional<uint64_t>();
  const auto timeout = read_count(args, "timeout", 0, kMostSeconds, 0);
  if (!timeout) return timeout.error();
  return std::optional(*timeout);
}

std::string undo_text(const Rows& servers) {
  std::string out;
  for (const std::string& line : servers) {
    if (given_weight(Row(line)) != 0) out += "  " + undo_line(Row(line)) + '\n';
  }
  return out.empty() ? "" : "To give it connections again:\n" + out;
}

// The text about undoing it has been printed.
int ended(const WordCall& call, const Asked& asked, const Drained& now, const Rows& before, const std::string& why) {
  const bool done = now.left() == 0 && why.empty();
  if (call.json) {
    Json undo = Json::list();
    for (const std::string& line : before) undo.add(Json::text(undo_line(Row(line))));
    Json out = Json::object();
    out.set("server", Json::text(asked.server)).set("drained", Json::truth(done));
    out.set("active", Json::number(now.active)).set("inactive", Json::number(now.inactive));
    out.set("persistent", Json::number(now.persistent)).set("undo", undo);
    print(out.line());
  } else {
    print(templates_text(now, asked.server));
    if (!done) print(why + ": " + left_text(now) + '\n');
  }
  return done ? 0 : kAnswerIsNo;
}

void sleep_a_second() {
  timespec left{1, 0};
  while (nanosleep(&left, &left) != 0) {
  }
}

}  // namespace

int drain_word(WordCall& call) {
  const auto args = read_args(call, {{"timeout"}}, 1, 1);
  if (!args) return wrong(call, args.error().text);
  const auto timeout = read_timeout(*args);
  if (!timeout) return wrong(call, timeout.error().text);
  Rows rows;
  if (const Status status = ask(call, "list", rows)) return *status;
  const TableNames table(rows);
  const auto found = table.servers(args->plain[0], call.names);
  if (!found) return std::fprintf(stderr, "rawvsadm: drain: %s\n", found.error().text.c_str()), kAnswerIsNo;
  Asked asked{args->plain[0], {}, *timeout};
  for (const std::string& line : *found) {
    asked.meant.emplace(Row(line).get("service"), Row(line).get("server"));
  }
  for (const std::string& line : *found) {
    const Row row(line);
    if (given_weight(row) == 0) continue;
    if (const Status status = ask(call, quiesce_command(row), [](const Row&) {})) return *status;
    if (!call.json) print(table.called_service_of(row) + ": " + called_server(row) + " has weight 0 now\n");
  }
  if (!call.json) print(undo_text(*found));  // before waiting: a user who interrupts needs it, too

  Progress progress(call.json);
  for (uint64_t waited = 0;; ++waited) {
    rows.clear();
    if (const Status status = ask(call, "list", rows)) return *status;
    const Drained now = drained(rows, [&](const Row& row) { return asked.holds(row); });
    progress.show(left_text(now));
    const bool late = asked.timeout && waited >= *asked.timeout;
    const char* const why = now.servers.empty() ? "It was removed meanwhile"
                            : !now.quiesced     ? "Somebody gave it a weight again"
                            : now.left() == 0   ? ""
                            : late              ? "Time is up"
                                                : nullptr;
    if (why) return progress.end(), ended(call, asked, now, *found, why);
    sleep_a_second();
  }
}

}  // namespace rawvs::adm
