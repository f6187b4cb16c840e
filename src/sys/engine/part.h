// SPDX-License-Identifier: BSD-2-Clause
// part.h: what the engine's loop is made of: each part has its own descriptors, which it registers with the Poller, and
// its own deadlines. The loop asks every part the same two questions.
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

  // Called once in each turn of the loop: handles what has arrived and what is due, a bounded piece of it.
  virtual void serve(Instant now) = 0;
  // When serve() has something to do even if nothing arrives; kNever: not at all.
  virtual Instant deadline() const = 0;

  // What other parts say. Whoever has no use for it leaves it out.
  virtual void link_changed(Link) {}  // Ports: the kernel was asked about this interface, and it was opened or closed
  virtual void masters_changed() {}   // Mastership: an instance has another state
};

}  // namespace rawvs
