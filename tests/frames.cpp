// SPDX-License-Identifier: BSD-2-Clause
#include "frames.h"

#include <algorithm>
#include <cstring>

namespace rawvs::test {

namespace {

void put16(FrameBytes& b, unsigned v) {
  b.push_back(static_cast<uint8_t>(v >> 8)), b.push_back(static_cast<uint8_t>(v));
}
void put32(FrameBytes& b, uint32_t v) { put16(b, v >> 16), put16(b, v & 0xffff); }
void put(FrameBytes& b, const Mac& m) { b.insert(b.end(), m.bytes.begin(), m.bytes.end()); }
void put(FrameBytes& b, std::string_view s) { b.insert(b.end(), s.begin(), s.end()); }
unsigned get16(const FrameBytes& b, size_t at) { return static_cast<unsigned>(b[at] << 8 | b[at + 1]); }
uint32_t get32(const FrameBytes& b, size_t at) { return get16(b, at) << 16 | get16(b, at + 2); }
void set16(FrameBytes& b, size_t at, unsigned v) {
  b[at] = static_cast<uint8_t>(v >> 8), b[at + 1] = static_cast<uint8_t>(v);
}

uint8_t flag_bits(std::string_view flags) {
  uint8_t bits = 0;
  for (const char f : flags) bits = static_cast<uint8_t>(bits | 1u << std::string_view("FSRPAU").find(f));
  return bits;
}

void put(FrameBytes& b, Ip a) {
  if (a.is_v4()) return put32(b, a.v4());
  for (const uint64_t half : {a.hi(), a.lo()})
    put32(b, static_cast<uint32_t>(half >> 32)), put32(b, static_cast<uint32_t>(half));
}
void put(FrameBytes& b, const FrameBytes& more) { b.insert(b.end(), more.begin(), more.end()); }
Ip get_ipv6(const FrameBytes& b, size_t at) {
  return Ip(uint64_t{get32(b, at)} << 32 | get32(b, at + 4), uint64_t{get32(b, at + 8)} << 32 | get32(b, at + 12));
}
bool v6(std::string_view address) { return ip(address).is_v6(); }

// With a right checksum in its place: 0.
unsigned l4_checksum(Ip src, Ip dst, uint8_t protocol, const FrameBytes& l4) {
  FrameBytes b;
  put(b, src), put(b, dst);
  if (src.is_v6()) put32(b, static_cast<uint32_t>(l4.size())), put16(b, 0), put16(b, protocol);
  if (src.is_v4()) put16(b, protocol), put16(b, static_cast<unsigned>(l4.size()));
  put(b, l4);
  return slow_checksum(b.data(), b.size());
}
unsigned l4_checksum(std::string_view src, std::string_view dst, uint8_t protocol, const FrameBytes& l4) {
  return l4_checksum(ip(src), ip(dst), protocol, l4);
}
// ICMPv6 sums a pseudo-header, ICMP does not.
unsigned icmp_checksum(std::string_view src, std::string_view dst, const FrameBytes& l4) {
  return v6(src) ? l4_checksum(src, dst, 58, l4) : slow_checksum(l4.data(), l4.size());
}

Extension options_header(uint8_t number, const FrameBytes& options) {
  Extension e{number, {0, static_cast<uint8_t>((options.size() + 2) / 8 - 1)}};
  put(e.bytes, options);
  return e;
}

// The IPv6 or IPv4 packet with this payload.
template <class Description>
FrameBytes packet_of(const Description& d, uint8_t protocol, uint8_t ttl, unsigned fragment_word, Mac from, Mac to,
                     const FrameBytes& l4) {
  if (v6(d.dst))
    return ipv6_frame(from, to, d.src, d.dst, protocol == 1 ? 58 : protocol, ttl, l4, d.extensions, d.traffic_class);
  return ipv4_frame(from, to, d.src, d.dst, protocol, ttl, static_cast<uint16_t>(fragment_word), l4);
}

}  // namespace

uint16_t slow_checksum(const uint8_t* data, size_t size) {
  uint32_t sum = 0;
  for (size_t i = 0; i < size; ++i) {
    sum += i % 2 == 0 ? static_cast<uint32_t>(data[i]) << 8 : data[i];
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(~sum);
}

FrameBytes ipv4_frame(Mac from, Mac to, std::string_view src, std::string_view dst, uint8_t protocol, uint8_t ttl,
                      uint16_t fragment_word, const FrameBytes& l4) {
  FrameBytes b;
  put(b, to), put(b, from), put16(b, 0x0800);
  put16(b, 0x4500), put16(b, static_cast<unsigned>(20 + l4.size()));
  put16(b, 0x1234), put16(b, fragment_word);
  b.push_back(ttl), b.push_back(protocol);
  put16(b, 0), put32(b, ip(src).v4()), put32(b, ip(dst).v4());
  b.insert(b.end(), l4.begin(), l4.end());
  fix_ip_checksum(b);
  return b;
}

FrameBytes ipv6_frame(Mac from, Mac to, std::string_view src, std::string_view dst, uint8_t protocol, uint8_t hop_limit,
                      const FrameBytes& l4, const Extensions& extensions, uint8_t traffic_class) {
  FrameBytes b, payload;
  uint8_t next = protocol;
  for (auto e = extensions.rbegin(); e != extensions.rend(); ++e) {
    FrameBytes header = e->bytes;
    if (!header.empty()) header[0] = next;
    payload.insert(payload.begin(), header.begin(), header.end());
    next = e->number;
  }
  put(payload, l4);
  put(b, to), put(b, from), put16(b, 0x86dd);
  put16(b, 0x6000u | static_cast<unsigned>(traffic_class << 4)), put16(b, 0),
      put16(b, static_cast<unsigned>(payload.size()));
  b.push_back(next), b.push_back(hop_limit);
  put(b, ip(src)), put(b, ip(dst));
  put(b, payload);
  return b;
}

Extension hop_by_hop(const FrameBytes& options) { return options_header(0, options); }
Extension destination_options(const FrameBytes& options) { return options_header(60, options); }
Extension routing(uint8_t type, uint8_t segments_left, size_t addresses) {
  Extension e{43, {0, static_cast<uint8_t>(addresses * 2), type, segments_left, 0, 0, 0, 0}};
  for (size_t i = 0; i < addresses; ++i) put(e.bytes, Ip(uint64_t{0x20010db8} << 32, 0xf000 + i));
  return e;
}
Extension fragment_header(unsigned offset, bool more, uint32_t id) {
  Extension e{44, {0, 0}};
  put16(e.bytes, offset | (more ? 1u : 0u)), put32(e.bytes, id);
  return e;
}

bool is_ipv6(const FrameBytes& b) { return get16(b, 12) == 0x86dd; }

namespace {

// Walks IPv6's extension headers; the number of the payload's protocol.
uint8_t protocol_of(const FrameBytes& b, size_t& l4_at) {
  if (!is_ipv6(b)) {
    l4_at = 14 + (b[14] & 15u) * 4;
    return b[23];
  }
  uint8_t next = b[20];
  for (l4_at = 54; (next == 0 || next == 43 || next == 44 || next == 60) && l4_at + 8 <= b.size();) {
    const size_t size = next == 44 ? 8 : (b[l4_at + 1] + 1u) * 8;
    next = b[l4_at];
    l4_at += size;
  }
  return next;
}

}  // namespace

size_t l4_offset(const FrameBytes& b) {
  size_t at = 0;
  protocol_of(b, at);
  return at;
}

void fix_l4_checksum(FrameBytes& b) {
  size_t at = 0;
  const uint8_t protocol = protocol_of(b, at);
  const size_t end = is_ipv6(b) ? 54 + get16(b, 18) : 14 + get16(b, 16), field = at + (protocol == 6    ? 16
                                                                                       : protocol == 17 ? 6
                                                                                                        : 2);
  set16(b, field, 0);
  const FrameBytes l4(b.begin() + static_cast<std::ptrdiff_t>(at), b.begin() + static_cast<std::ptrdiff_t>(end));
  const Ip src = is_ipv6(b) ? get_ipv6(b, 22) : Ip(get32(b, 26)), dst = is_ipv6(b) ? get_ipv6(b, 38) : Ip(get32(b, 30));
  const unsigned sum = protocol == 1 ? slow_checksum(l4.data(), l4.size()) : l4_checksum(src, dst, protocol, l4);
  set16(b, field, protocol == 17 && sum == 0 ? 0xffff : sum);
}

void fix_ip_checksum(FrameBytes& b) {
  if (is_ipv6(b)) return;
  set16(b, 24, 0);
  set16(b, 24, slow_checksum(b.data() + 14, (b[14] & 15u) * 4));
}

FrameBytes frame(const Tcp& t) {
  FrameBytes l4;
  put16(l4, t.sport), put16(l4, t.dport), put32(l4, t.seq), put32(l4, t.ack);
  l4.push_back(0x50), l4.push_back(flag_bits(t.flags));
  put16(l4, 8192), put16(l4, 0), put16(l4, 0);
  put(l4, t.data);
  set16(l4, 16, l4_checksum(t.src, t.dst, 6, l4));
  return packet_of(t, 6, t.ttl, t.dont_fragment ? 0x4000 : 0, t.from, t.to, l4);
}

FrameBytes frame(const Udp& u) {
  FrameBytes l4;
  put16(l4, u.sport), put16(l4, u.dport), put16(l4, static_cast<unsigned>(8 + u.data.size())), put16(l4, 0);
  put(l4, u.data);
  const unsigned sum = l4_checksum(u.src, u.dst, 17, l4);
  set16(l4, 6, sum == 0 ? 0xffff : sum);
  return packet_of(u, 17, u.ttl, u.dont_fragment ? 0x4000 : 0, u.from, u.to, l4);
}

FrameBytes frame(const Ping& p) {
  FrameBytes l4;
  const uint8_t type6 = p.type == 8 ? 128 : p.type == 0 ? 129 : p.type;
  l4.push_back(v6(p.src) ? type6 : p.type), l4.push_back(0);
  put16(l4, 0), put16(l4, 7), put16(l4, 1);
  put(l4, p.data);
  set16(l4, 2, icmp_checksum(p.src, p.dst, l4));
  return packet_of(p, 1, 64, 0x4000, p.from, p.to, l4);
}

FrameBytes frame(const IcmpError& e) {
  FrameBytes l4{e.type, e.code};
  put16(l4, 0), put16(l4, 0), put16(l4, e.mtu);
  const auto ip_packet = e.about.begin() + 14;
  const size_t quoted = std::min(e.quoted, e.about.size() - 14);
  l4.insert(l4.end(), ip_packet, ip_packet + static_cast<std::ptrdiff_t>(quoted));
  set16(l4, 2, icmp_checksum(e.src, e.dst, l4));
  return packet_of(e, 1, e.ttl, 0, kClientMac, kDirectorMac, l4);
}

FrameBytes frame(const ArpFrame& a) {
  FrameBytes b;
  put(b, a.to), put(b, a.sender_mac), put16(b, 0x0806);
  put16(b, 1), put16(b, 0x0800), put16(b, 0x0604), put16(b, a.request ? 1 : 2);
  put(b, a.sender_mac), put32(b, ip(a.sender).v4()), put(b, a.target_mac), put32(b, ip(a.target).v4());
  b.resize(60);  // Ethernet's padding
  return b;
}

FrameBytes frame(const NdFrame& n) {
  const Ip target = ip(n.target);
  const Ip group = n.asks ? Ip(uint64_t{0xff02} << 48, 0x1ff000000 | (target.lo() & 0xffffff)) : ip("ff02::1");
  const std::string dst = n.dst.empty() ? text(group) : n.dst;
  const Ip to = ip(dst);
  Mac group_mac{{0x33, 0x33, 0, 0, 0, 0}};
  for (size_t i = 0; i < 4; ++i) group_mac.bytes[2 + i] = static_cast<uint8_t>(to.lo() >> (24 - 8 * i));
  FrameBytes l4{static_cast<uint8_t>(n.asks ? 135 : 136), n.code, 0, 0};
  const unsigned flags = (n.router ? 0x8000u : 0u) | (n.solicited ? 0x4000u : 0u) | (n.overrides ? 0x2000u : 0u);
  put16(l4, n.asks ? 0 : flags), put16(l4, 0), put(l4, target);
  if (n.option) l4.push_back(n.asks ? 1 : 2), l4.push_back(1), put(l4, *n.option);
  put(l4, n.more_options);
  set16(l4, 2, l4_checksum(ip(n.src), to, 58, l4));
  return ipv6_frame(n.from, n.to.value_or(to.multicast() ? group_mac : kDirectorMac), n.src, dst, 58, n.hop_limit, l4);
}

namespace {

std::string nd_line(const FrameBytes& f, size_t at) {
  const Ip target = get_ipv6(f, at + 8);
  Mac mac;
  const bool option = f.size() >= at + 32 && f[at + 24] == (f[at] == 135 ? 1 : 2);
  if (option) std::memcpy(mac.bytes.data(), f.data() + at + 26, 6);
  if (f[at] == 135) {
    return "nd who-has " + text(target) + " tell " + text(get_ipv6(f, 22)) + (option ? ' ' + text(mac) : "");
  }
  std::string s = "nd " + text(target) + " is-at " + (option ? text(mac) : "?") + " to " + text(get_ipv6(f, 38)) + ' ';
  for (int i = 0; i < 3; ++i) {
    if (f[at + 4] >> (7 - i) & 1) s += "RSO"[i];
  }
  return s;
}

std::string ipv6_line(const FrameBytes& f) {
  size_t at = 0;
  const uint8_t protocol = protocol_of(f, at);
  const Ip src = get_ipv6(f, 22), dst = get_ipv6(f, 38);
  const FrameBytes l4(f.begin() + static_cast<std::ptrdiff_t>(at),
                      f.begin() + static_cast<std::ptrdiff_t>(54 + get16(f, 18)));
  const bool whole = f[20] != 44 || (get16(f, 56) & 0xfff9) == 0;
  const bool summed = whole && (protocol == 6 || protocol == 17 || protocol == 58);
  std::string s;
  if (!whole) {
    s = text(src) + " > " + text(dst) + " fragment " + std::to_string(get16(f, 56) & 0xfff8) +
        ((get16(f, 56) & 1) != 0 ? " more" : "");
  } else if (protocol == 6 || protocol == 17) {
    s = text(Endpoint{src, Port(static_cast<uint16_t>(get16(l4, 0)))}) + " > " +
        text(Endpoint{dst, Port(static_cast<uint16_t>(get16(l4, 2)))}) + ' ';
    if (protocol == 17) s += "udp";
    for (int i = 0; protocol == 6 && i < 6; ++i) {
      if (l4[13] >> i & 1) s += "FSRPAU"[i];
    }
  } else if (protocol == 58 && (l4[0] == 135 || l4[0] == 136)) {
    s = nd_line(f, at);
  } else {
    s = text(src) + " > " + text(dst) + ' ';
    if (protocol == 58) s += "icmpv6 " + std::to_string(l4[0]) + '/' + std::to_string(l4[1]);
    if (protocol == 58 && l4[0] == 2) s += " mtu " + std::to_string(get32(l4, 4));
    if (protocol != 58) s += "protocol " + std::to_string(protocol);
  }
  s += " ttl " + std::to_string(f[21]);
  if (summed && l4_checksum(src, dst, protocol, l4) != 0) s += " BAD-L4-CSUM";
  return s;
}

}  // namespace

std::string describe(const FrameBytes& f) {
  Mac to, from;
  std::memcpy(to.bytes.data(), f.data(), 6);
  std::memcpy(from.bytes.data(), f.data() + 6, 6);
  std::string s = text(from) + '>' + text(to) + ' ';
  if (get16(f, 12) == 0x0806) {
    Mac sender, target;
    std::memcpy(sender.bytes.data(), f.data() + 22, 6);
    std::memcpy(target.bytes.data(), f.data() + 32, 6);
    const Ip tip(get32(f, 38)), sip(get32(f, 28));
    if (get16(f, 20) == 1) return s + "arp who-has " + text(tip) + " tell " + text(sip) + ' ' + text(sender);
    return s + "arp " + text(sip) + " is-at " + text(sender) + " to " + text(tip) + ' ' + text(target);
  }
  if (is_ipv6(f)) return s + ipv6_line(f);
  const size_t header = (f[14] & 15u) * 4, l4_at = 14 + header, total = get16(f, 16);
  const std::string src = text(Ip(get32(f, 26))), dst = text(Ip(get32(f, 30)));
  const FrameBytes l4(f.begin() + static_cast<std::ptrdiff_t>(l4_at),
                      f.begin() + static_cast<std::ptrdiff_t>(14 + total));
  const uint8_t protocol = f[23];
  bool good = true;
  if (protocol == 6 || protocol == 17) {
    good = l4_checksum(src, dst, protocol, l4) == 0;
    s += src + ':' + std::to_string(get16(l4, 0)) + " > " + dst + ':' + std::to_string(get16(l4, 2)) + ' ';
    if (protocol == 17) s += "udp";
    for (int i = 0; protocol == 6 && i < 6; ++i) {
      if (l4[13] >> i & 1) s += "FSRPAU"[i];
    }
  } else {
    s += src + " > " + dst + ' ';
    if (protocol == 1) {
      good = slow_checksum(l4.data(), l4.size()) == 0;
      s += "icmp " + std::to_string(l4[0]) + '/' + std::to_string(l4[1]);
      if (l4[0] == 3 && l4[1] == 4) s += " mtu " + std::to_string(get16(l4, 6));
    } else {
      s += "protocol " + std::to_string(protocol);
    }
  }
  s += " ttl " + std::to_string(f[22]);
  if (slow_checksum(f.data() + 14, header) != 0) s += " BAD-IP-CSUM";
  if (!good) s += " BAD-L4-CSUM";
  return s;
}

}  // namespace rawvs::test
