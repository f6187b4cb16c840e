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

#include "rawvs/config.h"
#include "rawvs/config_reader.h"
#include "rawvs/director.h"

namespace rawvs {

enum class Secrets : uint8_t { hidden, shown };  // the key of [sync], passwords of [vrrp]

// What stands in a file for a secret that was not printed. It is refused when it is read.
inline constexpr std::string_view kHiddenSecret = "(hidden)";

class ConfigPrinter {  // a Config as INI text, a line at a time
 public:
  // REQUIRES: the Config stays as it is while it is printed.
  explicit ConfigPrinter(const Config& config, Secrets secrets = Secrets::shown) : config_(config), secrets_(secrets) {}
  // Appends a line, with its end. False: there is none any more.
  bool next(std::string& out);

 private:
  enum class Part : uint8_t { director, groups, checks, virtuals, vrrps, sync, end };
  template <class Section>
  bool print(const std::string& title, const Section& section, std::string& out);

  const Config& config_;
  Secrets secrets_;
  Part part_ = Part::director;
  size_t section_ = 0, row_ = 0, nth_ = 0;
  bool titled_ = false, first_ = true;
  std::vector<std::string> texts_{};  // of the present row, if it has few
};

std::string print_config(const Config& config, Secrets secrets);

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
