// SPDX-License-Identifier: BSD-2-Clause
// control.cpp: the control protocol's grammar: splits a request and calls its command. A request is read completely
// before anything is done: one with a fault changes nothing.
#include "rawvs/control.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "control/control_commands.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

std::string names(uint64_t keys) {
  std::string out = keys == 0 ? " none" : "";
  for (size_t i = 0; i < kKeys; ++i) {
    if ((keys & uint64_t{1} << i) != 0) (out += ' ') += kKeyNames[i];
  }
  return out;
}

Objection read_word(const Command& command, std::string_view word, Values& values) {
  const size_t sign = word.find('=');
  if (sign == std::string_view::npos || sign == 0) return usage(shortly_quoted(word) + ": expected KEY=VALUE");
  const std::string_view key = word.substr(0, sign);
  const auto known = std::ranges::find(kKeyNames, key);
  const uint64_t allowed = command.needs | command.takes;
  const auto which = static_cast<size_t>(known - kKeyNames.begin());
  if (which == kKeys || (allowed & uint64_t{1} << which) == 0) {
    return usage(formatted("{} is not a key of {}: expected{}", shortly_quoted(key), command.word, names(allowed)));
  }
  auto& value = values.all[which];
  if (value) return usage(std::string(key) + " is given twice: expected once");
  if (sign + 1 == word.size()) return usage(std::string(key) + "= without a value");
  value = word.substr(sign + 1);
  return std::nullopt;
}

std::string command_words() {
  std::string out;
  for (const Command& command : commands()) (out += ' ') += command.word;
  return out;
}

std::string_view take_word(std::string_view& rest) {  // up to the next blank, which is removed, too
  const size_t blank = rest.find(' ');
  const std::string_view word = rest.substr(0, blank);
  rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
  return word;
}

bool strange(char c) { return c < ' ' || c > '~'; }

// Checks a request's characters and version; what follows the version is left in rest.
Objection check_form(std::string_view request, std::string_view& rest) {
  if (request.size() > kRequestMost) {
    return usage(formatted("a request of more than {} bytes: expected at most that", kRequestMost));
  }
  rest = request;
  const std::string_view version = take_word(rest);
  if (!version.empty() && version != kControlVersion && std::ranges::none_of(version, strange)) {
    return Fault{"version", "this is " + std::string(kControlVersion)};
  }
  const auto bad = std::ranges::find_if(request, strange);
  if (bad != request.end()) {
    return usage(
        formatted("byte {} at place {}: expected ASCII text", static_cast<unsigned char>(*bad), bad - request.begin()));
  }
  if (request.empty() || request.front() == ' ' || request.back() == ' ' || request.find("  ") != request.npos) {
    return usage("an empty word: expected rawvs/1 COMMAND [KEY=VALUE ...], one blank between");
  }
  return std::nullopt;
}

// Readers change nothing, and see neither keys and passwords nor the content of packets.
Objection check_right(const Command& command, const Values& values, const Operator& who) {
  const auto asks_for = [&](Key key) {
    const auto& value = values.all[static_cast<size_t>(key)];
    return value && *value != "0";
  };
  const bool fits = command.kind != Command::Kind::changes && !asks_for(Key::secrets) && !asks_for(Key::snap);
  if (who.readers.empty() || fits) return std::nullopt;
  return Fault{"permission", "permission denied: read-only (group " + who.readers + ")"};
}

Objection carry_out(std::string_view request, Director& director, Turn turn, const ControlContext& context,
                    const Operator& who, RowSources& rows, std::optional<Conversation::Later>& later) {
  std::string_view rest;
  if (auto fault = check_form(request, rest)) return fault;
  const std::string_view word = take_word(rest);
  const auto command = std::ranges::find(commands(), word, &Command::word);
  if (command == commands().end()) {
    return usage(shortly_quoted(word) + " is not a command: expected one of" + command_words());
  }
  Values values;
  while (!rest.empty()) {
    if (auto fault = read_word(*command, take_word(rest), values)) return fault;
  }
  for (size_t i = 0; i < kKeys; ++i) {
    if ((command->needs & uint64_t{1} << i) != 0 && !values.all[i]) {
      return usage(formatted("{}: expected {}=, which is missing", word, kKeyNames[i]));
    }
  }
  if (auto fault = check_right(*command, values, who)) return fault;
  return command->run({values, director, turn, context, who, word, rows, later});
}

}  // namespace

Conversation answer(std::string_view request, Director& director, Turn turn, const ControlContext& context,
                    const Operator& who) {
  RowSources rows;
  std::optional<Conversation::Later> later;
  const Objection fault = carry_out(request, director, turn, context, who, rows, later);
  if (fault) return Conversation(*fault);
  return later ? Conversation(std::move(*later)) : Conversation(std::move(rows));
}

bool changes_something(std::string_view request) {
  std::string_view rest;
  if (check_form(request, rest)) return false;  // refused at once
  const std::string_view word = take_word(rest);
  const auto command = std::ranges::find(commands(), word, &Command::word);
  return command != commands().end() && command->kind != Command::Kind::reads;
}

}  // namespace rawvs
