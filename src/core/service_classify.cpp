// SPDX-License-Identifier: BSD-2-Clause
// service_classify.cpp: finds the service of a packet by marks, addresses and ports; lists the services' addresses.
#include <algorithm>

#include "core/service.h"
#include "core/sort.h"

namespace rawvs {

namespace {

constexpr uint16_t kFirstUnprivileged = 1024;  // net.ipv4.ip_unprivileged_port_start

}  // namespace

void Services::set_groups(std::vector<GroupMatch> groups) {
  groups_ = std::move(groups);
  marks_.fill(groups_);
  groups_by_mark_ = numbers_by(groups_.size(), [this](uint32_t place) { return groups_[place].mark; });
}

std::span<const uint32_t> Services::groups_of(Mark mark) const {
  const auto of = [&](uint32_t place) { return groups_[place].mark; };
  // Not equal_range: clang 14, whose clang-tidy reads this, does not compile libstdc++'s subrange.
  return {std::ranges::lower_bound(groups_by_mark_, mark, {}, of),
          std::ranges::upper_bound(groups_by_mark_, mark, {}, of)};
}

std::vector<Ip> Services::vips_of(const ServiceKey& key) const {
  if (key.mark.value == 0) return {key.vip.addr};
  std::vector<Ip> all;
  for (const uint32_t place : groups_of(key.mark)) {
    if (groups_[place].vip.family() == key.family()) all.push_back(groups_[place].vip);
  }
  each_once(all);
  return all;
}

void Services::add_ports(const GroupMatch& match, std::vector<VipPorts>& to) {
  for (const PortRange range : match.ports) to.push_back({match.vip, match.protocol, range.first, range.last});
}

std::vector<VipPorts> Services::ports_of(const ServiceKey& key) const {
  std::vector<VipPorts> all;
  if (key.mark.value != 0) {
    for (const uint32_t place : groups_of(key.mark)) {
      if (groups_[place].vip.family() == key.family()) add_ports(groups_[place], all);
    }
    return all;
  }
  const uint16_t port = key.vip.port.value;
  all.push_back({key.vip.addr, key.protocol, port, port == 0 ? uint16_t{0xffff} : port});
  if (key.protocol == Protocol::tcp && key.vip.port == kFtp)
    all.push_back({key.vip.addr, key.protocol, kFtpData.value, kFtpData.value});
  return all;
}

std::vector<Ip> Services::vips() const {
  std::vector<Ip> all;
  for (const Service& service : services_) {
    if (service.used && service.spec.key.mark.value == 0) all.push_back(service.spec.key.vip.addr);
  }
  for (const GroupMatch& match : groups_) {
    if (find(mark_key(match.mark, match.vip.family()))) all.push_back(match.vip);
  }
  each_once(all);
  return all;
}

// IPVS's order: the mark, if the packet has one that a service uses; then protocol, address and port; then an FTP
// service for its data connections; then the service for every port.
const Service* Services::classify(const FlowKey& flow) const {
  const auto opened = [&](const ServiceKey& key) {
    const Service* const service = find(key);
    return service && service->open ? service : nullptr;
  };
  if (!groups_.empty()) {
    if (const auto place = marks_.find(flow, looked_at_)) {
      const ServiceKey key = mark_key(groups_[*place].mark, flow.vip.family());
      if (const Service* const service = opened(key)) return service;
    }
  }
  const auto at_port = [&](Port port) {
    return opened({.protocol = flow.protocol, .vip = {flow.vip, port}, .mark = {}});
  };
  if (const Service* const service = at_port(flow.vport)) return service;
  if (flow.protocol == Protocol::tcp && (flow.vport == kFtpData || flow.vport.value >= kFirstUnprivileged)) {
    if (const Service* const service = at_port(kFtp)) return service;
  }
  return at_port(Port(0));
}

}  // namespace rawvs
