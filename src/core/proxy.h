// SPDX-License-Identifier: BSD-2-Clause
// proxy.h: the PROXY protocol in a connection of full NAT: room for the header before the client's first byte, and a
// segment that carries it.
// In:  the segments of the connection, in both directions.
// Out: the same with their numbers changed; the header's segment.
// Not: the header's bytes (wire/proxy_header.h), addresses and ports of the segments (rewrite.h).
//
// The number of the client's SYN is lowered by the header's size. So the header has numbers of its own, and all that
// follows has the numbers that the client gave it: nothing is to be shifted later. Until the server has acknowledged
// the header, it is sent before each segment that begins with the client's first byte, which is also what the client
// sends again when the handshake's last segment or its first data is lost. The server's acknowledgements of the SYN and
// of a part of the header become those of the client's SYN.
#pragma once

#include "wire/packet.h"
#include "wire/proxy_header.h"

namespace rawvs {

enum class Proxy : uint8_t {
  none,    // the server does not want it; or the connection was taken over in mid-stream
  wanted,  // the client's SYN has not come yet
  due,     // the server has not acknowledged the header
  done
};

struct ProxyState {  // of a connection
  uint32_t first;    // due: the number of the client's first byte
  Proxy stage;
};

// A segment from the client, before it is translated. True: the header is to be sent before it (proxy_segment()).
// A SYN with data (TCP Fast Open) loses them: the client repeats them. begins: a SYN begins a connection, perhaps
// another one in the same entry, whose server expects the header anew.
bool from_client(ProxyState& state, Frame& frame, Packet& packet, Family family, bool begins);

// A segment from the server.
void from_server(ProxyState& state, const Frame& frame, Packet& packet, Family family);

// An ICMP error about a segment to the server: the SYN's number in the quote is the client's again, by which its host
// knows it.
void from_server_side(const ProxyState& state, const Frame& frame, const Packet& packet, const Quote& quote,
                      Family family);

// The segment with the header: `like` is the client's segment, translated. Empty: `out` is too small.
struct ProxySegment {
  Frame frame{};
  Packet packet{};
  bool instead = false;  // `like` had nothing else to say: it need not be sent
};
bool proxy_segment(const Frame& like, const Packet& packet, Endpoint client, Endpoint vip, MutableBytes out,
                   ProxySegment& segment);

}  // namespace rawvs
