// SPDX-License-Identifier: BSD-2-Clause
// links.h: the two links of most tests: clients are on the first, servers alone on the second.
#pragma once

#include "rawvs/frame.h"

namespace rawvs {

inline constexpr Link kOutLink{0}, kInLink{1};

}  // namespace rawvs
