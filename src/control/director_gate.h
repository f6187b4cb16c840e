// SPDX-License-Identifier: BSD-2-Clause
// director_gate.h: the director's tables for CheckedServers.
#pragma once

#include <vector>

#include "rawvs/director.h"
#include "side/server_gate.h"

namespace rawvs {

class DirectorGate final : public ServerGate {
 public:
  explicit DirectorGate(Director& director) : director_(director) {}

  bool has_service(const ServiceKey& key) const override;
  const Server* find(const ServiceKey& key, Endpoint at) const override;
  std::optional<NextHop> next_hop(const Server& server) const override;
  void add(const ServiceKey& key, const ServerSpec& spec, Turn turn) override;
  void remove(const ServiceKey& key, Endpoint at, Turn turn) override;
  void set_standing(const ServiceKey& key, Endpoint at, Standing standing, int32_t most_weight, uint8_t share,
                    int32_t least_weight) override;
  void take_out(const ServiceKey& key, Endpoint at) override;
  void put_back(const ServiceKey& key, Endpoint at) override;
  std::vector<Touched> take_touched() override;

 private:
  Director& director_;
};

}  // namespace rawvs
