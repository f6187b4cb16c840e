// SPDX-License-Identifier: BSD-2-Clause
// start_check.h: finds what would prevent a start with this configuration, without starting: the part of -t beyond the
// file itself. Opens, sends and changes nothing, and needs no privilege.
#pragma once

#include <string>
#include <vector>

#include "rawvs/config.h"
#include "rawvs/director.h"
#include "rawvs/result.h"
#include "rawvs/settings.h"

namespace rawvs {

std::vector<Error> start_faults(const Config& config);

// What does not prevent it, but is probably not meant: local addresses that the host lacks.
std::vector<std::string> start_warnings(const Config& config);

// Checks that the director got the memory for these settings.
Result<Done> has_memory(const Director& director, const Settings& settings);

// Checks that there is memory to read this configuration besides the present one, by the file's size: without
// exceptions, reading cannot be abandoned half-way.
Result<Done> has_memory_to_read(const std::string& path);

}  // namespace rawvs
