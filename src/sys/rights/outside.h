// SPDX-License-Identifier: BSD-2-Clause
// outside.h: what a start as root does with the files that its user could not make or open.
// In:  the configuration, the rights to come.
// Out: /run/rawvs/ made; an earlier start's state file given to the user; warnings.
//
// Root does nothing by name in a folder that the user can write: the user could put a link there.
#pragma once

#include <string>
#include <vector>

#include "rawvs/config.h"
#include "sys/rights/rights.h"

namespace rawvs {

std::string folder_of(const std::string& path);  // with the slash; "." if the path has none
bool is_run_folder(const std::string& folder);   // a start as root makes it

// REQUIRES: root; does nothing where rights have no user.
std::vector<std::string> hand_over_files(const Config& config, const std::string& pidfile, const Rights& rights);

}  // namespace rawvs
