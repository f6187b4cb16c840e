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
  bool persistence = false;           // of a template
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

// The replies of a NAT server that the director translates. The guard keeps them from the host's kernel, which would
// route them untranslated. Valid from the connection's beginning to its end.
struct ReplyFlow {
  Protocol protocol = Protocol::any;
  Endpoint server{}, client{};
  friend bool operator==(const ReplyFlow&, const ReplyFlow&) = default;
};
struct ReplyChange {
  ReplyFlow flow{};
  bool expected = false;  // true: keep these replies from the kernel from now on; false: no longer
};

}  // namespace rawvs
