// SPDX-License-Identifier: BSD-2-Clause
// explain.h: explains in words what would happen to a packet that begins a connection, and why.
// In:  a flow, the director's tables.
// Out: steps, verdict, exit, server.
//
// It uses the tables and functions of the packet path and changes nothing: schedulers choose on a copy of their state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/service.h"
#include "rawvs/exit.h"

namespace rawvs {

class Flows;
class Handshakes;
class Surroundings;
struct Settings;

struct Explanation {
  std::vector<std::string> steps;  // sentences, in the order of the packet path
  Exit exit = Exit::forwarded;
  std::optional<Endpoint> server;  // where it would be sent
  Method method = Method::route;   // how it would be sent
  std::string text;                // the verdict: one sentence
};

struct Explained {  // the parts of the director that decide
  const Settings& settings;
  const Services& services;
  const Flows& flows;
  const Surroundings& surroundings;
  const Handshakes& handshakes;
};
Explanation explain(const Explained& of, const FlowKey& flow, Instant now);

}  // namespace rawvs
