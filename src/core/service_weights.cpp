// SPDX-License-Identifier: BSD-2-Clause
// service_weights.cpp: what changes a server's weight in effect beside an edit: checks, orders, its route.
#include <algorithm>

#include "core/scheduler.h"
#include "core/service.h"

namespace rawvs {

// Computes the weight in effect: the operator's, limited by an order, checks and slow start.
void Services::weigh(Server& server) {
  const int32_t most = server.allowed_weight();
  server.spec.weight = server.part_of(most);
  if (most != 0) server.last_weight = most;
}

std::optional<Refusal> Services::set_standing(const ServiceKey& key, Endpoint at, Standing standing,
                                              int32_t most_weight, uint8_t share, int32_t least_weight) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  const ServerSlot slot = slot_of(key, at);
  if (slot == kNoServer) return Refusal::no_server;
  Server& server = servers_[slot];
  const Weighed was(server);
  server.standing = standing;
  server.most_weight = most_weight;
  server.least_weight = least_weight;
  server.share = std::clamp<uint8_t>(share, 1, kFullShare);
  weigh_anew(server, was);
  return std::nullopt;
}

std::optional<Refusal> Services::set_order(const ServiceKey& key, Endpoint at, const Order& order) {
  if (!find(key)) return Refusal::no_service;
  const ServerSlot slot = slot_of(key, at);
  if (slot == kNoServer) return Refusal::no_server;
  Server& server = servers_[slot];
  const Weighed was(server);
  server.order = order;
  weigh_anew(server, was);
  return std::nullopt;
}

std::optional<Refusal> Services::set_order(const ServiceKey& key, const Order& order) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  service->order = order;
  return std::nullopt;
}

// was: before something that its weight depends on has changed.
void Services::weigh_anew(Server& server, const Weighed& was) {
  weigh(server);
  const Weighed is(server);
  if (!server.in_table() || was == is) return;
  Service& service = services_[server.service];
  server_changed(service.spec.scheduler, service.state, was, is);
}

bool Services::set_reachable(ServerSlot slot, bool reachable) {
  Server& server = servers_[slot];
  if (server.reachable == reachable) return false;
  const Weighed was(server);
  server.reachable = reachable;
  weigh_anew(server, was);
  return true;
}

}  // namespace rawvs
