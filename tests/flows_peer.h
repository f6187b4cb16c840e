// SPDX-License-Identifier: BSD-2-Clause
// flows_peer.h: for tests: the tables in Flows, to put entries into them as packets would.
#pragma once

#include "director/flows.h"

namespace rawvs {

struct FlowsPeer {
  static ConnectionTable& connections(Flows& flows) { return flows.connections_; }
  static FtpSessions& ftp(Flows& flows) { return flows.ftp_; }
  static uint32_t& unknown_ports(Flows& flows) { return flows.unknown_ports_; }
};

}  // namespace rawvs
