// SPDX-License-Identifier: BSD-2-Clause
// ini_writer.h: the present table as a configuration file, in portions.
// In:  the Config in effect, the director's tables, the servers that checks have taken out.   Out: lines of a file that
// gives the same table, names, marks, checks, VRRP and [sync] when it is read; and what no file can say.
//
// The writer copies what it needs, a service at a time, builds a Config, has its text read and checked as any file is,
// and then hands out the lines. It needs about three times the memory of the Config until it is destroyed.
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

  // Config and director may change between the calls of next(). A Config that is replaced meanwhile is noticed.
  IniWriter(const Config& config, Secrets secrets);
  ~IniWriter();
  IniWriter(IniWriter&&) noexcept;

  // line: one was written into `line`, which was empty. pause: about so much work was done, call again.
  Next next(size_t work, std::string& line, const Director& director);
  // REQUIRES: next() has said end. Why there is no such file: the lines are then what could be said. Empty: it is
  // whole.
  const std::vector<std::string>& faults() const;
  bool has_hidden_secrets() const;  // the file lacks secrets

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace rawvs
