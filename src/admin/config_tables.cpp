// SPDX-License-Identifier: BSD-2-Clause
// config_tables.cpp: what a Config asks for, as IPVS would be told: marks, services, their servers.
// A virtual with one port is a service of its own address; with several, or with a mark, it is a mark's service.

#include <set>

#include "config_rows.h"

namespace rawvs {
namespace {

constexpr uint32_t kFirstChosenMark = 0x52560000;  // "RV": far from the small numbers that people give

bool has_one_port(const VirtualConfig& v) {
  return v.ports.size() == 1 && v.ports[0].ports.size() == 1 && v.ports[0].ports[0].first == v.ports[0].ports[0].last;
}

WantedService wanted_service(const VirtualConfig& v, Mark mark) {
  WantedService wanted;
  wanted.spec.scheduler = v.scheduler;
  if (mark.value != 0) {
    wanted.spec.key.mark = mark;
  } else {
    wanted.spec.key.protocol = v.ports[0].protocol;
    wanted.spec.key.vip = {*v.address, Port(v.ports[0].ports[0].first)};
  }
  wanted.servers = v.servers;
  // Direct routing leaves the port as it is. For a mark that is the packet's own port, written 0.
  for (ServerSpec& server : wanted.servers) server.at.port = wanted.spec.key.vip.port;
  return wanted;
}

}  // namespace

std::vector<Mark> marks_of_virtuals(const Config& config) {
  std::set<uint32_t> given;
  for (const GroupConfig& group : config.groups) given.insert(group.mark.value);
  for (const VirtualConfig& v : config.virtuals) given.insert(v.mark.value);
  std::vector<Mark> marks;
  uint32_t next = kFirstChosenMark;
  for (const VirtualConfig& v : config.virtuals) {
    if (v.mark.value != 0 || has_one_port(v)) {
      marks.push_back(v.mark);
      continue;
    }
    while (given.contains(next)) ++next;
    marks.emplace_back(next++);
  }
  return marks;
}

WantedTables wanted_tables(const Config& config) {
  WantedTables wanted;
  for (const GroupConfig& group : config.groups) {
    for (const auto& [vip, match] : group.matches) {
      wanted.groups.push_back({vip, match.protocol, match.ports, group.mark});
    }
  }
  const std::vector<Mark> marks = marks_of_virtuals(config);
  for (size_t i = 0; i < config.virtuals.size(); ++i) {
    const VirtualConfig& v = config.virtuals[i];
    if (marks[i].value != 0) {
      for (const PortMatch& match : v.ports) {
        wanted.groups.push_back({*v.address, match.protocol, match.ports, marks[i]});
      }
    }
    wanted.services.push_back(wanted_service(v, marks[i]));
  }
  return wanted;
}

}  // namespace rawvs
