// SPDX-License-Identifier: BSD-2-Clause
// reload.cpp: the present tables as a configuration and as a file's text. reload_steps.cpp applies differences.
#include "control/reload.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "config/config_rows.h"
#include "config/config_values.h"
#include "config/spec_words.h"
#include "control/reload_tables.h"
#include "core/service.h"
#include "rawvs/control.h"

namespace rawvs {

WantedTables tables_of(const Services& services) {
  WantedTables tables;
  tables.groups = services.groups();
  for (const Service& service : services.services()) {
    if (!service.used) continue;
    WantedService& wanted = tables.services.emplace_back(WantedService{service.spec, {}});
    for (const ServerSlot slot : service.servers) wanted.servers.push_back(services.server(slot).wanted());
    std::ranges::reverse(wanted.servers);  // the table's order is newest first
    for (const ServerSlot slot : service.taken_out) wanted.servers.push_back(services.server(slot).wanted());
  }
  return tables;
}

void leave_out_sorry(const Config& config, WantedTables& tables) {
  std::map<ServiceKey, Endpoint> sorry;
  for (const WantedChecks& checks : wanted_checks(config)) {
    if (checks.sorry) sorry.emplace(checks.service, checks.sorry->at);
  }
  if (sorry.empty()) return;
  for (const WantedService& service : wanted_tables(config).services) {  // it may also be an ordinary server
    const auto found = sorry.find(service.spec.key);
    if (found == sorry.end()) continue;
    if (std::ranges::find(service.servers, found->second, &ServerSpec::at) != service.servers.end()) sorry.erase(found);
  }
  for (WantedService& service : tables.services) {
    const auto found = sorry.find(service.spec.key);
    if (found == sorry.end()) continue;
    std::erase_if(service.servers, [&](const ServerSpec& server) { return server.at == found->second; });
  }
}

void keep_for_restart(const Config& was, Config& next) {
  for (const Row<Config>& row : director_rows()) {
    if (!row.at_start) continue;
    const std::vector<std::string> texts = row.texts(was);
    // Cannot fail: these texts were read before.
    static_cast<void>(row.set(next, texts.empty() ? std::string_view() : std::string_view(texts[0])));
  }
}

void keep_marks(const Config& was, Config& next) {
  const std::vector<Mark> marks = marks_of_virtuals(was);
  std::multimap<std::string_view, size_t> by_name;
  std::multimap<std::optional<Ip>, size_t> by_address;
  for (size_t i = 0; i < was.virtuals.size(); ++i) {
    if (was.virtuals[i].mark.value != 0 || marks[i].value == 0) continue;
    by_name.emplace(was.virtuals[i].name, i);
    by_address.emplace(was.virtuals[i].address, i);
  }
  std::vector<bool> taken(was.virtuals.size());
  const auto keep = [&](VirtualConfig& v, const auto& known, const auto& key, auto&& is_it) {
    for (auto [at, end] = known.equal_range(key); at != end && v.kept.value == 0; ++at) {
      const size_t i = at->second;
      if (taken[i] || !is_it(was.virtuals[i])) continue;
      v.kept = marks[i];
      taken[i] = true;
    }
  };
  for (VirtualConfig& v : next.virtuals) {
    keep(v, by_name, std::string_view(v.name), [&](const VirtualConfig& old) { return old.address == v.address; });
  }
  for (VirtualConfig& v : next.virtuals) {
    keep(v, by_address, v.address, [&](const VirtualConfig& old) { return old.ports == v.ports; });
  }
  // No other virtual gets a mark that was another's: it is still in use while the old groups are.
  std::set<Mark> used(marks.begin(), marks.end());
  const std::vector<Mark> chosen = marks_of_virtuals(next);
  for (size_t i = 0; i < chosen.size(); ++i) {
    VirtualConfig& v = next.virtuals[i];
    if (v.mark.value != 0 || chosen[i].value == 0 || v.kept == chosen[i] || used.insert(chosen[i]).second) continue;
    v.kept = chosen[i];
    while (!used.insert(v.kept).second) ++v.kept.value;
  }
}

}  // namespace rawvs
