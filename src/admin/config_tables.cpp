// SPDX-License-Identifier: BSD-2-Clause
// config_tables.cpp: what a Config asks for, as IPVS would be told: marks, services, their servers.
// A virtual with one port is a service of its own address, and so is one of every port, per protocol (IPVS's port 0);
// with several, or with a mark, it is a mark's service.

#include <algorithm>
#include <set>

#include "config_rows.h"
#include "config_values.h"

namespace rawvs {
namespace {

constexpr uint32_t kFirstChosenMark = 0x52560000;  // "RV": far from the small numbers that people give

bool has_one_port(const VirtualConfig& v) {
  return v.ports.size() == 1 && v.ports[0].ports.size() == 1 && v.ports[0].ports[0].first == v.ports[0].ports[0].last;
}

bool has_every_port(const VirtualConfig& v) {
  return !v.ports.empty() && std::all_of(v.ports.begin(), v.ports.end(),
                                         [](const PortMatch& match) { return match.ports == std::vector{kEveryPort}; });
}

WantedService wanted_service(const VirtualConfig& v, const ServiceKey& key) {
  WantedService wanted{{key, v.scheduler, v.flags.bits, v.persistence, v.netmask, v.one_packet},
                       {v.servers.begin(), v.servers.end()}};
  // A port that is not given is the service's; behind a mark, and of every port, that is 0: the packet's own.
  for (ServerSpec& server : wanted.servers) {
    if (server.at.port.value == 0) server.at.port = key.vip.port;
  }
  return wanted;
}

// One match for each range, so that they can be sorted: the first that holds a packet is then the most specific one.
// The file was refused if two with different marks overlap and neither contains the other.
void want_groups(Ip vip, const PortMatch& match, const Network& clients, Mark mark, WantedTables& wanted) {
  for (const PortRange range : match.ports) {
    wanted.groups.push_back({vip, match.protocol, {range}, mark, clients});
  }
}

bool more_specific(const GroupMatch& a, const GroupMatch& b) {
  const auto width = [](const GroupMatch& match) { return match.ports[0].last - match.ports[0].first; };
  return width(a) != width(b) ? width(a) < width(b) : a.clients.prefix > b.clients.prefix;
}

// Where a check without a port of its own knocks: where the service is; of several ports at the first one.
Port asked_port(const Config& config, const VirtualConfig& v) {
  if (!v.ports.empty()) return Port(v.ports[0].ports[0].first);
  for (const GroupConfig& group : config.groups) {
    if (group.mark == v.mark) return Port(group.matches[0].ports.ports[0].first);
  }
  return Port();
}

// Which VIP, with via = vip: of a mark's virtual the first one of its group.
Ip asked_vip(const Config& config, const VirtualConfig& v) {
  if (v.address) return *v.address;
  const auto group = std::ranges::find(config.groups, v.mark, &GroupConfig::mark);
  return group == config.groups.end() ? Ip() : group->matches[0].vip;
}

std::shared_ptr<const CheckSpec> check_of(const Config& config, const VirtualConfig& v, const ServerConfig& server) {
  const std::string& wanted = server.check.empty() ? v.check : server.check;
  if (wanted.empty() || wanted == "none") return nullptr;
  const CheckSpec* const section = find_check(config, wanted);
  CheckSpec spec = section ? *section : CheckSpec{};
  spec.name = wanted;
  if (!section) spec.kind = *read_check_kind(wanted);
  if (spec.port.value == 0) spec.port = server.at.port.value != 0 ? server.at.port : asked_port(config, v);
  return std::shared_ptr<const CheckSpec>(new CheckSpec(std::move(spec)));
}

void want_checks(const Config& config, const VirtualConfig& v, const ServiceKey& key, std::vector<WantedChecks>& all) {
  WantedChecks wanted{v.name, key, asked_vip(config, v), v.health, {}, v.sorry};
  wanted.policy.sorry_server = v.sorry.has_value();
  for (const ServerConfig& server : v.servers) {
    Endpoint at = server.at;
    if (at.port.value == 0) at.port = key.vip.port;
    wanted.servers.push_back({at, check_of(config, v, server)});
  }
  if (wanted.sorry && wanted.sorry->at.port.value == 0) wanted.sorry->at.port = key.vip.port;
  const auto asked = [](const WantedChecks::Server& server) { return server.check != nullptr; };
  if (std::ranges::any_of(wanted.servers, asked)) all.push_back(std::move(wanted));
}

}  // namespace

std::vector<Mark> marks_of_virtuals(const Config& config) {
  std::set<uint32_t> given;
  for (const GroupConfig& group : config.groups) given.insert(group.mark.value);
  for (const VirtualConfig& v : config.virtuals) given.insert(v.mark.value);
  const auto chooses = [](const VirtualConfig& v) {
    return v.mark.value == 0 && !has_one_port(v) && !has_every_port(v);
  };
  std::vector<Mark> marks;
  for (const VirtualConfig& v : config.virtuals) {  // who has one keeps it
    const bool keeps = chooses(v) && v.kept.value != 0 && given.insert(v.kept.value).second;
    marks.push_back(keeps ? v.kept : v.mark);
  }
  uint32_t next = kFirstChosenMark;
  for (size_t i = 0; i < marks.size(); ++i) {
    if (!chooses(config.virtuals[i]) || marks[i].value != 0) continue;
    while (given.contains(next)) ++next;
    marks[i] = Mark(next++);
  }
  return marks;
}

WantedTables wanted_tables(const Config& config) {
  WantedTables wanted;
  for (const GroupConfig& group : config.groups) {
    for (const auto& [vip, match, clients] : group.matches) want_groups(vip, match, clients, group.mark, wanted);
  }
  const std::vector<Mark> marks = marks_of_virtuals(config);
  for (size_t i = 0; i < config.virtuals.size(); ++i) {
    const VirtualConfig& v = config.virtuals[i];
    if (marks[i].value != 0) wanted.services.push_back(wanted_service(v, {.vip = {}, .mark = marks[i]}));
    for (const PortMatch& match : v.ports) {
      if (marks[i].value != 0) {
        want_groups(*v.address, match, {Ip(), 0}, marks[i], wanted);
      } else {  // one port, or every port, which is 0
        const Endpoint vip{*v.address, Port(match.ports[0].first)};
        wanted.services.push_back(wanted_service(v, {match.protocol, vip, Mark()}));
      }
    }
  }
  std::stable_sort(wanted.groups.begin(), wanted.groups.end(), more_specific);
  return wanted;
}

std::vector<VrrpSpec> wanted_vrrp(const Config& config) {
  std::set<Ip> vips;
  for (const GroupMatch& match : wanted_tables(config).groups) vips.insert(match.vip);
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
  const std::vector<Mark> marks = marks_of_virtuals(config);
  for (size_t i = 0; i < config.virtuals.size(); ++i) {
    const VirtualConfig& v = config.virtuals[i];
    if (marks[i].value != 0) want_checks(config, v, {.vip = {}, .mark = marks[i]}, all);
    for (const PortMatch& match : v.ports) {
      if (marks[i].value == 0) {
        want_checks(config, v, {match.protocol, {*v.address, Port(match.ports[0].first)}, Mark()}, all);
      }
    }
  }
  return all;
}

}  // namespace rawvs
