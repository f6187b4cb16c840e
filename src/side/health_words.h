// SPDX-License-Identifier: BSD-2-Clause
// health_words.h: puts reasons together. Inline concatenation would be half of the code of health.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "rawvs/time.h"

namespace rawvs::health_words {

std::string joined(std::initializer_list<std::string_view> parts);
std::string number(uint64_t n);
std::string span(Duration d);  // 30 s, 10 min

}  // namespace rawvs::health_words
