// SPDX-License-Identifier: BSD-2-Clause
// reload.h: changes from one configuration to the next while packets flow; the present tables as a configuration.
// In:  the Config in effect and its successor.
// Out: the director changed by the difference, and the difference as text.
//
// What is the same in both files is left alone, whatever rawvsadm has changed since; what differs becomes as in the new
// file. With reset, the present tables are compared instead of the old file, and become exactly the new file's.
// Connections, templates and counters of services and servers that stay are not touched.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/turn.h"
#include "rawvs/config.h"
#include "rawvs/director.h"

namespace rawvs {

struct Reloaded {
  std::vector<std::string> changes;  // done, one per line
  std::vector<std::string> pending;  // not done: they take a restart, or there was no room
};

// Works in portions, between which packets are handled: each of them finds every service as in the old or in the new
// file, except for servers that are being changed, one after the other. Order: settings; services, one after the other
// (a new one gets connections when all of its servers are there; of an existing one new servers come first); all groups
// at once; then what the new file no longer has is removed.
class Reload {
 public:
  // REQUIRES: was outlives it. Completes next: marks that were chosen before are kept, and settings that only a restart
  // changes are as in was. plan: nothing is done, and what would be done is told, as if there were room for it.
  Reload(const Config& was, Config next, bool reset, bool plan = false);
  ~Reload();
  Reload(Reload&&) noexcept;

  static constexpr size_t kPortion = 4096;  // servers examined; a change counts as kChange of them
  static constexpr size_t kChange = 16;
  // Does the next portion. Calls dispatch after each change, to pass on the director's output. True: all is done.
  bool step(Director& director, Turn turn, const std::function<void()>& dispatch, size_t portion = kPortion);
  const Reloaded& so_far() const;
  Reloaded take_so_far();
  Config take_next();  // REQUIRES: step() has returned true

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// An INI file of the present tables; [director] is config's, with the present timeouts.
std::string ini_text(const Config& config, const Director& director);

}  // namespace rawvs
