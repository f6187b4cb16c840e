// SPDX-License-Identifier: BSD-2-Clause
// describe.h: a frame in words, for people: 192.0.2.10:1001 > 192.0.2.100:80 tcp S, ttl 64, 60 bytes
// In:  any bytes whatever, perhaps only the first of a frame.   Out: a line that says as much as they tell.
#pragma once

#include <string>

#include "rawvs/bytes.h"

namespace rawvs {

std::string describe(Bytes frame);

}  // namespace rawvs
