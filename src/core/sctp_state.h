// SPDX-License-Identifier: BSD-2-Clause
// sctp_state.h: the state of an SCTP association: IPVS's states, transition table, timeouts.
// In:  state, direction, the packet's chunk (Packet::sctp_chunk).
// Out: the next state.
// Not: applying it to a connection (track.h).
//
// With DR and TUN the director sees only the client's packets: the input-only rows apply.
#pragma once

#include "core/tcp_state.h"

namespace rawvs {

enum class SctpState : uint8_t {  // in the order and with the numbers of IPVS: its sync protocol sends them
  none,
  init1,
  init,
  cookie_sent,
  cookie_replied,
  cookie_wait,
  cookie,
  cookie_echoed,
  established,
  shutdown_sent,
  shutdown_received,
  shutdown_ack_sent,
  rejected,
  closed,
  count_
};

SctpState step(SctpState state, Direction direction, uint8_t sctp_chunk);
Duration timeout(SctpState state);
const char* name(SctpState state);        // as ipvsadm -Lc prints it: S-RECEIVED
constexpr bool active(SctpState state) {  // counted in ActiveConn, else in InActConn
  return state == SctpState::established;
}

constexpr bool ending(SctpState state) { return state > SctpState::established; }  // after a SHUTDOWN or an ABORT

}  // namespace rawvs
