// SPDX-License-Identifier: BSD-2-Clause
// history.h: rates, connections and check latency of the last hour and the last day, in a fixed amount of memory.
// In:  the rows of `list`, the time.
// Out: curves.
// Not: asking the director (board.h), drawing (plot.h).
//
// Kept are the whole director, and the first services and servers that come: kBytesEach for each, allocated at once.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tools/rawvsadm/row.h"

namespace rawvs::web {

enum class Measure : uint8_t { connection_rate, bytes_in, bytes_out, connections, latency };
inline constexpr size_t kMeasures = 5;  // per second; of latency: milliseconds, the average of the servers

class History {
 public:
  static constexpr int64_t kHourStep = 10, kDayStep = 300;  // seconds
  static constexpr size_t kHourPoints = 360, kDayPoints = 288;
  static constexpr size_t kBytesEach = (kHourPoints + kDayPoints) * kMeasures * sizeof(float);
  enum class Span : uint8_t { hour, day };

  explicit History(size_t items);  // besides the whole director

  // Rows taken twice within a step: the later ones count. second: of a clock that does not step.
  void take(const adm::Rows& list, int64_t second);
  // The oldest value first, the last one of the last step; NaN where nothing is known. No such item: empty. "": the
  // whole director; else a service's key, or SERVICE SERVER.
  std::vector<float> curve(std::string_view item, Measure measure, Span span) const;
  size_t items() const { return places_.size(); }
  static std::string server_item(const adm::Row& server);

 private:
  using Values = std::array<float, kMeasures>;
  struct Sum {  // of a day's step
    Values sum{};
    std::array<uint16_t, kMeasures> count{};
  };
  std::optional<size_t> place_for(const std::string& item);
  void put(size_t place, const Values& values);
  void clear(size_t place);
  void advance(int64_t second);
  float* hour_at(size_t place, size_t measure) { return &hour_[(place * kMeasures + measure) * kHourPoints]; }
  float* day_at(size_t place, size_t measure) { return &day_[(place * kMeasures + measure) * kDayPoints]; }

  std::vector<float> hour_, day_;
  std::vector<Sum> today_;          // of the day's step that is not over
  std::vector<int64_t> seen_;       // the last step of each place; -1: free
  std::vector<std::string> names_;  // by place
  std::unordered_map<std::string, size_t> places_{};
  std::vector<size_t> free_{};
  int64_t hour_step_ = -1, day_step_ = -1;
};

}  // namespace rawvs::web
