// SPDX-License-Identifier: BSD-2-Clause
// interface_lock.h: one director per interface: two would both forward every packet.
//
// The lock is an abstract Unix socket named after the interface's index. Such names belong to the network namespace, as
// interfaces do; the kernel releases them when the process ends or executes another program. unix(7).
#pragma once

#include <optional>
#include <string>

#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

class InterfaceLock {
 public:
  // Takes the lock unless it is held for this index; index 0 releases it. Refused when another director has it. A
  // holder of another user is no director: then returns a remark, and holds no lock.
  Result<std::optional<std::string>> take(const std::string& interface, int ifindex);

 private:
  Fd socket_;
  int ifindex_ = 0;
  int refused_index_ = 0;  // its holder was asked: each question stays in the holder's queue, so it is asked once
  Error refusal_{};
};

}  // namespace rawvs
