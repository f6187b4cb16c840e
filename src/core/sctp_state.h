// SPDX-License-Identifier: BSD-2-Clause
// sctp_state.h: the director's view of an SCTP association: IPVS's states, its transition table, its timeouts.
// In:  state, direction, the packet's chunk (Packet::sctp_chunk).   Out: the next state. Pure tables, as tcp_state.h's;
// who applies them is track.h. The director of DR and TUN sees only the client's half: the input-only rows.
#pragma once

#include "core/tcp_state.h"

namespace rawvs {

enum class SctpState : uint8_t {  // the order, and so the numbers, are IPVS's: its sync protocol sends them
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

}  // namespace rawvs
