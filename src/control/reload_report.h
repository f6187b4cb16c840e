// SPDX-License-Identifier: BSD-2-Clause
// reload_report.h: in words, what differs between sections of two configurations.
// Out: lines for the log, "virtual web: quorum: 1 -> 2", appended to `lines`.
// Not: applying the difference (reload.h); services and servers, which are reported as they change.
#pragma once

#include <string>
#include <vector>

#include "config/portions.h"
#include "rawvs/config.h"

namespace rawvs {

std::string all_of(const std::vector<std::string>& values);  // separated by blanks; none
std::string renamed(const ShortName& was, const ShortName& is);
// REQUIRES: the Configs and lines outlive the walks.
void add_check_reports(const Config& was, const Config& next, std::vector<std::string>& lines, Portions& walks);
// A list whose file has not changed is kept: its services find it the same. REQUIRES: as above.
void add_kept_lists(const Config& was, Config& next, std::vector<std::string>& lines, Portions& walks);
// Only the checks, the policy and the limits; the rest of a virtual is in the tables.
void report_virtual(const VirtualConfig& was, const VirtualConfig& next, std::vector<std::string>& lines);
// Sections that the engine applies: vrrp, sync.
void report_sections(const Config& was, const Config& next, std::vector<std::string>& lines);

}  // namespace rawvs
