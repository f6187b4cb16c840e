// SPDX-License-Identifier: BSD-2-Clause
// reload_impl.h: what a Reload knows while it works.
//
// For reload_steps.cpp only.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "control/kept_marks.h"
#include "control/reload.h"
#include "control/reload_places.h"
#include "control/server_index.h"
#include "control/table_walk.h"
#include "core/slots.h"

namespace rawvs {

struct Reload::Impl {
  enum class Phase : uint8_t { settings, tables, services, groups, leftovers, rest, done };
  struct Turn {  // one call of step()
    Director& director;
    Instant now;
    Outbox& out;
    const std::function<void()>& dispatch;
    size_t left;  // of the portion
    void spend(size_t looks) { left -= std::min(left, looks); }
  };

  Impl(const Config& from, Config to, bool whole, bool only_plan)
      : was(from), next(std::move(to)), reset(whole), plan(only_plan) {}
  Impl(const Impl&) = delete;

  void prepare();
  void prepare_present();
  void prepare_rest();
  bool walk(Turn& t);

  void advance(Turn& t);
  void settings(Turn& t);
  bool services(Turn& t);
  void enter(Turn& t, const WantedService& service);
  void put(Turn& t, const WantedService* old, const WantedService& service);
  void from_file(Turn& t, const WantedService& service);
  bool servers(Turn& t, const WantedService& service);
  void server(Turn& t, const ServiceKey& key, const ServerSpec& wanted, bool waits);
  void name_server(Turn& t, const ServiceKey& key, const ServerSpec& wanted);
  void old_server(Turn& t, const WantedService& service, Endpoint at);
  void replace(Turn& t, const ServiceKey& key, const ServerSpec& there, const ServerSpec& server,
               const std::string& line);
  void groups(Turn& t);
  bool leftovers(Turn& t);
  void leave_out_sorry(size_t i);
  void note(std::string line) { said.changes.push_back(std::move(line)); }
  void changed(Turn& t, std::optional<Refusal> refusal, const std::string& line);
  template <class Act>
  std::optional<Refusal> act(Act acts) const {  // of a plan nothing is done
    return plan ? std::nullopt : std::optional<Refusal>(acts());
  }
  std::string named(Turn& t, const ServiceKey& key) const;
  static std::optional<ServerSpec> in_service(const Director& director, const ServiceKey& key, Endpoint at);

  const Config& was;
  Config next;
  const bool reset;
  const bool plan;  // only tells what it would do
  Phase phase = Phase::settings;
  Reloaded said;
  KeptMarks marks{was, next};
  TableWalk present;
  const Director* table = nullptr;  // during walks
  Portions walks;
  WantedTables old_tables, new_tables;
  std::optional<SlotHash> old_services, new_services;  // by key
  size_t at = 0;                                       // the next service
  size_t at_server = 0;  // within the service: both kinds of servers are indexed, then new ones, then old ones examined
  bool entered = false;
  bool planned = false;  // the service would be added
  ReloadPlaces places{};
  std::optional<ServiceKey> said_last{};                // leftovers: the last service that a file said something of
  const WantedService* before = nullptr;                // the service in the old tables
  std::optional<ServerIndex> old_servers, new_servers;  // its servers
};

}  // namespace rawvs
