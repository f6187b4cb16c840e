// SPDX-License-Identifier: BSD-2-Clause
// flows_local.cpp: full NAT: the local address and port of a connection, which its server sees as the client.
//
// A local port is in use when the connection table finds a connection from the server's side: there is no other list.
// Each server takes its ports in turn, so one that was used stays unused for as long as possible; and a TCP connection
// keeps its entry, and so its port, longer (TIME_WAIT: 120 s) than its server remembers it.
#include <algorithm>

#include "director/flows.h"

namespace rawvs {

namespace {

// Ports tried for a connection. Each try is a look-up: about 5 microseconds in all. With nine tenths of the ports in
// use one connection in a million finds none; of fewer ports than this, each is tried.
constexpr uint32_t kTries = 128;
constexpr uint32_t kInTurn = 16;  // of them one after the other; then, where many are in use, at any place

}  // namespace

FlowKey Flows::reply_key(Endpoint client, Endpoint server, Protocol protocol) const {
  const uint16_t number = locals_.find(client.addr);
  if (number != LocalAddresses::kNone) return local_key(number, client.port, server, protocol);
  return {client.addr, server.addr, client.port, server.port, protocol, false};
}

ReplyFlow Flows::reply_flow(const Connection& c) const {
  return {c.protocol, c.real_server(), c.is_full() ? local(c) : c.client()};
}

// REQUIRES: its number is in use, or nothing is lost if it is another address's.
bool Flows::try_local(Connection& c, uint16_t number, Port port) {
  const FlowKey key = local_key(number, port, c.real_server(), c.protocol);
  if (connections_.find(Side::server, key, connections_.hash(key))) return false;
  c.full().local = number;
  c.full().port = port.value;
  return true;
}

// Of [director]'s local addresses of the server's family, or the host's own on the route to it. False: no port is free.
bool Flows::take_local(Connection& c) {
  if (c.full().port != 0) return true;  // restored
  const Server& server = services_.server(c.server);
  const Family family = c.server_address().family();
  const auto fits = [&](Ip addr) { return addr.family() == family; };
  const auto given = static_cast<uint32_t>(std::ranges::count_if(settings_.local_addresses, fits));
  if (given == 0 && (server.source.unspecified() || !fits(server.source))) return false;
  const LocalPorts ports = settings_.local_ports;
  const uint32_t all = std::max(given, 1u) * ports.count();
  uint32_t& turn = local_turns_[c.server];
  for (uint32_t tries = std::min(all, kTries); tries != 0; --tries) {
    const bool jump = all > kTries && tries <= kTries - kInTurn;
    turn = jump ? static_cast<uint32_t>(connections_.hash(c.key()) + mixed(turn)) : turn + 1;
    const uint32_t place = turn % all;
    Ip addr = server.source;
    if (given != 0) {
      uint32_t n = place / ports.count();
      for (const Ip a : settings_.local_addresses) {
        if (fits(a) && n-- == 0) addr = a;
      }
    }
    const uint16_t number = locals_.use(addr);
    if (number == LocalAddresses::kNone) return false;
    if (try_local(c, number, Port(static_cast<uint16_t>(ports.first + place % ports.count())))) return true;
    locals_.leave(number);
  }
  return false;
}

}  // namespace rawvs
