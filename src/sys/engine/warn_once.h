// SPDX-License-Identifier: BSD-2-Clause
// warn_once.h: warnings that may recur many times a second: each is logged once, and only so many of them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "sys/sys.h"

namespace rawvs {

class WarnOnce {
 public:
  explicit WarnOnce(const Log& log) : log_(log) {}
  void warn(const std::string& text) {
    constexpr size_t kMost = 32;
    if (said_.size() == kMost || std::ranges::find(said_, text) != said_.end()) return;
    said_.push_back(text);
    log_.write(Severity::warning, text);
  }
  void forget() { said_.clear(); }

 private:
  const Log& log_;
  std::vector<std::string> said_;
};

}  // namespace rawvs
