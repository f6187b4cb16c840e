// SPDX-License-Identifier: BSD-2-Clause
// sys.h: the small things of the world: the clock, randomness, files, the log.
#pragma once

#include <string>
#include <string_view>

#include "rawvs/outbox.h"
#include "rawvs/result.h"
#include "rawvs/siphash.h"
#include "rawvs/time.h"

namespace rawvs {

Instant clock_now();        // CLOCK_BOOTTIME
int64_t wall_offset();      // the wall clock less clock_now(), milliseconds
HashKey random_hash_key();  // getrandom(2); blocks only while the machine has no entropy at all
Result<std::string> read_file(const std::string& path);  // at most 1 MB

class Log {  // syslog for the daemon, standard error in the foreground
 public:
  enum class To : uint8_t { syslog, standard_error };
  explicit Log(To to, bool verbose);  // verbose: info lines, too
  void write(Severity severity, std::string_view text) const;

 private:
  To to_;
  bool verbose_;
};

std::string system_error(std::string_view what, int error_number);  // "what: Permission denied"

}  // namespace rawvs
