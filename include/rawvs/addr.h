// SPDX-License-Identifier: BSD-2-Clause
// addr.h: types for addresses: Ip, Port, Mac, Endpoint, Protocol, Network; as text, and read from text.
// In:  text that people write, numbers that wire/ has loaded.
// Out: values that compare, copy and print.
// Not: host names (rawvsadm looks them up), bytes on a wire (packet.h, arp.h).
//
// Ip has the addresses of both families: an IPv4 address a.b.c.d is ::ffff:a.b.c.d inside. So one value, without a tag,
// compares, sorts and hashes. Only this file, wire/ (which knows the headers) and the connection table (whose IPv4
// entries stay small) ask for .v4(). On a wire, ::ffff:0:0/96 is no host's address (RFC 4291 section 2.5.5.2): packets
// that carry it are refused, and are never taken for IPv4.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rawvs {

template <class Tag, class Raw>
struct Strong {  // Raw's bits without conversion from Raw or to another Tag
  constexpr Strong() = default;
  constexpr explicit Strong(Raw v) : value(v) {}
  friend constexpr auto operator<=>(const Strong&, const Strong&) = default;
  Raw value{};
};

using Port = Strong<struct PortTag, uint16_t>;  // host order
using Mark = Strong<struct MarkTag, uint32_t>;  // a group of ports balanced as one service; 0 = none

enum class Family : uint8_t { ipv4, ipv6 };
inline constexpr Family kBothFamilies[] = {Family::ipv4, Family::ipv6};
constexpr size_t index(Family family) { return static_cast<size_t>(family); }
constexpr uint8_t address_bits(Family family) { return family == Family::ipv4 ? 32 : 128; }

class Ip {
 public:
  constexpr Ip() = default;                                     // 0.0.0.0
  constexpr explicit Ip(uint32_t v4) : lo_(kMapped | v4) {}     // host order: 192.0.2.1 is 0xc0000201
  constexpr Ip(uint64_t hi, uint64_t lo) : hi_(hi), lo_(lo) {}  // host order: 2001:db8::1 is {0x20010db8 << 32, 1}
  static constexpr Ip any(Family f) { return f == Family::ipv4 ? Ip() : Ip(0, 0); }  // 0.0.0.0, ::

  constexpr Family family() const { return is_v4() ? Family::ipv4 : Family::ipv6; }
  constexpr bool is_v4() const { return hi_ == 0 && lo_ >> 32 == kMapped >> 32; }
  constexpr bool is_v6() const { return !is_v4(); }
  constexpr uint32_t v4() const { return static_cast<uint32_t>(lo_); }  // host order. REQUIRES: is_v4()
  constexpr uint64_t hi() const { return hi_; }
  constexpr uint64_t lo() const { return lo_; }
  // Its four words XORed, as IPVS's hashes take an address; of IPv4, the address.
  constexpr uint32_t folded() const {
    const uint64_t both = hi_ ^ (is_v4() ? lo_ ^ kMapped : lo_);
    return static_cast<uint32_t>(both >> 32 ^ both);
  }

  constexpr bool unspecified() const { return hi_ == 0 && (lo_ == 0 || lo_ == kMapped); }
  constexpr bool loopback() const { return is_v4() ? v4() >> 24 == 127 : hi_ == 0 && lo_ == 1; }
  constexpr bool multicast() const { return is_v4() ? v4() >> 28 == 14 : hi_ >> 56 == 0xff; }
  constexpr bool link_local() const { return is_v4() ? v4() >> 16 == 0xa9fe : hi_ >> 54 == 0x3fa; }
  // IPv4 only: 240/4, which includes the limited broadcast (RFC 1112).
  constexpr bool reserved() const { return is_v4() && v4() >> 28 == 15; }
  constexpr bool unicast() const {  // a host's address, as it may be in a packet
    if (is_v4()) return v4() >> 24 != 0 && !loopback() && !multicast() && !reserved();
    return !unspecified() && !loopback() && !multicast();
  }
  friend constexpr auto operator<=>(const Ip&, const Ip&) = default;

 private:
  static constexpr uint64_t kMapped = 0xffff00000000;
  uint64_t hi_ = 0, lo_ = kMapped;
};

// The bits of an address that count. IPv4: any bits, since ipvsadm also accepts masks that are no prefix. All of them,
// in both families, unless said otherwise.
class Netmask {
 public:
  constexpr Netmask() = default;
  constexpr explicit Netmask(Ip v4) : lo_(static_cast<uint32_t>(~v4.v4())) {}  // 255.255.255.0
  constexpr Netmask(Family family, uint8_t length) {                           // REQUIRES: at most address_bits()
    const unsigned zeros = address_bits(family) - length;
    lo_ = zeros >= 64 ? ~uint64_t{0} : (uint64_t{1} << zeros) - 1;
    hi_ = zeros <= 64 ? 0 : zeros == 128 ? ~uint64_t{0} : (uint64_t{1} << (zeros - 64)) - 1;
  }
  constexpr Ip of(Ip a) const { return Ip(a.hi() & ~hi_, a.lo() & ~lo_); }
  constexpr bool full() const { return (hi_ | lo_) == 0; }
  constexpr Ip v4() const { return Ip(static_cast<uint32_t>(~lo_)); }  // as an IPv4 address: 255.255.255.0
  // The number of leading ones; none: the mask is no prefix.
  constexpr std::optional<uint8_t> length(Family family) const {
    const auto zeros = static_cast<int>(hi_ != 0 ? 64 + std::bit_width(hi_) : std::bit_width(lo_));
    if (*this != Netmask(family, static_cast<uint8_t>(address_bits(family) - zeros))) return std::nullopt;
    return static_cast<uint8_t>(address_bits(family) - zeros);
  }
  friend constexpr bool operator==(const Netmask&, const Netmask&) = default;

 private:
  uint64_t hi_ = 0, lo_ = 0;  // the bits that do not count
};

struct Network {  // an address block: 192.0.2.0/24, 2001:db8::/32
  Ip base{};
  uint8_t prefix = 32;  // bits, of the address's own family
  static constexpr Network all(Family family) { return {Ip::any(family), 0}; }
  static constexpr Network host(Ip a) { return {a, address_bits(a.family())}; }
  constexpr Netmask mask() const { return Netmask(base.family(), prefix); }
  constexpr bool holds(Ip a) const { return a.family() == base.family() && mask().of(a) == mask().of(base); }
  friend constexpr bool operator==(const Network&, const Network&) = default;
};

// How many leading bits two addresses of one family have in common.
constexpr int common_bits(Ip a, Ip b) {
  const uint64_t hi = a.hi() ^ b.hi(), lo = a.lo() ^ b.lo();
  return (hi != 0 ? std::countl_zero(hi) : 64 + std::countl_zero(lo)) - (a.is_v4() ? 96 : 0);
}

struct Mac {
  std::array<uint8_t, 6> bytes{};
  constexpr bool group() const { return (bytes[0] & 1) != 0; }  // multicast or broadcast
  constexpr bool zero() const { return *this == Mac{}; }
  friend constexpr auto operator<=>(const Mac&, const Mac&) = default;
};
inline constexpr Mac kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

struct Endpoint {
  Ip addr{};
  Port port{};
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// Numbers of the IP headers. IPVS has one protocol ICMP for both families; so have packets here (Packet::protocol is
// icmp for ICMPv6 as well).
enum class Protocol : uint8_t {
  any = 0,
  icmp = 1,
  ipip = 4,
  tcp = 6,
  udp = 17,
  ipv6 = 41,
  gre = 47,
  icmpv6 = 58,
  no_next = 59,  // IPv6: nothing follows the headers
  sctp = 132
};

constexpr bool has_ports(Protocol p) { return p == Protocol::tcp || p == Protocol::udp || p == Protocol::sctp; }

std::string text(Ip a);              // 192.0.2.1, 2001:db8::1 (RFC 5952)
std::string text(Mac m);             // 02:00:00:00:00:01
std::string text(Endpoint e);        // 192.0.2.1:80, [2001:db8::1]:80
std::string text(const Network& n);  // 192.0.2.0/24, 2001:db8::/32
const char* name(Family family);     // IPv4, IPv6
const char* name(Protocol p);        // tcp, udp, sctp, icmp, ip; "?" for others

// A dotted quad, without octal and short forms; or IPv6 (RFC 4291 section 2.2), without zone. A mapped address
// (::ffff:a.b.c.d) is refused: it would be IPv4.
std::optional<Ip> parse_ip(std::string_view s);
std::optional<Mac> parse_mac(std::string_view s);            // six pairs of hex digits with ':' between them
std::optional<Port> parse_port(std::string_view s);          // 0-65535, decimal
std::optional<Endpoint> parse_endpoint(std::string_view s);  // IP:PORT, [IPV6]:PORT; without :PORT the port is 0
std::optional<Network> parse_network(std::string_view s);    // IP/LEN or IP; bits after the prefix must be zero
std::optional<uint64_t> parse_number(std::string_view s, uint64_t most);  // decimal digits only, 0..most

}  // namespace rawvs
