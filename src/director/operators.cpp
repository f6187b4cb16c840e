// SPDX-License-Identifier: BSD-2-Clause
// operators.cpp: operators' commands: services, servers, groups, settings.
#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <tuple>
#include <utility>

#include "core/sort.h"
#include "director/path.h"

namespace rawvs {

namespace {

constexpr size_t kWork = 512;  // servers and services per portion of a change of many

// The ports of all services with a firewall mark, sorted.
std::vector<VipPorts> marked_ports(const Services& services) {
  const auto match = [&services](uint32_t place) -> const GroupMatch& { return services.groups()[place]; };
  const std::vector<uint32_t>& places = services.groups_by_mark();
  std::vector<VipPorts> all;
  for (size_t at = 0; at < places.size();) {
    const Mark mark = match(places[at]).mark;
    const std::array balanced{services.find(mark_key(mark, Family::ipv4)) != nullptr,
                              services.find(mark_key(mark, Family::ipv6)) != nullptr};
    for (; at < places.size() && match(places[at]).mark == mark; ++at) {
      if (balanced[index(match(places[at]).vip.family())]) Services::add_ports(match(places[at]), all);
    }
  }
  sort_with(all, std::less<>());
  return all;
}

// Both sorted.
std::vector<VipPorts> only_in(const std::vector<VipPorts>& these, const std::vector<VipPorts>& others) {
  std::vector<VipPorts> left;
  std::ranges::set_difference(these, others, std::back_inserter(left));
  return left;
}

auto fields(const Timeouts& t) { return std::tie(t.tcp, t.tcpfin, t.udp); }

// Calls one(service) for some services from the slot `at` on, which moves on; kWork limits their servers, too. True:
// these were the last ones.
template <class One>
bool some_services(const Services& services, size_t& at, One&& one) {
  size_t work = kWork;
  for (; at < services.services().size() && work > 0; ++at, --work) {
    const Service& service = services.services()[at];
    if (!service.used) continue;
    work -= std::min(work - 1, service.servers.size());
    one(service);
  }
  return at >= services.services().size();
}

}  // namespace

std::optional<Refusal> Director::add(const ServiceSpec& spec, Turn turn) {
  const auto refusal = path_->services.add(spec);
  if (refusal) return refusal;
  for (const VipPorts& ports : path_->services.ports_of(spec.key)) path_->surroundings.use(ports, turn);
  path_->touched.add(spec.key);
  path_->surroundings.settle(turn);
  path_->changed();
  return std::nullopt;
}

void Director::set_open(const ServiceKey& key, bool open) { path_->services.set_open(key, open); }

std::optional<Refusal> Director::edit(const ServiceSpec& spec, Turn turn) {
  const auto refusal = path_->services.edit(spec);
  if (refusal) return refusal;
  path_->touched.add(spec.key);
  path_->surroundings.settle(turn);
  path_->changed();
  return std::nullopt;
}

void Director::set_from_file(const ServiceKey& key, FromFile said) {
  path_->services.set_from_file(key, std::move(said));
  path_->changed();
}

void Director::set_name(const ServiceKey& key, Endpoint server, const ShortName& name) {
  path_->services.set_name(key, server, name);
}

std::optional<Refusal> Director::remove(const ServiceKey& key, Turn turn) {
  const Service* const service = path_->services.find(key);
  if (!service) return Refusal::no_service;
  std::vector<ServerSlot> servers = service->servers;
  servers.insert(servers.end(), service->taken_out.begin(), service->taken_out.end());
  for (const ServerSlot slot : servers) path_->fast.collect(slot);
  static_cast<void>(path_->services.remove(key, turn.now));
  path_->touched.add(key);
  for (const VipPorts& ports : path_->services.ports_of(key)) path_->surroundings.leave(ports, turn);
  for (const ServerSlot slot : servers) {
    path_->flows.note_orphan(path_->services.server(slot));
    path_->surroundings.place_later(slot);
  }
  path_->surroundings.settle(turn);
  path_->changed();
  return std::nullopt;
}

// Whether the server's connections continue may have changed.
void Director::Path::server_stands(const ServiceKey& key, Endpoint at) {
  surroundings.changes().server(services.slot_of(key, at));
  fast.settle_now();
}

void Director::Path::server_changed(const ServiceKey& key, Endpoint at, Turn turn) {
  surroundings.place(services.slot_of(key, at), turn.now);
  touched.add(key, at);
  surroundings.settle(turn);
  fast.settle_now();
}

std::optional<Refusal> Director::add_server(const ServiceKey& key, const ServerSpec& spec, Turn turn) {
  const auto refusal = path_->services.add_server(key, spec);
  if (!refusal) path_->server_changed(key, spec.at, turn);
  return refusal;
}

std::optional<Refusal> Director::edit_server(const ServiceKey& key, const ServerSpec& spec, Turn turn) {
  const auto refusal = path_->services.edit_server(key, spec);
  if (!refusal) path_->server_changed(key, spec.at, turn);
  return refusal;
}

std::optional<Refusal> Director::remove_server(const ServiceKey& key, Endpoint server, Turn turn) {
  const ServerSlot slot = path_->services.slot_of(key, server);
  path_->fast.collect(slot);
  const auto refusal = path_->services.remove_server(key, server, turn.now);
  if (refusal) return refusal;
  path_->flows.note_orphan(path_->services.server(slot));
  path_->surroundings.place(slot, turn.now);
  path_->touched.add(key);
  path_->surroundings.settle(turn);
  path_->fast.settle_now();
  return std::nullopt;
}

std::optional<Refusal> Director::set_standing(const ServiceKey& key, Endpoint server, Standing standing,
                                              int32_t most_weight) {
  return set_standing(key, server, standing, most_weight, kFullShare);
}

std::optional<Refusal> Director::set_standing(const ServiceKey& key, Endpoint server, Standing standing,
                                              int32_t most_weight, uint8_t share, int32_t least_weight) {
  const auto refusal = path_->services.set_standing(key, server, standing, most_weight, share, least_weight);
  if (!refusal) path_->server_stands(key, server);
  return refusal;
}

std::optional<Refusal> Director::set_order(const ServiceKey& key, Endpoint server, const Order& order) {
  const auto refusal = path_->services.set_order(key, server, order);
  if (!refusal) path_->touched.add(key, server), path_->server_stands(key, server);
  return refusal;
}

// Slots stay where they are, while checks change the service's lists between two portions.
bool Director::order_some(const ServiceKey& key, const Reordering& as, Reordered& done) {
  constexpr size_t kLooked = 4096;
  Services& services = path_->services;
  const Service* const service = std::as_const(services).find(key);
  if (!service) return true;
  if (done.at == 0 && as.changes(service->order)) done.service = !services.set_order(key, as.order);
  const size_t end = std::min<size_t>(services.server_slots(), done.at + kLooked);
  for (size_t work = kWork; done.at < end && work > 0; ++done.at) {
    const Server& server = services.server(static_cast<ServerSlot>(done.at));
    if (!server.in_service() || server.key != key || server.spec.at == as.except || !as.changes(server.order)) continue;
    static_cast<void>(set_order(key, Endpoint(server.spec.at), as.order));
    ++done.servers, --work;
  }
  return done.at >= services.server_slots();
}

std::optional<Refusal> Director::put_back(const ServiceKey& key, Endpoint server) {
  const auto refusal = path_->services.put_back(key, server);
  if (!refusal) path_->server_stands(key, server);
  return refusal;
}

std::optional<Refusal> Director::zero(const ServiceKey& key) {
  if (const Service* const service = path_->services.find(key)) {
    for (const ServerSlot slot : service->servers) path_->fast.collect(slot);
    for (const ServerSlot slot : service->taken_out) path_->fast.collect(slot);
  }
  return path_->services.zero(key);
}

std::optional<Refusal> Director::take_out(const ServiceKey& key, Endpoint server) {
  const auto refusal = path_->services.take_out(key, server);
  if (refusal) return refusal;
  path_->flows.search_orphans();
  path_->server_stands(key, server);
  return std::nullopt;
}

bool Director::clear_some(size_t& at, Turn turn) {
  return some_services(path_->services, at,
                       [&](const Service& service) { remove(ServiceKey(service.spec.key), turn); });
}

void Director::clear(Turn turn) {
  for (size_t at = 0; !clear_some(at, turn);) {
  }
}

bool Director::zero_some(size_t& at) {
  return some_services(path_->services, at,
                       [&](const Service& service) { static_cast<void>(zero(ServiceKey(service.spec.key))); });
}

void Director::zero_all() {
  for (size_t at = 0; !zero_some(at);) {
  }
}

// New addresses are added first, so that an address in both lists is never released.
void Director::set_groups(std::vector<GroupMatch> groups, Turn turn) {
  const std::vector<VipPorts> before = marked_ports(path_->services);
  path_->services.set_groups(std::move(groups));
  const std::vector<VipPorts> after = marked_ports(path_->services);
  for (const VipPorts& ports : only_in(after, before)) path_->surroundings.use(ports, turn);
  for (const VipPorts& ports : only_in(before, after)) path_->surroundings.leave(ports, turn);
  path_->surroundings.settle(turn);
  path_->changed();
}

// A connection's next packet goes by the new ones.
void Director::set_timeouts(const Timeouts& timeouts) {
  path_->settings.timeouts = timeouts;
  path_->fast.begin_anew();
}

void Director::set_settings(const Settings& settings, Instant now) {
  const Settings was = path_->settings;
  path_->settings = settings;
  path_->settings.max_connections = was.max_connections;
  path_->settings.max_servers = was.max_servers;
  path_->settings.max_services = was.max_services;
  path_->settings.max_fragmented = was.max_fragmented;
  path_->settings.max_ftp = was.max_ftp;
  if (path_->settings.reply_rate != was.reply_rate || path_->settings.reply_burst != was.reply_burst) {
    path_->host.limits_changed();
  }
  path_->surroundings.settings_changed(now);
  if (fields(settings.timeouts) != fields(was.timeouts)) path_->fast.begin_anew();
  path_->changed();
}

// Restored connections may belong to servers as they were before an edit or a removal.
void Director::state_restored(Turn turn) {
  for (const Server& server : path_->services.servers()) {
    if (server.used && !server.in_table()) path_->flows.note_orphan(server);
  }
  path_->surroundings.place_all_later();
  path_->surroundings.settle(turn);
  path_->fast.settle_now();
}

}  // namespace rawvs
