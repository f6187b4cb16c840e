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

// What does not prevent it, but is probably not meant: local addresses that the host lacks; seccomp where it has no
// effect.
std::vector<std::string> start_warnings(const Config& config);

// Checks that the director got the memory for these settings.
Result<Done> has_memory(const Director& director, const Settings& settings);

}  // namespace rawvs
