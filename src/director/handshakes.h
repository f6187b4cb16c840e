// SPDX-License-Identifier: BSD-2-Clause
// handshakes.h: SYN cookies: answers clients' SYNs in their servers' name, and knows the clients that come back.
// In:  SYNs to a service, and segments of no connection; the room in the connection table.
// Out: SYN-ACKs; what is known of a client that has answered one; notices.
// Not: the server's half of the handshake (forwarder_handshakes.cpp), beginning connections (flows.h).
//
// Only of services whose servers all reply through the director (NAT, full NAT): else the client's half of the
// connection would go on without the director, with other numbers than the server's.
#pragma once

#include <optional>

#include "core/syn_alarm.h"
#include "core/syn_cookie.h"
#include "core/syn_proxy.h"
#include "core/turn.h"
#include "director/arrival.h"
#include "director/flows.h"
#include "director/surroundings.h"
#include "rawvs/settings.h"

namespace rawvs {

class Handshakes {
 public:
  Handshakes(const Settings& settings, Services& services, Flows& flows, Surroundings& surroundings, HashKey secret);

  // Whether a cookie answers this packet that would begin a connection; answer() does it.
  bool wants(const Arrival& a, const Service& service, Turn turn);
  Exit answer(const Arrival& a, const Service& service, Turn turn);

  // A packet of no connection: none, unless it has a right cookie. syn(): the segment with which the server's half
  // begins, and which is to be processed as if it had come from the client.
  std::optional<SynProxy> proof(const Arrival& a, Instant now);
  static TcpSegment syn(const SynProxy& proxy, const Arrival& a);

  void time_passed(Turn turn);
  Instant next_deadline() const { return alarm_.next_deadline(); }
  bool in_force() const;  // SYNs are answered with cookies now
  bool in_force(const Service& service, const FlowKey& flow) const;

 private:
  bool fills(const Service& service) const;
  uint16_t segment_size(const Arrival& a, const Service& service) const;

  const Settings& settings_;
  Services& services_;
  Flows& flows_;
  Surroundings& surroundings_;
  SynCookies cookies_;
  SynAlarm alarm_;
  Instant valid_until_{};  // the last cookie
};

}  // namespace rawvs
