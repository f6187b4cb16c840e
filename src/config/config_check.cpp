// SPDX-License-Identifier: BSD-2-Clause
// config_check.cpp: checks [director], groups and virtuals: missing keys, marks in use, contradictions within a
// virtual. A key whose value was refused is not reported as missing.

#include "config/config_check.h"

#include <algorithm>

#include "config/config_tables.h"
#include "config/config_values.h"
#include "config/spec_words.h"
#include "core/link_names.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

void check_director(Checking& c) {
  const Place& place = c.places.director;
  if (place.line == 0) {
    if (c.places.known("director")) c.report.fault(0, "there is no [director] section; it names the interface");
    return;
  }
  if (c.config.interface.empty()) {
    if (!place.bad("interface")) c.report.wrong(place, "interface", "missing; it names where clients are");
  }
  const auto outer = words(c.config.interface), inner = words(c.config.inside);
  for (const std::string_view name : inner) {
    if (std::ranges::find(outer, name) == outer.end()) continue;
    c.report.wrong(place, "inside", quoted(name) + " is among interface, too; leave it out here");
  }
  if (LinkNames(c.config.interface, c.config.inside).named().size() > kMostLinks) {
    c.report.wrong(place, "inside", formatted("with interface it names more than {} interfaces", kMostLinks));
  }
}

void check_group(Checking& c, size_t i) {
  const GroupConfig& group = c.config.groups[i];
  const Place& place = c.places.groups[i];
  if (group.mark.value == 0 && !place.bad("mark")) c.report.wrong(place, "mark", "missing; it numbers the group");
  if (group.matches.empty() && !place.bad("match")) c.report.wrong(place, "match", "missing; VIP and ports");
  if (group.mark.value != 0) c.group_of.emplace(std::pair(group.mark.value, group.family()), i);
}

void check_shape(Checking& c, size_t i) {
  const VirtualConfig& v = c.config.virtuals[i];
  const Place& place = c.places.virtuals[i];
  c.virtuals.emplace(v.name, i);
  const auto there = [&](const char* key, bool set) { return set || place.bad(key); };
  const bool address = there("address", v.address.has_value()), ports = there("ports", !v.ports.empty()),
             mark = there("mark", v.mark.value != 0);
  std::string_view key, missing;
  if (address && !ports) key = "ports", missing = "missing; an address needs ports, such as tcp/80";
  if (!address && ports) key = "address", missing = "missing; ports need an address, the VIP";
  if (!address && !ports && !mark) {
    key = "address", missing = "missing; a virtual has address and ports, or the mark of a group";
  }
  if (!key.empty()) c.report.fault(place.line, formatted("[{}] {}: {}", place.title, key, missing));
  if (v.address && !v.address->fixed()) {
    const LinkNames links(c.config.interface, c.config.inside);
    if (!links.role_of(v.address->interface)) {
      c.report.wrong(place, "address",
                     formatted("{} is no address, and no interface of [director]: expected such as 192.0.2.100, "
                               "2001:db8::100 or {}",
                               quoted(v.address->interface), links.named().empty() ? "eth0" : links.named()[0].name));
    }
  }
  c.shaped.push_back(key.empty() && !place.bad("address") && !place.bad("ports") && !place.bad("mark"));
}

void check_mark(Checking& c, size_t i) {
  const VirtualConfig& v = c.config.virtuals[i];
  const Place& place = c.places.virtuals[i];
  const Mark mark = c.marks[i];
  if (!c.shaped[i] || mark.value == 0) return;
  const Family family = v.service_family();
  const auto [other, fresh] = c.virtual_of.emplace(std::pair(mark.value, family), i);
  const bool both = c.group_of.contains({mark.value, Family::ipv4}) && c.group_of.contains({mark.value, Family::ipv6});
  if (!fresh) {
    const Place& first = c.places.virtuals[other->second];
    const bool hint = !v.address && both && !place.has("family");
    c.report.wrong(place, "mark",
                   formatted("mark {} is balanced by {} already{}", mark.value, owner(first, first.line),
                             hint ? "; for the group of the other family add family = ipv6" : ""));
  }
  if (v.address || c.group_of.contains({mark.value, family}) || !c.places.known("group")) return;
  const bool of_other =
      place.has("family") && c.group_of.contains({mark.value, family == Family::ipv4 ? Family::ipv6 : Family::ipv4});
  c.report.wrong(place, of_other ? "family" : "mark",
                 formatted("no group{} has mark {}; add a [group NAME] with it{}",
                           of_other ? formatted(" with VIPs of {}", name(family)) : "", mark.value,
                           of_other ? ", or leave family out" : ""));
}

void check_choices(Checking& c, size_t i) {
  const VirtualConfig& v = c.config.virtuals[i];
  const Place& place = c.places.virtuals[i];
  if (v.flags.scheduler && *v.flags.scheduler != v.scheduler && !place.bad("scheduler")) {
    c.report.wrong(
        place, "scheduler_flags",
        formatted("{} is for scheduler = {}; this virtual has {}", flags_text(*v.flags.scheduler, v.flags.bits),
                  name(*v.flags.scheduler), name(v.scheduler)));
  }
  const bool persistent = v.persistence != Duration::zero() || place.bad("persistence");
  if (!persistent && !v.netmask.full()) {
    c.report.wrong(place, "netmask", "is for persistence, and this virtual has none; add such as persistence = 360");
  }
  if (!c.shaped[i] || c.marks[i].value != 0) return;
  if (v.address && !v.address->fixed() && v.ports[0].ports[0] == kEveryPort) {
    c.report.wrong(place, "ports",
                   formatted("{}: every port of an address of this host would leave none to the host; name the ports",
                             text(v.ports)));
  } else if (!persistent && v.ports[0].ports[0] == kEveryPort) {
    c.report.wrong(place, "ports",
                   formatted("{}: every port needs persistence, so that all of a client's connections reach one "
                             "server; add such as persistence = 360, or name the ports",
                             text(v.ports)));
  }
  for (const PortMatch& match : v.ports) {
    if (!v.one_packet || match.protocol == Protocol::udp) continue;
    c.report.wrong(place, "one_packet", "is for UDP, and this virtual has ports = " + text(v.ports));
    break;
  }
}

}  // namespace

std::string owner(const Place& place, int line) { return formatted("[{}] (line {})", place.title, line); }

void add_table_checks(Checking& c, Portions& walks) {
  const auto virtuals = [&c] { return c.config.virtuals.size(); };
  walks.once([&c] { check_director(c); });
  add_marks(c.config, c.marks, walks);
  walks.each([&c] { return c.config.groups.size(); }, [&c](size_t i) { check_group(c, i); });
  walks.each(virtuals, [&c](size_t i) { check_shape(c, i); });
  walks.each(virtuals, [&c](size_t i) { check_mark(c, i); });
  walks.each(virtuals, [&c](size_t i) { check_choices(c, i); });
}

}  // namespace rawvs
