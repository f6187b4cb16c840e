// SPDX-License-Identifier: BSD-2-Clause
// start_check.h: what a start with this configuration would be refused for, found without starting: what -t says beyond
// the file itself. Nothing is opened, sent or changed, and no privilege is needed.
#pragma once

#include <string>
#include <vector>

#include "rawvs/config.h"
#include "rawvs/director.h"
#include "rawvs/result.h"

namespace rawvs {

std::vector<Error> start_faults(const Config& config);

// Did the director get the memory that these settings ask for?
Result<Done> has_memory(const Director& director, const Settings& settings);

// Is there memory to read this configuration beside the one that is in effect? Judged by the file's size: a program
// without exceptions cannot turn back when it is half read.
Result<Done> has_memory_to_read(const std::string& path);

}  // namespace rawvs
