// SPDX-License-Identifier: BSD-2-Clause
// state_marks.h: recognises a mark in another process, which may have chosen another number for it.
//
// For state.cpp and state_reader.cpp only.
#pragma once

#include "core/service.h"

namespace rawvs::state {

// A hash of the packets that a mark matches, independent of their order. It needs no secret: it only distinguishes an
// operator's own virtuals.
struct MarkPrint {
  uint64_t matches = 0;  // addresses, ports, clients
  uint64_t address = 0;  // of one of the addresses: a virtual's mark has one
};
MarkPrint print_of(const Services& services, Mark mark, Family family);

// The mark of an existing service of this family: the same number, if a person chose it; else the mark for the same
// packets; else, where a virtual's ports have changed, the only mark at its address.
struct MarkHere {
  Mark mark{};  // 0: none
  bool by_address_alone = false;
};
MarkHere mark_here(const Services& services, Mark was, Family family, const MarkPrint& print);

}  // namespace rawvs::state
