// SPDX-License-Identifier: BSD-2-Clause
// consequences.h: what a director does with a configuration, for people who check a file.
// In:  a valid configuration.
// Out: text: its VIPs, services, what the servers need, its memory.
#pragma once

#include <string>
#include <vector>

#include "rawvs/config.h"

namespace rawvs::adm {

std::string consequences_text(const Config& config);
std::vector<std::string> vips_of(const Config& config);  // each once, in the order of the file
uint64_t memory_of(const Config& config);                // bytes at most, when the connection table is full

}  // namespace rawvs::adm
