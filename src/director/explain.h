// SPDX-License-Identifier: BSD-2-Clause
// explain.h: what would become of a packet that begins a connection, and why, step by step, in words. The same tables
// and the same functions as for real packets are asked; nothing is changed: schedulers choose on a copy of their state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/service.h"
#include "rawvs/exit.h"

namespace rawvs {

class Flows;
class Surroundings;
struct Settings;

struct Explanation {
  std::vector<std::string> steps;  // sentences, in the order in which things are looked at
  Exit exit = Exit::forwarded;
  std::optional<Endpoint> server;  // whom it would go to
  Method method = Method::route;   // and how
  std::string text;                // the verdict, a sentence
};

struct Explained {  // what is asked
  const Settings& settings;
  const Services& services;
  const Flows& flows;
  const Surroundings& surroundings;
};
Explanation explain(const Explained& of, const FlowKey& flow, Instant now);

}  // namespace rawvs
