// SPDX-License-Identifier: BSD-2-Clause
// saving.h: keeps connections across a restart, an upgrade in place, and, up to state_interval, a crash.
// In:  the director's connections; an earlier process's state.
// Out: a file, written a portion per turn of the loop.
// Not: the connections for the program that replaces this one (replacement.h).
#pragma once

#include <memory>

#include "core/state.h"
#include "sys/engine/engine_context.h"
#include "sys/ha/state_file.h"

namespace rawvs {

class Saving final : public Part {
 public:
  explicit Saving(EngineContext& context) : context_(context) {}

  void restore();  // at the start, after services and interfaces: an earlier process's state
  // That of the process from which this one takes over. renews: the second one, of what has changed since the first.
  void take(const Fd& state, bool renews);
  void save_all();  // at the end: everything at once

  void serve(Instant now) override;
  Instant deadline() const override { return due_; }

 private:
  struct Writing {  // a state that is being written
    StateFile file;
    StateWriter writer;
  };
  Result<Done> write_portion();
  Instant next_state() const;
  void read(const Result<std::optional<StateImage>>& image, bool renews);

  EngineContext& context_;
  std::unique_ptr<Writing> writing_;  // null: none
  Instant due_ = kNever;              // of the next portion, or state
  bool warned_ = false;
};

}  // namespace rawvs
