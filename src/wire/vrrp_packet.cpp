// SPDX-License-Identifier: BSD-2-Clause
// vrrp_packet.cpp: reads and writes VRRP messages. Offsets:
//   0  version (high nibble), type (low nibble)
//   1  virtual router id        2  priority        3  number of addresses
//   4  version 2: authentication type, 5 interval (s); version 3: four reserved bits, 12 bits of interval (10 ms)
//   6  checksum, 16 bits
//   8  the addresses; in version 2 eight bytes of authentication data follow them
#include "wire/vrrp_packet.h"

#include <algorithm>

#include "wire/checksum.h"
#include "wire/ip_bytes.h"

namespace rawvs {

namespace {

constexpr size_t kHeaderSize = 8;
constexpr size_t kChecksumAt = 6;
constexpr size_t kAuthSize = 8;
constexpr uint8_t kAdvertisement = 1;
constexpr uint16_t kIntervalMask = 0x0fff;  // the reserved bits are ignored (RFC 9568 section 5.2.6)
constexpr Duration kHundredth = 10ms;

size_t size_of(uint8_t version, size_t addresses, Family family) {
  return kHeaderSize + ip_bytes(family) * addresses + (version == 2 ? kAuthSize : 0);
}

uint64_t pseudo_sum(Ip source, Ip destination, size_t size) {
  return pseudo_header_sum(source, destination, static_cast<Protocol>(kVrrpProtocol), static_cast<uint32_t>(size));
}

// keepalived before 1.3.6, and later ones with old_unicast_checksum, sum a unicast advert as if sent to the group.
bool checksum_for_group(const VrrpDatagram& in, uint8_t version) {
  if (version != 3 || in.destination.multicast()) return false;
  return checksum_fold(checksum_add(
             in.payload, pseudo_sum(in.source, vrrp_group(in.source.family()), in.payload.size()))) == 0xffff;
}

// The payload after an AH header (RFC 4302 section 2). Empty: it is cut off, or is not VRRP.
Bytes behind_header(Bytes payload) {
  if (payload.size() < 2 || payload[0] != kVrrpProtocol) return {};
  const size_t size = (size_t{payload[1]} + 2) * 4;
  return size < payload.size() ? payload.subspan(size) : Bytes();
}

// The reading of the checksum that makes it right; none: it is wrong either way.
std::optional<VrrpChecksum> right_checksum(const VrrpDatagram& in, uint8_t version) {
  constexpr uint16_t kRight = 0xffff;  // the sum of data that includes its own complement
  if (version == 3) {
    const uint64_t pseudo = pseudo_sum(in.source, in.destination, in.payload.size());
    if (checksum_fold(checksum_add(in.payload, pseudo)) == kRight) return VrrpChecksum::pseudo_header;
  }
  if (in.source.is_v4() && checksum_fold(checksum_add(in.payload)) == kRight) return VrrpChecksum::message;
  return std::nullopt;
}

// The 16 bits before the checksum, which hold the interval. None: the interval is out of range.
std::optional<uint16_t> interval_bits(const VrrpAdvert& a) {
  const Duration unit = a.version == 2 ? Duration(1s) : kHundredth;
  const Duration longest = a.version == 2 ? kLongestVrrp2Interval : kLongestVrrpInterval;
  if (a.interval < unit || a.interval > longest || a.interval % unit != Duration::zero()) return std::nullopt;
  const auto number = static_cast<uint16_t>(a.interval / unit);
  return a.version == 2 ? static_cast<uint16_t>(static_cast<uint16_t>(a.auth) << 8 | number) : number;
}

}  // namespace

VrrpPassword vrrp_password(std::string_view text) {
  VrrpPassword p{};
  std::copy_n(text.begin(), std::min(text.size(), p.size()), p.begin());
  return p;
}

bool same_password(const VrrpPassword& a, const VrrpPassword& b) {
  uint8_t differing = 0;
  for (size_t i = 0; i < a.size(); ++i) differing = static_cast<uint8_t>(differing | (a[i] ^ b[i]));
  return differing == 0;
}

// Checks in the order of section 7.1 of the RFCs: a packet that breaks several rules is counted under the first.
std::optional<VrrpRefusal> parse_vrrp(const VrrpDatagram& in, VrrpAdvert& out) {
  const Bytes b = in.header_auth ? behind_header(in.payload) : in.payload;
  out = VrrpAdvert{};
  out.vrid = b.size() >= 2 ? b[1] : uint8_t{0};
  if (in.header_auth) return VrrpRefusal::header_auth;
  if (!in.source.unicast()) return VrrpRefusal::source;
  if (in.destination.multicast() && in.ttl != kVrrpTtl) return VrrpRefusal::ttl;
  if (b.size() < kHeaderSize) return VrrpRefusal::truncated;
  out.version = b[0] >> 4;
  const Family family = in.source.family();
  if (out.version != 3 && (out.version != 2 || family == Family::ipv6)) return VrrpRefusal::version;
  if ((b[0] & 0x0f) != kAdvertisement) return VrrpRefusal::type;
  const size_t count = b[3];
  const size_t size = size_of(out.version, count, family);
  if (b.size() < size) return VrrpRefusal::truncated;
  if (b.size() > size) return VrrpRefusal::overlong;
  const auto checksum = right_checksum(in, out.version);
  if (!checksum) return checksum_for_group(in, out.version) ? VrrpRefusal::old_checksum : VrrpRefusal::checksum;
  if (count == 0) return VrrpRefusal::no_addresses;
  out.checksum = *checksum;
  out.priority = b[2];
  for (size_t at = kHeaderSize, i = 0; i < count; ++i, at += ip_bytes(family)) {
    out.addresses.add(load_ip(b, at, family));
  }
  if (out.version == 3) {
    out.interval = kHundredth * (load_be16(b, 4) & kIntervalMask);
    // With an interval of zero a backup would take the sender for dead at once.
    if (out.interval == Duration::zero()) return VrrpRefusal::interval;
    return std::nullopt;
  }
  out.auth = static_cast<VrrpAuth>(b[4]);
  out.interval = std::chrono::seconds(b[5]);
  std::ranges::copy(b.last(kAuthSize), out.password.begin());
  return std::nullopt;
}

size_t write_vrrp(MutableBytes out, const VrrpAdvert& a, Ip source, Ip destination) {
  if ((a.version != 2 && a.version != 3) || a.addresses.size() == 0) return 0;
  const auto interval = interval_bits(a);
  const Family family = source.family();
  if (a.version == 2 && family == Family::ipv6) return 0;
  const auto other = [&](Ip address) { return address.family() != family; };
  if (destination.family() != family || std::ranges::any_of(a.addresses.list(), other)) return 0;
  const size_t size = size_of(a.version, a.addresses.size(), family);
  if (!interval || out.size() < size) return 0;
  const MutableBytes b = out.first(size);
  std::ranges::fill(b, uint8_t{0});
  b[0] = static_cast<uint8_t>(a.version << 4 | kAdvertisement);
  b[1] = a.vrid;
  b[2] = a.priority;
  b[3] = static_cast<uint8_t>(a.addresses.size());
  store_be16(b, 4, *interval);
  size_t at = kHeaderSize;
  for (const Ip address : a.addresses.list()) {
    store_ip(b, at, address);
    at += ip_bytes(family);
  }
  if (a.version == 2 && a.auth == VrrpAuth::password) std::ranges::copy(a.password, b.last(kAuthSize).begin());
  const bool pseudo = a.version == 3 && (a.checksum == VrrpChecksum::pseudo_header || family == Family::ipv6);
  const uint64_t sum = checksum_add(b, pseudo ? pseudo_sum(source, destination, size) : 0);
  store_be16(b, kChecksumAt, static_cast<uint16_t>(~checksum_fold(sum)));
  return size;
}

}  // namespace rawvs
