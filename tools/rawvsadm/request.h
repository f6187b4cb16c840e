// SPDX-License-Identifier: BSD-2-Clause
// request.h: a Command in the control protocol's words, and the daemon's refusals in ipvsadm's.
// The protocol is described at the head of rawvs/control.h.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "command.h"
#include "rawvs/result.h"

namespace rawvs::adm {

// Of REQUIRES: not restore, start_daemon, stop_daemon, nor list --daemon: the daemon knows nothing of these.
// An Ending when the command line asks for what rawvs has no words for.
std::variant<std::string, Ending> request(const Command& command);

struct Refused {
  std::string code, text;
};
// What ipvsadm says, and its status, when the daemon refuses.
Ending refusal(Verb verb, const Refused& refused);
Ending unsupported(Verb verb, const std::string& text);

// A row of a reply: WORD KEY=VALUE ...
class Row {
 public:
  explicit Row(std::string_view line) : line_(line) {}
  std::string_view line() const { return line_; }
  std::string_view word() const { return line_.substr(0, line_.find(' ')); }
  bool has(std::string_view key) const { return place(key) != std::string_view::npos; }
  std::string_view get(std::string_view key) const;   // up to the next blank; empty when it is not there
  std::string_view tail(std::string_view key) const;  // the last value, which may hold blanks
  uint64_t number(std::string_view key) const;        // 0 when it is not there, or no number

 private:
  size_t place(std::string_view key) const;  // of its value
  std::string_view line_;
};

// A reply, message by message.
class Reply {
 public:
  enum class Step : uint8_t { more, over, broken };
  using EachRow = std::function<void(const Row&)>;
  Step take(std::string_view message, const EachRow& each);  // lines are never cut between messages
  const std::optional<Refused>& refused() const { return refused_; }

 private:
  bool begun_ = false;
  std::optional<Refused> refused_;
};

}  // namespace rawvs::adm
