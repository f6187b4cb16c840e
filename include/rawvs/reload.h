// SPDX-License-Identifier: BSD-2-Clause
// reload.h: from one configuration to the next while packets flow, and the present table as a configuration.
// In:  the Config in effect and its successor.   Out: the director changed by the difference, and the difference in
// words. The rule: what is the same in both files is left alone, whatever rawvsadm has made of it since; what the new
// file has otherwise is made so. With reset, the table itself takes the old file's place: it becomes the new file's.
// Connections, templates and counters of services and servers that stay are not touched.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rawvs/config.h"
#include "rawvs/director.h"

namespace rawvs {

struct Reloaded {
  std::vector<std::string> changes;  // done, a line each
  std::vector<std::string> pending;  // not done: it takes a restart, or there was no room
};

// next is completed: marks that were chosen before are kept, and what only a restart changes stays as it is in was.
// dispatch is called after each step: the director has said something.
Reloaded reload(const Config& was, Config& next, bool reset, Director& director, Instant now, Outbox& out,
                const std::function<void()>& dispatch);

// An INI file that gives the present table; [director] is config's, with today's timeouts.
std::string ini_text(const Config& config, const Director& director);

}  // namespace rawvs
