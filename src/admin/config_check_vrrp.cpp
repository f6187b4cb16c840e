// SPDX-License-Identifier: BSD-2-Clause
// config_check_vrrp.cpp: [vrrp] sections: what no single line can tell.

#include <algorithm>

#include "config_rows.h"
#include "config_values.h"

namespace rawvs {

std::optional<Error> check_vrrp(const Config& config, const Places& places) {
  const std::vector<VrrpSpec> specs = wanted_vrrp(config);
  for (size_t i = 0; i < specs.size(); ++i) {
    const Place& place = places.vrrps[i];
    const auto wrong = [&](std::string_view key, const std::string& text) {
      return fault(places.file, place.line_of(key), place, key, {text});
    };
    if (place.line_of("vrid") == place.line) return wrong("vrid", "missing; the directors of one network share it");
    if (specs[i].link == Link::inside && config.inside.empty())
      return wrong("on", "inside: there is no inside interface");
    if (specs[i].addresses.empty()) return wrong("address", "missing, and this file has no virtual");
    for (size_t t = 0; t < specs[i].tracks.size(); ++t) {
      const std::string& name = specs[i].tracks[t].name;
      if (std::ranges::find(config.virtuals, name, &VirtualConfig::name) != config.virtuals.end()) continue;
      return fault(places.file, place.line_of("track", t), place, "track", {"there is no [virtual " + name + "]"});
    }
    // With those before it, so that the section that makes it impossible is named.
    if (const auto checked = check_vrrp(std::span(specs).first(i + 1)); !checked) {
      return Error{std::string(places.file) + ':' + std::to_string(place.line) + ": " + checked.error().text};
    }
  }
  return std::nullopt;
}

}  // namespace rawvs
