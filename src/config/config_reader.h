// SPDX-License-Identifier: BSD-2-Clause
// config_reader.h: reads and checks a configuration file of any size in portions.
// In:  the bytes of the file, in pieces of any length.
// Out: its Config, or all of its faults; and warnings.
// Not: files, the log.
//
// The caller feeds pieces while wants_text(), calls end() after the last one, and calls step() until it returns true.
// Reading takes O(n log n) in the length of the file. Besides the Config, memory holds the places of its keys (for
// messages) and, during the checks, an index of its ports and of the servers of one virtual: about twice the Config in
// all. take() frees it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rawvs/config.h"

namespace rawvs {

inline constexpr size_t kMostConfigBytes = 64 << 20;

struct Findings {                       // each "rawvs.ini:12: [virtual web] ports: ...", in the order of the lines
  static constexpr size_t kMost = 100;  // kept of each kind
  std::vector<std::string> faults, warnings;
  size_t more_faults = 0, more_warnings = 0;  // found beyond kMost
  size_t count() const { return faults.size() + more_faults; }
  std::vector<std::string> lines() const;  // for people: the faults, then "warning: ..." for each warning
};

class ConfigReader {
 public:
  explicit ConfigReader(std::string file_name);
  ConfigReader(ConfigReader&&) noexcept;
  ConfigReader& operator=(ConfigReader&&) noexcept;
  ~ConfigReader();

  bool wants_text() const;  // all lines so far have been read, and end() was not called
  void feed(std::string_view piece);
  void end();
  // Reads about `work` lines, or checks `work` items; true when all is done.
  bool step(size_t work);
  size_t worked() const;  // lines read and items checked so far

  // REQUIRES: step() has returned true.
  const Findings& findings() const;
  Result<Config> take();  // or the faults, one per line

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace rawvs
