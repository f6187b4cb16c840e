// SPDX-License-Identifier: BSD-2-Clause
// loss_log.h: logs packets that were dropped for lack of room.
// In:  the counters of all exits, after each batch of frames.
// Out: notices: the first packet at once, then the number at most once a minute.
// Not: the counting, and the single packets (exit.h).
#pragma once

#include <array>
#include <cstdint>

#include "core/outbox.h"
#include "core/turn.h"
#include "rawvs/exit.h"
#include "rawvs/time.h"

namespace rawvs {

class LossLog {
 public:
  static constexpr Duration kPause = 60s;
  static constexpr Exit kLosses[] = {Exit::table_full,     Exit::ftp_full,         Exit::fragment_flood,
                                     Exit::outbox_full,    Exit::local_ports_full, Exit::shed,
                                     Exit::half_open_full, Exit::service_full,     Exit::service_rate,
                                     Exit::client_full,    Exit::client_rate};

  void look(const ExitCounters& exits, Turn turn);
  Instant next_deadline() const;  // when counted packets are to be logged

 private:
  struct Loss {
    uint64_t said = 0, seen = 0;  // the counter when it was last logged, and last read
    Instant again{};              // the earliest time of the next notice
  };
  std::array<Loss, std::size(kLosses)> losses_{};
};

}  // namespace rawvs
