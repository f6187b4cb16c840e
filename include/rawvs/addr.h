// SPDX-License-Identifier: BSD-2-Clause
// addr.h: types for addresses: Ip, Port, Mac, Endpoint, Protocol, Network; as text, and read from text.
// In:  text that people write, numbers that wire/ has loaded.
// Out: values that compare, copy and print.
// Not: host names (rawvsadm looks them up), bytes on a wire (packet.h, arp.h).
//
// Ip is IPv4 today. Only this file, wire/ (which knows the header) and the connection table (whose IPv4 entries stay
// small) may assume that it has four bytes.
#pragma once

#include <array>
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

class Ip {
 public:
  constexpr Ip() = default;
  constexpr explicit Ip(uint32_t v4) : v4_(v4) {}  // host order: 192.0.2.1 is 0xc0000201
  constexpr uint32_t v4() const { return v4_; }    // host order
  constexpr bool unspecified() const { return v4_ == 0; }
  constexpr bool loopback() const { return v4_ >> 24 == 127; }
  constexpr bool multicast() const { return v4_ >> 28 == 14; }
  constexpr bool reserved() const { return v4_ >> 28 == 15; }  // 240/4, which includes the limited broadcast (RFC 1112)
  constexpr bool unicast() const { return v4_ >> 24 != 0 && !loopback() && !multicast() && !reserved(); }
  friend constexpr auto operator<=>(const Ip&, const Ip&) = default;

 private:
  uint32_t v4_ = 0;
};

struct Netmask {  // any bits: ipvsadm also accepts masks that are no prefix
  Ip bits{0xffffffff};
  constexpr Ip of(Ip a) const { return Ip(a.v4() & bits.v4()); }
  constexpr bool full() const { return bits.v4() == 0xffffffff; }
  friend constexpr bool operator==(const Netmask&, const Netmask&) = default;
};

// The mask whose first `length` bits are ones. REQUIRES: at most 32.
constexpr Netmask prefix_mask(uint8_t length) { return {Ip(length == 0 ? 0 : ~uint32_t{0} << (32 - length))}; }

struct Network {  // an address block: 192.0.2.0/24
  Ip base{};
  uint8_t prefix = 32;
  constexpr bool holds(Ip a) const { return prefix_mask(prefix).of(a) == prefix_mask(prefix).of(base); }
  friend constexpr bool operator==(const Network&, const Network&) = default;
};

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

enum class Protocol : uint8_t { any = 0, icmp = 1, ipip = 4, tcp = 6, udp = 17, gre = 47, sctp = 132 };

constexpr bool has_ports(Protocol p) { return p == Protocol::tcp || p == Protocol::udp || p == Protocol::sctp; }

std::string text(Ip a);              // 192.0.2.1
std::string text(Mac m);             // 02:00:00:00:00:01
std::string text(Endpoint e);        // 192.0.2.1:80
std::string text(const Network& n);  // 192.0.2.0/24
const char* name(Protocol p);        // tcp, udp, sctp, icmp, ip; "?" for others

std::optional<Ip> parse_ip(std::string_view s);              // dotted quad only; no octal, no short forms
std::optional<Mac> parse_mac(std::string_view s);            // six pairs of hex digits with ':' between them
std::optional<Port> parse_port(std::string_view s);          // 0-65535, decimal
std::optional<Endpoint> parse_endpoint(std::string_view s);  // IP:PORT; without :PORT the port is 0
std::optional<Network> parse_network(std::string_view s);    // IP/LEN or IP; bits after the prefix must be zero
std::optional<uint64_t> parse_number(std::string_view s, uint64_t most);  // decimal digits only, 0..most

}  // namespace rawvs
