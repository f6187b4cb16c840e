// SPDX-License-Identifier: BSD-2-Clause
// words_init.cpp: init: asks what the flags do not say, and writes a configuration.
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "called_as.h"
#include "config/config_values.h"
#include "init.h"
#include "word_args.h"

namespace rawvs::adm {

namespace {

constexpr int kTries = 5;  // of a question

// The answer that flags give to a question; empty: none.
std::string given_for(const WordArgs& args, const std::string& question) {
  std::string out;
  for (const std::string& one : args.values(question.c_str())) out += (out.empty() ? "" : " ") + one;
  if (question == "interface" && args.has("inside")) out += ' ' + args.value("inside");
  if (question == "check" && args.has("pair")) out += (out.empty() ? "" : " ") + std::string("pair");
  return out;
}

std::optional<Error> take_flag(InitPlan& plan, const InitQuestion& question, std::string answer,
                               const HostFacts& host) {
  if (answer.starts_with("pair")) answer = question.usual(plan, host) + ' ' + answer;  // --pair without --check
  const auto fault = question.take(plan, answer);
  return fault ? std::optional(at(std::string("--") + question.name, *fault)) : std::nullopt;
}

// Asks until an answer serves.
std::optional<Error> ask_question(InitPlan& plan, const InitQuestion& question, size_t number, const Lines& input,
                                  const HostFacts& host) {
  const std::string which = " question " + std::to_string(number) + " (--" + question.name + "): nothing is written";
  const std::string usual = question.usual(plan, host);
  for (int tries = 0; tries < kTries; ++tries) {
    std::fprintf(stderr, "\n%zu. %s\n   %s> ", number, question.question,
                 usual.empty() ? "" : ('[' + usual + "] ").c_str());
    const auto line = input();
    if (!line) return std::fputc('\n', stderr), Error{"no answer to" + which};
    const size_t first = line->find_first_not_of(" \t\r\n"), last = line->find_last_not_of(" \t\r\n");
    const std::string answer = first == std::string::npos ? usual : line->substr(first, last - first + 1);
    const auto fault = question.take(plan, answer);
    if (!fault) return std::nullopt;
    std::fprintf(stderr, "   %s\n", fault->text.c_str());
  }
  return Error{std::to_string(kTries) + " wrong answers to" + which};
}

// What is missing, when nobody can be asked.
std::optional<Error> missing_flags(const WordArgs& args) {
  std::string missing;
  for (const InitQuestion& question : init_questions()) {
    if (!question.may_lack && given_for(args, question.name).empty()) missing += std::string(" --") + question.name;
  }
  if (missing.empty()) return std::nullopt;
  return Error{"missing:" + missing + "; without a terminal nobody can be asked: rawvsadm help init"};
}

std::string new_sync_key() {
  std::array<uint8_t, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return "";
  std::string out;
  for (const uint8_t byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

// Why no file may be written there: one exists, and is not to be replaced.
std::optional<Error> place_fault(const std::string& path, bool force) {
  struct stat there {};
  if (lstat(path.c_str(), &there) != 0) return std::nullopt;
  if (!force) return Error{path + ": there is such a file; --force replaces it"};
  if (S_ISREG(there.st_mode)) return std::nullopt;
  return Error{path + ": found something that is not a file, expected a file"};
}

// Never half of it. A file with a key is for its owner only.
std::optional<Error> write_init_file(const std::string& path, const InitPlan& plan, bool force) {
  if (auto fault = place_fault(path, force)) return fault;
  const std::string fresh = path + ".new", text = init_file(plan);
  const int fd =
      open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, plan.key.empty() ? 0644 : 0600);
  if (fd < 0) return Error{fresh + ": " + std::strerror(errno)};
  errno = ENOSPC;  // what a short write means
  bool whole = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  whole = close(fd) == 0 && whole;
  const bool placed = whole && (force ? rename(fresh.c_str(), path.c_str()) : link(fresh.c_str(), path.c_str())) == 0;
  if (placed && !force) unlink(fresh.c_str());
  if (placed) return std::nullopt;
  const Error failed{path + ": " + std::strerror(errno)};
  unlink(fresh.c_str());
  return failed;
}

// From a file's beginning to its use. A file that a shell has made of the output may be open to every user.
std::string next_steps(const InitPlan& plan, const std::string& file, bool printed) {
  std::string out = "\nHere, as root:\n" +
                    (printed && !plan.key.empty() ? "  chmod 600 " + file + '\n' : std::string()) + "  rawvsd -t -c " +
                    file + "\n  rawvsd -c " + file + " -p /run/rawvsd.pid\n  rawvsadm doctor\n\n" + init_commands(plan);
  if (plan.pair) out += "\nOn the second director: the same file, with priority = 100 in each [vrrp].\n";
  return out;
}

Result<Done> fill_plan(InitPlan& plan, const WordArgs& args, const HostFacts& host) {
  const bool terminal = isatty(STDIN_FILENO) != 0;
  const auto missing = missing_flags(args);
  if (missing && !terminal) return *missing;
  for (const InitQuestion& question : init_questions()) {
    const std::string name = question.name;
    if (name != "server" && args.values(question.name).size() > 1) {
      return Error{"--" + name + ": found several times, expected once"};
    }
  }
  if (args.has("inside") && !args.has("interface")) {
    return Error{"--inside: found without --interface, expected both: an interface to the clients, too"};
  }
  if (args.has("gateway")) {
    const auto gateway = read_unicast(args.value("gateway"));
    if (!gateway) return at("--gateway", gateway.error());
    plan.gateway = *gateway;
  }
  const bool asks = missing.has_value();
  if (asks) std::fputs("Enter alone takes what is in brackets. Ctrl-C ends it; nothing is written then.\n", stderr);
  const Lines input = standard_input();
  size_t number = 0;
  for (const InitQuestion& question : init_questions()) {
    ++number;
    const std::string given = given_for(args, question.name);
    if (!given.empty() || (!asks && question.may_lack)) {
      if (auto fault = take_flag(plan, question, given.empty() ? question.usual(plan, host) : given, host)) {
        return *fault;
      }
    } else if (auto fault = ask_question(plan, question, number, input, host)) {
      return *fault;
    }
  }
  return Done{};
}

}  // namespace

int init_word(WordCall& call) {
  const auto args = read_args(call, {{"method"},
                                     {"vip"},
                                     {"server"},
                                     {"interface"},
                                     {"inside"},
                                     {"check"},
                                     {"pair", false},
                                     {"gateway"},
                                     {"o"},
                                     {"force", false}});
  if (!args) return wrong(call, args.error().text);
  const std::string file = args->value("o") == "-" ? "" : args->value("o");
  if (!file.empty()) {  // before it asks
    if (const auto fault = place_fault(file, args->has("force"))) return wrong(call, fault->text);
  }
  InitPlan plan;
  const HostFacts host = host_facts(0);
  if (const auto filled = fill_plan(plan, *args, host); !filled) return wrong(call, filled.error().text);
  plan.key = plan.pair ? new_sync_key() : "";
  if (plan.pair && plan.key.empty()) return wrong(call, "no random numbers for the key of [sync]");
  if (!plan.gateway && plan.method == Method::masq) {
    if (const LinkAddress* const own = host.network_of(plan.servers[0].at.addr)) plan.gateway = own->addr;
  }
  for (const std::string& doubt : doubts_of(plan, host)) {
    std::fprintf(stderr, "rawvsadm: init: warning: %s\n", doubt.c_str());
  }
  if (file.empty()) {
    print(init_file(plan));
    std::fputs(next_steps(plan, "rawvs.ini", true).c_str(), stderr);
    return 0;
  }
  if (const auto fault = write_init_file(file, plan, args->has("force"))) return wrong(call, fault->text);
  print("Written: " + file + '\n' + next_steps(plan, file, false));
  return 0;
}

}  // namespace rawvs::adm
