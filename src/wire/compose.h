// SPDX-License-Identifier: BSD-2-Clause
// compose.h: the frames that the director itself originates, built with libnet (LIBNET_NONE: no privilege, no socket).
// In:  what is to be said, to which MAC.   Out: the bytes of a whole Ethernet frame, written into the caller's buffer.
// Every function returns the frame's size in bytes, or 0 when libnet refused or the buffer is too small.
// libnet allocates while it builds: this is for the few frames the director originates, never for one that it forwards.
#pragma once

#include <memory>

#include "wire/arp.h"
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

  size_t arp(MutableBytes out, Mac from, Mac to, const Arp& arp);

  // An advert (vrrp_packet.h) to the multicast group, from this MAC address.
  size_t advert(MutableBytes out, Mac from, Ip source, Bytes message);

  // The answer to a ping: same identifier, sequence number and data (RFC 792).
  size_t echo_reply(MutableBytes out, const Frame& asked, const Packet& ping);

  // The RST that a closed port sends (RFC 9293 section 3.10.7.1).
  size_t tcp_reset(MutableBytes out, const Frame& asked, const Packet& segment);

  // An ICMP error about a packet, from the address it was sent to, quoting as much of it as 576 bytes in all can
  // hold (RFC 1812 section 4.3.2.3).
  size_t icmp_error(MutableBytes out, const Frame& about, const Packet& packet, const IcmpAnswer& error);

 private:
  struct IcmpMessage {  // the eight bytes of any ICMP header: what the second word means depends on the type
    Icmp what;
    uint8_t code;
    uint16_t word1, word2;
    Bytes payload;
    uint8_t tos;
  };
  size_t icmp(MutableBytes out, const Frame& asked, const Packet& packet, const IcmpMessage& icmp);
  bool back_to_sender(const Frame& asked, const Packet& packet, Protocol protocol, size_t l4_size, uint8_t tos);
  size_t finish(MutableBytes out, bool built);

  struct Destroy {
    void operator()(libnet_context* context) const;
  };
  std::unique_ptr<libnet_context, Destroy> net_;
  uint16_t next_id_ = 1;  // IP identification of what we originate
};

}  // namespace rawvs
