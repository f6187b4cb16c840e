// SPDX-License-Identifier: BSD-2-Clause
// config_families.cpp: of which address family groups, virtuals and VRRP instances are, and what depends on it. Fills
// in what a file need not say; reports what contradicts itself.

#include <array>
#include <memory>

#include "config/config_check.h"
#include "config/config_values.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

class Families {
 public:
  Families(Config& config, const Places& places, Report& report) : config_(config), places_(places), report_(report) {}

  void look_at_group(size_t i) {
    const GroupConfig& group = config_.groups[i];
    if (group.matches.empty()) return;
    vips_[index(group.family())] = true;
    marks_[index(group.family())].insert(group.mark.value);
  }
  void check_match(size_t i, size_t n) {
    const GroupConfig& group = config_.groups[i];
    const Ip vip = group.matches[n].vip;
    if (vip.family() == group.family()) return;
    report_.wrong(places_.groups[i], "match",
                  formatted("the VIP {} is {}, and {} of this group is {}: put it into another [group NAME] with the "
                            "same mark, a mark has one for each family",
                            text(vip), name(vip.family()), text(group.matches[0].vip), name(group.family())),
                  n);
  }
  void fill_virtual(size_t i);
  void fill_instance(size_t i);

 private:
  void fill_netmask(VirtualConfig& v, const Place& place);

  Config& config_;
  const Places& places_;
  Report& report_;
  std::array<std::set<uint32_t>, 2> marks_;  // of groups, by family
  std::array<bool, 2> vips_{};               // the file has VIPs of this family
};

void Families::fill_virtual(size_t i) {
  VirtualConfig& v = config_.virtuals[i];
  const Place& place = places_.virtuals[i];
  if (v.address && !v.address->fixed()) {
    v.address->family = v.family;
  } else if (v.address) {
    vips_[index(v.address->family)] = true;
    if (place.has("family") && !place.bad("family")) {
      report_.wrong(place, "family",
                    formatted("is for a virtual without address; this one has address = {}, which is {}",
                              text(*v.address), name(v.address->family)));
    }
    v.family = Family::ipv4;
  } else if (!place.has("family") && v.mark.value != 0) {
    const auto in = [&](Family family) { return marks_[index(family)].contains(v.mark.value); };
    if (!in(Family::ipv4) && in(Family::ipv6)) v.family = Family::ipv6;
  }
  // What depends on the family cannot be judged without it.
  if (!place.bad("address") && !place.bad("family")) fill_netmask(v, place);
}

void Families::fill_netmask(VirtualConfig& v, const Place& place) {
  const bool v6 = v.service_family() == Family::ipv6;
  if (!place.has("netmask")) {
    if (v6) v.netmask = ClientMask(Netmask(), Family::ipv6);
    return;
  }
  if (place.bad("netmask")) return;
  const auto wrong = [&](const char* expected) {
    report_.wrong(place, "netmask",
                  formatted("{} is for IPv{}, and this virtual is IPv{}; expected {}", text(v.netmask), v6 ? 4 : 6,
                            v6 ? 6 : 4, expected));
  };
  if (v6 && !v.netmask.prefix) return wrong("a prefix length, such as /64");
  if (!v6 && v.netmask.prefix.value_or(0) > address_bits(Family::ipv4)) return wrong("such as 255.255.255.0 or /24");
  if (!v.netmask.prefix) return;
  v.netmask = ClientMask(Netmask(v.service_family(), *v.netmask.prefix), v.service_family());
}

void Families::fill_instance(size_t i) {
  VrrpConfig& v = config_.vrrps[i];
  const Place& place = places_.vrrps[i];
  if (place.has("family") && !place.bad("family") && !v.spec.addresses.empty()) {
    report_.wrong(place, "family",
                  formatted("is for an instance without address; this one has address = {}, which is {}",
                            text(v.spec.addresses[0]), name(v.spec.addresses[0].family())));
  }
  if (!v.spec.addresses.empty()) {
    v.family = Family::ipv4;
    return;
  }
  if (place.has("family")) return;
  if (!v.spec.source.unspecified()) {
    v.family = v.spec.source.family();
  } else if (!v.spec.peers.empty()) {
    v.family = v.spec.peers[0].family();
  } else if (!vips_[index(Family::ipv4)] && vips_[index(Family::ipv6)]) {
    v.family = Family::ipv6;
  }
}

}  // namespace

void add_families(Config& config, const Places& places, Report& report, Portions& walks) {
  const auto families = std::shared_ptr<Families>(new Families(config, places, report));
  const auto groups = [&config] { return config.groups.size(); };
  walks.each(groups, [families](size_t i) { families->look_at_group(i); });
  walks.each_of(
      groups, [&config](size_t i) { return config.groups[i].matches.size(); },
      [families](size_t i, size_t n) { families->check_match(i, n); });
  walks.each([&config] { return config.virtuals.size(); }, [families](size_t i) { families->fill_virtual(i); });
  walks.each([&config] { return config.vrrps.size(); }, [families](size_t i) { families->fill_instance(i); });
}

}  // namespace rawvs
