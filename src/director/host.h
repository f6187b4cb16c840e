// SPDX-License-Identifier: BSD-2-Clause
// host.h: what a VIP answers itself. What nobody else takes is answered as a host answers that has the VIP and nothing
// listening, and with the ICMP errors of a router; at most reply_rate of each kind.
#pragma once

#include <memory>

#include "core/outbox.h"
#include "core/turn.h"
#include "director/arrival.h"
#include "director/limit.h"
#include "director/surroundings.h"
#include "rawvs/settings.h"
#include "wire/compose.h"

namespace rawvs {

class Host {
 public:
  Host(const Settings& settings, Surroundings& surroundings, Composer& composer);

  Exit arp(const Arrival& a, Turn turn);
  Exit answer(const Arrival& a, Turn turn);  // ping, RST, ICMP unreachable
  // An ICMP error to the sender of a packet: no_server, port_unreachable, protocol_unreachable, ttl_exceeded, or
  // too_big, with the MTU. Returned is the exit, or why none is sent.
  Exit error(const Arrival& a, Exit exit, Turn turn, uint16_t mtu = 0);
  // An error about another packet than the one that came, to whoever sent that one. REQUIRES: about has the Ethernet
  // addresses of its way here. False: it was not sent.
  bool error_about(const Frame& about, const Packet& packet, const IcmpAnswer& error, Link link, Turn turn);
  // Datagrams whose rest never came: their sender is told, if the first fragment came (RFC 792, RFC 1122 section
  // 3.3.2).
  void give_up(const Frame& first_fragment, Turn turn);
  void limits_changed();

 private:
  Exit echo(const Arrival& a, Turn turn);
  Exit reset(const Arrival& a, Turn turn);
  template <class Build>
  Exit reply(const Arrival& a, Exit exit, Limit& limit, Turn turn, Build&& build);

  const Settings& settings_;
  Surroundings& surroundings_;
  Composer& composer_;
  Limit resets_, errors_, too_bigs_, echoes_;
  std::unique_ptr<uint8_t[]> large_;  // the longest answer there can be, before it is cut into letters
};

}  // namespace rawvs
