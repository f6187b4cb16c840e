// SPDX-License-Identifier: BSD-2-Clause
// outbox.h: what the director wants done, as values: frames to transmit and lines for the log.
// The director writes; the daemon, rawvs-replay and the tests read, act, and clear() before the next call of the door.
// Forwarded frames are borrowed from the receive ring, originated ones lie in the outbox's own buffers. All memory is
// there from the start: a full outbox is a counted case (Exit::answer_limited), never an allocation.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "rawvs/frame.h"

namespace rawvs {

struct Departure {
  Link out = Link::outside;
  Frame frame{};  // bytes valid until Outbox::clear()
};

enum class Severity : uint8_t { info, notice, warning, error };

struct Notice {  // one line for the log; these are rare, so they may allocate
  Severity severity = Severity::info;
  std::string text;
};

class Outbox {
 public:
  static constexpr size_t kDepartures = 512;   // frames per call of the director's door
  static constexpr size_t kLetters = 128;      // of them originated by the director
  static constexpr size_t kLetterSize = 9728;  // bytes: the answer to a ping as long as a jumbo frame

  Outbox() : letters_(std::make_unique_for_overwrite<uint8_t[]>(kLetters * kLetterSize)) {
    departures_.reserve(kDepartures);
  }

  bool full() const { return departures_.size() == kDepartures; }
  bool send(Link out, const Frame& frame) {  // false: full, nothing was taken
    if (full()) return false;
    departures_.push_back({out, frame});
    return true;
  }
  // A buffer for a frame that the director originates; empty when there is none left. Then send_letter(size).
  MutableBytes letter() {
    if (letters_used_ == kLetters || full()) return {};
    return {letters_.get() + letters_used_ * kLetterSize, kLetterSize};
  }
  void send_letter(Link out, size_t size) {
    Frame f;
    f.data = letters_.get() + letters_used_++ * kLetterSize;
    f.size = static_cast<uint32_t>(size);
    departures_.push_back({out, f});
  }
  void say(Severity severity, std::string text) { notices_.push_back({severity, std::move(text)}); }

  const std::vector<Departure>& departures() const { return departures_; }
  const std::vector<Notice>& notices() const { return notices_; }
  void clear() { departures_.clear(), notices_.clear(), letters_used_ = 0; }

 private:
  std::vector<Departure> departures_;
  std::vector<Notice> notices_;
  std::unique_ptr<uint8_t[]> letters_;  // not cleared: memory that is never written costs nothing
  size_t letters_used_ = 0;
};

}  // namespace rawvs
