// SPDX-License-Identifier: BSD-2-Clause
// compose.h: builds the frames that the director itself originates.
// In:  the message and the MAC addresses.
// Out: a whole Ethernet frame in the caller's buffer, and its size in bytes; 0 when libnet refuses or the buffer is
// small.
// Not: frames that are forwarded: libnet allocates while it builds; TCP (tcp_segment.h).
//
// libnet runs with LIBNET_NONE: it needs no privilege and opens no socket.
#pragma once

#include <memory>
#include <optional>

#include "wire/discovery.h"
#include "wire/packet.h"
#include "wire/vrrp_packet.h"

struct libnet_context;

namespace rawvs {

class Composer {
 public:
  Composer();
  ~Composer();
  Composer(const Composer&) = delete;
  Composer& operator=(const Composer&) = delete;

  // ARP or a neighbour discovery message. An advertisement to an unspecified target goes to all nodes.
  size_t discovery(MutableBytes out, Mac from, Mac to, const Discovery& d);

  // An advert (vrrp_packet.h) to the multicast group of the source's family.
  size_t advert(MutableBytes out, Mac from, Ip source, Bytes message);

  // The reply to a ping: same identifier, sequence number and data (RFC 792, RFC 4443 section 4.2).
  size_t echo_reply(MutableBytes out, const Frame& asked, const Packet& ping);

  // An ICMP error about a packet, sent from the packet's destination address. Quotes as much of the packet as fits into
  // 576 bytes in all (RFC 1812 section 4.3.2.3), or into 1,280 with IPv6 (RFC 4443 section 2.4). None for a source
  // quench with IPv6.
  size_t icmp_error(MutableBytes out, const Frame& about, const Packet& packet, const IcmpAnswer& error);

 private:
  struct IcmpMessage {  // the header's second word means something else for each type
    IcmpAnswer what;
    uint16_t word1, word2;
    Bytes payload;
    uint8_t tos;
  };
  size_t icmp(MutableBytes out, const Frame& asked, const Packet& packet, const IcmpMessage& icmp);
  bool back_to_sender(const Frame& asked, const Packet& packet, Protocol protocol, size_t l4_size, uint8_t tos);
  size_t finish(MutableBytes out, bool built);
  struct Ipv6Packet {
    Mac from{}, to{};
    Ip source{}, destination{};
    uint8_t traffic_class = 0, hop_limit = 64;
    Protocol next{};
    std::optional<size_t> checksum_at{};  // in the payload; none: it has its checksum
  };
  static size_t ipv6(MutableBytes out, const Ipv6Packet& packet, Bytes head, Bytes payload = {});
  static Ipv6Packet back_to_sender(const Frame& asked, const Packet& packet, Protocol next, uint8_t traffic_class);

  struct Destroy {
    void operator()(libnet_context* context) const;
  };
  std::unique_ptr<libnet_context, Destroy> net_;
  uint16_t next_id_ = 1;  // IP identification of the frames built here
};

}  // namespace rawvs
