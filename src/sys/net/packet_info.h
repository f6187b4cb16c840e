// SPDX-License-Identifier: BSD-2-Clause
// packet_info.h: datagrams of a socket with IP_PKTINFO or IPV6_RECVPKTINFO: the interface by which they come or go, the
// address they were sent to, their hop limit. ip(7), ipv6(7), RFC 3542, cmsg(3).
#pragma once

#include <sys/uio.h>

#include "sys/net/socket_address.h"

namespace rawvs {

// A datagram in one piece, with room for its packet information. What the arguments point to is not copied.
class InfoMessage {
 public:
  InfoMessage(void* data, size_t size, SocketAddress* peer) : part_{data, size} {
    message_.msg_name = peer ? peer->get() : nullptr;  // null: not wanted
    message_.msg_namelen = peer ? peer->size() : 0;
    message_.msg_iov = &part_;
    message_.msg_iovlen = 1;
    message_.msg_control = control_.data();
    message_.msg_controllen = control_.size();
  }
  InfoMessage(const InfoMessage&) = delete;
  InfoMessage& operator=(const InfoMessage&) = delete;

  msghdr* get() { return &message_; }

  // To send from this address, by this interface (0: by the host's routes).
  void leave_by(int ifindex, Ip source) {
    if (source.is_v4()) {
      in_pktinfo info{};
      info.ipi_ifindex = ifindex;
      info.ipi_spec_dst = kernel_address(source);
      put(IPPROTO_IP, IP_PKTINFO, info);
    } else {
      in6_pktinfo info{};
      info.ipi6_ifindex = static_cast<unsigned>(ifindex);
      info.ipi6_addr = kernel_address6(source);
      put(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }

 private:
  template <class Info>
  void put(int level, int type, const Info& info) {
    message_.msg_controllen = CMSG_SPACE(sizeof info);
    cmsghdr* const c = CMSG_FIRSTHDR(&message_);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(c), &info, sizeof info);
  }
  iovec part_;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int))> control_{};
  msghdr message_{};
};

struct DatagramArrival {
  int ifindex = 0;  // 0: unknown
  Ip to{};          // IPv6 only
  int hops = 0;     // IPv6 only
};

// REQUIRES: recvmsg() has filled the message.
inline DatagramArrival arrival(msghdr& message) {
  DatagramArrival out;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      out.ifindex = info.ipi_ifindex;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      out.ifindex = static_cast<int>(info.ipi6_ifindex);
      out.to = address_of(info.ipi6_addr);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT) {
      std::memcpy(&out.hops, CMSG_DATA(c), sizeof out.hops);
    }
  }
  return out;
}
inline int arrival_interface(msghdr& message) { return arrival(message).ifindex; }

}  // namespace rawvs
