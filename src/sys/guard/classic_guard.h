// SPDX-License-Identifier: BSD-2-Clause
// classic_guard.h: which filters the classic guard has on an interface, and which addresses each of them.
// In:  what is watched.   Out: puts and removals of filters, as few as a change needs.
// Not: the filters' programs (classic_program.h), the traffic control hook (tc.h).
//
// A kernel takes 4,096 instructions per filter, and dumps at most half as many in one message. So the address space is
// divided among filters, which the kernel asks one after the other; each is small enough to be replaced in a moment. A
// border between two stays where it is as long as neither gets too much or too little.
#pragma once

#include <compare>
#include <map>

#include "side/watch.h"
#include "sys/guard/classic_program.h"

namespace rawvs {

class FilterHook {  // where filters are attached: the kernel, or a test
 public:
  virtual ~FilterHook() = default;
  // In effect from the next frame on. Both return 0 or an errno.
  virtual int put(uint32_t slot, std::span<const sock_filter> program) = 0;  // replaces the one that is there
  virtual int remove(uint32_t slot) = 0;
};

class AddressDivision {
 public:
  explicit AddressDivision(size_t most) : most_(most) {}  // comparisons in one part

  // Parts that lie one behind another, all addresses together; the first has the first address that there is.
  std::vector<AddressPart> divide(std::span<const AddressRange> ranges);

 private:
  size_t most_;
  std::vector<uint32_t> starts_{0};
};

class ClassicGuard {
 public:
  // Slots 1 to kMostFilters are used: room for 65,536 addresses of which no two are neighbours, and as a rule for more.
  static constexpr uint32_t kMostFilters = 256;
  static constexpr size_t kMostInstructions = 1900;  // so that a kernel's dump has room for each filter

  // While it works, a frame for an address that was and remains guarded is never let through. What does not fit does
  // not keep the rest waiting: it is tried again by the next call. Returns 0, or the errno of the first failure; E2BIG:
  // all filters are used.
  int follow(const Watch& watch, std::span<const Mac> own, std::span<const Ip> hosts, FilterHook& hook);

  // Of the VIPs of the last call those that are kept from the kernel now.
  size_t guarded_vips() const { return guarded_vips_; }

 private:
  struct Key {                   // of a filter: the starts of its places
    bool answers = false;        // of NAT servers; or about VIPs
    uint32_t first = 0, to = 0;  // of VIPs or NAT servers; of destinations
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Filter {
    uint32_t slot = 0;
    AddressPart part{};
    ClassicProgram program{};
  };
  using Filters = std::map<Key, Filter>;

  Filters wanted(const Watch& watch, std::span<const Mac> own, std::span<const Ip> hosts);
  int put(const Key& key, Filter& filter, FilterHook& hook);
  uint32_t free_slot() const;
  size_t count_guarded(const std::vector<Ip>& vips) const;

  AddressDivision vips_{1024}, servers_{768}, hosts_{256};
  Filters attached_{};
  size_t guarded_vips_ = 0;
};

}  // namespace rawvs
