// SPDX-License-Identifier: BSD-2-Clause
// engine_context.h: common to the engine's parts: configuration, log, time, director, outbox, poller.
#pragma once

#include <memory>
#include <span>

#include "core/outbox.h"
#include "core/state.h"
#include "core/turn.h"
#include "rawvs/config.h"
#include "rawvs/control.h"
#include "rawvs/director.h"
#include "sys/engine/fast_engine.h"
#include "sys/engine/frame_exchange.h"
#include "sys/engine/part.h"
#include "sys/engine/poller.h"
#include "sys/helper/helper.h"
#include "sys/net/netlink.h"
#include "sys/sys.h"

namespace rawvs {

struct EngineContext {
  EngineContext(const Config& its_config, const Log& its_log, const Helper& its_helper)
      : config(its_config),
        log(its_log),
        helper(its_helper),
        now(clock_now()),
        fast(config, log, director),
        director(config.settings, random_hash_key(), now),
        frames(config.settings.max_connections, director, outbox, poller, log) {}

  Config config;  // in effect
  const Log& log;
  const Helper& helper;
  ProcessUse use{};
  Instant now;      // start of this turn of the loop
  FastEngine fast;  // before the director, which uses its memory to the end
  Director director;
  Outbox outbox;
  Poller poller;
  FrameExchange frames;
  std::unique_ptr<Netlink> netlink{};
  // Another rawvsd forwards, from which this one takes over, or which takes over from this one: what only one of them
  // may have is not opened.
  bool another_serves = false;
  ServerVerdicts* verdicts = nullptr;  // of the checks
  std::span<Part* const> parts{};      // in the order in which they are served

  void dispatch() { frames.dispatch(); }  // after every call of the director
  Turn turn() { return {now, outbox}; }
  StateTables state_tables(bool renews = false) {  // what a process leaves to the next one
    StateTables tables = director.state_tables(renews);
    tables.events = &log.events();
    tables.verdicts = verdicts;
    return tables;
  }
};

}  // namespace rawvs
