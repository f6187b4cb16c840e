// SPDX-License-Identifier: BSD-2-Clause
// engine_state.cpp: connections that survive a restart, an upgrade in place, and, up to state_interval, a crash:
// written a portion per turn of the loop, taken back at the start.
#include <algorithm>

#include "sys/engine/engine_saving.h"

namespace rawvs {

namespace {

constexpr Duration kBetweenPortions = 1ms;  // packets come first
constexpr Duration kRetrySaving = 10s;

// What the program before us has handed over; or else what was saved.
Result<std::optional<StateImage>> find_state(const std::string& path) {
  auto inherited = StateImage::inherited();
  if (!inherited || *inherited || path.empty()) return inherited;
  return StateImage::open(path);
}

}  // namespace

// At start, when services and interfaces are there: what an earlier process has left.
void Engine::restore_state() {
  const auto image = find_state(config_.state);
  if (config_.state_interval != Duration::zero()) state_due_ = now_ + config_.state_interval;
  if (!image) return log_.write(Severity::warning, image.error().text);
  if (!*image) return;
  StateReader reader((*image)->bytes(), state_clock());
  if (reader.fault() != StateFault::none) {
    return log_.write(Severity::warning,
                      std::string("connections of an earlier process are not taken back: ") + name(reader.fault()));
  }
  for (bool more = true; more;) {
    more = reader.read(director_.state_tables(), {now_, outbox_});
    dispatch();
  }
  director_.state_restored({now_, outbox_});
  dispatch();
  log_.write(Severity::notice, text(reader.report()));
}

// One portion, if it is time for one.
void Engine::save_some() {
  if (now_ < state_due_) return;
  if (!saving_) {
    auto file = StateFile::create(config_.state);
    if (!file) return give_up_saving(file.error());
    saving_ = std::make_unique<Saving>(Saving{std::move(*file), StateWriter(state_clock())});
  }
  const auto written = saving_->file.append(saving_->writer.next(director_.state_tables(), now_));
  if (!written) return give_up_saving(written.error());
  state_due_ = now_ + kBetweenPortions;
  if (!saving_->writer.done()) return;
  if (const auto kept = saving_->file.keep(); !kept) return give_up_saving(kept.error());
  saving_.reset();
  state_warned_ = false;
  state_due_ = config_.state_interval == Duration::zero() ? kNever : now_ + config_.state_interval;
}

void Engine::give_up_saving(const Error& error) {
  saving_.reset();
  state_due_ =
      config_.state_interval == Duration::zero() ? kNever : now_ + std::max(kRetrySaving, config_.state_interval);
  if (!std::exchange(state_warned_, true)) log_.write(Severity::warning, "connections are not saved: " + error.text);
}

// At the end: all that is left, at once.
void Engine::save_all() {
  if (config_.state.empty()) return;
  saving_.reset();
  state_due_ = now_;
  for (bool more = true; more;) {
    save_some();
    more = saving_ != nullptr;
    state_due_ = now_;
  }
  state_due_ = kNever;
}

// For the program that takes our place: into memory whose descriptor it inherits.
Result<StateMemory> Engine::state_for_heir() {
  auto memory = StateMemory::create();
  if (!memory) return memory.error();
  for (StateWriter writer(state_clock()); !writer.done();) {
    if (const auto written = memory->append(writer.next(director_.state_tables(), now_)); !written)
      return written.error();
  }
  if (const auto done = memory->hand_over(); !done) return done.error();
  return memory;
}

}  // namespace rawvs
