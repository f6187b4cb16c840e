// SPDX-License-Identifier: BSD-2-Clause
// server_gate.h: what CheckedServers reads and changes of the tables of services and servers.
// Not: who has these tables (the director, see control/director_gate.h).
#pragma once

#include <optional>
#include <vector>

#include "core/service.h"
#include "core/touched.h"
#include "core/turn.h"
#include "rawvs/addr.h"

namespace rawvs {

class ServerGate {
 public:
  struct NextHop {  // to a server
    Ip addr{};
    std::optional<Mac> mac{};  // none: it is not known
    bool silent = false;       // was asked several times and did not answer
  };

  virtual bool has_service(const ServiceKey& key) const = 0;
  virtual const Server* find(const ServiceKey& key, Endpoint at) const = 0;        // also one that is taken out
  virtual std::optional<NextHop> next_hop(const Server& server) const = 0;         // none: no route
  virtual void add(const ServiceKey& key, const ServerSpec& spec, Turn turn) = 0;  // if there is room; without an order
  virtual void remove(const ServiceKey& key, Endpoint at, Turn turn) = 0;
  // See Services::set_standing(), take_out() and put_back().
  virtual void set_standing(const ServiceKey& key, Endpoint at, Standing standing, int32_t most_weight,
                            uint8_t share = kFullShare, int32_t least_weight = 0) = 0;
  virtual void take_out(const ServiceKey& key, Endpoint at) = 0;
  virtual void put_back(const ServiceKey& key, Endpoint at) = 0;
  // What operators have changed since the last call, and servers that can, or cannot, be reached now.
  virtual std::vector<Touched> take_touched() = 0;

 protected:
  ~ServerGate() = default;
};

}  // namespace rawvs
