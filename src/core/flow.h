// SPDX-License-Identifier: BSD-2-Clause
// flow.h: the keys of connections.
#pragma once

#include "rawvs/addr.h"

namespace rawvs {

struct FlowKey {
  Ip client{};
  Ip vip{};      // looked up from the server's side: the server's address; in a mark's template: the mark
  Port cport{};  // 0: in a template; or not known yet (FTP's passive data connection)
  Port vport{};  // looked up from the server's side: the server's port
  Protocol protocol = Protocol::any;  // any: a mark's template
  bool persistence = false;           // of a template; looked up from the server's side: of full NAT (local_key())
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

// Full NAT, looked up from the server's side: the packet's local address is known by its number (local_addresses.h), in
// place of the client's. No other packet has such a key.
constexpr FlowKey local_key(uint16_t local, Port port, Endpoint server, Protocol protocol) {
  return {Ip(uint32_t{local}), server.addr, port, server.port, protocol, true};
}

// The replies of a NAT or full NAT server that the director translates. The guard keeps them from the host's kernel,
// which would route them untranslated. Valid from the connection's beginning to its end.
struct ReplyFlow {
  Protocol protocol = Protocol::any;
  Endpoint server{}, client{};  // client: with full NAT the local address and port
  friend bool operator==(const ReplyFlow&, const ReplyFlow&) = default;
};
struct ReplyChange {
  ReplyFlow flow{};
  bool expected = false;  // true: keep these replies from the kernel from now on; false: no longer
};

}  // namespace rawvs
