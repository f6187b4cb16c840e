// SPDX-License-Identifier: BSD-2-Clause
// sys.h: small system services: the clock, randomness, files, the log.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/events.h"
#include "core/outbox.h"
#include "core/siphash.h"
#include "rawvs/result.h"
#include "rawvs/time.h"

namespace rawvs {

Instant clock_now();                                     // CLOCK_BOOTTIME
uint64_t microseconds_now();                             // CLOCK_MONOTONIC, to measure short times
int64_t wall_offset();                                   // the wall clock minus clock_now(), milliseconds
HashKey random_hash_key();                               // getrandom(2); blocks only while the machine has no entropy
Result<std::string> read_file(const std::string& path);  // at most 1 MB

// Syslog for the daemon, standard error in the foreground. Never waits: lines that the log does not take at once are
// lost; their number is logged before the next line that it takes. All lines but infos are events, too.
class Log {
 public:
  enum class To : uint8_t { syslog, standard_error };
  explicit Log(To to, bool verbose, const char* socket = "/dev/log");  // verbose: info lines, too
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  void write(Severity severity, std::string_view text, Topic topic = Topic::daemon) const;
  void write(const Notice& notice) const { write(notice.severity, notice.text, notice.topic); }
  Events& events() const { return *events_; }
  // For a program that is about to abort, perhaps without memory: allocates nothing, and writes to the newest Log.
  static void last_words(std::string_view text);

 private:
  class Sink;
  static Sink* newest_;  // for last_words()
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<Events> events_;
  bool verbose_;
};

// "what: Permission denied". Most callers have a literal; of it no string is made where it is called.
std::string system_error(const char* what, int error_number);
std::string system_error(const std::string& what, int error_number);

}  // namespace rawvs
