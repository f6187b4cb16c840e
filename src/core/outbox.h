// SPDX-License-Identifier: BSD-2-Clause
// outbox.h: what the director wants done, as values: frames to transmit and lines for the log.
// In:  the director's frames, notices and reply changes.
// Out: the same for the daemon, rawvs-replay and the tests, which act and clear() before the next call of the director.
//
// Forwarded frames are borrowed from the receive ring, originated ones lie in the outbox's own buffers. All memory is
// reserved at the start: a full outbox is counted (Exit::outbox_full, Exit::answer_limited), never an allocation.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/flow.h"
#include "rawvs/frame.h"

namespace rawvs {

struct Departure {
  Link out{};
  Frame frame{};  // bytes valid until Outbox::clear()
};

enum class Severity : uint8_t { info, notice, warning, error };
const char* name(Severity severity);

// What a line is about (events.h). daemon: whatever is not about one of the others.
enum class Topic : uint8_t { daemon, server, service, vrrp, conflict, control, table, sync, interface, reload };
inline constexpr size_t kTopics = 10;
const char* name(Topic topic);

struct Notice {  // one line for the log; rare, so it may allocate
  Severity severity = Severity::info;
  std::string text;
  Topic topic = Topic::daemon;
};

class Outbox {
 public:
  static constexpr size_t kDepartures = 1024;  // frames per call of the director's door
  static constexpr size_t kBuffers = 512;      // of them: frames that the director originates or cuts
  static constexpr size_t kBufferSize = 9728;  // bytes: the answer to a ping of a jumbo frame's size
  static constexpr size_t kBufferRoom = 128;   // bytes of headroom before each for an outer header
  // A reply change is never refused: the kernel would route one of our flows. This suffices for one call; if there are
  // ever more, memory is allocated.
  static constexpr size_t kReplyChanges = 2048;

  Outbox() : buffers_(std::make_unique_for_overwrite<uint8_t[]>(kBuffers * kStride)) {
    departures_.reserve(kDepartures);
    returned_.reserve(kDepartures);
    delivered_.reserve(kDepartures);
    reply_changes_.reserve(kReplyChanges);
  }

  bool full() const { return departures_.size() == kDepartures; }
  bool send(Link out, const Frame& frame) {  // false: full, nothing was taken
    if (full()) return false;
    departures_.push_back({out, frame});
    return true;
  }
  // A buffer for a frame that the director originates; empty: none is left. Call send_buffer(size); or
  // take_buffer(size), or keep_buffer(), and send() with a frame that lies in it.
  MutableBytes buffer() {
    if (buffers_used_ == kBuffers || full()) return {};
    return {buffers_.get() + buffers_used_ * kStride + kBufferRoom, kBufferSize};
  }
  size_t buffers_left() const { return std::min(kBuffers - buffers_used_, kDepartures - departures_.size()); }
  void keep_buffer() { ++buffers_used_; }
  Frame take_buffer(size_t size) {  // keeps it; the frame in its first bytes
    Frame f;
    f.data = buffer().data();
    f.size = static_cast<uint32_t>(size);
    f.headroom = kBufferRoom;
    keep_buffer();
    return f;
  }
  void send_buffer(Link out, size_t size) { departures_.push_back({out, take_buffer(size)}); }
  // A frame that the guard kept from the host's kernel, but that is the kernel's: the kernel routes it.
  bool give_back(const Frame& frame) {
    if (returned_.size() == kDepartures) return false;
    returned_.push_back(frame);
    return true;
  }
  // A frame for the host itself: its kernel gets the packet as it came.
  bool deliver(const Frame& frame) {
    if (delivered_.size() == kDepartures) return false;
    delivered_.push_back(frame);
    return true;
  }
  void change_reply(const ReplyFlow& flow, bool expected) { reply_changes_.push_back({flow, expected}); }
  void say(Severity severity, std::string text, Topic topic = Topic::daemon) {
    notices_.push_back({severity, std::move(text), topic});
  }

  const std::vector<Departure>& departures() const { return departures_; }
  const std::vector<Notice>& notices() const { return notices_; }
  const std::vector<Frame>& returned() const { return returned_; }
  const std::vector<Frame>& delivered() const { return delivered_; }
  const std::vector<ReplyChange>& reply_changes() const { return reply_changes_; }  // apply them before sending
  void clear() {
    departures_.clear(), notices_.clear(), returned_.clear(), delivered_.clear(), reply_changes_.clear();
    buffers_used_ = 0;
  }

 private:
  static constexpr size_t kStride = kBufferRoom + kBufferSize;
  std::vector<Departure> departures_;
  std::vector<Notice> notices_;
  std::vector<Frame> returned_, delivered_;
  std::vector<ReplyChange> reply_changes_;
  std::unique_ptr<uint8_t[]> buffers_;  // not initialised: pages that are never written take no memory
  size_t buffers_used_ = 0;
};

}  // namespace rawvs
