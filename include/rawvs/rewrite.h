// SPDX-License-Identifier: BSD-2-Clause
// rewrite.h: what forwarding changes in a frame. Checksums and offload facts stay true.
#pragma once

#include "rawvs/packet.h"

namespace rawvs {

// Ethernet addresses of the next hop.
void set_macs(const Frame& frame, Mac from, Mac to);

// One hop less to live, header checksum updated (RFC 1141, RFC 1624). The caller has seen that ttl > 1.
void decrement_ttl(const Frame& frame, const Packet& packet);

}  // namespace rawvs
