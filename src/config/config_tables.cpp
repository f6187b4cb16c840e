// SPDX-License-Identifier: BSD-2-Clause
// config_tables.cpp: the marks, services and servers that a Config asks for, as IPVS would be told.
//
// A virtual with one port is a service of its address and port; a virtual with every port is a service per protocol
// (IPVS's port 0). A virtual with several ports, or with a mark, is a service of a mark.

#include <algorithm>
#include <map>
#include <set>

#include "config/config_rows.h"
#include "config/config_values.h"
#include "core/sort.h"

namespace rawvs {
namespace {

bool has_one_port(const VirtualConfig& v) {
  return v.ports.size() == 1 && v.ports[0].ports.size() == 1 && v.ports[0].ports[0].first == v.ports[0].ports[0].last;
}

bool has_every_port(const VirtualConfig& v) {
  return !v.ports.empty() && std::all_of(v.ports.begin(), v.ports.end(),
                                         [](const PortMatch& match) { return match.ports == std::vector{kEveryPort}; });
}

bool chooses_mark(const VirtualConfig& v) { return v.mark.value == 0 && !has_one_port(v) && !has_every_port(v); }

WantedService wanted_service(const VirtualConfig& v, const ServiceKey& key) {
  WantedService wanted{{key, v.scheduler, v.flags.bits, v.persistence, v.netmask, v.one_packet},
                       {v.servers.begin(), v.servers.end()}};
  // A server without a port has the service's port; for a mark and for every port that is 0: the packet's own.
  for (ServerSpec& server : wanted.servers) {
    if (server.at.port.value == 0) server.at.port = key.vip.port;
  }
  return wanted;
}

// Adds one match per range: sorted, the first that contains a packet is the most specific one. The file was refused if
// two matches with different marks overlap and neither contains the other.
void want_groups(Ip vip, const PortMatch& match, const Network& clients, Mark mark, WantedTables& wanted) {
  for (const PortRange range : match.ports) {
    wanted.groups.push_back({vip, match.protocol, {range}, mark, clients});
  }
}

bool more_specific(const GroupMatch& a, const GroupMatch& b) {
  const auto width = [](const GroupMatch& match) { return match.ports[0].last - match.ports[0].first; };
  return width(a) != width(b) ? width(a) < width(b) : a.clients.prefix > b.clients.prefix;
}

// Finds the check of each server: its kind and where it is sent.
class CheckFinder {
 public:
  explicit CheckFinder(const Config& config) {
    for (const CheckConfig& check : config.checks) checks_.emplace(check.name, &check.spec);
    for (const GroupConfig& group : config.groups) groups_.emplace(group.mark.value, &group);
  }

  void want(const VirtualConfig& v, const ServiceKey& key, std::vector<WantedChecks>& all) {
    WantedChecks wanted{v.name, key, asked_vip(v), v.health, {}, v.sorry};
    wanted.policy.sorry_server = v.sorry.has_value();
    bool any = false;
    wanted.servers.reserve(v.servers.size());
    for (const ServerConfig& server : v.servers) {
      Endpoint at = server.at;
      if (at.port.value == 0) at.port = key.vip.port;
      wanted.servers.push_back({at, check_of(v, server)});
      any = any || wanted.servers.back().check;
    }
    if (wanted.sorry && wanted.sorry->at.port.value == 0) wanted.sorry->at.port = key.vip.port;
    if (any || wanted.sorry) all.push_back(std::move(wanted));
  }

 private:
  const GroupConfig* group_of(const VirtualConfig& v) const {
    const auto found = groups_.find(v.mark.value);
    return found == groups_.end() ? nullptr : found->second;
  }

  // The port for a check without its own: the service's; the first of several.
  Port asked_port(const VirtualConfig& v) const {
    if (!v.ports.empty()) return Port(v.ports[0].ports[0].first);
    const GroupConfig* const group = group_of(v);
    return Port(group ? group->matches[0].ports.ports[0].first : uint16_t{0});
  }

  // The VIP for a check with via = vip: for a mark's virtual the first one of its group.
  Ip asked_vip(const VirtualConfig& v) const {
    if (v.address) return *v.address;
    const GroupConfig* const group = group_of(v);
    return group ? group->matches[0].vip : Ip();
  }

  // Servers with the same check share one CheckSpec.
  std::shared_ptr<const CheckSpec> check_of(const VirtualConfig& v, const ServerConfig& server) {
    const std::string& wanted = server.check.empty() ? v.check : server.check;
    if (wanted.empty() || wanted == "none") return nullptr;
    const auto section = checks_.find(wanted);
    Port port = section == checks_.end() ? Port() : section->second->port;
    if (port.value == 0) port = server.at.port.value != 0 ? server.at.port : asked_port(v);
    std::shared_ptr<const CheckSpec>& known = made_[{wanted, port}];
    if (known) return known;
    CheckSpec spec = section == checks_.end() ? CheckSpec{} : *section->second;
    spec.name = wanted;
    if (section == checks_.end()) spec.kind = *find_check_kind(wanted);
    spec.port = port;
    return known = std::shared_ptr<const CheckSpec>(new CheckSpec(std::move(spec)));
  }

  std::map<std::string_view, const CheckSpec*> checks_;
  std::map<uint32_t, const GroupConfig*> groups_;  // by mark: the first one
  std::map<std::pair<std::string_view, Port>, std::shared_ptr<const CheckSpec>> made_;
};

}  // namespace

Mark MarkChoice::kept(const VirtualConfig& v) {
  const bool keeps = chooses_mark(v) && v.kept.value != 0 && given_.insert(v.kept.value).second;
  return keeps ? v.kept : v.mark;
}

Mark MarkChoice::chosen(const VirtualConfig& v, Mark kept) {
  if (!chooses_mark(v) || kept.value != 0) return kept;
  while (given_.contains(next_)) ++next_;
  return Mark(next_++);
}

std::vector<Mark> marks_of_virtuals(const Config& config) {
  MarkChoice choice;
  std::vector<Mark> marks;
  marks.reserve(config.virtuals.size());
  for (const GroupConfig& group : config.groups) choice.group(group);
  for (const VirtualConfig& v : config.virtuals) choice.given(v);
  for (const VirtualConfig& v : config.virtuals) marks.push_back(choice.kept(v));
  for (size_t i = 0; i < marks.size(); ++i) marks[i] = choice.chosen(config.virtuals[i], marks[i]);
  return marks;
}

WantedTables wanted_tables(const Config& config) {
  WantedTables wanted;
  for (const GroupConfig& group : config.groups) {
    for (const auto& [vip, match, clients] : group.matches) want_groups(vip, match, clients, group.mark, wanted);
  }
  const std::vector<Mark> marks = marks_of_virtuals(config);
  wanted.services.reserve(config.virtuals.size());
  for (size_t i = 0; i < config.virtuals.size(); ++i) {
    const VirtualConfig& v = config.virtuals[i];
    if (marks[i].value != 0) wanted.services.push_back(wanted_service(v, {.vip = {}, .mark = marks[i]}));
    for (const PortMatch& match : v.ports) {
      if (marks[i].value != 0) {
        want_groups(*v.address, match, {Ip(), 0}, marks[i], wanted);
      } else {  // every port is port 0
        const Endpoint vip{*v.address, Port(match.ports[0].first)};
        wanted.services.push_back(wanted_service(v, {match.protocol, vip, Mark()}));
      }
    }
  }
  sort_with(wanted.groups, [](const GroupMatch& a, const GroupMatch& b) { return more_specific(a, b); });
  return wanted;
}

std::vector<VrrpSpec> wanted_vrrp(const Config& config) {
  std::set<Ip> vips;
  for (const GroupConfig& group : config.groups) {
    for (const GroupConfig::Match& match : group.matches) vips.insert(match.vip);
  }
  for (const VirtualConfig& v : config.virtuals) {
    if (v.address) vips.insert(*v.address);
  }
  std::vector<VrrpSpec> all;
  for (const VrrpConfig& v : config.vrrps) {
    VrrpSpec spec = v.spec;
    spec.name = v.name;
    if (spec.addresses.empty()) spec.addresses.assign(vips.begin(), vips.end());
    all.push_back(std::move(spec));
  }
  return all;
}

std::vector<WantedChecks> wanted_checks(const Config& config) {
  std::vector<WantedChecks> all;
  all.reserve(config.virtuals.size());
  CheckFinder finder(config);
  const std::vector<Mark> marks = marks_of_virtuals(config);
  for (size_t i = 0; i < config.virtuals.size(); ++i) {
    const VirtualConfig& v = config.virtuals[i];
    if (marks[i].value != 0) finder.want(v, {.vip = {}, .mark = marks[i]}, all);
    for (const PortMatch& match : v.ports) {
      if (marks[i].value == 0) {
        finder.want(v, {match.protocol, {*v.address, Port(match.ports[0].first)}, Mark()}, all);
      }
    }
  }
  return all;
}

}  // namespace rawvs
