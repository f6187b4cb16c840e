// SPDX-License-Identifier: BSD-2-Clause
// onlookers.h: calls observers (observer.h): copies a packet before the decision, and reports the decision afterwards.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "core/outbox.h"
#include "core/turn.h"
#include "director/arrival.h"
#include "director/flows.h"
#include "director/observer.h"
#include "director/surroundings.h"

namespace rawvs {

class Onlookers {
 public:
  static constexpr size_t kMost = 4;  // at a time

  Onlookers(const Services& services, const Flows& flows, const Surroundings& surroundings)
      : services_(services), flows_(flows), surroundings_(surroundings) {}

  bool add(const std::shared_ptr<Observer>& observer);  // false: there are kMost already
  bool empty() const {                                  // those that are gone stay in the list until another one comes
    return std::ranges::all_of(observers_, [](const auto& one) { return one.expired(); });
  }

  // Calls decide() and shows the packet to the observers that want it. Returns decide()'s result.
  template <class Decide>
  Exit look_on(Arrival& a, Turn turn, Decide&& decide) {
    PacketView view;
    Caring caring;
    if (!before(a, turn.now, view, caring)) return decide();
    const size_t departures = turn.out.departures().size();
    view.exit = decide();
    view.left = std::span(turn.out.departures()).subspan(departures);
    after(a, view, caring);
    return view.exit;
  }

 private:
  using Caring = std::array<std::shared_ptr<Observer>, kMost>;
  bool before(Arrival& a, Instant now, PacketView& view, Caring& caring);
  void after(const Arrival& a, PacketView& view, const Caring& caring) const;
  void describe(const Arrival& a, PacketView& view) const;

  const Services& services_;
  const Flows& flows_;
  const Surroundings& surroundings_;
  std::vector<std::weak_ptr<Observer>> observers_;
  std::unique_ptr<uint8_t[]> seen_;  // the packet as it arrived
};

}  // namespace rawvs
