// SPDX-License-Identifier: BSD-2-Clause
// packet_info.h: datagrams of a socket with IP_PKTINFO, and the interface by which they come or go. ip(7), cmsg(3).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstring>

#include "rawvs/addr.h"

namespace rawvs {

// A datagram in one piece, with room for its IP_PKTINFO. What the arguments point to is not copied.
class InfoMessage {
 public:
  InfoMessage(void* data, size_t size, sockaddr_in* peer) : part_{data, size} {
    message_.msg_name = peer;  // null: not wanted
    message_.msg_namelen = peer ? sizeof *peer : 0;
    message_.msg_iov = &part_;
    message_.msg_iovlen = 1;
    message_.msg_control = control_.data();
    message_.msg_controllen = control_.size();
  }
  InfoMessage(const InfoMessage&) = delete;
  InfoMessage& operator=(const InfoMessage&) = delete;

  msghdr* get() { return &message_; }

 private:
  iovec part_;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> control_{};
  msghdr message_{};
};

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
