// SPDX-License-Identifier: BSD-2-Clause
// config_check.h: what no single line can tell: keys that are missing, and values that contradict each other.
// Private to the configuration room. Each part adds its walks over the file's items to the Portions; an item takes
// O(log n), so that a file of any size is checked in small portions.
#pragma once

#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/config_rows.h"
#include "config/portions.h"

namespace rawvs {

struct Checking {  // what the parts share; filled by the walks of add_table_checks()
  const Config& config;
  const Places& places;
  Report& report;

  std::vector<Mark> marks{};   // of the virtuals, chosen ones included
  std::vector<char> shaped{};  // of each virtual: address, ports and mark are there, and were understood
  std::map<uint32_t, size_t> group_of{}, virtual_of{};               // by mark, the first one
  std::map<std::string_view, size_t> virtuals{}, checks{}, vrrps{};  // by name
  std::set<Ip> vips{};
  std::set<std::string_view> tracked{}, used_checks{};  // names that [vrrp] and servers mention
  size_t servers = 0, services = 0;                     // of all services; and these

  bool balanced(Mark mark) const { return virtual_of.contains(mark.value); }
};

void add_table_checks(Checking& c, Portions& walks);   // first
void add_port_checks(Checking& c, Portions& walks);    // config_check_ports.cpp: which packets are whose; fills vips
void add_server_checks(Checking& c, Portions& walks);  // config_check_servers.cpp
void add_health_checks(Checking& c, Portions& walks);  // config_check_health.cpp
void add_vrrp_checks(Checking& c, Portions& walks);    // config_check_vrrp.cpp
void add_sync_checks(Checking& c, Portions& walks);    // config_keys_sync.cpp
void add_warnings(Checking& c, Portions& walks);       // config_warnings.cpp, last

}  // namespace rawvs
