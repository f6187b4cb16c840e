// SPDX-License-Identifier: BSD-2-Clause
// path.h: the director's parts, in the order of construction; classify.cpp and director.cpp have the path of a frame
// through them.
#pragma once

#include <array>
#include <span>

#include "core/pressure.h"
#include "core/reassembly.h"
#include "core/service.h"
#include "core/touched.h"
#include "core/turn.h"
#include "director/arrival.h"
#include "director/estimates.h"
#include "director/fast_connections.h"
#include "director/flows.h"
#include "director/forwarder.h"
#include "director/handshakes.h"
#include "director/host.h"
#include "director/onlookers.h"
#include "director/surroundings.h"
#include "rawvs/director.h"
#include "rawvs/exit.h"
#include "rawvs/settings.h"
#include "wire/compose.h"

namespace rawvs {

struct Director::Path {
  Path(const Settings& s, HashKey secret, Instant now)
      : settings(s),
        services(s.max_servers, s.max_services),
        surroundings(settings, services, composer, exits, touched),
        flows(settings, services, secret, now),
        fast(settings, services, flows, surroundings, exits),
        host(settings, surroundings, composer),
        forwarder(settings, services, flows, surroundings, fast, host),
        handshakes(settings, services, flows, surroundings, secret),
        onlookers(services, flows, surroundings),
        reassembly(s.max_fragmented, secret),
        estimates(now) {}
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

  void frames_arrived(std::span<Frame> frames, Turn turn);
  void time_passed(Turn turn);
  Instant next_deadline() const;
  void server_changed(const ServiceKey& key, Endpoint at, Turn turn);  // it was added or edited
  void server_stands(const ServiceKey& key, Endpoint at);
  void changed() {  // something else than a server's place, in whatever table
    surroundings.changes().everything();
    fast.settle_now();
  }
  void estimate(Instant now) {
    if (estimates.ends(now)) fast.collect();
    estimates.run(services, now);
  }

  Settings settings;
  Services services;
  ExitCounters exits;
  Composer composer;
  TouchedList touched;
  Surroundings surroundings;
  Flows flows;
  FastConnections fast;
  Host host;
  Forwarder forwarder;
  Handshakes handshakes;
  Onlookers onlookers;
  Reassembly reassembly;
  Estimates estimates;
  PressureLog pressure_log{};
  std::array<LinkCounters, kMostLinks> counters{};  // for listings

 private:
  void parse(Arrival& a);
  void classify(Arrival& a);
  Exit decide(Arrival& a, Turn turn);
  Exit ip_arrived(Arrival& a, Turn turn);
  Exit vip_packet(Arrival& a, Turn turn);
  Exit new_flow(Arrival& a, Service& service, Turn turn);
  Exit cookie_came_back(Arrival& a, const SynProxy& proxy, Turn turn);
  Exit once(Arrival& a, Service& service, const Choice& choice, Turn turn);
  Exit passing_packet(Arrival& a, Turn turn);
  Exit fragment_arrived(Arrival& a, Turn turn);
  void join_atomic(Arrival& a);
  bool kept_from_kernel(const Arrival& a) const;
  std::optional<Exit> misaddressed(const Ethernet& e, Link link) const;

  std::array<Arrival, kBatch> batch_{};
  Arrival whole_{};  // reassembled from fragments
  Frame whole_frame_{};
  Arrival syn_{};  // made in the name of a client that has answered a SYN cookie
  Frame syn_frame_{};
};

}  // namespace rawvs
