// SPDX-License-Identifier: BSD-2-Clause
// config_print.h: prints a Config as a configuration file that gives the same Config when it is read.
#pragma once

#include <string>
#include <string_view>

#include "rawvs/config.h"

namespace rawvs {

enum class Secrets : uint8_t { hidden, shown };  // the key of [sync], passwords of [vrrp]

// Printed in place of a secret. Refused when it is read.
inline constexpr std::string_view kHiddenSecret = "(hidden)";

struct KeyRow;

class ConfigPrinter {  // a line at a time
 public:
  // REQUIRES: the Config does not change while it is printed.
  explicit ConfigPrinter(const Config& config, Secrets secrets = Secrets::shown) : config_(config), secrets_(secrets) {}
  // Appends a line with its end. False: there are no more.
  bool next(std::string& out);

 private:
  enum class Part : uint8_t { director, groups, checks, virtuals, vrrps, sync, end };
  template <class Section>
  bool print(const std::string& title, const Section& section, std::string& out);
  bool print(const KeyRow& row, const void* section, std::string& out);

  const Config& config_;
  Secrets secrets_;
  Part part_ = Part::director;
  size_t section_ = 0, row_ = 0, nth_ = 0;
  bool titled_ = false, first_ = true;
};

std::string print_config(const Config& config, Secrets secrets);

}  // namespace rawvs
