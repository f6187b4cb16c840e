// SPDX-License-Identifier: BSD-2-Clause
// part.h: a part of the engine's loop. Each part registers its own descriptors with the Poller and has its own
// deadlines.
#pragma once

#include "rawvs/frame.h"
#include "rawvs/time.h"

namespace rawvs {

class Part {
 public:
  Part() = default;
  virtual ~Part() = default;
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  // Called once in each turn of the loop: handles arrivals and deadlines, a bounded amount of them.
  virtual void serve(Instant now) = 0;
  // When serve() has something to do without arrivals; kNever: never.
  virtual Instant deadline() const = 0;

  // Events of other parts.
  virtual void link_changed(Link) {}  // Ports: the interface was queried, and opened or closed
  virtual void masters_changed() {}   // Mastership: an instance has changed its state
};

}  // namespace rawvs
