// SPDX-License-Identifier: BSD-2-Clause
// event_list.h: the director's last events, of which only new ones are asked for.
// In:  the rows of `events after=N`.
// Out: the last kMost of them, oldest first: as many as rawvsd keeps, each of at most 340 bytes.
// Not: asking the director (board.h).
//
// Numbers are good for one connection alone, since another rawvsd counts anew: by another one all events are asked for.
#pragma once

#include <cstdint>

#include "core/events.h"
#include "tools/rawvsadm/row.h"

namespace rawvs::web {

class EventList {
 public:
  static constexpr size_t kMost = Events::kEvents;

  // N of the next request, if it goes over this connection (Client::connections()); 0: for all events.
  uint64_t after(uint64_t connection) const { return connection == connection_ ? last_ : 0; }
  // The answer to that request, and the connection that it came over. False: it was made in between, and the number was
  // another one's: nothing is changed, and it has to be asked again.
  bool take(adm::Rows rows, uint64_t after, uint64_t connection);
  const adm::Rows& rows() const { return rows_; }

 private:
  adm::Rows rows_{};
  uint64_t last_ = 0, connection_ = 0;
};

}  // namespace rawvs::web
