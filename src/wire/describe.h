// SPDX-License-Identifier: BSD-2-Clause
// describe.h: one line about a frame for people: 192.0.2.10:1001 > 192.0.2.100:80 tcp S, ttl 64, 60 bytes
// In:  any bytes; a frame may be cut.
// Out: the line, with whatever the bytes show.
#pragma once

#include <string>

#include "rawvs/bytes.h"

namespace rawvs {

std::string describe(Bytes frame);

}  // namespace rawvs
