// SPDX-License-Identifier: BSD-2-Clause
// proof.h: what shows that a client is behind a connection, and not a forged source address.
// In:  a connection after track.h's advance(), the packet that advanced it.
// Out: what the packet shows.
// Not: what becomes of connections that have shown nothing (unproven.h, flows.h).
//
// With NAT the server decides: it sends data, or acknowledges, only after the handshake, whose numbers a forger does
// not know. With DR and TUN only the client's packets are seen, and each of them could be forged: several of them, with
// data or with numbers that move, make a forger pay as much as a client. A UDP server answers forged requests, too, so
// an answer alone shows nothing: a conversation is a client's packet after an answer, several times.
#pragma once

#include "core/track.h"
#include "core/unproven.h"

namespace rawvs {

// Of TCP and SCTP: whether the connection in this state has not had its handshake.
bool is_half_open(Protocol protocol, uint8_t state);

Unproven kind_of(const Connection& c);  // of an unproven one

enum class Evidence : uint8_t {
  none,
  answer,        // UDP's server answered
  after_answer,  // a step if there was an answer
  step,          // towards proof
  proof,
};
Evidence evidence(const Connection& c, const Packet& p, Direction direction);

// What a step leaves, 5 bits: another packet with the same trace is no further step. Of TCP a digest of its numbers: a
// repeated packet has the same, and in one of 32 cases so has a new one. Of others the time, in units of 10 ms.
uint32_t trace_of(const Packet& p, Instant now);

}  // namespace rawvs
