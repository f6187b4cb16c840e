// SPDX-License-Identifier: BSD-2-Clause
// words_drain.cpp: drain: orders that servers get no new connections, and waits until they have none.
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <set>

#include "drain.h"
#include "orders.h"
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
  std::string undo() const { return "rawvsadm undrain " + server; }
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

// The text about undoing it has been printed.
int ended(const WordCall& call, const Asked& asked, const Drained& now, const std::string& why) {
  const bool done = now.left() == 0 && why.empty();
  if (call.json) {
    Json undo = Json::list();
    undo.add(Json::text(asked.undo()));
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
  const auto found = meant_by(table, args->plain[0], call.names);
  if (!found) return std::fprintf(stderr, "rawvsadm: drain: %s\n", found.error().text.c_str()), kAnswerIsNo;
  for (const std::string& request : order_requests(*found, "drained", "none")) {
    if (const Status status = ask(call, request, [](const Row&) {})) return *status;
  }
  rows.clear();
  if (const Status status = ask(call, "list", rows)) return *status;
  Asked asked{args->plain[0], {}, *timeout};
  std::string told;
  for (const std::string& line : TableNames(rows).rows_like(found->servers)) {
    const Row row(line);
    if (!row.has("order")) continue;  // a virtual's sorry server is not drained with it
    asked.meant.emplace(row.get("service"), row.get("server"));
    told += table.called_service_of(row) + ": " + called_server(row) + " is " + order_text(row) + '\n';
  }
  // Before waiting: a user who interrupts needs it, too.
  if (!call.json) print(told + "To give it connections again: " + asked.undo() + '\n');

  Progress progress(call.json);
  for (uint64_t waited = 0;; ++waited) {
    rows.clear();
    if (const Status status = ask(call, "list", rows)) return *status;
    const Drained now = drained(rows, [&](const Row& row) { return asked.holds(row); });
    progress.show(left_text(now));
    const bool late = asked.timeout && waited >= *asked.timeout;
    const char* const why = now.servers.empty() && !asked.meant.empty() ? "It was removed meanwhile"
                            : !now.ordered                              ? "Somebody gives it connections again"
                            : now.left() == 0                           ? ""
                            : late                                      ? "Time is up"
                                                                        : nullptr;
    if (why) return progress.end(), ended(call, asked, now, why);
    sleep_a_second();
  }
}

}  // namespace rawvs::adm
