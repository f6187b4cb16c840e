// SPDX-License-Identifier: BSD-2-Clause
// engine_syncing.h: what the engine keeps while connections are told and heard. Private to the engine.
#pragma once

#include <memory>

#include "core/sync.h"
#include "core/tell_once.h"
#include "rawvs/engine.h"
#include "sys/ha/sync_socket.h"

namespace rawvs {

struct Engine::Syncing {
  SyncConfig config;
  std::unique_ptr<SyncSocket> socket;
  SyncSender sender;
  SyncReceiver receiver;
  SyncCounters counters{};
  int warned = 0;   // the errno that the log has heard of
  TellOnce told{};  // of whom the log has heard that their messages are refused, and why
  void judged(Ip from, std::optional<SyncRefusal> why, Instant now, const Log& log);
  bool tells() const { return config.role != SyncRole::backup; }
  bool hears() const { return config.role != SyncRole::master; }
};

}  // namespace rawvs
