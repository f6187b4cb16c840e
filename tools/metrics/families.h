// SPDX-License-Identifier: BSD-2-Clause
// families.h: metric families in Prometheus's exposition format: samples are collected by family, and written together.
//
// For tools/metrics only.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tools/rawvsadm/row.h"

namespace rawvs::adm {

enum class Scale : uint8_t { one, milli, micro };  // a row's number in this part of the metric's unit

struct Metric {
  const char* name;
  const char* type;  // counter, gauge, histogram
  const char* help;
  const char* key = "";  // of the row; "": the caller computes the value
  Scale scale = Scale::one;
};

using Label = std::pair<const char*, std::string_view>;
std::string labels(std::initializer_list<Label> list);  // service="tcp:192.0.2.100:80",virtual="..."

struct Bucket {
  std::optional<uint64_t> most{};  // milliseconds; none: however many
  uint64_t count = 0;              // of those that no bucket before counts
};

class Families {  // one for each of a table's metrics
 public:
  explicit Families(std::span<const Metric> metrics) : metrics_(metrics), samples_(metrics.size()) {}

  // A sample of each metric whose key the row has. No row twice with the same labels: false, and nothing is added.
  bool add(const Row& row, const std::string& labels);
  // REQUIRES: no other sample of this metric has the same labels.
  void add(size_t metric, std::string_view labels, uint64_t value);
  // A histogram. The last bucket has no bound. REQUIRES: as above.
  void add(size_t metric, const std::string& labels, std::span<const Bucket> buckets, uint64_t sum);
  void write(std::string& out) const;  // families without samples are left out

 private:
  std::span<const Metric> metrics_;
  std::vector<std::string> samples_;
  std::unordered_set<std::string> seen_{};
};

}  // namespace rawvs::adm
