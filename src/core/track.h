// SPDX-License-Identifier: BSD-2-Clause
// track.h: what a packet does to its connection, and a connection to its server's counters.
// In:  a connection, its server, a packet, the time.   Out: the connection's next state and deadline, counts kept true.
// Not: finding the connection (connection.h), choosing the server (scheduler.h).
#pragma once

#include "core/connection.h"
#include "core/sctp_state.h"
#include "core/tcp_state.h"
#include "rawvs/settings.h"
#include "wire/packet.h"

namespace rawvs {

// A new connection joins its server: counted inactive until its first transition, as in IPVS. port: the server's.
// A template joins, too: it is counted persistent.
void join(Connection& c, ServerSlot slot, Server& server, Port port);

// The connection is over: its server's counters, and the overload mark that hangs on them.
void leave(const Connection& c, Server& server);

// From now on it counts so in its server: active, or inactive. REQUIRES: it is no template.
void count_as(Connection& c, Server& server, bool active_now);

// How long a connection lives on in this state.
Duration timeout_of(Protocol protocol, uint8_t state, const Timeouts& timeouts);

// A packet of the connection: its state, active or inactive, and the deadline.
Duration advance(Connection& c, Server& server, const Packet& packet, Direction direction, const Timeouts& timeouts);

// Does this packet, after advance(), assure the connection's template? Then it was no mere knock on the door.
bool assures(const Connection& c, Direction direction);

// FTP's data connection waits for its first packet.
Duration listen(Connection& c, const Timeouts& timeouts);

// IPVS's "is a new connection expected": may a SYN (SCTP: INIT) on this old entry begin another one (conn_reuse_mode)?
bool reusable(const Connection& c, uint8_t conn_reuse_mode);

const char* state_name(const Connection& c);  // as ipvsadm -Lc prints it

}  // namespace rawvs
