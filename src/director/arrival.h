// SPDX-License-Identifier: BSD-2-Clause
// arrival.h: one frame of a batch on its way through the director: what is known of it so far.
#pragma once

#include <optional>
#include <span>

#include "core/connection.h"
#include "core/sctp_state.h"
#include "rawvs/exit.h"
#include "rawvs/frame.h"
#include "wire/ethernet.h"
#include "wire/l4_header.h"
#include "wire/packet.h"

namespace rawvs {

enum class Role : uint8_t {
  other,         // none of the following
  request,       // TCP, UDP or SCTP to a VIP
  reply,         // the same, from where a NAT server may be, to anywhere else
  client_error,  // ICMP error to a VIP, about what a server sent past or through us to its client
  server_error,  // ICMP error to anywhere else, about what we may have sent on to a NAT server
};

struct Arrival {
  Frame* frame = nullptr;
  Ethernet ethernet{};
  Packet packet{};
  std::optional<Exit> exit{};  // known after parsing already
  Role role = Role::other;
  FlowKey key{};  // of any role but other, and its hash
  uint64_t hash = 0;
  Quote quote{};                     // of an ICMP error
  std::span<const uint16_t> cuts{};  // of a datagram put together from fragments: where they began (split.h)
  // For onlookers.
  bool opened = false;               // it began a connection
  ServerSlot served_by = kNoServer;  // who got it, if it left no connection
  const Arrival* whole = nullptr;    // the datagram that it completed

  Side side() const { return role == Role::reply || role == Role::server_error ? Side::server : Side::client; }
};

// Does the packet want to begin a connection?
inline bool begins(const Packet& p) {
  if (p.protocol == Protocol::tcp) return (p.tcp_flags & TcpFlags::syn) != 0;
  return p.protocol == Protocol::sctp && p.sctp_chunk == SctpChunk::init;
}

}  // namespace rawvs
