// SPDX-License-Identifier: BSD-2-Clause
// restore.cpp: -R: reads command lines from standard input, one per line; no quotes, comments or continuations.
#include "command.h"

namespace rawvs::adm {

std::vector<std::string> split_line(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::vector<std::string> words;
  for (size_t at = line.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const size_t end = line.find_first_of(kBlanks, at);
    words.emplace_back(line.substr(at, end == std::string_view::npos ? end : end - at));
    at = line.find_first_not_of(kBlanks, end);
  }
  while (!words.empty() && words.front() == "ipvsadm") words.erase(words.begin());
  return words;
}

namespace {

std::string place(size_t number, const std::vector<std::string>& words) {
  std::string out = "stdin line " + std::to_string(number) + ':';
  for (const std::string& word : words) out += ' ' + word;
  return out;
}

}  // namespace

// A refusal by the daemon does not end it; a line that ipvsadm itself refuses does, and so does a failed listing.
int restore(const std::string& program, const Names& names, const RestoreDoors& doors) {
  int status = 0;
  for (size_t number = 1; const auto line = doors.next_line(); ++number) {
    const auto words = split_line(*line);
    if (words.empty()) continue;
    if (doors.at) doors.at(place(number, words));
    const Parsed parsed = parse(program, words, names);
    const auto* const command = std::get_if<Command>(&parsed);
    Outcome outcome;
    if (!command) {
      outcome = doors.say(*std::get_if<Ending>(&parsed));
    } else if (command->verb == Verb::restore) {  // not recursively
      Ending again = try_help(program);
      again.wrong = words[0];
      outcome = doors.say(again);
    } else {
      outcome = doors.obey(*command);
    }
    status = outcome.status;
    if (outcome.ends_restore) break;
  }
  return status;
}

}  // namespace rawvs::adm
