// SPDX-License-Identifier: BSD-2-Clause
// proxy_header.h: the header of the PROXY protocol, version 2, by which a server learns a TCP client's address.
// In:  client and VIP, of one family.
// Out: bytes.
// Not: when and where they are sent (core/proxy.h).
//
// The protocol is described in HAProxy's doc/proxy-protocol.txt, section 2.2.
#pragma once

#include <array>

#include "rawvs/addr.h"
#include "rawvs/bytes.h"

namespace rawvs {

constexpr uint32_t proxy_header_size(Family family) { return family == Family::ipv4 ? 28 : 52; }  // bytes
inline constexpr uint32_t kMostProxyHeader = proxy_header_size(Family::ipv6);

// Of a connection that the director makes itself, such as a check's: it has no client (the command LOCAL).
inline constexpr std::array<uint8_t, 16> kLocalProxyHeader{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51,
                                                           0x55, 0x49, 0x54, 0x0a, 0x20, 0x00, 0x00, 0x00};

// REQUIRES: `out` has proxy_header_size() bytes.
void write_proxy_header(MutableBytes out, Endpoint client, Endpoint vip);

}  // namespace rawvs
