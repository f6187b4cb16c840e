// SPDX-License-Identifier: BSD-2-Clause
// track.h: what a packet changes in its connection, and a connection in its server's counters.
// In:  a connection, its server, a packet, the time.
// Out: the connection's next state and deadline; updated counters.
// Not: finding the connection (connection.h), choosing the server (scheduler.h).
#pragma once

#include <string_view>
#include <vector>

#include "core/connection.h"
#include "core/sctp_state.h"
#include "core/tcp_state.h"
#include "rawvs/settings.h"
#include "wire/packet.h"

namespace rawvs {

// Adds a new connection to its server: inactive until its first transition, as in IPVS; a template counts as
// persistent. port: the server's. REQUIRES: its address fits the entry (ConnectionTable::create()).
void join(Connection& c, ServerSlot slot, Server& server, Port port);

// Removes an ended connection from its server's counters, and updates `overloaded`.
void leave(const Connection& c, Server& server);

// Counts the connection as active or inactive from now on. REQUIRES: it is no template.
void count_as(Connection& c, Server& server, bool active_now);

// The timeout in this state.
Duration timeout_of(Protocol protocol, uint8_t state, const Timeouts& timeouts);

// Applies a packet to the connection: state, active or inactive. Returns the timeout of the new state.
// secure: TCP goes by secure_tcp's table (tcp_state.h).
Duration advance(Connection& c, Server& server, const Packet& packet, Direction direction, const Timeouts& timeouts,
                 bool secure = false);

// True if this packet, after advance(), assures the connection's template: the connection was more than an attempt.
bool assures(const Connection& c, Direction direction);

// Whether it is over, and waits only for late packets: of UDP never.
bool ending(const Connection& c);

// Makes FTP's data connection wait for its first packet. Returns its timeout.
Duration listen(Connection& c, const Timeouts& timeouts);

// IPVS's is_new_conn_expected(): may a SYN (SCTP: INIT) on this old entry begin a new connection (conn_reuse_mode)?
bool reusable(const Connection& c, uint8_t conn_reuse_mode);

const char* state_name(const Connection& c);  // as ipvsadm -Lc prints it
std::vector<std::string_view> state_names();  // all of them

}  // namespace rawvs
