// SPDX-License-Identifier: BSD-2-Clause
// host.h: a VIP's own replies.
// In:  packets to a VIP that no service and no connection takes; packets that cannot be forwarded.
// Out: in the outbox: the replies of a host that has the VIP and no open port, and a router's ICMP errors; at most
//      reply_rate per second of each kind.
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

  Exit discovery(const Arrival& a, Turn turn);  // ARP, neighbour discovery
  Exit answer(const Arrival& a, Turn turn);     // ping, RST, ICMP unreachable
  // Sends an ICMP error to the packet's sender. exit: no_server, port_unreachable, protocol_unreachable, ttl_exceeded,
  // or too_big with the MTU. Returns the exit, or why no error was sent.
  Exit error(const Arrival& a, Exit exit, Turn turn, uint16_t mtu = 0);
  // Sends an error about another packet than the one that arrived, to its sender. REQUIRES: `about` has the Ethernet
  // addresses with which it arrived. False: not sent.
  bool error_about(const Frame& about, const Packet& packet, const IcmpAnswer& error, Link link, Turn turn);
  // A datagram whose reassembly timed out: sends an error if the first fragment came (RFC 792, RFC 1122 section 3.3.2).
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
  std::unique_ptr<uint8_t[]> large_;  // the longest possible reply, before it is fragmented
};

}  // namespace rawvs
