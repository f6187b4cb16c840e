// SPDX-License-Identifier: BSD-2-Clause
// top.h: each server's rates between two replies to "list", sorted.
// In:  rows with their time, in seconds of any clock.
// Out: text or JSON.
// Not: waiting, terminals (words_top.cpp).
#pragma once

#include <array>
#include <map>
#include <optional>

#include "json.h"
#include "texts.h"

namespace rawvs::adm {

class Top {
 public:
  enum class Key : uint8_t { conns, inpkts, outpkts, inbytes, outbytes, active };
  static std::optional<Key> key(const std::string& word);

  void take(const Rows& rows, double at);  // the newest reply; rates are since the one before
  bool has_rates() const { return seconds_ > 0; }
  std::string text(Key sorted_by, size_t most_lines, const std::string& clock) const;
  Json json(Key sorted_by) const;

 private:
  static constexpr size_t kCounts = 5;  // conns ... outbytes
  using Counts = std::array<uint64_t, kCounts>;
  struct Line {
    std::string service, server;    // keys
    std::string of_name, its_name;  // as people call them; empty: by the key
    uint64_t weight = 0, active = 0, inactive = 0;
    Counts now{};
    std::array<double, kCounts> rates{};
  };
  static double measure(const Line& line, Key key);
  std::vector<Line> sorted(Key key) const;
  std::array<double, kCounts> sum() const;

  std::vector<Line> lines_;
  uint64_t daemon_ = 0;  // its process id
  double at_ = 0, seconds_ = 0;
};

}  // namespace rawvs::adm
