// SPDX-License-Identifier: BSD-2-Clause
// socket_address.h: addresses and endpoints of both families as the kernel's structs. ip(7), ipv6(7).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "wire/ip_bytes.h"

namespace rawvs {

inline bool set_option(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

constexpr int kernel_family(Family family) { return family == Family::ipv4 ? AF_INET : AF_INET6; }

// An address as on the wire: the first size() bytes, 4 or 16.
class WireAddress {
 public:
  explicit WireAddress(Ip a) : size_(ip_bytes(a.family())) { store_ip(bytes_, 0, a); }
  const uint8_t* data() const { return bytes_.data(); }
  size_t size() const { return size_; }
  Bytes bytes() const { return Bytes(bytes_).first(size_); }

 private:
  std::array<uint8_t, 16> bytes_{};
  size_t size_;
};

// REQUIRES: 4 or 16 bytes.
inline Ip address_of(Bytes b) { return load_ip(b, 0, b.size() == 4 ? Family::ipv4 : Family::ipv6); }

inline in_addr kernel_address(Ip address) { return {htonl(address.v4())}; }  // REQUIRES: IPv4
inline in6_addr kernel_address6(Ip address) {                                // REQUIRES: IPv6
  in6_addr out{};
  std::memcpy(&out, WireAddress(address).data(), sizeof out);
  return out;
}
inline Ip address_of(const in6_addr& a) {
  std::array<uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &a, bytes.size());
  return address_of(Bytes(bytes));
}

class SocketAddress {
 public:
  SocketAddress() = default;  // to be filled by the kernel
  // ifindex: the zone of a link-local address; ignored for others.
  explicit SocketAddress(Endpoint e, int ifindex = 0) {
    if (e.addr.is_v4()) {
      v4_.sin_family = AF_INET;
      v4_.sin_addr = kernel_address(e.addr);
      v4_.sin_port = htons(e.port.value);
      return;
    }
    v6_.sin6_family = AF_INET6;
    v6_.sin6_addr = kernel_address6(e.addr);
    v6_.sin6_port = htons(e.port.value);
    // ff02::/16 has a zone as well.
    const bool of_link = e.addr.link_local() || (e.addr.hi() >> 48 & 0xff0f) == 0xff02;
    if (of_link) v6_.sin6_scope_id = static_cast<uint32_t>(ifindex);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&v6_); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&v6_); }
  socklen_t size() const { return v4_.sin_family == AF_INET ? sizeof v4_ : sizeof v6_; }
  Endpoint endpoint() const {  // of an unknown family: 0.0.0.0:0
    if (v4_.sin_family == AF_INET) return {Ip(ntohl(v4_.sin_addr.s_addr)), Port(ntohs(v4_.sin_port))};
    if (v6_.sin6_family == AF_INET6) return {address_of(v6_.sin6_addr), Port(ntohs(v6_.sin6_port))};
    return {};
  }

 private:
  union {
    sockaddr_in6 v6_{};
    sockaddr_in v4_;
  };
};

}  // namespace rawvs
