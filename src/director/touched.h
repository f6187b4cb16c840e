// SPDX-License-Identifier: BSD-2-Clause
// touched.h: which services and servers operators, or routes, have changed since somebody asked last.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "core/service.h"

namespace rawvs {

struct Touched {
  ServiceKey service{};
  std::optional<Endpoint> server{};  // none: the service itself, or one of its servers that was removed
  friend bool operator==(const Touched&, const Touched&) = default;
};

class TouchedList {  // some of it is named twice
 public:
  void add(const ServiceKey& key, std::optional<Endpoint> server = std::nullopt) {
    const Touched now{key, server};
    if (list_.empty() || list_.back() != now) list_.push_back(now);
  }
  bool empty() const { return list_.empty(); }
  std::vector<Touched> take() { return std::exchange(list_, {}); }

 private:
  std::vector<Touched> list_;
};

}  // namespace rawvs
