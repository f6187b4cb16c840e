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

// What is noted is freed item by item: there may be a VIP and a match for each of 65,000 services.
void ReloadPlaces::add_lines(std::vector<std::string>& lines, Portions& walks) {
  walks.each([this] { return names_.size(); }, [this](size_t) { names_.erase(names_.begin()); });
  walks.each([this] { return matches_.size(); },
             [this, &lines](size_t) {
               const auto first = matches_.begin();
               if (replaced_ && first->second != 0) {
                 lines.push_back(first->first + (first->second > 0 ? ": added" : ": removed"));
                 differ_ = true;
               }
               matches_.erase(first);
             });
  walks.once([this, &lines] {
    if (replaced_ && !differ_) lines.emplace_back("groups: another order");
  });
  walks.each([this] { return vips_.size(); },
             [this, &lines](size_t) {
               const auto first = vips_.begin();
               const Users& users = first->second;
               const bool before = users.before + users.groups_before != 0;
               const bool after = users.after + (replaced_ ? users.groups_after : users.groups_before) != 0;
               if (before != after)
                 lines.push_back(formatted("VIP {}: {}", text(first->first), after ? "added" : "removed"));
               vips_.erase(first);
             });
}

}  // namespace rawvs
