// SPDX-License-Identifier: BSD-2-Clause
// local_addresses.h: the host's own addresses from which full NAT's servers see their connections, numbered.
// In:  addresses.
// Out: their numbers, which are what a connection's entry has room for.
// Not: which of its ports are in use (connection.h), which address a connection gets (director/flows_local.cpp).
#pragma once

#include <array>

#include "core/slots.h"
#include "rawvs/addr.h"
#include "wire/formatted.h"

namespace rawvs {

class LocalAddresses {
 public:
  static constexpr uint16_t kMost = 256;
  static constexpr uint16_t kNone = kNoSlot;

  // kNone: no connection uses it, or has used it lately.
  uint16_t find(Ip addr) const {
    return used_ == 0 ? kNone : slots_.find(mixed(addr), [&](Slot slot) { return entries_[slot].addr == addr; });
  }
  // For one connection more. kNone: connections use kMost others.
  uint16_t use(Ip addr) {
    uint16_t number = find(addr);
    if (number == kNone) number = place(addr);
    if (number != kNone) ++entries_[number].users;
    return number;
  }
  void leave(uint16_t number) { --entries_[number].users; }
  Ip at(uint16_t number) const { return entries_[number].addr; }
  bool empty() const { return used_ == 0; }
  // A warning about one that was configured, and that the host lacks.
  static std::string missing_words(Ip addr) {
    return formatted(
        "local_address {} is no address of this host: full NAT's servers reply to it in vain, until an "
        "interface has it",
        text(addr));
  }

 private:
  struct Entry {
    Ip addr{};
    uint32_t users = 0;  // 0: the number is another address's when none is left
  };
  uint16_t place(Ip addr) {
    uint16_t number = used_;
    if (used_ < kMost) {
      ++used_;
    } else {
      number = 0;
      while (number < kMost && entries_[number].users != 0) ++number;
      if (number == kMost) return kNone;
      slots_.remove(mixed(entries_[number].addr), number);
    }
    entries_[number].addr = addr;
    slots_.add(mixed(addr), number);
    return number;
  }

  std::array<Entry, kMost> entries_{};
  uint16_t used_ = 0;
  SlotHash slots_{kMost};
};

}  // namespace rawvs
