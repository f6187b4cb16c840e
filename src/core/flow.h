// SPDX-License-Identifier: BSD-2-Clause
// flow.h: who talks to whom: the names of connections.
#pragma once

#include "rawvs/addr.h"

namespace rawvs {

struct FlowKey {
  Ip client{};
  Ip vip{};                           // from the server's side: the server's address; of a mark's template: the mark
  Port cport{};                       // 0: of a template; or not known yet (FTP's passive data connection)
  Port vport{};                       // from the server's side: the server's port
  Protocol protocol = Protocol::any;  // any: a mark's template
  bool persistence = false;           // of a template
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

// A NAT server's answers that the director translates: what the guard must keep from the host's kernel, which would
// route them as they are. From the moment the connection begins until it is over.
struct ReplyFlow {
  Protocol protocol = Protocol::any;
  Endpoint server{}, client{};
  friend bool operator==(const ReplyFlow&, const ReplyFlow&) = default;
};
struct ReplyChange {
  ReplyFlow flow{};
  bool expected = false;  // from now on; else no longer
};

}  // namespace rawvs
