// SPDX-License-Identifier: BSD-2-Clause
// director_gate.cpp: calls handed on to the director. Refusals are no news here: an operator may have removed a service
// or a server that is still checked.
#include "control/director_gate.h"

#include <utility>

#include "core/service.h"
#include "core/touched.h"
#include "side/neighbor.h"

namespace rawvs {

bool DirectorGate::has_service(const ServiceKey& key) const {
  return std::as_const(director_).services().find(key) != nullptr;
}

const Server* DirectorGate::find(const ServiceKey& key, Endpoint at) const {
  return std::as_const(director_).services().known(key, at);
}

std::optional<ServerGate::NextHop> DirectorGate::next_hop(const Server& server) const {
  if (server.neighbor == kNoNeighbor) return std::nullopt;
  const Neighbors::Neighbor& neighbor = director_.neighbors().at(server.neighbor);
  return NextHop{neighbor.addr, neighbor.knows_mac() ? std::optional(neighbor.mac) : std::nullopt,
                 director_.reach(server) == Director::Reach::silent};
}

void DirectorGate::add(const ServiceKey& key, const ServerSpec& spec, Turn turn) {
  if (!director_.add_server(key, spec, turn)) static_cast<void>(director_.set_order(key, spec.at, {}));
}

void DirectorGate::remove(const ServiceKey& key, Endpoint at, Turn turn) {
  static_cast<void>(director_.remove_server(key, at, turn));
}

void DirectorGate::set_standing(const ServiceKey& key, Endpoint at, Standing standing, int32_t most_weight,
                                uint8_t share, int32_t least_weight) {
  static_cast<void>(director_.set_standing(key, at, standing, most_weight, share, least_weight));
}

void DirectorGate::take_out(const ServiceKey& key, Endpoint at) { static_cast<void>(director_.take_out(key, at)); }

void DirectorGate::put_back(const ServiceKey& key, Endpoint at) { static_cast<void>(director_.put_back(key, at)); }

std::vector<Touched> DirectorGate::take_touched() { return director_.take_touched(); }

}  // namespace rawvs
