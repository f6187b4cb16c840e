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

unsigned l4_checksum(std::string_view src, std::string_view dst, uint8_t protocol, const FrameBytes& l4) {
  FrameBytes b;
  put32(b, ip(src).v4()), put32(b, ip(dst).v4());
  put16(b, protocol), put16(b, static_cast<unsigned>(l4.size()));
  b.insert(b.end(), l4.begin(), l4.end());
  return slow_checksum(b.data(), b.size());
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

void fix_ip_checksum(FrameBytes& b) {
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
  return ipv4_frame(t.from, t.to, t.src, t.dst, 6, t.ttl, t.dont_fragment ? 0x4000 : 0, l4);
}

FrameBytes frame(const Udp& u) {
  FrameBytes l4;
  put16(l4, u.sport), put16(l4, u.dport), put16(l4, static_cast<unsigned>(8 + u.data.size())), put16(l4, 0);
  put(l4, u.data);
  const unsigned sum = l4_checksum(u.src, u.dst, 17, l4);
  set16(l4, 6, sum == 0 ? 0xffff : sum);
  return ipv4_frame(u.from, u.to, u.src, u.dst, 17, u.ttl, u.dont_fragment ? 0x4000 : 0, l4);
}

FrameBytes frame(const Ping& p) {
  FrameBytes l4;
  l4.push_back(p.type), l4.push_back(0);
  put16(l4, 0), put16(l4, 7), put16(l4, 1);
  put(l4, p.data);
  set16(l4, 2, slow_checksum(l4.data(), l4.size()));
  return ipv4_frame(p.from, p.to, p.src, p.dst, 1, 64, 0x4000, l4);
}

FrameBytes frame(const IcmpError& e) {
  FrameBytes l4{e.type, e.code};
  put16(l4, 0), put16(l4, 0), put16(l4, e.mtu);
  const auto ip_packet = e.about.begin() + 14;
  const size_t quoted = std::min(e.quoted, e.about.size() - 14);
  l4.insert(l4.end(), ip_packet, ip_packet + static_cast<std::ptrdiff_t>(quoted));
  set16(l4, 2, slow_checksum(l4.data(), l4.size()));
  return ipv4_frame(kClientMac, kDirectorMac, e.src, e.dst, 1, e.ttl, 0, l4);
}

FrameBytes frame(const ArpFrame& a) {
  FrameBytes b;
  put(b, a.to), put(b, a.sender_mac), put16(b, 0x0806);
  put16(b, 1), put16(b, 0x0800), put16(b, 0x0604), put16(b, a.request ? 1 : 2);
  put(b, a.sender_mac), put32(b, ip(a.sender).v4()), put(b, a.target_mac), put32(b, ip(a.target).v4());
  b.resize(60);  // Ethernet's padding
  return b;
}

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
