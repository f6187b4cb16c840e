// SPDX-License-Identifier: BSD-2-Clause
// control_log.h: operators' changes in the log: who, and the old and new values.
// In:  one line for each change.
// Out: notices in the outbox.
// Not: requests that are refused or only read.
//
// A user's first changes are logged one by one. When there are many, as in a restore, the others are counted; their
// number is logged a while after the last one, and once a minute until then.
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

struct Operator {  // a client of the control socket
  uint32_t uid = 0;
  std::string text{};     // root (pid 4242, rawvsadm)
  std::string readers{};  // the group by which it may ask, and change nothing; empty: it may change everything
  bool root() const { return uid == 0; }
};

class ControlLog {
 public:
  static constexpr size_t kTold = 10;          // changes logged one by one
  static constexpr Duration kQuiet = 2s;       // without a change: the burst has ended
  static constexpr Duration kReminder = 60s;   // between numbers during a burst
  static constexpr size_t kMostOperators = 8;  // whose bursts are kept apart

  // command: the kind of change by which further changes are counted.
  void changed(const Operator& who, std::string_view command, const std::string& text, Turn turn);
  void time_passed(Turn turn);
  void end(Outbox& out);  // REQUIRES: no further call
  Instant next_deadline() const;

 private:
  struct Burst {  // consecutive changes of one user
    uint32_t uid = 0;
    std::string who;  // the operator of the last one
    size_t told = 0;
    std::vector<std::pair<std::string, uint64_t>> counted{};  // by command
    Instant last{}, counted_from{};
    Instant due() const;
  };
  static void tell_counted(Burst& burst, Outbox& out);
  std::vector<Burst> bursts_;
};

}  // namespace rawvs
