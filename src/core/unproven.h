// SPDX-License-Identifier: BSD-2-Clause
// unproven.h: the entries that may give way to others: in lists by server and kind, the oldest first.
// In:  entries, as they come into the table, prove that a client is behind them, and go.
// Out: which entry gives way next; how many there are of each kind.
// Not: what proves a connection (proof.h), ending it (flows.h).
//
// A share is the unproven entries of one kind of one server. The largest share gives way first, and of it the oldest
// entry: a flood takes places from itself, not from the half-open clients of another service. Sizes are compared by
// powers of two, so that a change of one moves a share seldom and everything here takes constant time. Nothing is
// allocated after the start.
#pragma once

#include <array>
#include <cstdlib>
#include <memory>

#include "core/connection.h"

namespace rawvs {

enum class Unproven : uint8_t {  // in this order they give way where their shares are alike
  half_open,                     // TCP, SCTP: no handshake yet
  one_way,                       // UDP: no conversation yet
  unassured,                     // a template none of whose connections was established, and that controls none now
  quiet,                         // TCP, SCTP: established, but hardly anything came
  count_
};
inline constexpr size_t kUnprovenKinds = static_cast<size_t>(Unproven::count_);
const char* name(Unproven kind);  // half-open, one-way, unassured, quiet

struct UnprovenKinds {  // a set of kinds
  uint32_t bits;
  constexpr bool has(Unproven kind) const { return (bits >> static_cast<uint32_t>(kind) & 1) != 0; }
  static constexpr UnprovenKinds all() { return {(1u << kUnprovenKinds) - 1}; }
  static constexpr UnprovenKinds one(Unproven kind) { return {1u << static_cast<uint32_t>(kind)}; }
  static constexpr UnprovenKinds of(Protocol protocol) {  // its connections; SCTP's count with TCP's
    if (protocol == Protocol::udp) return one(Unproven::one_way);
    return {one(Unproven::half_open).bits | one(Unproven::quiet).bits};
  }
};

class UnprovenEntries {
 public:
  static constexpr uint32_t kSteps = 4;  // so many steps prove a connection

  // table: its entries' places; servers: the number of slots.
  UnprovenEntries(ConnectionTable& table, uint32_t servers);

  // REQUIRES: the entry is in no list; from now on it is marked as unproven. first: it gives way before all others of
  // its share, instead of after them.
  void add(Connection& c, Unproven kind, bool first);
  void remove(Connection& c);  // REQUIRES: c.is_unproven(). Its numbers (NextNumbers) are not known then
  Unproven kind(const Connection& c) const { return static_cast<Unproven>(links(c).older >> kNotes & 3); }

  // Which gives way next; null: none. after(): the next one of the same share.
  Connection* oldest(UnprovenKinds kinds) const;
  Connection* oldest(ServerSlot server, Unproven kind) const;
  Connection* after(const Connection& c) const { return table_->at(links(c).newer & kIdMask); }

  // Counts a step towards proof, unless its trace (5 bits) is the last one's. True: there are enough of them.
  bool step(const Connection& c, uint32_t trace);
  void set_answered(const Connection& c) { links(c).older |= kAnswered; }
  bool was_answered(const Connection& c) const { return (links(c).older & kAnswered) != 0; }
  bool take_answered(const Connection& c);  // whether set_answered() was called since

  uint32_t count(Unproven kind) const { return counts_[static_cast<size_t>(kind)]; }
  uint32_t count() const;
  uint32_t places(UnprovenKinds kinds) const;  // that they take in the table

 private:
  static constexpr uint32_t kSizes = 25, kNotes = 24, kIdMask = 0xffffff, kAnswered = 1u << 26;
  struct Share {
    ConnectionId oldest, newest;
    uint32_t size;
    uint32_t before, after;  // shares of about the same size, plus 1; 0: none
  };
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  Links& links(const Connection& c) const { return table_->beside()[table_->id(c)].links; }
  static uint32_t share_of(ServerSlot server, Unproven kind) {
    return server * static_cast<uint32_t>(kUnprovenKinds) + static_cast<uint32_t>(kind);
  }
  void resize(uint32_t share, Unproven kind, uint32_t size);

  ConnectionTable* table_;
  std::unique_ptr<Share[], Free> shares_;
  // For each kind and power of two: the first of the shares, plus 1; and which of them there are.
  std::array<std::array<uint32_t, kSizes>, kUnprovenKinds> by_size_{};
  std::array<uint32_t, kUnprovenKinds> sizes_{}, counts_{}, places_{};
};

}  // namespace rawvs
