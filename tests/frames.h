// SPDX-License-Identifier: BSD-2-Clause
// frames.h: frames for tests, built by code independent of the product's, so that a fault in either shows.
//
// With IPv6 addresses the same descriptions give IPv6 packets: a TTL is the hop limit, DF and IPv4's ping types count
// for nothing (8 becomes 128, 0 becomes 129). IcmpError's type and code are given as they are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rawvs/frame.h"

namespace rawvs::test {

using FrameBytes = std::vector<uint8_t>;

inline constexpr Mac kDirectorMac{{2, 0, 0, 0, 0, 0x10}}, kClientMac{{2, 0, 0, 0, 0, 1}},
    kInsideMac{{2, 0, 0, 0, 1, 0x10}};
inline Ip ip(std::string_view s) { return parse_ip(s).value(); }

// An IPv6 extension header; its first byte, the next header, is filled in when a packet is built.
struct Extension {
  uint8_t number;
  FrameBytes bytes;
};
using Extensions = std::vector<Extension>;
Extension hop_by_hop(const FrameBytes& options = {1, 4, 0, 0, 0, 0});           // PadN; 6 + 8n bytes of options
Extension destination_options(const FrameBytes& options = {1, 4, 0, 0, 0, 0});  // likewise
Extension routing(uint8_t type, uint8_t segments_left, size_t addresses = 1);
Extension fragment_header(unsigned offset, bool more, uint32_t id = 0x12345678);  // offset: bytes, a multiple of 8

struct Tcp {
  std::string src = "198.51.100.1", dst = "192.0.2.100";
  uint16_t sport = 1001, dport = 80;
  std::string flags = "S";  // out of FSRPAU
  std::string data{};
  uint32_t seq = 1000, ack = 0;
  uint8_t ttl = 64;
  bool dont_fragment = true;
  Mac from = kClientMac, to = kDirectorMac;
  uint8_t traffic_class = 0;  // this and the extensions: IPv6 only
  Extensions extensions{};
};
struct Udp {
  std::string src = "198.51.100.1", dst = "192.0.2.100";
  uint16_t sport = 1001, dport = 53;
  std::string data = "hello";
  uint8_t ttl = 64;
  bool dont_fragment = true;
  Mac from = kClientMac, to = kDirectorMac;
  uint8_t traffic_class = 0;  // this and the extensions: IPv6 only
  Extensions extensions{};
};
struct Ping {
  std::string src = "198.51.100.1", dst = "192.0.2.100";
  std::string data = "ping";
  uint8_t type = 8;
  Mac from = kClientMac, to = kDirectorMac;
  uint8_t traffic_class = 0;  // this and the extensions: IPv6 only
  Extensions extensions{};
};
struct IcmpError {  // quotes the beginning of `about`
  std::string src = "198.51.100.1", dst = "192.0.2.100";
  uint8_t type = 3, code = 4;
  uint16_t mtu = 1400;
  uint8_t ttl = 64;
  FrameBytes about{};         // a whole frame
  size_t quoted = 28;         // bytes of its IP packet
  uint8_t traffic_class = 0;  // this and the extensions: IPv6 only
  Extensions extensions{};
};
struct ArpFrame {
  bool request = true;
  Mac sender_mac = kClientMac;
  std::string sender = "192.0.2.1";
  Mac target_mac{};
  std::string target = "192.0.2.100";
  Mac to = kBroadcastMac;
};

struct NdFrame {  // of an advertisement, target is who sends it
  bool asks = true;
  std::string src = "2001:db8::1", target = "2001:db8::100";
  std::string dst{};                       // none: the target's solicited-node group, or all nodes
  Mac from = kClientMac;                   // of the Ethernet header
  std::optional<Mac> option = kClientMac;  // of the link-layer address option; none: there is no option
  std::optional<Mac> to{};                 // none: that of the group, or kDirectorMac
  bool router = false, solicited = false, overrides = true;
  uint8_t hop_limit = 255, code = 0;
  FrameBytes more_options{};
};

FrameBytes frame(const Tcp& t);
FrameBytes frame(const Udp& u);
FrameBytes frame(const Ping& p);
FrameBytes frame(const IcmpError& e);
FrameBytes frame(const ArpFrame& a);
FrameBytes frame(const NdFrame& n);
FrameBytes ipv4_frame(Mac from, Mac to, std::string_view src, std::string_view dst, uint8_t protocol, uint8_t ttl,
                      uint16_t fragment_word, const FrameBytes& l4);
// protocol: of the payload behind all extension headers.
FrameBytes ipv6_frame(Mac from, Mac to, std::string_view src, std::string_view dst, uint8_t protocol, uint8_t hop_limit,
                      const FrameBytes& l4, const Extensions& extensions = {}, uint8_t traffic_class = 0);
bool is_ipv6(const FrameBytes& frame);
size_t l4_offset(const FrameBytes& frame);  // where the payload of an IP packet starts, behind IPv6's extensions
void fix_ip_checksum(FrameBytes& frame);    // after a test changed the header; IPv6 has none
void fix_l4_checksum(FrameBytes& frame);    // after a test changed TCP, UDP or ICMP; REQUIRES: a whole packet

inline Frame view(FrameBytes& b) {
  Frame f;
  f.data = b.data();
  f.size = static_cast<uint32_t>(b.size());
  return f;
}

uint16_t slow_checksum(const uint8_t* data, size_t size);  // computed the simple way, for comparison

// One line per frame, to read in assertions: "02:..:10>02:..:11 198.51.100.1:1001 > 192.0.2.100:80 S ttl 63", and
// "BAD-IP-CSUM", "BAD-L4-CSUM" where a checksum is wrong. IPv6: "[2001:db8::1]:1001 > [2001:db8::100]:80 S ttl 63",
// "icmpv6 129/0", "nd who-has 2001:db8::100 tell 2001:db8::1 02:..:01", "nd 2001:db8::100 is-at 02:..:10 to ff02::1 O".
std::string describe(const FrameBytes& frame);

}  // namespace rawvs::test
