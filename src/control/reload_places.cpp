// SPDX-License-Identifier: BSD-2-Clause
// reload_places.cpp: counts the users of each VIP before and after, and compares the matches of groups as text.
#include "control/reload_places.h"

#include "config/config_values.h"
#include "core/called.h"
#include "core/service.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

constexpr size_t kMatchWork = 4;  // writing a match takes about so many microseconds

}  // namespace

void ReloadPlaces::count(const ServiceKey& key, uint32_t change) {
  if (key.mark.value == 0) vips_[key.vip.addr].after += change;
}

void ReloadPlaces::add_before(const Director* const& table, Portions& walks) {
  walks.each([&table] { return table->services().services().size(); },
             [this, &table](size_t slot) {
               const auto& all = table->services().services();
               if (slot >= all.size() || !all[slot].used || all[slot].spec.key.mark.value != 0) return;
               Users& users = vips_[all[slot].spec.key.vip.addr];
               ++users.before, ++users.after;
             });
}

void ReloadPlaces::note_name(const WantedService& service) {
  const ServiceKey& key = service.spec.key;
  if (key.mark.value != 0 && !service.said.name.empty()) names_[{key.mark.value, key.family()}] = service.said.name;
}

void ReloadPlaces::note_group(const GroupMatch& match, int change) {
  const auto name = names_.find({match.mark.value, match.vip.family()});
  const std::string mark = formatted("mark {}", match.mark.value);
  matches_[formatted("{}: {}", name == names_.end() ? mark : called(name->second, mark),
                     text(GroupConfig::Match{match.vip, {match.protocol, match.ports}, match.sources()}))] += change;
  Users& users = vips_[match.vip];
  ++(change > 0 ? users.groups_after : users.groups_before);
}

void ReloadPlaces::add_groups(const WantedTables& was, const WantedTables& is, Portions& walks) {
  for (const WantedTables* const tables : {&was, &is}) {
    walks.each([tables] { return tables->services.size(); },
               [this, tables](size_t i) { note_name(tables->services[i]); });
  }
  for (const auto& [tables, change] : {std::pair{&was, -1}, std::pair{&is, 1}}) {
    walks.each([tables = tables] { return tables->groups.size(); },
               [this, &walks, tables = tables, change = change](size_t i) {
                 note_group(tables->groups[i], change);
                 walks.spend(kMatchWork);
               });
  }
}

void ReloadPlaces::groups_replaced(std::vector<std::string>& lines) {
  replaced_ = true;
  bool any = false;
  for (const auto& [match, change] : matches_) {
    if (change == 0) continue;
    lines.push_back(match + (change > 0 ? ": added" : ": removed"));
    any = true;
  }
  if (!any) lines.emplace_back("groups: another order");
}

void ReloadPlaces::add_vip_lines(std::vector<std::string>& lines, Portions& walks) {
  walks.each(
      [this] {
        at_ = vips_.begin();
        return vips_.size();
      },
      [this, &lines](size_t) {
        const auto& [vip, users] = *at_++;
        const bool before = users.before + users.groups_before != 0;
        const bool after = users.after + (replaced_ ? users.groups_after : users.groups_before) != 0;
        if (before != after) lines.push_back(formatted("VIP {}: {}", text(vip), after ? "added" : "removed"));
      });
}

}  // namespace rawvs
