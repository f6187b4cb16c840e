// SPDX-License-Identifier: BSD-2-Clause
// addr.cpp: addresses as text, and text read back. Strict: what may be a typing error is refused, not guessed.
#include "rawvs/addr.h"

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

std::optional<Ip> parse_ip(std::string_view s) {
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
  return Ip(v4);
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
  const size_t colon = s.find(':');
  const auto addr = parse_ip(s.substr(0, colon));
  if (!addr) return std::nullopt;
  if (colon == std::string_view::npos) return Endpoint{*addr, Port(0)};
  const auto port = parse_port(s.substr(colon + 1));
  return port ? std::optional(Endpoint{*addr, *port}) : std::nullopt;
}

std::optional<Network> parse_network(std::string_view s) {
  const size_t slash = s.find('/');
  const auto addr = parse_ip(s.substr(0, slash));
  if (!addr) return std::nullopt;
  Network n{*addr, 32};
  if (slash != std::string_view::npos) {
    const auto prefix = parse_number(s.substr(slash + 1), 32);
    if (!prefix) return std::nullopt;
    n.prefix = static_cast<uint8_t>(*prefix);
  }
  const uint32_t outside_prefix = n.prefix == 32 ? 0 : ~uint32_t{0} >> n.prefix;
  if ((addr->v4() & outside_prefix) != 0) return std::nullopt;
  return n;
}

std::string text(Ip a) {
  std::string s;
  for (int shift = 24; shift >= 0; shift -= 8) {
    s += std::to_string(a.v4() >> shift & 0xff);
    if (shift != 0) s += '.';
  }
  return s;
}

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

std::string text(Endpoint e) { return text(e.addr) + ':' + std::to_string(e.port.value); }

std::string text(const Network& n) { return text(n.base) + '/' + std::to_string(n.prefix); }

const char* name(Protocol p) {
  switch (p) {
    case Protocol::any: return "ip";
    case Protocol::icmp: return "icmp";
    case Protocol::ipip: return "ipip";
    case Protocol::tcp: return "tcp";
    case Protocol::udp: return "udp";
    case Protocol::gre: return "gre";
    case Protocol::sctp: return "sctp";
  }
  return "?";
}

}  // namespace rawvs
