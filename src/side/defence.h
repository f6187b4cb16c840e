// SPDX-License-Identifier: BSD-2-Clause
// defence.h: hosts that asked for a VIP which a real server answers for, too: to whom the claim is repeated, and when.
// In:  who asked, the time.
// Out: what is to be repeated now.
// Not: the first answer, and whether there is such a server (claim.h); frames (the director composes them).
//
// Which answer a host keeps depends on the host. Linux keeps ARP's first for a second, unless a gratuitous request
// follows (locktime in arp(7), since Linux 4.13); others keep the last one. Hence three repeats: at once, after
// 100 ms, when a server on the same LAN has answered, and when the second is over.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "rawvs/frame.h"
#include "rawvs/time.h"

namespace rawvs {

class Defence {
 public:
  static constexpr size_t kMost = 64;             // hosts at a time
  static constexpr Duration kLeastPause = 100ms;  // between two repeats to one host: with kMost, the rate limit
  struct Asker {
    Ip vip{};  // what it asked for
    Ip addr{};
    Mac mac{};
    Link link{};
  };

  bool asked(const Asker& asker, Instant now);  // false: there are kMost of them
  std::optional<Asker> take_due(Instant now);   // one repeat
  Instant next_deadline() const { return earliest_; }

 private:
  struct Entry {
    Asker asker{};
    size_t done = 0;        // repeats
    Instant next = kNever;  // kNever: the entry is free
  };
  void set(Entry& entry, Instant next);
  std::array<Entry, kMost> entries_{};
  Instant earliest_ = kNever;
};

}  // namespace rawvs
