// SPDX-License-Identifier: BSD-2-Clause
// main.cpp: rawvsadm: ipvsadm's command line for rawvsd, and more.
//   rawvsadm [--socket PATH] [ipvsadm's arguments | drops [--all] | arp]
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "client.h"
#include "listing.h"
#include "rawvs/control.h"

namespace rawvs::adm {

namespace {

constexpr int kUnreachable = 2;  // as ipvsadm ends without its kernel

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int end(const Ending& ending) {
  print(ending.out);
  std::fwrite(ending.err.data(), 1, ending.err.size(), stderr);
  return ending.status;
}

int end(const Error& error) { return end(Ending{kUnreachable, "", "rawvsadm: " + error.text + '\n'}); }

Outcome say(const Ending& ending) { return {end(ending), ending.ends_restore}; }

struct Line {  // getline's
  char* text = nullptr;
  size_t room = 0;
  Line() = default;
  ~Line() { std::free(text); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
};

class Run {
 public:
  Run(std::string program, std::string socket) : program_(std::move(program)), client_(std::move(socket)) {}

  int run(const std::vector<std::string>& args) {
    if (!args.empty() && args[0] == "drops") return drops(args);
    if (!args.empty() && args[0] == "arp") return arp(args);
    const Parsed parsed = parse(program_, args, names_);
    if (const auto* const ending = std::get_if<Ending>(&parsed)) return end(*ending);
    const auto& command = *std::get_if<Command>(&parsed);
    return command.verb == Verb::restore ? restore() : obey(command).status;
  }

 private:
  Outcome obey(const Command& c) {
    if (c.verb == Verb::start_daemon || c.verb == Verb::stop_daemon) {
      return say(unsupported(c.verb, "connections are not synchronised: there is no sync daemon"));
    }
    if (c.verb == Verb::list && c.has(Option::daemon)) return {};  // none runs: ipvsadm says nothing then
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
      if (row.word() == "timeouts") print(timeouts_line(row));
      if (row.word() == "connection") {
        if (!headed) print(connections_head(engine));
        headed = true;
        print(connection_line(row, engine, how.names));
      }
      table.take(row);
    });
    if (!asked) return {end(asked.error()), true};
    if (const auto& refused = *asked) return say(refusal(c.verb, *refused));
    if (connections && !headed) print(connections_head(engine));
    if (connections || c.has(Option::timeout)) return {};
    if (c.verb == Verb::list || c.verb == Verb::save) return show(c, table, how);
    return {};
  }

  Outcome show(const Command& c, ServiceTable& table, const ListStyle& how) {
    if (table.lacks_rates()) return say(unsupported(c.verb, "this rawvsd does not tell rates; see --stats"));
    if (how.sorted) table.sort();
    print(c.verb == Verb::save ? saved(table, how.names) : listing(table, how));
    return {};
  }

  int restore() {
    Line line;
    const RestoreDoors doors{[&]() -> std::optional<std::string> {
                               const ssize_t size = getline(&line.text, &line.room, stdin);
                               if (size < 0) return std::nullopt;
                               return std::string(line.text, static_cast<size_t>(size));
                             },
                             [&](const Command& command) { return obey(command); }, say};
    return adm::restore(program_, names_, doors);
  }

  int drops(const std::vector<std::string>& args) {
    const bool all = args.size() == 2 && args[1] == "--all";
    if (args.size() > 1 && !all) return end(Ending{kWrong, "", "rawvsadm: drops: expected nothing more, or --all\n"});
    return own("exits", [&](const std::vector<std::string>& rows) { return drops_text(rows, all); });
  }

  int arp(const std::vector<std::string>& args) {
    if (args.size() > 1) return end(Ending{kWrong, "", "rawvsadm: arp: expected nothing more\n"});
    return own("arp", arp_text);
  }

  int own(const std::string& command, const std::function<std::string(const std::vector<std::string>&)>& text) {
    std::vector<std::string> rows;
    const auto asked = client_.ask(std::string(kControlVersion) + ' ' + command,
                                   [&](const Row& row) { rows.emplace_back(row.line()); });
    if (!asked) return end(asked.error());
    if (const auto& refused = *asked) return end(refusal(Verb::list, *refused));
    print(text(rows));
    return 0;
  }

  std::string program_;
  SystemNames names_;
  Client client_;
};

// ipvsadm's messages name it as it was called; we are rawvsadm wherever we are called from.
std::string program_name(const char* argv0) {
  const std::string called = argv0 ? argv0 : "rawvsadm";
  const std::string base = called.substr(called.rfind('/') + 1);
  return base == "ipvsadm" ? called : base;
}

int run(std::vector<std::string> args) {
  const std::string program = program_name(args[0].c_str());
  args.erase(args.begin());
  const char* const known = std::getenv("RAWVS_SOCKET");
  std::string socket = known && *known != '\0' ? known : "/run/rawvs.sock";
  constexpr std::string_view kSocket = "--socket";
  if (!args.empty() && args[0].starts_with(std::string(kSocket) + '=')) {
    socket = args[0].substr(kSocket.size() + 1);
    args.erase(args.begin());
  } else if (!args.empty() && args[0] == kSocket) {
    if (args.size() < 2) return end(Ending{kWrong, "", "rawvsadm: --socket: expected a path\n"});
    socket = args[1];
    args.erase(args.begin(), args.begin() + 2);
  }
  return Run(program, socket).run(args);
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
