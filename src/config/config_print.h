// SPDX-License-Identifier: BSD-2-Clause
// config_print.h: a Config as the text of a configuration file, which gives the same Config when it is read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rawvs/config.h"

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

}  // namespace rawvs
