// SPDX-License-Identifier: BSD-2-Clause
// engine_parts.h: the engine's parts and their dependencies. For src/sys/engine only.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "rawvs/engine.h"
#include "sys/engine/checks.h"
#include "sys/engine/engine_context.h"
#include "sys/engine/jobs.h"
#include "sys/engine/local_clients.h"
#include "sys/engine/mastership.h"
#include "sys/engine/opened.h"
#include "sys/engine/ports.h"
#include "sys/engine/replacement.h"
#include "sys/engine/requests.h"
#include "sys/engine/routes.h"
#include "sys/engine/saving.h"
#include "sys/engine/signals.h"
#include "sys/engine/syncing.h"

namespace rawvs {

struct Engine::Parts {
  Parts(const Config& config, const std::string& file, const Log& log, const Helper& helper)
      : context(config, log, helper),
        ports(context),
        routes(context, ports),
        local_clients(context, ports),
        vrrp_notifier(context),
        virtual_notifier(context),
        mastership(context, ports, vrrp_notifier),
        checks(context, mastership, virtual_notifier),
        syncing(context, ports, mastership),
        saving(context),
        jobs(context, checks, ports, routes, file, [this] { follow_config(); }),
        requests(context, jobs, ports, syncing, checks, mastership),
        replacement(context),
        signals(context, requests, jobs, replacement) {
    context.parts = all;
  }
  ~Parts() {
    context.parts = {};
    end_fast();
    ports.close();
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  // Opens all parts, in the order of a start. predecessor: the rawvsd that forwards until this one can.
  Result<Done> open(int signals_fd, const Predecessor& predecessor);
  Result<Done> load(int signals_fd);  // what can be done while another one forwards
  Result<std::optional<std::string>> take_over(const Predecessor& predecessor);
  void end_fast();         // what the fast path knows goes to the director, which forwards everything itself
  void stop_forwarding();  // another rawvsd takes over
  void go_on();            // it did not
  Result<Done> load_tables();
  void follow_config();  // applies a changed configuration to everything but the tables

  EngineContext context;
  Opened already{};  // until its part takes it
  pid_t other = -1;  // the process from which this one took over
  Ports ports;
  Routes routes;
  LocalClients local_clients;
  Notifier vrrp_notifier, virtual_notifier;  // two: programs of virtuals that hang may not keep VRRP's from running
  Mastership mastership;
  Checks checks;
  Syncing syncing;
  Saving saving;
  Jobs jobs;
  Requests requests;
  Replacement replacement;
  Signals signals;
  // The order of service in a turn: adverts first, for which others wait; frames; requests after jobs, because a reply
  // may wait for the end of a job, and nothing else may end the next wait; the ports last, so that filter and guard
  // follow the other parts' changes.
  std::array<Part*, 14> all{&mastership,    &context.frames, &signals,          &checks, &jobs,
                            &syncing,       &vrrp_notifier,  &virtual_notifier, &saving, &replacement,
                            &local_clients, &requests,       &routes,           &ports};
};

}  // namespace rawvs
