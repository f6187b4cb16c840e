// SPDX-License-Identifier: BSD-2-Clause
// service.cpp: the service table and the slots of the real servers.
#include "rawvs/service.h"

#include <algorithm>

#include "rawvs/scheduler.h"

namespace rawvs {

namespace {

constexpr size_t kMostServices = 4096;
constexpr Duration kRemovedServerKept = 120s;  // IPVS keeps its trash at least this long
constexpr uint16_t kFirstUnprivileged = 1024;  // net.ipv4.ip_unprivileged_port_start

bool in_ranges(const std::vector<PortRange>& ranges, Port port) {
  return std::ranges::any_of(ranges, [&](PortRange r) { return r.first <= port.value && port.value <= r.last; });
}

// New thresholds: as IPVS decides at every add and edit.
void decide_overload(Server& server) {
  const ServerSpec& s = server.spec;
  const uint64_t total = uint64_t{server.active} + server.inactive;
  if (s.upper == 0) {
    server.overloaded = false;
  } else if (total >= s.upper) {
    server.overloaded = true;
  } else if (s.lower != 0 ? total < s.lower : total * 4 < uint64_t{s.upper} * 3) {
    server.overloaded = false;
  }
}

// The operator's weight, as far as checks and slow start allow it.
void weigh(Server& server) {
  const int64_t most = std::min(server.wanted_weight, server.most_weight);
  server.spec.weight = static_cast<int32_t>(std::max(most * server.share / kFullShare, std::min<int64_t>(most, 1)));
  if (most != 0) server.last_weight = static_cast<int32_t>(most);
}

Pool pool_of(std::span<const Server> servers, const Service& service) { return {servers, service.servers}; }

}  // namespace

const char* name(Method m) {
  switch (m) {
    case Method::masq: return "NAT";
    case Method::local: return "local";
    case Method::tunnel: return "TUN";
    case Method::route: return "DR";
  }
  return "?";
}

std::string text(const ServiceKey& key) {
  if (key.mark.value != 0) return "mark " + std::to_string(key.mark.value);
  return std::string(name(key.protocol)) + ' ' + text(key.vip);
}

size_t Services::KeyHash::operator()(const ServiceKey& k) const {
  const uint64_t low = uint64_t{k.vip.addr.v4()} << 16 | k.vip.port.value;
  const uint64_t high = uint64_t{k.mark.value} << 8 | static_cast<uint8_t>(k.protocol);
  return static_cast<size_t>((low ^ high * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu >> 16);
}

Services::Services(uint32_t max_servers) : servers_(std::min<uint32_t>(max_servers, kNoServer)) {}

const Service* Services::find(const ServiceKey& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &services_[found->second];
}

std::optional<Refusal> Services::add(const ServiceSpec& spec) {
  if (find(spec.key)) return Refusal::exists;
  auto free = std::ranges::find_if(services_, [](const Service& s) { return !s.used; });
  if (free == services_.end()) {
    if (services_.size() == kMostServices) return Refusal::full;
    free = services_.emplace(services_.end());
  }
  *free = Service{};
  free->spec = spec;
  free->used = true;
  free->serial = next_serial_++;
  begin(spec.scheduler, pool_of(servers_, *free), free->state, free->serial);
  by_key_[spec.key] = static_cast<ServiceSlot>(free - services_.begin());
  return std::nullopt;
}

std::optional<Refusal> Services::edit(const ServiceSpec& spec) {
  Service* const service = find(spec.key);
  if (!service) return Refusal::no_service;
  const bool new_scheduler = service->spec.scheduler != spec.scheduler;
  service->spec = spec;
  if (new_scheduler) begin(spec.scheduler, pool_of(servers_, *service), service->state, service->serial);
  return std::nullopt;
}

std::optional<Refusal> Services::remove(const ServiceKey& key, Instant now) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  release_servers(*service, now);
  *service = Service{};
  by_key_.erase(key);
  return std::nullopt;
}

void Services::clear(Instant now) {
  for (Service& service : services_) {
    release_servers(service, now);
    service = Service{};
  }
  by_key_.clear();
}

void Services::release_servers(Service& service, Instant now) {
  for (const ServerSlot slot : service.servers) {
    servers_[slot].service = kNoService;
    servers_[slot].removed = now;
  }
  service.servers.clear();
}

size_t Services::index_of(const Service& service, Endpoint server) const {
  const auto found =
      std::ranges::find_if(service.servers, [&](ServerSlot slot) { return servers_[slot].spec.at == server; });
  return static_cast<size_t>(found - service.servers.begin());
}

const Server* Services::find(const ServiceKey& key, Endpoint server) const {
  const Service* const service = find(key);
  const size_t at = service ? index_of(*service, server) : 0;
  return service && at != service->servers.size() ? &servers_[service->servers[at]] : nullptr;
}

// A free slot; or, when this very server was removed from this very service and connections still remember it, its
// old one: so it gets its connections and counters back. Where none is free, that of the server that was removed first
// of those that nothing uses: it had only been waiting to return.
ServerSlot Services::slot_for(const ServiceKey& key, const ServerSpec& spec) {
  ServerSlot free = kNoServer, longest_gone = kNoServer;
  for (size_t i = 0; i < servers_.size(); ++i) {
    const Server& s = servers_[i];
    if (s.used && !s.in_service() && s.key == key && s.spec.at == spec.at) return static_cast<ServerSlot>(i);
    if (!s.used && free == kNoServer) free = static_cast<ServerSlot>(i);
    if (!s.used || s.in_service() || s.references() != 0) continue;
    if (longest_gone == kNoServer || s.removed < servers_[longest_gone].removed) {
      longest_gone = static_cast<ServerSlot>(i);
    }
  }
  if (free != kNoServer || longest_gone == kNoServer) return free;
  servers_[longest_gone] = Server{};
  return longest_gone;
}

std::optional<Refusal> Services::add_server(const ServiceKey& key, const ServerSpec& spec, Instant now) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  if (spec.weight < 0 || spec.lower > spec.upper) return Refusal::range;
  if (index_of(*service, spec.at) != service->servers.size()) return Refusal::exists;
  forget_removed(now);
  const ServerSlot slot = slot_for(key, spec);
  if (slot == kNoServer) return Refusal::full;
  Server& server = servers_[slot];
  if (!server.used) server = Server{};
  if (server.served != service->serial) server.traffic = {}, server.rates = {};
  server.used = true;
  server.served = service->serial;
  server.key = key;
  server.spec = spec;
  server.wanted_weight = spec.weight;
  server.most_weight = INT32_MAX;
  server.share = kFullShare;
  server.standing = Standing::serves;
  server.service = static_cast<ServiceSlot>(service - services_.data());
  decide_overload(server);
  server.was_nat |= spec.method == Method::masq;
  server.last_weight = spec.weight;
  service->servers.insert(service->servers.begin(), slot);
  server_added(service->spec.scheduler, pool_of(servers_, *service), service->state);
  return std::nullopt;
}

std::optional<Refusal> Services::edit_server(const ServiceKey& key, const ServerSpec& spec) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  if (spec.weight < 0 || spec.lower > spec.upper) return Refusal::range;
  const size_t at = index_of(*service, spec.at);
  if (at == service->servers.size()) return Refusal::no_server;
  Server& server = servers_[service->servers[at]];
  const auto fixed_mac = spec.mac ? spec.mac : server.spec.mac;  // ipvsadm has no word for it: an edit keeps it
  server.spec = spec;
  server.spec.mac = fixed_mac;
  server.wanted_weight = spec.weight;
  weigh(server);
  decide_overload(server);
  server.was_nat |= spec.method == Method::masq;
  server_changed(service->spec.scheduler, pool_of(servers_, *service), service->state);
  return std::nullopt;
}

std::optional<Refusal> Services::set_standing(const ServiceKey& key, Endpoint at, Standing standing,
                                              int32_t most_weight, uint8_t share) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  const size_t index = index_of(*service, at);
  if (index == service->servers.size()) return Refusal::no_server;
  Server& server = servers_[service->servers[index]];
  server.standing = standing;
  server.most_weight = most_weight;
  const int32_t weight = server.spec.weight;
  const uint8_t before = std::exchange(server.share, std::clamp<uint8_t>(share, 1, kFullShare));
  weigh(server);
  if (weight == server.spec.weight && before == server.share) return std::nullopt;
  server_changed(service->spec.scheduler, pool_of(servers_, *service), service->state);
  return std::nullopt;
}

std::optional<Refusal> Services::remove_server(const ServiceKey& key, Endpoint server, Instant now) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  const size_t at = index_of(*service, server);
  if (at == service->servers.size()) return Refusal::no_server;
  Server& removed = servers_[service->servers[at]];
  removed.service = kNoService;
  removed.removed = now;
  service->servers.erase(service->servers.begin() + static_cast<std::ptrdiff_t>(at));
  server_removed(service->spec.scheduler, pool_of(servers_, *service), service->state, at);
  return std::nullopt;
}

void Services::estimate(uint32_t intervals) {
  const auto tick = [&](auto& counted) {
    counted.rates.tick(counted.traffic);
    counted.rates.idle_ticks(intervals - 1);
  };
  for (Service& service : services_) {
    if (service.used) tick(service);
  }
  for (Server& server : servers_) {
    if (server.used) tick(server);
  }
}

void Services::forget_removed(Instant now) {
  for (Server& s : servers_) {
    if (s.used && !s.in_service() && s.references() == 0 && now - s.removed >= kRemovedServerKept) s = Server{};
  }
}

std::optional<Refusal> Services::zero(const ServiceKey& key) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  service->traffic = {}, service->rates = {};
  for (const ServerSlot slot : service->servers) servers_[slot].traffic = {}, servers_[slot].rates = {};
  return std::nullopt;
}

void Services::zero_all() {
  for (const auto& [key, slot] : by_key_) zero(key);
}

void Services::set_groups(std::vector<GroupMatch> groups) { groups_ = std::move(groups); }

std::vector<Ip> Services::vips() const {
  std::vector<Ip> all;
  for (const auto& [key, slot] : by_key_) {
    if (key.mark.value == 0) all.push_back(key.vip.addr);
  }
  for (const GroupMatch& match : groups_) {
    if (find({.protocol = Protocol::any, .vip = {}, .mark = match.mark})) all.push_back(match.vip);
  }
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::optional<Mark> Services::mark_of(const FlowKey& flow) const {
  for (const GroupMatch& match : groups_) {
    if (match.vip == flow.vip && match.protocol == flow.protocol && match.clients.holds(flow.client) &&
        in_ranges(match.ports, flow.vport)) {
      return match.mark;
    }
  }
  return std::nullopt;
}

// IPVS's order: the mark, if the packet has one and a service balances it; then protocol, address and port; then an FTP
// service, which takes its data connections, too; then the service of every port.
const Service* Services::classify(const FlowKey& flow) const {
  if (!groups_.empty()) {
    if (const auto mark = mark_of(flow)) {
      if (const Service* const service = find({.protocol = Protocol::any, .vip = {}, .mark = *mark})) return service;
    }
  }
  const auto at_port = [&](Port port) {
    return find({.protocol = flow.protocol, .vip = {flow.vip, port}, .mark = {}});
  };
  if (const Service* const service = at_port(flow.vport)) return service;
  if (flow.protocol == Protocol::tcp && (flow.vport == kFtpData || flow.vport.value >= kFirstUnprivileged)) {
    if (const Service* const service = at_port(kFtp)) return service;
  }
  return at_port(Port(0));
}

}  // namespace rawvs
