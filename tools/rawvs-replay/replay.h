// SPDX-License-Identifier: BSD-2-Clause
// replay.h: the director over captured frames, in their time: what arrives, what is due meanwhile, what leaves.
// In:  a Setup, captured frames in order.   Out: frames that leave, each with its moment; counters and the log as text.
// Not: files (capture_file.h), the command line (main.cpp). No clock and no system call: the same capture and the same
// configuration give the same bytes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rawvs/config.h"
#include "rawvs/director.h"

namespace rawvs::replay {

using Stamp = std::chrono::microseconds;  // since 1970, as in capture files

struct Captured {  // a frame of a capture, as far as the capture has its bytes
  Stamp time{};
  std::vector<uint8_t> bytes;
};

struct Setup {
  Config config;
  std::string rules;                    // lines as "ipvsadm -S -n" prints them, on top of the configuration's services
  std::string rules_name;               // their file's, for messages
  std::array<LinkFacts, kLinks> links;  // made up: there are no interfaces here
};

// The made-up interfaces: outside 02:00:00:00:00:10, 192.0.2.10/24; inside 02:00:00:00:01:10, 203.0.113.10/24.
std::array<LinkFacts, kLinks> default_links();

class Replay {
 public:
  using Leave = std::function<void(Stamp, Bytes)>;  // the bytes are valid during the call

  // start: the first frame's time. The director begins then, and announces its VIPs.
  static Result<std::unique_ptr<Replay>> begin(const Setup& setup, Stamp start, Leave leave);

  // First what was due before the frame, then the frame itself. A frame older than the one before it arrives with it.
  // An Error: the frame's time cannot be right.
  Result<Done> arrive(Captured& frame);
  Result<Done> run_on(Stamp further);  // the clock goes on, nothing more arrives

  // One line each: "EXIT COUNT" in exit.h's order; frames that the host's kernel would get back, fragments singly;
  // services and servers in the configuration's order, "back" before what NAT servers answered; the log.
  std::string counters() const;

 private:
  Replay(const Setup& setup, Stamp start, Leave leave);
  Result<Done> load();
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

// The control request that says what a line of "ipvsadm -S -n" says, or why it does not.
Result<std::string> request_of(std::string_view line);

}  // namespace rawvs::replay
