// SPDX-License-Identifier: BSD-2-Clause
// reload_places.h: which VIPs and which matches of groups a reload adds and removes, in words.
// In:  the tables before it, each service that it adds or removes, the groups of both files.
// Out: lines: "VIP 192.0.2.101: added", "shop (mark 12): 192.0.2.101 tcp/80: added".
//
// For src/control only. All walks and lines outlive the portions in which they are used.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "config/portions.h"
#include "rawvs/config.h"
#include "rawvs/director.h"

namespace rawvs {

class ReloadPlaces {
 public:
  // Add walks. table: the director during walks.
  void add_before(const Director* const& table, Portions& walks);
  void add_groups(const WantedTables& was, const WantedTables& is, Portions& walks);
  void add_lines(std::vector<std::string>& lines, Portions& walks);  // REQUIRES: all changes have been noted

  void added(const ServiceKey& key) { count(key, 1); }
  void removed(const ServiceKey& key) { count(key, UINT32_MAX); }
  void groups_replaced() { replaced_ = true; }  // by those of the new file

 private:
  struct Users {  // of a VIP: services, and matches of groups
    uint32_t before = 0, after = 0;
    uint32_t groups_before = 0, groups_after = 0;
  };
  void count(const ServiceKey& key, uint32_t change);
  void note_group(const GroupMatch& match, int change);
  void note_name(const WantedService& service);

  std::map<Ip, Users> vips_;
  std::map<std::string, int> matches_;  // 1: only in the new file; -1: only in the old one
  std::map<std::pair<uint32_t, Family>, ShortName> names_;
  bool replaced_ = false, differ_ = false;
};

}  // namespace rawvs
