// SPDX-License-Identifier: BSD-2-Clause
// config_check_vrrp.cpp: checks [vrrp] sections: missing keys and contradictions.

#include <memory>

#include "config/config_check.h"
#include "config/config_values.h"
#include "side/vrrp_check.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

// Without addresses: the VIPs of all virtuals.
void take_all_vips(Checking& c, const VrrpConfig& v, const Place& place, VrrpSpec& spec) {
  const std::vector<Ip>& all = c.vips_of[index(v.family)];
  if (all.empty()) {
    const std::string what = c.vips.empty() ? "virtual" : formatted("{} VIP", name(v.family));
    c.report.wrong(place, "address", formatted("missing, and this file has no {}", what));
  }
  if (all.size() > kMostVrrpAddresses) {
    c.report.wrong(
        place, "address",
        formatted("missing, and this file has {} VIPs; an instance has at most 255: name those of each", all.size()));
  }
  if (all.size() <= kMostVrrpAddresses) spec.addresses = all;
}

void check_instance(Checking& c, size_t i, VrrpCheck& check) {
  const VrrpConfig& v = c.config.vrrps[i];
  const Place& place = c.places.vrrps[i];
  c.vrrps.emplace(v.name, i);
  const size_t before = c.report.faults();
  if (!place.has("vrid")) c.report.wrong(place, "vrid", "missing; the directors of one network share it");
  for (size_t t = 0; t < v.spec.tracks.size(); ++t) {
    const auto known = c.virtuals.find(v.spec.tracks[t].name);
    c.tracked.insert(v.spec.tracks[t].name);
    if (known != c.virtuals.end() || !c.places.known("virtual")) continue;
    c.report.wrong(place, "track", formatted("there is no [virtual {}]", v.spec.tracks[t].name), t);
  }
  VrrpSpec spec = v.spec;
  spec.name = v.name;
  if (spec.addresses.empty() && !place.bad("address")) take_all_vips(c, v, place, spec);
  for (const VrrpFamilyFault& fault : family_faults(v.spec, v.instance_family())) {
    c.report.wrong(place, fault.key, fault.text, fault.n);
  }
  for (const Place::Key& key : place.keys) {
    if (key.bad) return;  // a contradiction can be judged only when the value is valid
  }
  if (c.report.faults() != before) return;
  if (const std::string why = check.add(spec); !why.empty()) {
    c.report.fault(place.line, formatted("vrrp {}: {}", v.name, why));
  }
}

}  // namespace

void add_vrrp_checks(Checking& c, Portions& walks) {
  const auto check = std::shared_ptr<VrrpCheck>(new VrrpCheck());
  walks.each([&c] { return c.config.vrrps.size(); }, [&c, check](size_t i) { check_instance(c, i, *check); });
}

}  // namespace rawvs
