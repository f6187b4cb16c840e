// SPDX-License-Identifier: BSD-2-Clause
// health_words.h: words that several reasons have in common.
#pragma once

#include <string>

#include "rawvs/time.h"

namespace rawvs::health_words {

std::string span(Duration d);  // 30 s, 10 min

}  // namespace rawvs::health_words
