// SPDX-License-Identifier: BSD-2-Clause
// server_verdicts.h: what health checks have found of servers, for a state and from one.
// Not: who checks (side/checked_servers.h), the bytes (state.h).
#pragma once

#include <optional>

#include "core/service.h"
#include "rawvs/time.h"

namespace rawvs {

class ServerVerdicts {
 public:
  struct Verdict {
    bool well = false;
    Instant since{};
  };
  // None: it is not checked, or no check has ended yet.
  virtual std::optional<Verdict> found(const ServiceKey& service, Endpoint server) const = 0;
  // An earlier process's verdict stands until the first result here.
  virtual void recall(const ServiceKey& service, Endpoint server, Verdict verdict) = 0;
  // The service's sorry server: an order about the service is not about it.
  virtual std::optional<Endpoint> sorry_of(const ServiceKey& service) const = 0;

 protected:
  ~ServerVerdicts() = default;
};

}  // namespace rawvs
