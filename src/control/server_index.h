// SPDX-License-Identifier: BSD-2-Clause
// server_index.h: finds the servers of one service by endpoint. The caller fills it in steps, and keeps the servers.
#pragma once

#include "core/slots.h"
#include "rawvs/addr.h"

namespace rawvs {

class ServerIndex {
 public:
  explicit ServerIndex(size_t count) : hash_(static_cast<uint32_t>(count)) {}  // of servers
  // REQUIRES: n < count.
  void add(Endpoint at, size_t n) { hash_.add(hash(at), static_cast<Slot>(n)); }
  // The number of the server at this endpoint; kNoSlot: it was not added. at_of(n): the endpoint of the server n.
  template <class AtOf>
  Slot find(Endpoint at, AtOf at_of) const {
    return hash_.find(hash(at), [&](Slot n) { return at_of(n) == at; });
  }

 private:
  static uint64_t hash(Endpoint at) { return mixed(at); }
  SlotHash hash_;
};

}  // namespace rawvs
