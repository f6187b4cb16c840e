// SPDX-License-Identifier: BSD-2-Clause
// vrrp_packet.h: reads and writes VRRP advertisements, versions 2 and 3 over IPv4, version 3 over IPv6.
// In:  the payload of an IP packet of protocol 112, any bytes; an advert to send.
// Out: a VrrpAdvert, or the VrrpRefusal that names the broken rule of reception; an advert's bytes without IP header.
// Not: which instance an advert concerns, and what follows from it (vrrp.h); IP packets and frames (compose.h).
// RFC: 3768 (version 2), 2338 section 5.3.6 (passwords), 5798 and 9568 (version 3) section 5.2; reception: 7.1 of each.
//
// All numbers are host order.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "rawvs/addr.h"
#include "rawvs/bytes.h"
#include "rawvs/time.h"

namespace rawvs {

inline constexpr uint8_t kVrrpProtocol = 112;
inline constexpr uint8_t kAuthenticationHeader = 51;  // IPsec's AH (RFC 4302), around VRRP version 2 with auth_type AH
inline constexpr uint8_t kVrrpTtl = 255;              // of every advert: a router on the way would have lowered it
inline constexpr uint8_t kVrrpTos = 0xc0;             // internetwork control (RFC 791), as other routers send them
inline constexpr Ip kVrrpGroup{0xe0000012};           // 224.0.0.18
inline constexpr Mac kVrrpGroupMac{{0x01, 0x00, 0x5e, 0x00, 0x00, 0x12}};
constexpr Ip vrrp_group(Family f) { return f == Family::ipv4 ? kVrrpGroup : Ip(uint64_t{0xff02} << 48, 0x12); }
inline constexpr size_t kMostVrrpAddresses = 255;          // in one advert: their count is a byte
inline constexpr size_t kMostVrrpSize = 8 + 16 * 255;      // bytes of an advert
inline constexpr uint8_t kVrrpOwner = 255;                 // the priority of a router that owns the addresses
inline constexpr uint8_t kVrrpEnd = 0;                     // the priority in a master's last advert
inline constexpr Duration kLongestVrrpInterval = 40950ms;  // version 3; version 2 has up to 255 s
inline constexpr Duration kLongestVrrp2Interval = 255s;

constexpr Mac virtual_router_mac(uint8_t vrid, Family family = Family::ipv4) {  // RFC 9568 section 7.3
  return {{0x00, 0x00, 0x5e, 0x00, family == Family::ipv4 ? uint8_t{1} : uint8_t{2}, vrid}};
}

// clang-format off
#define RAWVS_VRRP_REFUSALS(X)                                                                                        \
  /* What the packet itself breaks */                                                                                 \
  X(truncated,      "truncated",      "shorter than its header says")                                                 \
  X(overlong,       "overlong",       "longer than its header says")                                                  \
  X(source,         "bad-source",     "its source address cannot be a host's")                                        \
  X(ttl,            "ttl",            "its time to live is not 255, or below min_ttl: it has come through a router")  \
  X(version,        "version",        "its version is not the instance's, or neither 2 nor 3")                        \
  X(type,           "type",           "it is no advertisement")                                                       \
  X(no_addresses,   "no-addresses",   "it names no address")                                                          \
  X(checksum,       "checksum",       "its checksum is wrong")                                                        \
  /* What only the instance can know */                                                                               \
  X(header_auth,    "header-auth",    "it has an IPsec header (auth_type AH), which is not understood here")            \
  X(old_checksum,   "old-checksum",   "its checksum is that of keepalived's old_unicast_checksum")                      \
  X(vrid,           "vrid",           "no instance on this interface has its virtual router id")                      \
  X(own_address,    "own-address",    "it comes from the instance's own address: a loop, or an address used twice")   \
  X(destination,    "destination",    "sent by multicast, and the instance has unicast peers, or the other way round") \
  X(peer,           "peer",           "its sender is none of the instance's unicast peers")                           \
  X(auth_type,      "auth-type",      "its kind of authentication is not the instance's")                             \
  X(password,       "password",       "its password is wrong")                                                        \
  X(interval,       "interval",       "version 2: its interval is not the instance's; version 3: it is zero")         \
  X(addresses,      "addresses",      "version 2: its addresses are not the instance's, and same_addresses is on")    \
  X(idle,           "idle",           "its instance is not started, or in fault")
// clang-format on

enum class VrrpRefusal : uint8_t {
#define RAWVS_VRRP_REFUSAL(id, name, meaning) id,
  RAWVS_VRRP_REFUSALS(RAWVS_VRRP_REFUSAL)
#undef RAWVS_VRRP_REFUSAL
      count_
};
inline constexpr size_t kVrrpRefusals = static_cast<size_t>(VrrpRefusal::count_);

struct VrrpRefusalWords {
  const char* name;
  const char* meaning;
};
inline constexpr std::array<VrrpRefusalWords, kVrrpRefusals> kVrrpRefusalWords = {{
#define RAWVS_VRRP_REFUSAL(id, name, meaning) {name, meaning},
    RAWVS_VRRP_REFUSALS(RAWVS_VRRP_REFUSAL)
#undef RAWVS_VRRP_REFUSAL
}};
inline constexpr const VrrpRefusalWords& words(VrrpRefusal r) { return kVrrpRefusalWords[static_cast<size_t>(r)]; }

// What the checksum of version 3 over IPv4 covers. RFC 5798 section 5.2.8 names a pseudo-header, which most routers
// also use for IPv4; RFC 9568 section 5.2.8: the message alone. Version 2 covers the message alone, IPv6 always has the
// pseudo-header.
enum class VrrpChecksum : uint8_t { pseudo_header, message };

enum class VrrpAuth : uint8_t { none = 0, password = 1, header = 2 };  // RFC 2338; header (AH) is never accepted
using VrrpPassword = std::array<uint8_t, 8>;                           // padded with zeros
VrrpPassword vrrp_password(std::string_view text);                     // cuts the text to 8 bytes

class VrrpAddresses {  // the addresses of an advert, in its order
 public:
  VrrpAddresses() = default;
  explicit VrrpAddresses(std::span<const Ip> list) {
    for (const Ip a : list) add(a);
  }
  bool add(Ip a) {  // false: there are kMostVrrpAddresses already
    if (count_ == kMostVrrpAddresses) return false;
    at_[count_++] = a;
    return true;
  }
  std::span<const Ip> list() const { return std::span(at_).first(count_); }
  size_t size() const { return count_; }

 private:
  std::array<Ip, kMostVrrpAddresses> at_;
  size_t count_ = 0;
};

struct VrrpAdvert {
  uint8_t version = 3;
  uint8_t vrid = 0;
  uint8_t priority = 100;          // kVrrpOwner, kVrrpEnd, or between
  Duration interval = 1s;          // version 2: whole seconds, at most 255; version 3: hundredths, at most 40.95 s
  VrrpAuth auth = VrrpAuth::none;  // version 2 only, and so is the password
  VrrpPassword password{};
  VrrpAddresses addresses{};
  VrrpChecksum checksum = VrrpChecksum::pseudo_header;  // of version 3: as read, or as to be written
};

struct VrrpDatagram {  // a whole IP packet of protocol 112 or 51; an IPv4 header's checksum is right
  Ip source{}, destination{};
  uint8_t ttl = 0;
  Bytes payload{};           // from the end of the IP header to the end of the packet: without Ethernet's padding
  bool header_auth = false;  // protocol 51: an AH header begins the payload
};

// Checks what the packet alone can show: the first part of the list of refusals, and a version 3 interval of zero. The
// time to live is checked for multicast only: unicast peers may be behind routers. out.vrid is set even with a refusal
// if the packet holds it, else 0.
std::optional<VrrpRefusal> parse_vrrp(const VrrpDatagram& in, VrrpAdvert& out);

// The size in bytes. 0: out is too small (kMostVrrpSize always suffices), or the advert cannot be written: unknown
// version, no address, an address of the other family, an interval outside the version's range; version 2 over IPv6.
size_t write_vrrp(MutableBytes out, const VrrpAdvert& advert, Ip source, Ip destination);

bool same_password(const VrrpPassword& a, const VrrpPassword& b);  // takes the same time for all values

}  // namespace rawvs
