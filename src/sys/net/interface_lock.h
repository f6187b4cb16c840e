// SPDX-License-Identifier: BSD-2-Clause
// interface_lock.h: one director per interface: two would both forward every packet.
// The lock is an abstract Unix socket named after the interface's index. Such names belong to the network namespace, as
// interfaces do; the kernel gives them up when the process ends or becomes another program. unix(7).
#pragma once

#include <optional>
#include <string>

#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

class InterfaceLock {
 public:
  // Takes it, unless it is held for this index already; an index of 0 gives it up. Refused when another director has
  // it. What another user's program holds cannot be a director's: then there is a remark, and no lock.
  Result<std::optional<std::string>> take(const std::string& interface, int ifindex);

 private:
  Fd socket_;
  int ifindex_ = 0;
  int refused_index_ = 0;  // who has it is asked once: each question stays in the other's queue
  Error refusal_{};
};

}  // namespace rawvs
