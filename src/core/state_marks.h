// SPDX-License-Identifier: BSD-2-Clause
// state_marks.h: by what a mark is known again in another process, which may have chosen another number for it. Private
// to the state's writer and reader.
#pragma once

#include "core/service.h"

namespace rawvs::state {

// The same for the same packets, in whatever order they were written down. No secret is needed: it tells an operator's
// own virtuals apart.
struct MarkPrint {
  uint64_t matches = 0;  // addresses, ports, clients
  uint64_t address = 0;  // one of the addresses: a virtual's mark has one
};
MarkPrint print_of(const Services& services, Mark mark);

// The mark of which there is a service: the same one, if people chose it; else the one for the same packets; or, where
// a virtual's ports have changed, the only one at its address.
struct MarkHere {
  Mark mark{};  // 0: none
  bool by_address_alone = false;
};
MarkHere mark_here(const Services& services, Mark was, const MarkPrint& print);

}  // namespace rawvs::state
