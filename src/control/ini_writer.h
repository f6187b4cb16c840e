// SPDX-License-Identifier: BSD-2-Clause
// ini_writer.h: writes the present tables as a configuration file, in portions.
// In:  the Config in effect, the director's tables, the servers that checks have taken out.
// Out: lines of a file that gives the same tables, names, marks, checks, VRRP and [sync]; what a file cannot express.
//
// The writer copies what it needs, a service at a time, builds a Config, reads and checks its text as any file, and
// then returns the lines. It needs about three times the memory of the Config until it is destroyed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config_print.h"
#include "rawvs/director.h"

namespace rawvs {

class IniWriter {
 public:
  enum class Next : uint8_t { line, pause, end };

  // Config and director may change between calls of next(). A Config that is replaced meanwhile is noticed.
  IniWriter(const Config& config, Secrets secrets);
  ~IniWriter();
  IniWriter(IniWriter&&) noexcept;

  // line: a line was written into `line`, which was empty. pause: about `work` units of work were done, call it again.
  Next next(size_t work, std::string& line, const Director& director);
  // REQUIRES: next() has returned end. Why no file gives the present tables; the lines are then incomplete. Empty: they
  // are complete.
  const std::vector<std::string>& faults() const;
  bool has_hidden_secrets() const;  // the file lacks secrets

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace rawvs
