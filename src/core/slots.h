// SPDX-License-Identifier: BSD-2-Clause
// slots.h: tables of slots of a fixed size: which slots are free, which has a key, which was added first.
// In:  slots, hashes of keys.
// Out: slots.
// Not: what is in a slot. Only the constructors allocate.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "rawvs/addr.h"

namespace rawvs {

using Slot = uint16_t;
inline constexpr Slot kNoSlot = 0xffff;
inline constexpr uint32_t kMostSlots = 0xffff;

// Mixes a number's bits: its low bits then index a hash table.
constexpr uint64_t mixed(uint64_t n) {
  n = (n ^ n >> 32) * 0xd6e8feb86659fd93u;
  n = (n ^ n >> 32) * 0xd6e8feb86659fd93u;
  return n ^ n >> 32;
}

// All bits of an address count: operators number prefixes and hosts alike.
constexpr uint64_t mixed(Ip a) { return mixed(a.lo() ^ mixed(a.hi())); }
constexpr uint64_t mixed(Endpoint e) { return mixed(mixed(e.addr) + e.port.value); }

class FreeSlots {  // hands out the lowest free slot
 public:
  explicit FreeSlots(uint32_t capacity) : capacity_(std::min(capacity, kMostSlots)) {}
  std::optional<Slot> take() {
    if (returned_.empty()) return used_ < capacity_ ? std::optional(static_cast<Slot>(used_++)) : std::nullopt;
    std::ranges::pop_heap(returned_, std::greater());
    const Slot slot = returned_.back();
    returned_.pop_back();
    return slot;
  }
  void give_back(Slot slot) {
    returned_.push_back(slot);
    std::ranges::push_heap(returned_, std::greater());
  }
  uint32_t used() const { return used_; }  // this slot and all later ones were never taken
  bool any() const { return !returned_.empty() || used_ < capacity_; }

 private:
  uint32_t capacity_, used_ = 0;
  std::vector<Slot> returned_;  // a heap
};

class SlotHash {  // finds slots by the hash of their keys; adds and removes at a cost that does not depend on them
 public:
  explicit SlotHash(uint32_t capacity)
      : first_(std::bit_ceil(std::max(capacity, 1u)), kNoSlot), links_(std::min(capacity, kMostSlots)) {}
  void add(uint64_t hash, Slot slot) {
    Slot& first = first_[place(hash)];
    links_[slot] = {kNoSlot, first};
    if (first != kNoSlot) links_[first].before = slot;
    first = slot;
  }
  void remove(uint64_t hash, Slot slot) {  // REQUIRES: it was added with this hash
    const Links l = links_[slot];
    (l.before == kNoSlot ? first_[place(hash)] : links_[l.before].next) = l.next;
    if (l.next != kNoSlot) links_[l.next].before = l.before;
  }
  // The first slot with this hash for which is_it() is true; kNoSlot: none.
  template <class IsIt>
  Slot find(uint64_t hash, IsIt is_it) const {
    Slot slot = first_[place(hash)];
    while (slot != kNoSlot && !is_it(slot)) slot = links_[slot].next;
    return slot;
  }

 private:
  size_t place(uint64_t hash) const { return static_cast<size_t>(hash) & (first_.size() - 1); }
  struct Links {
    Slot before = kNoSlot, next = kNoSlot;
  };
  std::vector<Slot> first_;
  std::vector<Links> links_;
};

class SlotQueue {  // slots in the order of their insertion; any may be removed
 public:
  explicit SlotQueue(uint32_t capacity) : links_(std::min(capacity, kMostSlots)) {}
  void push(Slot slot) {
    links_[slot] = {last_, kNoSlot};
    (last_ == kNoSlot ? first_ : links_[last_].next) = slot;
    last_ = slot;
    ++size_;
  }
  void remove(Slot slot) {  // REQUIRES: it is in the queue
    const Links l = links_[slot];
    (l.before == kNoSlot ? first_ : links_[l.before].next) = l.next;
    (l.next == kNoSlot ? last_ : links_[l.next].before) = l.before;
    --size_;
  }
  Slot first() const { return first_; }  // kNoSlot: it is empty
  Slot next(Slot slot) const { return links_[slot].next; }
  size_t size() const { return size_; }

 private:
  struct Links {
    Slot before = kNoSlot, next = kNoSlot;
  };
  std::vector<Links> links_;
  Slot first_ = kNoSlot, last_ = kNoSlot;
  size_t size_ = 0;
};

}  // namespace rawvs
