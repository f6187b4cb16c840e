// SPDX-License-Identifier: BSD-2-Clause
// config_check.cpp: checks [director], groups and virtuals: missing keys, marks in use, contradictions within a
// virtual. A key whose value was refused is not reported as missing.

#include "config/config_check.h"

#include "config/config_values.h"
#include "config/spec_words.h"

namespace rawvs {
namespace {

std::string owner(const Place& place) { return '[' + place.title + "] (line " + std::to_string(place.line) + ')'; }

void check_director(Checking& c) {
  const Place& place = c.places.director;
  if (place.line == 0) {
    if (c.places.known("director")) c.report.fault(0, "there is no [director] section; it names the interface");
    return;
  }
  if (c.config.interface.empty()) {
    if (!place.bad("interface")) c.report.wrong(place, "interface", "missing; it names where clients are");
  } else if (c.config.interface == c.config.inside) {
    c.report.wrong(place, "inside", quoted(c.config.inside) + " is the interface, too; leave inside out");
  }
}

void check_group(Checking& c, size_t i) {
  const GroupConfig& group = c.config.groups[i];
  const Place& place = c.places.groups[i];
  if (group.mark.value == 0 && !place.bad("mark")) c.report.wrong(place, "mark", "missing; it numbers the group");
  if (group.matches.empty() && !place.bad("match")) c.report.wrong(place, "match", "missing; VIP and ports");
  if (group.mark.value != 0) c.group_of.emplace(group.mark.value, i);
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
  if (!key.empty())
    c.report.fault(place.line, '[' + place.title + "] " + std::string(key) + ": " + std::string(missing));
  c.shaped.push_back(key.empty() && !place.bad("address") && !place.bad("ports") && !place.bad("mark"));
}

void check_mark(Checking& c, size_t i) {
  const VirtualConfig& v = c.config.virtuals[i];
  const Place& place = c.places.virtuals[i];
  const Mark mark = c.marks[i];
  if (!c.shaped[i] || mark.value == 0) return;
  const auto [other, fresh] = c.virtual_of.emplace(mark.value, i);
  if (!fresh) {
    c.report.wrong(place, "mark",
                   "mark " + std::to_string(mark.value) + " is balanced by " + owner(c.places.virtuals[other->second]) +
                       " already");
  }
  if (v.address || c.group_of.contains(mark.value) || !c.places.known("group")) return;
  c.report.wrong(place, "mark", "no group has mark " + std::to_string(mark.value) + "; add a [group NAME] with it");
}

void check_choices(Checking& c, size_t i) {
  const VirtualConfig& v = c.config.virtuals[i];
  const Place& place = c.places.virtuals[i];
  if (v.flags.scheduler && *v.flags.scheduler != v.scheduler && !place.bad("scheduler")) {
    const std::string own = name(*v.flags.scheduler), other = name(v.scheduler);
    c.report.wrong(
        place, "scheduler_flags",
        flags_text(*v.flags.scheduler, v.flags.bits) + " is for scheduler = " + own + "; this virtual has " + other);
  }
  const bool persistent = v.persistence != Duration::zero() || place.bad("persistence");
  if (!persistent && !v.netmask.full()) {
    c.report.wrong(place, "netmask", "is for persistence, and this virtual has none; add such as persistence = 360");
  }
  if (!c.shaped[i] || c.marks[i].value != 0) return;
  if (!persistent && v.ports[0].ports[0] == kEveryPort) {
    c.report.wrong(place, "ports",
                   text(v.ports) + ": every port needs persistence, so that all of a client's connections reach one " +
                       "server; add such as persistence = 360, or name the ports");
  }
  for (const PortMatch& match : v.ports) {
    if (!v.one_packet || match.protocol == Protocol::udp) continue;
    c.report.wrong(place, "one_packet", "is for UDP, and this virtual has ports = " + text(v.ports));
    break;
  }
}

}  // namespace

void add_table_checks(Checking& c, Portions& walks) {
  const auto choice = std::shared_ptr<MarkChoice>(new MarkChoice());
  const auto groups = [&c] { return c.config.groups.size(); };
  const auto virtuals = [&c] { return c.config.virtuals.size(); };
  walks.once([&c] { check_director(c); });
  walks.each(groups, [&c, choice](size_t i) {
    check_group(c, i);
    choice->group(c.config.groups[i]);
  });
  walks.each(virtuals, [&c, choice](size_t i) {
    check_shape(c, i);
    choice->given(c.config.virtuals[i]);
  });
  walks.each(virtuals, [&c, choice](size_t i) { c.marks.push_back(choice->kept(c.config.virtuals[i])); });
  walks.each(virtuals, [&c, choice](size_t i) {
    c.marks[i] = choice->chosen(c.config.virtuals[i], c.marks[i]);
    check_mark(c, i);
  });
  walks.each(virtuals, [&c](size_t i) { check_choices(c, i); });
}

}  // namespace rawvs
