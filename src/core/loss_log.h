// SPDX-License-Identifier: BSD-2-Clause
// loss_log.h: packets that were dropped because there is no room for their clients: said in the log.
// In:  the counters of all exits, after each batch of frames.   Out: notices: at once for the first packet, then at
// most once a minute with the number. Not: the counting, and what single packets were (exit.h).
#pragma once

#include <array>
#include <cstdint>

#include "core/outbox.h"
#include "rawvs/exit.h"
#include "rawvs/time.h"

namespace rawvs {

class LossLog {
 public:
  static constexpr Duration kPause = 60s;
  static constexpr Exit kLosses[] = {Exit::table_full, Exit::ftp_full, Exit::fragment_flood, Exit::outbox_full};

  void look(const ExitCounters& exits, Instant now, Outbox& out);
  Instant next_deadline() const;  // when something that was counted is to be said

 private:
  struct Loss {
    uint64_t said = 0, seen = 0;  // the counter, when it was last said and last looked at
    Instant again{};              // when it may be said again
  };
  std::array<Loss, std::size(kLosses)> losses_{};
};

}  // namespace rawvs
