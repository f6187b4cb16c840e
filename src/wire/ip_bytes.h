// SPDX-License-Identifier: BSD-2-Clause
// ip_bytes.h: addresses as on a wire: 4 or 16 bytes in network order.
#pragma once

#include "rawvs/addr.h"
#include "rawvs/bytes.h"

namespace rawvs {

inline Ip load_ipv6(Bytes b, size_t at) { return Ip(load_be64(b, at), load_be64(b, at + 8)); }
inline void store_ipv6(MutableBytes b, size_t at, Ip a) {  // an IPv4 address as ::ffff:a.b.c.d
  store_be64(b, at, a.hi());
  store_be64(b, at + 8, a.lo());
}

constexpr size_t ip_bytes(Family f) { return address_bits(f) / 8u; }
inline Ip load_ip(Bytes b, size_t at, Family f) { return f == Family::ipv4 ? Ip(load_be32(b, at)) : load_ipv6(b, at); }
inline void store_ip(MutableBytes b, size_t at, Ip a) { a.is_v4() ? store_be32(b, at, a.v4()) : store_ipv6(b, at, a); }

}  // namespace rawvs
