// SPDX-License-Identifier: BSD-2-Clause
// saving.h: connections that survive a restart, an upgrade in place, and, up to state_interval, a crash.
// In:   the director's connections; what an earlier process has left.
// Out:  a file, written a portion per turn of the loop; memory for the program that takes this one's place.
#pragma once

#include <memory>

#include "sys/engine/engine_context.h"
#include "sys/ha/state_file.h"

namespace rawvs {

class Saving final : public Part {
 public:
  explicit Saving(EngineContext& context) : context_(context) {}

  void restore();   // at start, when services and interfaces are there
  void save_all();  // at the end: all that is left, at once
  // For the program that takes our place: into memory whose descriptor it inherits.
  Result<StateMemory> for_successor();

  void serve(Instant now) override;
  Instant deadline() const override { return due_; }

 private:
  struct Writing {  // a state on its way into its file
    StateFile file;
    StateWriter writer;
  };
  Result<Done> write_portion();
  Instant next_state() const;

  EngineContext& context_;
  std::unique_ptr<Writing> writing_;  // null: nothing is being written
  Instant due_ = kNever;              // the next portion, or state
  bool warned_ = false;
};

}  // namespace rawvs
