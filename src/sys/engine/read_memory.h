// SPDX-License-Identifier: BSD-2-Clause
// read_memory.h: is there memory to read a file of a configuration?
#pragma once

#include <string>

#include "rawvs/result.h"

namespace rawvs {

// Judges by the file's size, besides what is in use: without exceptions, reading cannot be abandoned half-way.
Result<Done> has_memory_to_read(const std::string& path);

}  // namespace rawvs
