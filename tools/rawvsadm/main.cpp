// SPDX-License-Identifier: BSD-2-Clause
// main.cpp: rawvsadm: ipvsadm's command line for rawvsd, and commands of its own (called words here).
//   rawvsadm [--socket PATH] [--wait SECONDS] [ipvsadm's arguments | WORD ... [--json]]
#include <unistd.h>
#include <algorithm>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "called_as.h"
#include "client.h"
#include "listing.h"
#include "rawvs/control.h"
#include "table_names.h"
#include "words.h"

namespace rawvs::adm {

namespace {

constexpr int kUnreachable = 2;  // ipvsadm's status without its kernel module

void put(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int end(const Ending& ending) {
  put(ending.out);
  std::fwrite(ending.err.data(), 1, ending.err.size(), stderr);
  return ending.status;
}

int end(const Error& error) { return end(Ending{kUnreachable, "", "rawvsadm: " + error.text + '\n'}); }

struct Way {  // how to reach rawvsd
  std::string socket;
  Client::Milliseconds limit = Client::kLimit;
};

class Run {
 public:
  // words: whether its own commands are known: not when called as ipvsadm.
  Run(std::string program, const Way& way, bool words)
      : program_(std::move(program)), client_(way.socket, way.limit), words_(words) {}

  int run(CommandLine line) {
    std::vector<std::string>& args = line.args;
    if (words_ && !args.empty() && !args[0].starts_with('-')) {
      const Word* const word = find_word(args[0]);
      if (!word) return end(Ending{kWrong, "", no_such_word(args[0])});
      const bool ini = std::ranges::find(args, "--ini") != args.end();
      const char* const option = args[0] == "restore" ? "-R" : args[0] == "save" && !ini ? "-S" : nullptr;
      if (!option) return obey(*word, std::move(args));
      args[0] = option;
    }
    if (const auto named = words_ ? put_marks(args) : Result<Done>(Done{}); !named) return end(named.error());
    const Parsed parsed = parse(program_, args, names_);
    if (const auto* const ending = std::get_if<Ending>(&parsed)) return end(*ending);
    const auto& command = *std::get_if<Command>(&parsed);
    return command.verb == Verb::restore ? restore(line.input) : obey(command).status;
  }

 private:
  // The name of a virtual in place of a mark's number, behind -f.
  Result<Done> put_marks(std::vector<std::string>& args) {
    for (size_t i = 0; i + 1 < args.size(); ++i) {
      if (args[i] != "-f" && args[i] != "--fwmark-service") continue;
      std::string& value = args[i + 1];
      if (value.empty() || (value[0] >= '0' && value[0] <= '9') || value[0] == '-') continue;
      Rows rows;
      const auto asked =
          client_.ask(std::string(kControlVersion) + " list", [&](const Row& row) { rows.emplace_back(row.line()); });
      if (!asked) return asked.error();
      const auto mark = TableNames(rows).mark(value);
      if (!mark) return mark.error();
      value = mark->number;
      if (mark->ipv6) args.insert(args.begin() + static_cast<std::ptrdiff_t>(i) + 2, "-6");
      ++i;
    }
    return Done{};
  }

  int obey(const Word& word, std::vector<std::string> args) {
    args.erase(args.begin());
    const bool json = word.tells_json && std::erase(args, "--json") > 0;
    WordCall call{std::move(args), json, client_, names_, word.name};
    return word.run(call);
  }

  Outcome obey(const Command& c) {
    const auto wanted = request(c);
    if (const auto* const ending = std::get_if<Ending>(&wanted)) return say(*ending);
    return answered(c, *std::get_if<std::string>(&wanted));
  }

  Outcome answered(const Command& c, const std::string& wanted) {
    const bool connections = c.has(Option::connection), engine = c.has(Option::persistent_conn);
    const ListStyle how = style(c, names_);
    ServiceTable table(how.columns == Columns::rate);
    bool headed = false;
    const auto asked = client_.ask(wanted, [&](const Row& row) {
      if (row.word() == "timeouts") put(timeouts_line(row));
      if (row.word() == "sync") put(daemon_lines(row));
      // Only for a person at a terminal: ipvsadm prints nothing here, and scripts compare. The log has it in any case.
      if (row.word() == "warning" && isatty(STDERR_FILENO)) {
        const std::string place = place_.empty() ? "" : place_ + ": ";
        std::fprintf(stderr, "%s: %swarning: %s\n", program_.c_str(), place.c_str(),
                     std::string(row.tail("text")).c_str());
      }
      if (row.word() == "connection") {
        if (!headed) put(connections_head(engine));
        headed = true;
        put(connection_line(row, engine, how.names));
      }
      table.take(row);
    });
    if (!asked) return unreached(asked.error());
    if (const auto& refused = *asked) return say(refusal(c.verb, *refused));
    if (connections && !headed) put(connections_head(engine));
    if (connections || c.has(Option::timeout) || c.has(Option::daemon)) return {};
    if (c.verb == Verb::list || c.verb == Verb::save) return show(c, table, how);
    return {};
  }

  Outcome show(const Command& c, ServiceTable& table, const ListStyle& how) {
    if (table.lacks_rates()) return say(unsupported(c.verb, "this rawvsd does not tell rates; see --stats"));
    if (how.sorted) table.sort();
    put(c.verb == Verb::save ? saved(table, how.names) : listing(table, how));
    return {};
  }

  // rawvsd does not answer, or no longer.
  Outcome unreached(const Error& error) {
    return {say({kUnreachable, "", program_ + ": " + error.text + '\n'}).status, true};
  }

  // ipvsadm names no line: as ipvsadm its words stand alone.
  Outcome say(Ending ending) {
    if (!place_.empty() && !ending.err.empty()) {
      const std::string by = program_ + ": ";
      if (ending.err.starts_with(by)) ending.err.erase(0, by.size());
      if (ending.err.starts_with("Try `")) ending.err = "expected a command, such as -A, -a or -d\n";
      ending.err = by + place_ + ": " + ending.err;
      if (!ending.wrong.empty() && ending.err.ends_with('\n')) {
        ending.err.insert(ending.err.size() - 1, ": found \"" + ending.wrong + '"');
      }
    }
    return {end(ending), ending.ends_restore};
  }

  int restore(const Lines& input) {
    RestoreDoors doors{input, [&](const Command& command) { return obey(command); },
                       [&](const Ending& e) { return say(e); }};
    if (words_) doors.at = [&](std::string place) { place_ = std::move(place); };
    return adm::restore(program_, names_, doors);
  }

  std::string program_;
  std::string place_;  // of the line that is being restored
  SystemNames names_;
  Client client_;
  bool words_;
};

// Removes a leading NAME VALUE or NAME=VALUE from args. Empty: args begins with something else.
Result<std::optional<std::string>> take_option(std::vector<std::string>& args, std::string_view name) {
  if (args.empty() || !args[0].starts_with(name)) return std::optional<std::string>();
  std::optional<std::string> value;
  if (args[0] == name) {
    if (args.size() < 2) return Error{std::string(name) + ": expected a value"};
    value = args[1];
    args.erase(args.begin(), args.begin() + 2);
  } else if (args[0][name.size()] == '=') {
    value = args[0].substr(name.size() + 1);
    args.erase(args.begin());
  }
  return value;
}

// Reads --socket PATH and --wait SECONDS, in any order, before everything else.
Result<Way> way(std::vector<std::string>& args, bool ipvsadm) {
  constexpr uint64_t kMostSeconds = 86'400;
  const char* const known = std::getenv("RAWVS_SOCKET");
  Way way{known && *known != '\0' ? known : "/run/rawvs/control.sock"};
  for (bool more = !ipvsadm; more;) {
    const auto socket = take_option(args, "--socket"), wait = socket ? take_option(args, "--wait") : socket;
    if (!wait) return wait.error();
    if (*socket) way.socket = **socket;
    if (*wait) {
      const auto seconds = parse_number(**wait, kMostSeconds);
      if (!seconds || *seconds == 0) {
        return Error{"--wait: found \"" + **wait + "\", expected seconds, 1 to " + std::to_string(kMostSeconds)};
      }
      way.limit = std::chrono::seconds(*seconds);
    }
    more = *socket || *wait;
  }
  return way;
}

int run(std::vector<std::string> args) {
  const std::string name = args[0];
  args.erase(args.begin());
  const auto called = called_as(name, std::move(args), standard_input());
  if (const auto* const ending = std::get_if<Ending>(&called)) return end(*ending);
  Called wanted = *std::get_if<Called>(&called);
  const auto to = way(wanted.runs[0].args, wanted.ipvsadm);
  if (!to) return end(to.error());
  Run run(wanted.program, *to, !wanted.ipvsadm);
  int status = 0;
  for (CommandLine& line : wanted.runs) status = run.run(std::move(line));
  return status;
}

}  // namespace

}  // namespace rawvs::adm

int main(int argc, char** argv) {
  const int status =
      rawvs::adm::run(argc > 0 ? std::vector<std::string>(argv, argv + argc) : std::vector<std::string>{"rawvsadm"});
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  std::fprintf(stderr, "rawvsadm: cannot write: %s\n", std::strerror(errno));
  return status != 0 ? status : 1;
}
