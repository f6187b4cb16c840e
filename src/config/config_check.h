// SPDX-License-Identifier: BSD-2-Clause
// config_check.h: checks a whole configuration: missing keys, and values that contradict each other.
//
// For src/config only. Each part adds walks over the file's items to the Portions. An item takes O(log n), so a file of
// any size is checked in small portions.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "config/config_rows.h"
#include "config/portions.h"

namespace rawvs {

struct Checking {  // shared by the parts; filled by the walks of add_table_checks()
  const Config& config;
  const Places& places;
  Report& report;

  std::vector<Mark> marks{};   // of the virtuals, also those chosen here
  std::vector<char> shaped{};  // per virtual: address, ports and mark are present and valid
  std::map<std::pair<uint32_t, Family>, size_t> group_of{}, virtual_of{};  // by mark: the first one
  std::map<std::string_view, size_t> virtuals{}, checks{}, vrrps{};        // by name
  std::set<Ip> vips{};
  std::map<Ip, size_t> locals{};                        // local_address: its place among the values
  std::array<std::vector<Ip>, 2> vips_of{};             // the same, by family
  std::set<std::string_view> tracked{}, used_checks{};  // names used by [vrrp] and by servers
  size_t servers = 0, services = 0;                     // in the whole configuration

  void add_vip(Ip vip) {
    if (vips.insert(vip).second) vips_of[index(vip.family())].push_back(vip);
  }
  bool balanced(Mark mark, Family family) const { return virtual_of.contains({mark.value, family}); }
};

std::string owner(const Place& place, int line);  // [virtual web] (line 5): for faults that name another section

// config_families.cpp, before all others: fills in families and netmasks.
void add_families(Config& config, const Places& places, Report& report, Portions& walks);
void add_links(Config& config, const Places& places, Report& report, Portions& walks);  // config_links.cpp: the same
void add_table_checks(Checking& c, Portions& walks);                                    // first
void add_port_checks(Checking& c, Portions& walks);  // config_check_ports.cpp: which packets belong to what; fills vips
void add_server_checks(Checking& c, Portions& walks);  // config_check_servers.cpp
void add_health_checks(Checking& c, Portions& walks);  // config_check_health.cpp
void add_vrrp_checks(Checking& c, Portions& walks);    // config_check_vrrp.cpp
void add_sync_checks(Checking& c, Portions& walks);    // config_keys_sync.cpp
void add_warnings(Checking& c, Portions& walks);       // config_warnings.cpp, last

}  // namespace rawvs
