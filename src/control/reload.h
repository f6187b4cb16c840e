// SPDX-License-Identifier: BSD-2-Clause
// reload.h: from one configuration to the next while packets flow, and the present table as a configuration.
// In:  the Config in effect and its successor.   Out: the director changed by the difference, and the difference in
// words. The rule: what is the same in both files is left alone, whatever rawvsadm has made of it since; what the new
// file has otherwise is made so. With reset, the table itself takes the old file's place: it becomes the new file's.
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
  std::vector<std::string> changes;  // done, a line each
  std::vector<std::string> pending;  // not done: it takes a restart, or there was no room
};

// In portions, between which packets are handled: each of them sees a table in which every service is as the old file
// or as the new one wants it, but for servers that are being changed, one after the other. In this order: settings;
// service after service: a new one, which gets connections when all of its servers are there, or what is different of
// one, new servers first; then the groups, all at once; then what is not in the file any more goes.
class Reload {
 public:
  // REQUIRES: was outlives it. next is completed: marks that were chosen before are kept, and in the end what only a
  // restart changes is as it is in was.
  Reload(const Config& was, Config next, bool reset);
  ~Reload();
  Reload(Reload&&) noexcept;

  static constexpr size_t kPortion = 4096;  // servers that are looked at; a change counts as kChange of them
  static constexpr size_t kChange = 16;
  // The next portion. dispatch is called after each change: the director has said something. True: all is done.
  bool step(Director& director, Turn turn, const std::function<void()>& dispatch, size_t portion = kPortion);
  const Reloaded& so_far() const;
  Config take_next();  // when all is done

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// An INI file that gives the present table; [director] is config's, with today's timeouts.
std::string ini_text(const Config& config, const Director& director);

}  // namespace rawvs
