// SPDX-License-Identifier: BSD-2-Clause
// packet_info.h: the interface on which a datagram arrived, for a socket with IP_PKTINFO. ip(7), cmsg(3).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "rawvs/addr.h"

namespace rawvs {

// The interface's index; 0: unknown. REQUIRES: recvmsg() has filled the message.
inline int arrival_interface(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO) continue;
    in_pktinfo info{};
    std::memcpy(&info, CMSG_DATA(c), sizeof info);
    return info.ipi_ifindex;
  }
  return 0;
}

// An address as struct in_addr.
inline in_addr kernel_address(Ip address) { return {htonl(address.v4())}; }

}  // namespace rawvs
