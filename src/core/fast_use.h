// SPDX-License-Identifier: BSD-2-Clause
// fast_use.h: how much the program in the kernel forwards, or why it forwards nothing now.
#pragma once

#include <cstdint>

namespace rawvs {

enum class FastOff : uint8_t {
  none,
  held,     // another rawvsd takes over
  no_link,  // the program is on no interface
  watched,  // a trace or a capture wants to see packets
  changes   // its knowledge of servers and links is being renewed
};

constexpr const char* name(FastOff why) {
  switch (why) {
    case FastOff::none: return "none";
    case FastOff::held: return "held";
    case FastOff::no_link: return "no-link";
    case FastOff::watched: return "watched";
    case FastOff::changes: return "changes";
  }
  return "?";
}

struct FastUse {
  bool there = false, on = false;    // the program; and packets are forwarded by it now
  FastOff off = FastOff::none;       // why not, if it is there
  uint32_t flows = 0, capacity = 0;  // connections
  uint64_t chosen = 0, no_room = 0;  // connections, since the start: no_room counts each attempt
  uint64_t packets = 0, bytes = 0;   // forwarded, both directions
};

}  // namespace rawvs
