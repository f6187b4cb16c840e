// SPDX-License-Identifier: BSD-2-Clause
// config_tables.cpp: the marks, services and servers that a Config asks for, as IPVS would be told.
//
// A virtual with one port is a service of its address and port; a virtual with every port is a service per protocol
// (IPVS's port 0). A virtual with several ports, or with a mark, is a service of a mark.

#include "config/config_tables.h"

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

using Lists = std::map<std::string_view, std::shared_ptr<const NetworkList>>;  // of files, by path

// A file that was not read is an empty list: an allow list of nobody.
std::shared_ptr<const ServiceLimits> wanted_limits(const LimitsConfig& from, const Lists& files) {
  if (from == LimitsConfig{}) return nullptr;
  const auto limits = std::shared_ptr<ServiceLimits>(
      new ServiceLimits{from.max_connections, from.max_rate, from.client_connections, from.client_rate, {}});
  const auto add = [&](const char* key, const std::vector<Network>& own, const std::vector<std::string>& paths,
                       NetworkLists& to) {
    NetworkListBuilder builder;
    for (const Network& network : own) builder.add(network);
    while (!builder.step(SIZE_MAX)) continue;
    if (!own.empty()) to.push_back(builder.take(key));
    for (const std::string& path : paths) {
      const auto list = files.find(path);
      to.push_back(list != files.end() ? list->second : NetworkListBuilder().take(path));
    }
  };
  add("allow", from.allow, from.allow_files, limits->access.allow);
  add("deny", from.deny, from.deny_files, limits->access.deny);
  return limits;
}

using CheckSections = std::map<std::string_view, const CheckSpec*>;

bool is_check(std::string_view name) { return !name.empty() && name != "none"; }

bool waits_for(std::string_view check, const CheckSections& sections) {
  const auto section = sections.find(check);
  return is_check(check) && (section == sections.end() || !section->second->starts_up);
}

WantedService wanted_service(const VirtualConfig& v, const ServiceKey& key, const CheckSections& checks) {
  WantedService wanted{{key, v.scheduler, v.flags.bits, v.persistence, v.netmask, v.one_packet},
                       {v.servers.begin(), v.servers.end()}};
  wanted.waits.resize(v.servers.size(), waits_for(v.check, checks));
  for (size_t i = 0; i < v.servers.size(); ++i) {
    if (!v.servers[i].check.empty()) wanted.waits[i] = waits_for(v.servers[i].check, checks);
  }
  for (ServerSpec& server : wanted.servers) server.at = place_of(server, key.vip.port);
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

// Chooses the mark of each virtual. REQUIRES: given() for those of all groups and virtuals, then kept() for each
// virtual, then chosen() for each, in their order.
class MarkChoice {
 public:
  void given(Mark mark) { given_.insert(mark.value); }
  Mark kept(const VirtualConfig& v) {
    const bool keeps = chooses_mark(v) && v.kept.value != 0 && given_.insert(v.kept.value).second;
    return keeps ? v.kept : v.mark;
  }
  Mark chosen(const VirtualConfig& v, Mark kept) {
    if (!chooses_mark(v) || kept.value != 0) return kept;
    while (given_.contains(next_)) ++next_;
    return Mark(next_++);
  }

 private:
  std::set<uint32_t> given_;
  uint32_t next_ = 0x52560000;  // "RV": far from the small numbers that people choose
};

// Finds the check of each server: its kind and where it is sent.
class CheckFinder {
 public:
  void know(const CheckConfig& check) { checks_.emplace(check.name, &check.spec); }
  void know(const GroupConfig& group) { groups_.emplace(std::pair(group.mark.value, group.family()), &group); }

  void want(const VirtualConfig& v, const ServiceKey& key, std::vector<WantedChecks>& all) {
    WantedChecks wanted{v.name, key, asked_vip(v), v.health, {}, v.sorry};
    wanted.policy.sorry_server = v.sorry.has_value();
    bool any = false;
    wanted.servers.reserve(v.servers.size());
    for (const ServerConfig& server : v.servers) {
      wanted.servers.push_back({place_of(server, key.vip.port), check_of(v, server)});
      any = any || wanted.servers.back().check;
    }
    if (wanted.sorry) wanted.sorry->at = place_of(*wanted.sorry, key.vip.port);
    if (any || wanted.sorry) all.push_back(std::move(wanted));
  }

 private:
  const GroupConfig* group_of(const VirtualConfig& v) const {
    const auto found = groups_.find({v.mark.value, v.service_family()});
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
    if (const auto vip = v.vip()) return *vip;
    const GroupConfig* const group = group_of(v);
    return group ? group->matches[0].vip : Ip::any(v.family);
  }

  // Servers with the same check share one CheckSpec.
  std::shared_ptr<const CheckSpec> check_of(const VirtualConfig& v, const ServerConfig& server) {
    const std::string& wanted = server.check.empty() ? v.check : server.check;
    if (!is_check(wanted)) return nullptr;
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

  CheckSections checks_;
  std::map<std::pair<uint32_t, Family>, const GroupConfig*> groups_;  // by mark: the first one
  std::map<std::pair<std::string_view, Port>, std::shared_ptr<const CheckSpec>> made_;
};

}  // namespace

void add_marks(const Config& config, std::vector<Mark>& marks, Portions& walks) {
  const auto choice = std::shared_ptr<MarkChoice>(new MarkChoice());
  const auto virtuals = [&config] { return config.virtuals.size(); };
  walks.each([&config] { return std::max(config.groups.size(), config.virtuals.size()); },
             [&config, choice](size_t i) {
               if (i < config.groups.size()) choice->given(config.groups[i].mark);
               if (i < config.virtuals.size()) choice->given(config.virtuals[i].mark);
             });
  walks.each(virtuals, [&config, &marks, choice](size_t i) { marks.push_back(choice->kept(config.virtuals[i])); });
  walks.each(virtuals,
             [&config, &marks, choice](size_t i) { marks[i] = choice->chosen(config.virtuals[i], marks[i]); });
}

// For a mark and for every port a service's port is 0: the packet's own.
Endpoint place_of(const ServerSpec& server, Port own) {
  return {server.at.addr, server.at.port.value != 0 ? server.at.port : own};
}

std::vector<ServiceKey> services_of(const VirtualConfig& v, Mark mark) {
  if (v.address && !v.address->now) return {};  // none while its interface has no address
  std::vector<ServiceKey> all(mark.value != 0 ? 1 : v.ports.size());
  for (size_t n = 0; n < all.size(); ++n) {
    if (mark.value != 0) {
      all[n] = mark_key(mark, v.service_family());
      continue;
    }
    all[n].protocol = v.ports[n].protocol;
    all[n].vip = {*v.vip(), Port(v.ports[n].ports[0].first)};  // every port is port 0
  }
  return all;
}

void add_tables(const Config& config, const std::vector<Mark>& marks, WantedTables& wanted, Portions& walks) {
  const auto checks = std::shared_ptr<CheckSections>(new CheckSections());
  const auto lists = std::shared_ptr<Lists>(new Lists());
  walks.each([&config] { return config.lists.size(); },
             [&config, lists](size_t i) { lists->emplace(config.lists[i]->name(), config.lists[i]); });
  walks.each([&config] { return config.checks.size(); },
             [&config, checks](size_t i) { checks->emplace(config.checks[i].name, &config.checks[i].spec); });
  walks.each_of([&config] { return config.groups.size(); },
                [&config](size_t i) { return config.groups[i].matches.size(); },
                [&config, &wanted](size_t i, size_t n) {
                  const auto& [vip, match, clients] = config.groups[i].matches[n];
                  want_groups(vip, match, clients, config.groups[i].mark, wanted);
                });
  walks.each(
      [&config, &wanted] {
        wanted.services.reserve(config.virtuals.size());
        return config.virtuals.size();
      },
      [&config, &marks, &wanted, &walks, checks, lists](size_t i) {
        const VirtualConfig& v = config.virtuals[i];
        const auto limits = wanted_limits(v.limits, *lists);
        walks.spend((v.limits.allow.size() + v.limits.deny.size()) / 4);
        for (const ServiceKey& key : services_of(v, marks[i])) {
          wanted.services.push_back(wanted_service(v, key, *checks));
          wanted.services.back().said = {limits, ShortName::of(v.name), fallen(v.health.on_down)};
          walks.spend(v.servers.size() / 8);
        }
        const auto vip = v.vip();
        if (marks[i].value == 0 || !vip) return;
        for (const PortMatch& match : v.ports) want_groups(*vip, match, Network::all(vip->family()), marks[i], wanted);
      });
  walks.once([&wanted] {
    sort_with(wanted.groups, [](const GroupMatch& a, const GroupMatch& b) { return more_specific(a, b); });
  });
}

WantedTables wanted_tables(const Config& config) {
  WantedTables wanted;
  std::vector<Mark> marks;
  Portions walks;
  add_marks(config, marks, walks);
  add_tables(config, marks, wanted, walks);
  walks.finish();
  return wanted;
}

std::vector<VrrpSpec> wanted_vrrp(const Config& config) {
  std::set<Ip> vips;
  for (const GroupConfig& group : config.groups) {
    for (const GroupConfig::Match& match : group.matches) vips.insert(match.vip);
  }
  for (const VirtualConfig& v : config.virtuals) {
    if (v.address && v.address->fixed()) vips.insert(*v.address->now);  // the host's own address is not shared
  }
  std::vector<VrrpSpec> all;
  for (const VrrpConfig& v : config.vrrps) {
    VrrpSpec spec = v.spec;
    spec.name = v.name;
    if (spec.addresses.empty()) {
      std::ranges::copy_if(vips, std::back_inserter(spec.addresses), [&](Ip vip) { return vip.family() == v.family; });
    }
    all.push_back(std::move(spec));
  }
  return all;
}

void add_checks(const Config& config, const std::vector<Mark>& marks, std::vector<WantedChecks>& all, Portions& walks) {
  const auto finder = std::shared_ptr<CheckFinder>(new CheckFinder());
  walks.each([&config] { return std::max(config.checks.size(), config.groups.size()); },
             [&config, finder](size_t i) {
               if (i < config.checks.size()) finder->know(config.checks[i]);
               if (i < config.groups.size()) finder->know(config.groups[i]);
             });
  walks.each(
      [&config, &all] {
        all.reserve(config.virtuals.size());
        return config.virtuals.size();
      },
      [&config, &marks, &all, &walks, finder](size_t i) {
        const VirtualConfig& v = config.virtuals[i];
        for (const ServiceKey& key : services_of(v, marks[i])) finder->want(v, key, all);
        walks.spend(1 + v.servers.size() / 8);
      });
}

std::vector<WantedChecks> wanted_checks(const Config& config) {
  std::vector<WantedChecks> all;
  std::vector<Mark> marks;
  Portions walks;
  add_marks(config, marks, walks);
  add_checks(config, marks, all, walks);
  walks.finish();
  return all;
}

bool set_present_addresses(
    Config& config, const std::function<std::optional<Ip>(const std::string& interface, Family family)>& address_of) {
  bool changed = false;
  for (VirtualConfig& v : config.virtuals) {
    if (!v.address || v.address->fixed()) continue;
    const auto now = address_of(v.address->interface, v.address->family);
    changed |= std::exchange(v.address->now, now) != now;
  }
  return changed;
}

void add_copy(const Config& config, Config& to, Portions& walks) {
  walks.once([&config, &to] {
    const auto copy = [&](auto... fields) { ((to.*fields = config.*fields), ...); };
    copy(&Config::interface, &Config::inside, &Config::control, &Config::control_group, &Config::read_group,
         &Config::user, &Config::guard, &Config::io, &Config::state, &Config::state_interval, &Config::fast_path,
         &Config::fast_flows, &Config::ring_frames, &Config::settings, &Config::sync, &Config::lists);
  });
  walks.each([&config] { return most_sections(config); },
             [&config, &to, &walks](size_t i) {
               const auto copy = [&](auto field) {
                 if (i < (config.*field).size()) (to.*field).push_back((config.*field)[i]);
               };
               copy(&Config::groups), copy(&Config::checks), copy(&Config::virtuals), copy(&Config::vrrps);
               if (i < config.groups.size()) walks.spend(config.groups[i].matches.size());
               if (i < config.virtuals.size()) walks.spend(config.virtuals[i].servers.size() / 8);
             });
}

size_t most_sections(const Config& config) {
  return std::max({config.virtuals.size(), config.groups.size(), config.checks.size(), config.vrrps.size()});
}

void drop_sections(Config& config, Portions& walks) {
  if (!config.groups.empty()) walks.spend(config.groups.back().matches.size());
  if (!config.virtuals.empty()) walks.spend(config.virtuals.back().servers.size() / 8);
  Portions::drop(config.virtuals);
  Portions::drop(config.groups);
  Portions::drop(config.checks);
  Portions::drop(config.vrrps);
}

void add_freeing(Config& config, Portions& walks) {
  walks.each([&config] { return most_sections(config); }, [&config, &walks](size_t) { drop_sections(config, walks); });
}

}  // namespace rawvs
