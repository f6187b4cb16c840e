// SPDX-License-Identifier: BSD-2-Clause
// config_check_vrrp.cpp: checks [vrrp] sections: missing keys and contradictions.

#include <memory>

#include "config/config_check.h"
#include "config/config_values.h"
#include "side/vrrp_check.h"

namespace rawvs {
namespace {

void check_instance(Checking& c, size_t i, VrrpCheck& check) {
  const VrrpConfig& v = c.config.vrrps[i];
  const Place& place = c.places.vrrps[i];
  c.vrrps.emplace(v.name, i);
  const size_t before = c.report.faults();
  if (!place.has("vrid")) c.report.wrong(place, "vrid", "missing; the directors of one network share it");
  if (v.spec.link == Link::inside && c.config.inside.empty() && !c.places.director.bad("inside")) {
    c.report.wrong(place, "on", "inside: there is no inside interface");
  }
  for (size_t t = 0; t < v.spec.tracks.size(); ++t) {
    const auto known = c.virtuals.find(v.spec.tracks[t].name);
    c.tracked.insert(v.spec.tracks[t].name);
    if (known != c.virtuals.end() || !c.places.known("virtual")) continue;
    c.report.wrong(place, "track", "there is no [virtual " + v.spec.tracks[t].name + "]", t);
  }
  VrrpSpec spec = v.spec;
  spec.name = v.name;
  if (spec.addresses.empty() && !place.bad("address")) {
    if (c.vips.empty()) c.report.wrong(place, "address", "missing, and this file has no virtual");
    if (c.vips.size() > kMostVrrpAddresses) {
      c.report.wrong(place, "address",
                     "missing, and this file has " + std::to_string(c.vips.size()) +
                         " VIPs; an instance has at most 255: name those of each");
    }
    if (c.vips.size() <= kMostVrrpAddresses) spec.addresses.assign(c.vips.begin(), c.vips.end());
  }
  for (const Place::Key& key : place.keys) {
    if (key.bad) return;  // a contradiction can be judged only when the value is valid
  }
  if (c.report.faults() != before) return;
  if (const std::string why = check.add(spec); !why.empty()) {
    c.report.fault(place.line, "vrrp " + v.name + ": " + why);
  }
}

}  // namespace

void add_vrrp_checks(Checking& c, Portions& walks) {
  const auto check = std::shared_ptr<VrrpCheck>(new VrrpCheck());
  walks.each([&c] { return c.config.vrrps.size(); }, [&c, check](size_t i) { check_instance(c, i, *check); });
}

}  // namespace rawvs
