// SPDX-License-Identifier: BSD-2-Clause
// config_links.cpp: fills in the links that [vrrp] and [sync] mean by `on`.

#include <memory>

#include "config/config_check.h"
#include "config/config_values.h"
#include "core/link_names.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

std::string why_none(std::string_view on) {
  if (on == "outside") return "outside: interface has patterns alone; it must name one";
  if (on == "inside") return "inside: there is no inside interface";
  return quoted(on) + " is not outside, inside or an interface that [director] names";
}

}  // namespace

void add_links(Config& config, const Places& places, Report& report, Portions& walks) {
  const auto names = std::shared_ptr<LinkNames>(new LinkNames(config.interface, config.inside));
  const auto fill = [names, &places, &report](const std::string& on, const Place& place, Link& link) {
    const Place& director = places.director;
    if (const auto found = names->link_of(on)) {
      link = *found;
    } else if (director.has("interface") && !director.bad("interface") && !director.bad("inside") && !place.bad("on")) {
      report.wrong(place, "on", why_none(on));
    }
  };
  walks.each(
      [&config] { return config.vrrps.size(); },
      [&config, &places, fill](size_t i) { fill(config.vrrps[i].on, places.vrrps[i], config.vrrps[i].spec.link); });
  walks.once([&config, &places, fill] {
    if (config.sync) fill(config.sync->on, places.sync, config.sync->link);
  });
}

}  // namespace rawvs
