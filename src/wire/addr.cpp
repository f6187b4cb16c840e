// SPDX-License-Identifier: BSD-2-Clause
// addr.cpp: addresses as text, and text read back. Strict: what may be a typing error is refused, not guessed.
#include "rawvs/addr.h"

#include <array>
#include <charconv>

namespace rawvs {

namespace {

// The part of s up to the separator; s becomes the rest. Without a separator the part is all of s.
std::string_view cut(std::string_view& s, char separator) {
  const size_t end = s.find(separator);
  const std::string_view part = s.substr(0, end);
  s = end == std::string_view::npos ? std::string_view{} : s.substr(end + 1);
  return part;
}

}  // namespace

std::optional<uint64_t> parse_number(std::string_view s, uint64_t most) {
  uint64_t n = 0;
  const char* const end = s.data() + s.size();
  const auto [stop, bad] = std::from_chars(s.data(), end, n);
  if (s.empty() || bad != std::errc() || stop != end || n > most) return std::nullopt;
  return n;
}

namespace {

std::optional<uint32_t> parse_quad(std::string_view s) {
  uint32_t v4 = 0;
  for (int i = 0; i < 4; ++i) {
    if (i < 3 && s.find('.') == std::string_view::npos) return std::nullopt;
    const std::string_view part = i < 3 ? cut(s, '.') : s;
    if (part.size() > 3 || (part.size() > 1 && part[0] == '0'))
      return std::nullopt;  // 010 is octal 8 to some programs, 10 to others
    const auto byte = parse_number(part, 255);
    if (!byte) return std::nullopt;
    v4 = v4 << 8 | static_cast<uint32_t>(*byte);
  }
  return v4;
}

struct Groups {  // of 16 bits, on one side of "::"
  std::array<uint16_t, 8> values{};
  size_t count = 0;
  bool add(uint32_t value) {
    if (count == values.size()) return false;
    values[count++] = static_cast<uint16_t>(value);
    return true;
  }
};

// Colon-separated groups; the last 32 bits of the address may be a dotted quad. False: it is something else.
bool parse_groups(std::string_view s, bool last, Groups& out) {
  while (!s.empty()) {
    const size_t colon = s.find(':');
    const std::string_view part = s.substr(0, colon);
    if (colon == std::string_view::npos && last && part.find('.') != std::string_view::npos) {
      const auto quad = parse_quad(part);
      return quad && out.add(*quad >> 16) && out.add(*quad & 0xffff);
    }
    uint16_t value = 0;
    const auto [stop, bad] = std::from_chars(part.data(), part.data() + part.size(), value, 16);
    if (part.empty() || part.size() > 4 || bad != std::errc() || stop != part.data() + part.size()) return false;
    if (!out.add(value)) return false;
    if (colon == std::string_view::npos) return true;
    s = s.substr(colon + 1);
    if (s.empty()) return false;  // ends with one colon
  }
  return true;
}

std::optional<Ip> parse_ipv6(std::string_view s) {
  const size_t gap = s.find("::");
  Groups before, after;
  if (gap == std::string_view::npos) {
    if (!parse_groups(s, true, before) || before.count != 8) return std::nullopt;
  } else {
    if (!parse_groups(s.substr(0, gap), false, before) || !parse_groups(s.substr(gap + 2), true, after))
      return std::nullopt;
    if (before.count + after.count > 7) return std::nullopt;  // "::" stands for one group at least
  }
  std::array<uint16_t, 8> all = before.values;
  for (size_t i = 0; i < after.count; ++i) all[8 - after.count + i] = after.values[i];
  const auto half = [&](size_t from) {
    return uint64_t{all[from]} << 48 | uint64_t{all[from + 1]} << 32 | uint64_t{all[from + 2]} << 16 | all[from + 3];
  };
  const Ip ip(half(0), half(4));
  return ip.is_v4() ? std::nullopt : std::optional(ip);
}

}  // namespace

std::optional<Ip> parse_ip(std::string_view s) {
  if (s.find(':') != std::string_view::npos) return parse_ipv6(s);
  const auto v4 = parse_quad(s);
  return v4 ? std::optional(Ip(*v4)) : std::nullopt;
}

std::optional<Mac> parse_mac(std::string_view s) {
  Mac mac;
  if (s.size() != 17) return std::nullopt;
  for (size_t i = 0; i < 6; ++i) {
    const char* const at = s.data() + i * 3;
    if (i > 0 && at[-1] != ':') return std::nullopt;
    const auto [stop, bad] = std::from_chars(at, at + 2, mac.bytes[i], 16);
    if (bad != std::errc() || stop != at + 2) return std::nullopt;
  }
  return mac;
}

std::optional<Port> parse_port(std::string_view s) {
  const auto n = parse_number(s, 65535);
  return n ? std::optional(Port(static_cast<uint16_t>(*n))) : std::nullopt;
}

std::optional<Endpoint> parse_endpoint(std::string_view s) {
  std::string_view address = s, port;
  if (s.starts_with('[')) {
    const size_t end = s.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    address = s.substr(1, end - 1);
    port = s.substr(end + 1);
    if (address.find(':') == std::string_view::npos) return std::nullopt;  // brackets are for IPv6
  } else if (const size_t colon = s.find(':'); colon != std::string_view::npos && s.find(':', colon + 1) == s.npos) {
    address = s.substr(0, colon);
    port = s.substr(colon);
  }
  const auto addr = parse_ip(address);
  if (!addr) return std::nullopt;
  if (port.empty()) return Endpoint{*addr, Port(0)};
  const auto number = port[0] == ':' ? parse_port(port.substr(1)) : std::nullopt;
  return number ? std::optional(Endpoint{*addr, *number}) : std::nullopt;
}

std::optional<Network> parse_network(std::string_view s) {
  const size_t slash = s.find('/');
  const auto addr = parse_ip(s.substr(0, slash));
  if (!addr) return std::nullopt;
  Network n = Network::host(*addr);
  if (slash != std::string_view::npos) {
    const auto prefix = parse_number(s.substr(slash + 1), n.prefix);
    if (!prefix) return std::nullopt;
    n.prefix = static_cast<uint8_t>(*prefix);
  }
  if (n.mask().of(*addr) != *addr) return std::nullopt;
  return n;
}

namespace {

std::string quad_text(uint32_t v4) {
  std::string s;
  for (int shift = 24; shift >= 0; shift -= 8) {
    s += std::to_string(v4 >> shift & 0xff);
    if (shift != 0) s += '.';
  }
  return s;
}

// RFC 5952: the longest run of two or more zero groups, the first of equals, becomes "::".
std::string ipv6_text(Ip a) {
  std::array<uint16_t, 8> groups{};
  for (size_t i = 0; i < 8; ++i) groups[i] = static_cast<uint16_t>((i < 4 ? a.hi() : a.lo()) >> (48 - i % 4 * 16));
  size_t gap = 8, zeros = 1;
  for (size_t from = 0; from < 8; ++from) {
    size_t to = from;
    while (to < 8 && groups[to] == 0) ++to;
    if (to - from > zeros) gap = from, zeros = to - from;
  }
  std::string s;
  for (size_t i = 0; i < 8; ++i) {
    if (i == gap) {
      s += "::";
      i += zeros - 1;
      continue;
    }
    if (!s.empty() && s.back() != ':') s += ':';
    std::array<char, 4> digits{};
    const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), groups[i], 16);
    s.append(digits.data(), written.ptr);
  }
  return s;
}

}  // namespace

std::string text(Ip a) { return a.is_v4() ? quad_text(a.v4()) : ipv6_text(a); }

std::string text(Mac m) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string s;
  for (const uint8_t b : m.bytes) {
    if (!s.empty()) s += ':';
    s += kDigits[b >> 4];
    s += kDigits[b & 15];
  }
  return s;
}

std::string text(Endpoint e) {
  const std::string addr = e.addr.is_v4() ? text(e.addr) : '[' + text(e.addr) + ']';
  return addr + ':' + std::to_string(e.port.value);
}

std::string text(const Network& n) { return text(n.base) + '/' + std::to_string(n.prefix); }

const char* name(Family family) { return family == Family::ipv4 ? "IPv4" : "IPv6"; }

const char* name(Protocol p) {
  switch (p) {
    case Protocol::any: return "ip";
    case Protocol::icmp: return "icmp";
    case Protocol::ipip: return "ipip";
    case Protocol::tcp: return "tcp";
    case Protocol::udp: return "udp";
    case Protocol::ipv6: return "ipv6";
    case Protocol::gre: return "gre";
    case Protocol::icmpv6: return "icmpv6";
    case Protocol::no_next: return "nothing";
    case Protocol::sctp: return "sctp";
  }
  return "?";
}

}  // namespace rawvs
