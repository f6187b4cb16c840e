// SPDX-License-Identifier: BSD-2-Clause
// control_log.h: what operators changed, for the log: who, and from what to what.
// In:  one line for each change, as it is made.   Out: notices in the outbox. Not: what is refused or only looked at.
//
// A user's first changes are told one by one. When there are many, as when a table is restored, the others are counted,
// and told by their number a while after the last one, and once a minute until then.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/outbox.h"
#include "core/turn.h"
#include "rawvs/time.h"

namespace rawvs {

struct Operator {  // who asks at the control socket
  uint32_t uid = 0;
  std::string text{};  // root (pid 4242, rawvsadm)
  bool root() const { return uid == 0; }
};

class ControlLog {
 public:
  static constexpr size_t kTold = 10;          // changes, until there are many
  static constexpr Duration kQuiet = 2s;       // without a change: then it is over
  static constexpr Duration kReminder = 60s;   // between numbers while it goes on
  static constexpr size_t kMostOperators = 8;  // that are told apart

  // command: the kind of change, by which those that are not told are counted.
  void changed(const Operator& who, std::string_view command, std::string text, Turn turn);
  void time_passed(Turn turn);
  void end(Outbox& out);  // nothing more will come
  Instant next_deadline() const;

 private:
  struct Burst {  // one user's changes that followed each other
    uint32_t uid = 0;
    std::string who;  // who made the last one
    size_t told = 0;
    std::vector<std::pair<std::string, uint64_t>> counted{};  // by command
    Instant last{}, counted_from{};
    Instant due() const;
  };
  static void tell_counted(Burst& burst, Outbox& out);
  std::vector<Burst> bursts_;
};

}  // namespace rawvs
