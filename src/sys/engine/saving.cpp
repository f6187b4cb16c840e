// SPDX-License-Identifier: BSD-2-Clause
// saving.cpp: writes connections, and restores them at the start.
#include "sys/engine/saving.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "core/state.h"

namespace rawvs {
namespace {

constexpr Duration kBetweenPortions = 1ms;  // packets have precedence
constexpr Duration kRetrySaving = 10s;

// The state of the program before this one; or else the file's.
Result<std::optional<StateImage>> find_state(const std::string& path) {
  auto inherited = StateImage::inherited();
  if (!inherited || *inherited || path.empty()) return inherited;
  return StateImage::open(path);
}

}  // namespace

Instant Saving::next_state() const {
  const Duration interval = context_.config.state_interval;
  return interval == Duration::zero() ? kNever : context_.now + interval;
}

void Saving::restore() {
  read(find_state(context_.config.state), false);
  due_ = next_state();
}

void Saving::take(const Fd& state, bool renews) {
  read(StateImage::of(state), renews);
  due_ = next_state();
}

void Saving::read(const Result<std::optional<StateImage>>& image, bool renews) {
  if (!image) return context_.log.write(Severity::warning, image.error().text);
  if (!*image) return;
  StateReader reader((*image)->bytes(), state_clock());
  if (reader.fault() != StateFault::none) {
    return context_.log.write(Severity::warning, std::string("connections of an earlier process are not taken back: ") +
                                                     name(reader.fault()));
  }
  for (bool more = true; more;) {
    more = reader.read(context_.state_tables(renews), context_.turn());
    context_.dispatch();
  }
  context_.director.state_restored(context_.turn());
  context_.dispatch();
  context_.log.write(Severity::notice, (renews ? "changed meanwhile: " : "") + text(reader.report()));
}

// Writes a portion when it is due.
void Saving::serve(Instant now) {
  if (now < due_) return;
  const auto written = write_portion();
  if (!written) {
    writing_.reset();
    due_ = next_state();
    if (due_ != kNever) due_ = std::max(due_, now + kRetrySaving);
    if (std::exchange(warned_, true)) return;
    return context_.log.write(Severity::warning, "connections are not saved: " + written.error().text);
  }
  due_ = writing_ ? now + kBetweenPortions : next_state();
}

// After the last portion, writing_ is null.
Result<Done> Saving::write_portion() {
  if (!writing_) {
    auto file = StateFile::create(context_.config.state);
    if (!file) return file.error();
    writing_ = std::make_unique<Writing>(Writing{std::move(*file), StateWriter(state_clock())});
  }
  const auto written = writing_->file.append(writing_->writer.next(context_.state_tables(), context_.now));
  if (!written) return written.error();
  if (!writing_->writer.done()) return Done{};
  if (const auto kept = writing_->file.keep(); !kept) return kept.error();
  writing_.reset();
  warned_ = false;
  return Done{};
}

void Saving::save_all() {
  if (context_.config.state.empty()) return;
  writing_.reset();
  do {
    due_ = context_.now;
    serve(context_.now);
  } while (writing_);
  due_ = kNever;
}

}  // namespace rawvs
