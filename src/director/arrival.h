// SPDX-License-Identifier: BSD-2-Clause
// arrival.h: one frame of a batch in the director, with what is known of it so far.
#pragma once

#include <optional>

#include "core/connection.h"
#include "core/sctp_state.h"
#include "rawvs/exit.h"
#include "rawvs/frame.h"
#include "wire/ethernet.h"
#include "wire/l4_header.h"
#include "wire/packet.h"
#include "wire/split.h"

namespace rawvs {

enum class Role : uint8_t {
  other,         // none of the following
  request,       // TCP, UDP or SCTP to a VIP
  reply,         // the same to any other address: perhaps a NAT server's reply
  client_error,  // ICMP error to a VIP about a server's packet to its client
  server_error,  // ICMP error to any other address, perhaps about a packet forwarded to a NAT server
};

struct Arrival {
  Frame* frame = nullptr;
  Ethernet ethernet{};
  Packet packet{};
  std::optional<Exit> exit{};  // set by parsing if the frame goes no further
  Role role = Role::other;
  FlowKey key{};  // unless the role is `other`; with its hash
  uint64_t hash = 0;
  Quote quote{};        // of an ICMP error
  Cuts cuts{};          // of a reassembled datagram
  bool proven = false;  // a SYN that the director sends in the name of a client which has answered a SYN cookie
  // For observers.
  bool opened = false;               // it began a connection
  ServerSlot served_by = kNoServer;  // the server that got it, if there is no connection afterwards
  const Arrival* whole = nullptr;    // the datagram that this fragment completed

  // The key's client; a full NAT server's packets are sent to a local address instead, whose number is in the key.
  Ip client_address() const { return !key.persistence ? key.client : role == Role::reply ? packet.dst : quote.src; }
  Side side() const { return role == Role::reply || role == Role::server_error ? Side::server : Side::client; }
};

// Whether the packet asks for a new connection: TCP SYN, SCTP INIT.
inline bool begins(const Packet& p) {
  if (p.protocol == Protocol::tcp) return (p.tcp_flags & TcpFlags::syn) != 0;
  return p.protocol == Protocol::sctp && p.sctp_chunk == SctpChunk::init;
}

}  // namespace rawvs
