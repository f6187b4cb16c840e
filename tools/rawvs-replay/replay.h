// SPDX-License-Identifier: BSD-2-Clause
// replay.h: runs the director over captured frames, at their times.
// In:  a Setup, captured frames in order.
// Out: the frames that leave, each with its time; counters and the log as text.
// Not: files (capture_file.h), the command line (main.cpp).
//
// No clock and no system call: the same capture and configuration give the same bytes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/link.h"
#include "rawvs/config.h"
#include "rawvs/director.h"

namespace rawvs::replay {

using Stamp = std::chrono::microseconds;  // since 1970, as in capture files

struct Captured {  // a frame of a capture, perhaps cut
  Stamp time{};
  std::vector<uint8_t> bytes;
};

struct Setup {
  Config config;
  std::string rules;               // lines as "ipvsadm -S -n" prints them, added to the configuration's services
  std::string rules_name;          // their file's name, for messages
  std::array<LinkFacts, 2> links;  // invented: there are no interfaces here
};

inline constexpr Link kOutLink{0}, kInLink{1};  // [director] interface and inside

// The invented interfaces: outside 02:00:00:00:00:10, 192.0.2.10/24, 2001:db8::10/64; inside 02:00:00:00:01:10,
// 203.0.113.10/24, 2001:db8:1::10/64.
std::array<LinkFacts, 2> default_links();

class Replay {
 public:
  using Leave = std::function<void(Stamp, Bytes)>;  // the bytes are valid during the call

  // start: the first frame's time. The director starts then, and announces its VIPs.
  static Result<std::unique_ptr<Replay>> begin(const Setup& setup, Stamp start, Leave leave);

  // Handles deadlines before the frame, then the frame. A frame older than its predecessor arrives at the same time. An
  // Error: the frame's time is impossible.
  Result<Done> arrive(Captured& frame);
  Result<Done> run_on(Stamp further);  // advances the clock without frames

  // One line each: "EXIT COUNT" in exit.h's order; frames given back to the host's kernel, fragments singly; services
  // and servers in the configuration's order, with "back" before the counts of NAT servers' replies; the log.
  std::string counters() const;

 private:
  Replay(const Setup& setup, Stamp start, Leave leave);
  Result<Done> load();
  std::optional<Ip> address_of(std::string_view interface, Family family) const;
  Result<Done> load_rules();
  Result<Done> run_until(Stamp end);
  Link link_of(const Captured& frame) const;
  void dispatch();
  Instant instant() const { return Instant(std::chrono::floor<Duration>(now_)); }

  const Setup& setup_;
  Leave leave_;
  const Stamp start_;
  Stamp now_;
  Director director_;
  Outbox outbox_;
  uint64_t returned_ = 0;
  std::string log_;
};

// The control request for a line of "ipvsadm -S -n", or why there is none.
Result<std::string> request_of(std::string_view line);

}  // namespace rawvs::replay
