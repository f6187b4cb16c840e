// SPDX-License-Identifier: BSD-2-Clause
// tcp_state.h: the state of a TCP connection: IPVS's states, transition table, timeouts.
// In:  state, direction, the segment's flags.
// Out: the next state.
// Not: applying it to a connection (track.h).
//
// With DR and TUN the director sees only the client's packets: the input-only rows apply.
#pragma once

#include <cstdint>

#include "rawvs/settings.h"

namespace rawvs {

enum class TcpState : uint8_t {  // in the order and with the numbers of IPVS: its sync protocol sends them
  none,
  established,
  syn_sent,
  syn_recv,
  fin_wait,
  time_wait,
  close,
  close_wait,
  last_ack,
  listen,
  synack,
  count_
};

enum class Direction : uint8_t { input, output, input_only };

// secure: by IPVS's table for secure_tcp: a client's ACK alone establishes no connection whose server is seen.
TcpState step(TcpState state, Direction direction, uint8_t tcp_flags, bool secure = false);
Duration timeout(TcpState state, const Timeouts& timeouts);
const char* name(TcpState state);        // as ipvsadm -Lc prints it: ESTABLISHED
constexpr bool active(TcpState state) {  // counted in ActiveConn, else in InActConn
  return state == TcpState::established || state == TcpState::syn_sent || state == TcpState::syn_recv ||
         state == TcpState::synack;
}

constexpr bool ending(TcpState state) {  // after a FIN or an RST
  return state == TcpState::fin_wait || state == TcpState::time_wait || state == TcpState::close ||
         state == TcpState::close_wait || state == TcpState::last_ack;
}

}  // namespace rawvs
