// SPDX-License-Identifier: BSD-2-Clause
// service.cpp: the tables of services and of real servers.
#include "core/service.h"

#include <algorithm>

#include "core/scheduler.h"

namespace rawvs {

namespace {

constexpr size_t kLookedAtWhenFull = 8192;     // removed servers examined when no slot is free: half a millisecond
constexpr Duration kRemovedServerKept = 120s;  // IPVS keeps its trash at least this long

// Decides `overloaded` from new thresholds, as IPVS does at every add and edit.
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

bool no_link(Ip a) { return a.is_v6() && a.link_local(); }

std::optional<Refusal> fault(const ServiceKey& key, const ServerSpec& spec) {
  if (spec.weight < 0 || spec.lower > spec.upper) return Refusal::range;
  if (no_link(spec.at.addr)) return Refusal::invalid;
  const bool carries = spec.method == Method::tunnel || spec.method == Method::fullnat;
  if (spec.at.addr.family() != key.family() && !carries) return Refusal::unsupported;
  const bool tcp = key.protocol == Protocol::tcp || key.mark.value != 0;
  if (spec.proxy && (spec.method != Method::fullnat || !tcp)) return Refusal::unsupported;
  return std::nullopt;
}

// One-packet scheduling leaves no connection, by which alone a full NAT server's reply finds its client.
bool allows(const ServiceSpec& service, const ServerSpec& server) {
  return !service.one_packet || server.method != Method::fullnat;
}

Pool pool_of(std::span<const Server> servers, const Service& service) { return {servers, service.servers}; }

}  // namespace

bool alike(const ServiceSpec& a, const ServiceSpec& b) {
  return a.scheduler == b.scheduler && a.flags == b.flags && a.persistence == b.persistence && a.netmask == b.netmask &&
         a.one_packet == b.one_packet;
}

bool alike(const ServerSpec& a, const ServerSpec& b) {
  return a.method == b.method && a.weight == b.weight && a.upper == b.upper && a.lower == b.lower &&
         a.tunnel == b.tunnel && a.proxy == b.proxy && a.mac == b.mac;
}

uint64_t Services::hash(const ServiceKey& k) {
  const uint64_t rest =
      uint64_t{k.mark.value} << 24 | uint64_t{k.vip.port.value} << 8 | static_cast<uint8_t>(k.protocol);
  return mixed(hash(k.vip.addr) ^ mixed(rest));
}

uint64_t Services::hash(const ServiceKey& key, Endpoint server) {
  return mixed(hash(key) + hash(server.addr) + server.port.value);
}

Services::Services(uint32_t max_servers, uint32_t max_services)
    : servers_(std::min<uint32_t>(max_servers, kNoServer)),
      free_services_(max_services),
      free_servers_(max_servers),
      by_key_(max_services),
      by_place_(max_servers),
      by_addr_(max_servers),
      removed_(max_servers) {
  services_.reserve(std::min<uint32_t>(max_services, kNoService));
}

const Service* Services::find(const ServiceKey& key) const {
  const Slot slot = by_key_.find(hash(key), [&](Slot s) { return services_[s].spec.key == key; });
  return slot == kNoSlot ? nullptr : &services_[slot];
}

std::optional<Refusal> Services::add(const ServiceSpec& spec) {
  if (find(spec.key)) return Refusal::exists;
  if (no_link(spec.key.vip.addr)) return Refusal::invalid;
  const auto free = free_services_.take();
  if (!free) return Refusal::full;
  if (*free == services_.size()) services_.emplace_back();
  Service& service = services_[*free];
  service.spec = spec;
  service.used = true;
  service.serial = next_serial_++;
  const FromFile said = from_file(spec.key);
  service.limits = said.limits;
  service.name = said.name;
  service.on_down = said.on_down;
  begin(spec.scheduler, pool_of(servers_, service), service.state, service.serial);
  by_key_.add(hash(spec.key), *free);
  ++count_[index(spec.key.family())];
  return std::nullopt;
}

void Services::set_open(const ServiceKey& key, bool open) {
  if (Service* const service = find(key)) service->open = open;
}

std::optional<Refusal> Services::edit(const ServiceSpec& spec) {
  Service* const service = find(spec.key);
  if (!service) return Refusal::no_service;
  for (const std::vector<ServerSlot>* const slots : {&service->servers, &service->taken_out}) {
    const auto unfit = [&](ServerSlot slot) { return !allows(spec, servers_[slot].spec); };
    if (std::ranges::any_of(*slots, unfit)) return Refusal::unsupported;
  }
  const bool new_scheduler = service->spec.scheduler != spec.scheduler;
  service->spec = spec;
  if (new_scheduler) begin(spec.scheduler, pool_of(servers_, *service), service->state, service->serial);
  return std::nullopt;
}

std::optional<Refusal> Services::remove(const ServiceKey& key, Instant now) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  for (const std::vector<ServerSlot>* const slots : {&service->servers, &service->taken_out}) {
    for (const ServerSlot slot : *slots) release(servers_[slot], slot, now);
  }
  const auto slot = static_cast<ServiceSlot>(service - services_.data());
  by_key_.remove(hash(key), slot);
  free_services_.give_back(slot);
  --count_[index(service->spec.key.family())];
  past_ += service->traffic;
  *service = Service{};
  return std::nullopt;
}

void Services::release(Server& server, ServerSlot slot, Instant now) {
  Service& service = services_[server.service];
  service.unproven -= server.unproven;
  service.half_open -= server.half_open;
  service.use.connections -= server.counted;
  server.service = kNoService;
  server.taken_out = false;
  server.removed = now;
  removed_.push(slot);
  ++looked_at_;
}

ServerSlot Services::known_slot(const ServiceKey& key, Endpoint server) const {
  return by_place_.find(hash(key, server), [&](Slot slot) {
    ++looked_at_;
    return servers_[slot].spec.at == server && servers_[slot].key == key;
  });
}

ServerSlot Services::slot_of(const ServiceKey& key, Endpoint server) const {
  const ServerSlot slot = known_slot(key, server);
  return slot != kNoServer && servers_[slot].in_service() ? slot : kNoServer;
}

const Server* Services::find(const ServiceKey& key, Endpoint server) const {
  const Server* const held = known(key, server);
  return held && held->in_table() ? held : nullptr;
}

const Server* Services::known(const ServiceKey& key, Endpoint server) const {
  const ServerSlot slot = slot_of(key, server);
  return slot == kNoServer ? nullptr : &servers_[slot];
}

// A slot for a new server. If the same server was removed from the same service and keeps its slot: that slot, so it
// gets its connections and counters back. Else a free slot. Else the slot of the unused server that was removed first.
ServerSlot Services::slot_for(const ServiceKey& key, const ServerSpec& spec) {
  if (const ServerSlot known = known_slot(key, spec.at); known != kNoServer) {
    removed_.remove(known);
    return known;
  }
  auto free = free_servers_.take();
  if (!free) {
    const ServerSlot gone = longest_gone();
    if (gone == kNoServer) return kNoServer;
    forget(gone);
    free = free_servers_.take();
  }
  by_place_.add(hash(key, spec.at), *free);
  by_addr_.add(hash(spec.at.addr), *free);
  return *free;
}

// Servers that connections use move to the end of the queue: the next call examines others.
ServerSlot Services::longest_gone() {
  for (size_t left = std::min(removed_.size(), kLookedAtWhenFull); left > 0; --left) {
    const ServerSlot first = removed_.first();
    ++looked_at_;
    if (servers_[first].references() == 0) return first;
    removed_.remove(first);
    removed_.push(first);
  }
  return kNoServer;
}

void Services::forget(ServerSlot slot) {
  by_place_.remove(hash(servers_[slot].key, servers_[slot].spec.at), slot);
  by_addr_.remove(hash(servers_[slot].spec.at.addr), slot);
  removed_.remove(slot);
  servers_[slot] = Server{};
  free_servers_.give_back(slot);
}

std::optional<Refusal> Services::add_server(const ServiceKey& key, const ServerSpec& spec) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  if (const auto why = fault(key, spec)) return why;
  if (!allows(service->spec, spec)) return Refusal::unsupported;
  if (find(key, spec.at)) return Refusal::exists;
  const ServerSlot held = slot_of(key, spec.at);  // it was taken out: it begins anew
  if (held != kNoServer) forget_taken_out(*service, held);
  const ServerSlot slot = held != kNoServer ? held : slot_for(key, spec);
  if (slot == kNoServer) return Refusal::full;
  Server& server = servers_[slot];
  if (!server.used) server = Server{};
  if (server.served != service->serial) server.traffic = {}, server.rates = {};
  server.used = true;
  server.served = service->serial;
  server.key = key;
  const ShortName name = spec.name.empty() ? server.spec.name : spec.name;
  server.spec = spec;
  server.spec.name = name;
  server.wanted_weight = spec.weight;
  server.most_weight = INT32_MAX;
  server.least_weight = 0;
  server.reachable = true;
  server.share = kFullShare;
  server.standing = Standing::serves;
  if (!server.in_service()) {
    service->unproven += server.unproven, service->half_open += server.half_open;
    service->use.connections += server.counted;
    server.order = service->order;
  }
  server.service = static_cast<ServiceSlot>(service - services_.data());
  decide_overload(server);
  server.was_nat |= translates(spec.method);
  server.last_weight = spec.weight;
  weigh(server);
  list(*service, slot);
  return std::nullopt;
}

std::optional<Refusal> Services::edit_server(const ServiceKey& key, const ServerSpec& spec) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  if (const auto why = fault(key, spec)) return why;
  if (!allows(service->spec, spec)) return Refusal::unsupported;
  const ServerSlot slot = slot_of(key, spec.at);
  if (slot == kNoServer) return Refusal::no_server;
  Server& server = servers_[slot];
  const Weighed was(server);
  const bool passed = server.replies_pass();
  const auto fixed_mac = spec.mac ? spec.mac : server.spec.mac;  // ipvsadm has no option for it: an edit keeps it
  const ShortName name = server.spec.name;
  server.spec = spec;
  server.spec.mac = fixed_mac;
  server.spec.name = name;
  server.wanted_weight = spec.weight;
  weigh(server);
  decide_overload(server);
  server.was_nat |= translates(spec.method);
  if (server.taken_out) return std::nullopt;
  service->around += passed - server.replies_pass();
  server_changed(service->spec.scheduler, service->state, was, Weighed(server));
  return std::nullopt;
}

std::optional<Refusal> Services::take_out(const ServiceKey& key, Endpoint server) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  if (!find(key, server)) return Refusal::no_server;
  const ServerSlot slot = slot_of(key, server);
  unlist(*service, slot);
  servers_[slot].taken_out = true;
  servers_[slot].listed = next_listed_++;
  service->taken_out.push_back(slot);
  return std::nullopt;
}

std::optional<Refusal> Services::put_back(const ServiceKey& key, Endpoint server) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  const ServerSlot slot = slot_of(key, server);
  if (slot == kNoServer || !servers_[slot].taken_out) return Refusal::no_server;
  forget_taken_out(*service, slot);
  list(*service, slot);
  return std::nullopt;
}

void Services::set_local(ServerSlot slot, bool local) {
  Server& server = servers_[slot];
  const bool passed = server.replies_pass();
  server.local = local;
  if (server.in_table()) services_[server.service].around += passed - server.replies_pass();
}

// Puts the server first in the schedulers' order.
void Services::list(Service& service, ServerSlot slot) {
  servers_[slot].listed = next_listed_++;
  service.servers.insert(service.servers.begin(), slot);
  service.around += !servers_[slot].replies_pass();
  server_added(service.spec.scheduler, pool_of(servers_, service), service.state);
}

// Removes the server from the schedulers' order.
void Services::unlist(Service& service, ServerSlot slot) {
  const auto number = [&](ServerSlot s) { return ++looked_at_, servers_[s].listed; };
  const auto at = std::ranges::lower_bound(service.servers, servers_[slot].listed, std::ranges::greater(), number);
  const auto was_at = static_cast<size_t>(at - service.servers.begin());
  service.servers.erase(at);
  service.around -= !servers_[slot].replies_pass();
  server_removed(service.spec.scheduler, service.state, was_at, Weighed(servers_[slot]));
}

void Services::forget_taken_out(Service& service, ServerSlot slot) {
  const auto number = [&](ServerSlot s) { return ++looked_at_, servers_[s].listed; };
  service.taken_out.erase(std::ranges::lower_bound(service.taken_out, servers_[slot].listed, {}, number));
  servers_[slot].taken_out = false;
}

std::optional<Refusal> Services::remove_server(const ServiceKey& key, Endpoint server, Instant now) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  const ServerSlot slot = slot_of(key, server);
  if (slot == kNoServer) return Refusal::no_server;
  if (servers_[slot].taken_out) {
    forget_taken_out(*service, slot);
  } else {
    unlist(*service, slot);
  }
  release(servers_[slot], slot, now);
  return std::nullopt;
}

// A server that stays moves to the end of the queue: the next call examines others.
void Services::forget_removed(Instant now, size_t most, std::vector<ServerSlot>& gone) {
  for (size_t left = std::min(removed_.size(), most); left > 0; --left) {
    const ServerSlot first = removed_.first();
    const Server& s = servers_[first];
    ++looked_at_;
    if (s.references() == 0 && now - s.removed >= kRemovedServerKept) {
      forget(first);
      gone.push_back(first);
      continue;
    }
    removed_.remove(first);
    removed_.push(first);
  }
}

}  // namespace rawvs
