// SPDX-License-Identifier: BSD-2-Clause
// frames.h: frames for tests, built by code independent of the product's, so that a fault in either shows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rawvs/frame.h"

namespace rawvs::test {

using FrameBytes = std::vector<uint8_t>;

inline constexpr Mac kDirectorMac{{2, 0, 0, 0, 0, 0x10}}, kClientMac{{2, 0, 0, 0, 0, 1}},
    kInsideMac{{2, 0, 0, 0, 1, 0x10}};
inline Ip ip(std::string_view s) { return parse_ip(s).value(); }

struct Tcp {
  std::string src = "198.51.100.1", dst = "192.0.2.100";
  uint16_t sport = 1001, dport = 80;
  std::string flags = "S";  // out of FSRPAU
  std::string data{};
  uint32_t seq = 1000, ack = 0;
  uint8_t ttl = 64;
  bool dont_fragment = true;
  Mac from = kClientMac, to = kDirectorMac;
};
struct Udp {
  std::string src = "198.51.100.1", dst = "192.0.2.100";
  uint16_t sport = 1001, dport = 53;
  std::string data = "hello";
  uint8_t ttl = 64;
  bool dont_fragment = true;
  Mac from = kClientMac, to = kDirectorMac;
};
struct Ping {
  std::string src = "198.51.100.1", dst = "192.0.2.100";
  std::string data = "ping";
  uint8_t type = 8;
  Mac from = kClientMac, to = kDirectorMac;
};
struct IcmpError {  // quotes the beginning of `about`
  std::string src = "198.51.100.1", dst = "192.0.2.100";
  uint8_t type = 3, code = 4;
  uint16_t mtu = 1400;
  uint8_t ttl = 64;
  FrameBytes about{};  // a whole frame
  size_t quoted = 28;  // bytes of its IP packet
};
struct ArpFrame {
  bool request = true;
  Mac sender_mac = kClientMac;
  std::string sender = "192.0.2.1";
  Mac target_mac{};
  std::string target = "192.0.2.100";
  Mac to = kBroadcastMac;
};

FrameBytes frame(const Tcp& t);
FrameBytes frame(const Udp& u);
FrameBytes frame(const Ping& p);
FrameBytes frame(const IcmpError& e);
FrameBytes frame(const ArpFrame& a);
FrameBytes ipv4_frame(Mac from, Mac to, std::string_view src, std::string_view dst, uint8_t protocol, uint8_t ttl,
                      uint16_t fragment_word, const FrameBytes& l4);
void fix_ip_checksum(FrameBytes& frame);  // after a test changed the header

uint16_t slow_checksum(const uint8_t* data, size_t size);  // computed the simple way, for comparison

// One line per frame, to read in assertions: "02:..:10>02:..:11 198.51.100.1:1001 > 192.0.2.100:80 S ttl 63", and
// "BAD-IP-CSUM", "BAD-L4-CSUM" where a checksum is wrong.
std::string describe(const FrameBytes& frame);

}  // namespace rawvs::test
