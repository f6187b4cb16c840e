// SPDX-License-Identifier: BSD-2-Clause
// touched.h: the list of services and servers that operators or routes have changed since the last take().
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "core/service.h"

namespace rawvs {

struct Touched {
  ServiceKey service{};
  std::optional<Endpoint> server{};  // none: the service itself, or a removed server of it
  friend bool operator==(const Touched&, const Touched&) = default;
};

class TouchedList {  // entries may repeat
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
