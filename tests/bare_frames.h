// SPDX-License-Identifier: BSD-2-Clause
// bare_frames.h: frames with the few fields that filters look at, all else zero; and sets of addresses.
#pragma once

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "rawvs/bytes.h"
#include "side/watch.h"
#include "wire/discovery.h"
#include "wire/ip_bytes.h"
#include "wire/packet.h"

namespace rawvs::bare_frames {

inline constexpr Mac kOwn{{2, 0, 0, 0, 0, 1}}, kOther{{2, 0, 0, 0, 0, 2}};
inline constexpr std::array kMine{kOwn};
inline constexpr Ip kClient(0xc6336407), kVip(0xc0000264), kServer(0xc000020b);
// 198.51.100.7, 192.0.2.100, 192.0.2.11
inline constexpr uint64_t kLab6 = uint64_t{0x20010db8} << 32;
inline constexpr Ip kClient6(kLab6 | 1, 7), kVip6(kLab6, 0x100), kServer6(kLab6, 0x11);
// 2001:db8:0:1::7, 2001:db8::100, 2001:db8::11

using FrameBytes = std::vector<uint8_t>;

inline FrameBytes ethernet(Mac to, uint16_t type, size_t size) {
  FrameBytes f(size);
  std::copy(to.bytes.begin(), to.bytes.end(), f.begin());
  store_be16(f, 12, type);
  return f;
}

inline FrameBytes ipv4(Mac to, Ip src, Ip dst) {
  FrameBytes f = ethernet(to, kEtherTypeIpv4, 60);
  f[14] = 0x45;
  store_be32(f, 26, src.v4());
  store_be32(f, 30, dst.v4());
  return f;
}

inline FrameBytes arp(uint16_t operation, Ip sender, Ip target, Mac to = kBroadcastMac) {
  FrameBytes f = ethernet(to, kEtherTypeArp, 60);
  store_be16(f, 14, 1);
  store_be16(f, 16, kEtherTypeIpv4);
  f[18] = 6, f[19] = 4;
  store_be16(f, 20, operation);
  store_be32(f, 28, sender.v4());
  store_be32(f, 38, target.v4());
  return f;
}
inline constexpr uint16_t kRequest = 1, kReply = 2;

inline FrameBytes of_protocol(uint8_t protocol, Ip src, Ip dst, Mac to = kOwn) {
  FrameBytes f = ipv4(to, src, dst);
  f[23] = protocol;
  return f;
}
inline FrameBytes icmp(int type, Ip src, Ip dst, Mac to = kOwn) {
  FrameBytes f = of_protocol(1, src, dst, to);
  f[34] = static_cast<uint8_t>(type);
  return f;
}
inline FrameBytes fragment(FrameBytes f, uint16_t word) {
  store_be16(f, 20, word);
  return f;
}

inline FrameBytes ipv6(Mac to, Ip src, Ip dst, uint8_t next = 59) {
  FrameBytes f = ethernet(to, kEtherTypeIpv6, 100);
  f[14] = 0x60, f[20] = next;
  store_ipv6(f, 22, src);
  store_ipv6(f, 38, dst);
  return f;
}
inline FrameBytes icmp6(int type, Ip src, Ip dst, Mac to = kOwn) {
  FrameBytes f = ipv6(to, src, dst, 58);
  f[54] = static_cast<uint8_t>(type);
  return f;
}
inline FrameBytes solicitation(Ip sender, Ip target, Ip dst, Mac to) {
  FrameBytes f = icmp6(135, sender, dst, to);
  store_ipv6(f, 62, target);
  return f;
}
inline FrameBytes solicitation(Ip sender, Ip target) {
  return solicitation(sender, target, solicited_node(target), multicast_mac(solicited_node(target)));
}

// With ports, behind options of so many bytes; IPv6: behind a fragment header with this word, if it is given.
inline FrameBytes with_port(Protocol protocol, Ip dst, uint16_t port, size_t options = 0, Mac to = kOwn) {
  FrameBytes f = of_protocol(static_cast<uint8_t>(protocol), kClient, dst, to);
  f[14] = static_cast<uint8_t>(0x45 + options / 4);
  f.resize(34 + options + 8);
  store_be16(f, 34 + options, 1001);
  store_be16(f, 36 + options, port);
  return f;
}
inline FrameBytes with_port6(Protocol protocol, Ip dst, uint16_t port, std::optional<uint16_t> fragment_word = {}) {
  FrameBytes f = ipv6(kOwn, kClient6, dst, fragment_word ? 44 : static_cast<uint8_t>(protocol));
  if (fragment_word) f[54] = static_cast<uint8_t>(protocol), store_be16(f, 56, *fragment_word);
  const size_t at = fragment_word ? 62 : 54;
  f.resize(at + 8);
  store_be16(f, at, 1001);
  store_be16(f, at + 2, port);
  return f;
}

using Ips = std::vector<Ip>;
inline Watch watching(Ips vips, Ips neighbors = {}, Ips nat_servers = {}, bool icmp_errors = false) {
  return {std::move(vips), std::move(neighbors), std::move(nat_servers), icmp_errors, {}};
}
inline const Watch kBoth = watching({kVip}, {kServer}), kNat = watching({kVip}, {}, {kServer});

inline std::vector<Ip> scattered(size_t count, uint32_t seed) {  // over 10.0.0.0/8, no two of them neighbours
  std::mt19937 random(seed);
  std::set<Ip> out;
  while (out.size() < count) out.insert(Ip(0x0a000000u | (static_cast<uint32_t>(random()) & 0x00fffffcu)));
  return {out.begin(), out.end()};
}

inline std::vector<Ip> neighbours(Ip first, uint32_t count) {
  std::vector<Ip> out;
  for (uint32_t i = 0; i < count; ++i) out.emplace_back(first.v4() + i);
  return out;
}

inline Ip after(Ip a) { return Ip(a.hi(), a.lo() + 1); }

}  // namespace rawvs::bare_frames
