// SPDX-License-Identifier: BSD-2-Clause
// handed_over.cpp: reads the environment.
#include "sys/handed_over.h"

#include <algorithm>
#include <cstdlib>

#include "rawvs/addr.h"

namespace rawvs {

std::optional<int> descriptor_in(std::string_view text) {
  constexpr uint64_t kMost = 1 << 20;
  const auto number = parse_number(text, kMost);
  return number ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

std::vector<int> descriptors_in(std::string_view text) {
  std::vector<int> out;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (const auto fd = descriptor_in(text.substr(0, comma))) out.push_back(*fd);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

std::optional<std::string> take_variable(const char* name) {
  const char* const said = getenv(name);
  if (said == nullptr) return std::nullopt;
  std::string value = said;
  unsetenv(name);
  return value;
}

}  // namespace rawvs
