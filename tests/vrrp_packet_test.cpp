// SPDX-License-Identifier: BSD-2-Clause
// Tests VRRP messages: real adverts, and every fault of one.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>

#include "frames.h"
#include "wire/vrrp_packet.h"

namespace rawvs {
namespace {

using namespace test;

// VRID 51, priority 100, 192.168.0.1, interval 1 s; version 3 from 192.168.0.10.
const std::vector<uint8_t> kVersion2 = {0x21, 0x33, 0x64, 0x01, 0x00, 0x01, 0xba, 0x20, 0xc0, 0xa8,
                                        0x00, 0x01, 0,    0,    0,    0,    0,    0,    0,    0};
const std::vector<uint8_t> kVersion3 = {0x31, 0x33, 0x64, 0x01, 0x00, 0x64, 0x08, 0x7c, 0xc0, 0xa8, 0x00, 0x01};
const std::vector<uint8_t> kVersion3Message = {0x31, 0x33, 0x64, 0x01, 0x00, 0x64, 0xa9, 0xbd, 0xc0, 0xa8, 0x00, 0x01};

VrrpDatagram datagram(const std::vector<uint8_t>& payload) { return {ip("192.168.0.10"), kVrrpGroup, 255, payload}; }

VrrpAdvert advert(uint8_t version) {
  VrrpAdvert a;
  a.version = version, a.vrid = 51, a.priority = 100;
  a.addresses.add(ip("192.168.0.1"));
  return a;
}

std::vector<uint8_t> written(const VrrpAdvert& a) {
  std::vector<uint8_t> out(kMostVrrpSize);
  out.resize(write_vrrp(out, a, ip("192.168.0.10"), kVrrpGroup));
  return out;
}

std::string refusal(const VrrpDatagram& in) {
  VrrpAdvert a;
  const auto r = parse_vrrp(in, a);
  return r ? words(*r).name : "";
}

// The bytes with one changed, and a right checksum.
std::vector<uint8_t> with(std::vector<uint8_t> b, size_t at, uint8_t value) {
  b[at] = value;
  b[6] = b[7] = 0;
  store_be16(b, 6, slow_checksum(b.data(), b.size()));
  return b;
}

TEST(VrrpPacket, WritesTheBytesOfTheRfcs) {
  EXPECT_EQ(written(advert(2)), kVersion2);
  EXPECT_EQ(written(advert(3)), kVersion3);
  VrrpAdvert a = advert(3);
  a.checksum = VrrpChecksum::message;
  EXPECT_EQ(written(a), kVersion3Message);
}

TEST(VrrpPacket, ReadsThemBackAndSaysHowTheChecksumWasRead) {
  for (const auto& [bytes, version, checksum] :
       {std::tuple(kVersion2, 2, VrrpChecksum::message), std::tuple(kVersion3, 3, VrrpChecksum::pseudo_header),
        std::tuple(kVersion3Message, 3, VrrpChecksum::message)}) {
    VrrpAdvert a;
    ASSERT_FALSE(parse_vrrp(datagram(bytes), a)) << version;
    EXPECT_EQ(a.version, version);
    EXPECT_EQ(a.vrid, 51);
    EXPECT_EQ(a.priority, 100);
    EXPECT_EQ(a.interval, 1s);
    EXPECT_EQ(a.checksum, checksum);
    EXPECT_EQ(a.auth, VrrpAuth::none);
    ASSERT_EQ(a.addresses.size(), 1u);
    EXPECT_EQ(text(a.addresses.list()[0]), "192.168.0.1");
  }
}

TEST(VrrpPacket, HasThePasswordInTheLastEightBytes) {
  VrrpAdvert a = advert(2);
  a.auth = VrrpAuth::password;
  a.password = vrrp_password("secret");
  const auto bytes = written(a);
  ASSERT_EQ(bytes.size(), 20u);
  EXPECT_EQ(bytes[4], 1);
  EXPECT_EQ(std::string(bytes.begin() + 12, bytes.end()), std::string("secret\0\0", 8));
  VrrpAdvert back;
  ASSERT_FALSE(parse_vrrp(datagram(bytes), back));
  EXPECT_EQ(back.auth, VrrpAuth::password);
  EXPECT_TRUE(same_password(back.password, vrrp_password("secret")));
  for (const char* other : {"", "secre", "secrets", "Secret", "secret12"}) {
    EXPECT_FALSE(same_password(back.password, vrrp_password(other))) << other;
  }
  EXPECT_TRUE(same_password(vrrp_password("eight ch"), vrrp_password("eight characters and more")));
}

TEST(VrrpPacket, RefusesWhatBreaksARuleByItsName) {
  std::vector<uint8_t> longer = kVersion3;
  longer.push_back(0);
  const std::vector<uint8_t> shorter(kVersion3.begin(), kVersion3.end() - 1);
  EXPECT_EQ(refusal(datagram(kVersion3)), "");
  EXPECT_EQ(refusal(datagram({})), "truncated");
  EXPECT_EQ(refusal(datagram(shorter)), "truncated");
  EXPECT_EQ(refusal(datagram(with(kVersion3, 3, 2))), "truncated");  // two addresses, and one is there
  EXPECT_EQ(refusal(datagram(longer)), "overlong");
  EXPECT_EQ(refusal(datagram(with(kVersion3, 0, 0x11))), "version");
  EXPECT_EQ(refusal(datagram(with(kVersion3, 0, 0x41))), "version");
  EXPECT_EQ(refusal(datagram(with(kVersion3, 0, 0x32))), "type");
  EXPECT_EQ(refusal(datagram(with(kVersion2, 0, 0x20))), "type");
  EXPECT_EQ(refusal(datagram(with({0x31, 51, 100, 0, 0, 100, 0, 0}, 2, 100))), "no-addresses");
  EXPECT_EQ(refusal(datagram(with(kVersion3Message, 5, 0))), "interval");  // an interval of zero
  auto wrong = kVersion3;
  wrong[7] ^= 1;
  EXPECT_EQ(refusal(datagram(wrong)), "checksum");
  for (const char* source : {"0.0.0.0", "127.0.0.1", "224.0.0.18", "255.255.255.255"}) {
    EXPECT_EQ(refusal({ip(source), kVrrpGroup, 255, kVersion3Message}), "bad-source") << source;
  }
}

TEST(VrrpPacket, MustNotHaveComeThroughARouterIfItWasMulticast) {
  EXPECT_EQ(refusal({ip("192.168.0.10"), kVrrpGroup, 254, kVersion3}), "ttl");
  EXPECT_EQ(refusal({ip("192.168.0.10"), kVrrpGroup, 0, kVersion3}), "ttl");
  EXPECT_EQ(refusal({ip("192.168.0.10"), ip("192.168.0.11"), 60, kVersion3Message}), "");
}

TEST(VrrpPacket, HasAChecksumThatKnowsBetweenWhomItWasSent) {
  EXPECT_EQ(refusal({ip("192.168.0.11"), kVrrpGroup, 255, kVersion3}), "checksum");
  EXPECT_EQ(refusal({ip("192.168.0.11"), kVrrpGroup, 255, kVersion3Message}), "");
  EXPECT_EQ(refusal({ip("192.168.0.11"), kVrrpGroup, 255, kVersion2}), "");
  // Version 2 has no pseudo-header.
  auto pseudo = kVersion2;
  const std::vector<uint8_t> header = {192, 168, 0, 10, 224, 0, 0, 18, 0, 112, 0, 20};
  pseudo[6] = pseudo[7] = 0;
  auto all = header;
  all.insert(all.end(), pseudo.begin(), pseudo.end());
  store_be16(pseudo, 6, slow_checksum(all.data(), all.size()));
  EXPECT_EQ(refusal(datagram(pseudo)), "checksum");
}

TEST(VrrpPacket, IgnoresTheReservedBitsAndWhatIsNoPassword) {
  VrrpAdvert a;
  ASSERT_FALSE(parse_vrrp(datagram(with(kVersion3Message, 4, 0xf0)), a));
  EXPECT_EQ(a.interval, 1s);
  ASSERT_FALSE(parse_vrrp(datagram(with(kVersion2, 19, 7)), a));
  EXPECT_EQ(a.auth, VrrpAuth::none);
}

TEST(VrrpPacket, SaysWhoseItWouldBeAlsoWhenItIsRefused) {
  VrrpAdvert a;
  EXPECT_TRUE(parse_vrrp(datagram({0x31, 51}), a));
  EXPECT_EQ(a.vrid, 51);
  EXPECT_TRUE(parse_vrrp(datagram({0x31}), a));
  EXPECT_EQ(a.vrid, 0);
}

TEST(VrrpPacket, IsRefusedWhicheverBitIsFlipped) {
  for (const auto& whole : {kVersion2, kVersion3, kVersion3Message}) {
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
      auto b = whole;
      b[bit / 8] = static_cast<uint8_t>(b[bit / 8] ^ 1 << bit % 8);
      EXPECT_NE(refusal(datagram(b)), "") << bit;
    }
  }
}

TEST(VrrpPacket, NeverReadsPastAnyEnd) {  // each copy has exactly its bytes on the heap: the sanitizer watches
  std::mt19937 engine(1);
  for (int round = 0; round < 20000; ++round) {
    const size_t size = engine() % 40;
    const auto bytes = std::make_unique<uint8_t[]>(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(engine());
    if (size > 0 && round % 2 == 0) bytes[0] = round % 4 == 0 ? 0x21 : 0x31;
    if (size > 3) bytes[3] = static_cast<uint8_t>(bytes[3] % 12);
    VrrpAdvert a;
    parse_vrrp({ip("192.0.2.1"), kVrrpGroup, 255, {bytes.get(), size}}, a);
    EXPECT_LE(a.addresses.size(), 12u);
  }
  for (const auto& whole : {kVersion2, kVersion3}) {
    for (size_t keep = 0; keep < whole.size(); ++keep) {
      const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(keep));
      EXPECT_EQ(refusal(datagram(cut)), "truncated") << keep;
    }
  }
}

TEST(VrrpPacket, ReadsEverythingThatItWrites) {
  std::mt19937 engine(2);
  for (int round = 0; round < 2000; ++round) {
    VrrpAdvert a;
    a.version = static_cast<uint8_t>(2 + engine() % 2);
    a.vrid = static_cast<uint8_t>(1 + engine() % 255), a.priority = static_cast<uint8_t>(engine());
    a.interval = a.version == 2 ? Duration(1s) * (1 + engine() % 255) : Duration(10ms) * (1 + engine() % 4095);
    if (a.version == 3 && engine() % 2 == 0) a.checksum = VrrpChecksum::message;
    if (a.version == 2 && engine() % 2 == 0) {
      a.auth = VrrpAuth::password;
      for (uint8_t& b : a.password) b = static_cast<uint8_t>(engine());
    }
    for (size_t n = round == 0 ? 255 : 1 + engine() % 255; n > 0; --n)
      a.addresses.add(Ip(static_cast<uint32_t>(engine())));
    const Ip source(0xc0000200 | static_cast<uint32_t>(engine() & 0xff)),
        destination(round % 2 == 0 ? kVrrpGroup : Ip(0xc6336401));
    std::vector<uint8_t> bytes(kMostVrrpSize);
    bytes.resize(write_vrrp(bytes, a, source, destination));
    VrrpAdvert back;
    ASSERT_FALSE(parse_vrrp({source, destination, 255, bytes}, back)) << round;
    EXPECT_EQ(back.version, a.version);
    EXPECT_EQ(back.vrid, a.vrid);
    EXPECT_EQ(back.priority, a.priority);
    EXPECT_EQ(back.interval, a.interval);
    EXPECT_EQ(back.auth, a.auth);
    EXPECT_EQ(back.password, a.password);
    EXPECT_TRUE(std::ranges::equal(back.addresses.list(), a.addresses.list()));
  }
}

TEST(VrrpPacket, WritesNothingThatCannotBeSaid) {
  const auto size = [](const VrrpAdvert& a) { return written(a).size(); };
  VrrpAdvert a = advert(3);
  EXPECT_EQ(size(a), 12u);
  for (const Duration interval : {Duration(0ms), Duration(5ms), Duration(1005ms), Duration(40960ms)}) {
    a.interval = interval;
    EXPECT_EQ(size(a), 0u) << interval.count();
  }
  a.interval = 40950ms;
  EXPECT_EQ(size(a), 12u);
  a = advert(2);
  for (const Duration interval : {Duration(0ms), Duration(500ms), Duration(256s)}) {
    a.interval = interval;
    EXPECT_EQ(size(a), 0u) << interval.count();
  }
  EXPECT_EQ(size(advert(4)), 0u);
  a = advert(3);
  a.addresses = {};
  EXPECT_EQ(size(a), 0u);
  std::vector<uint8_t> small(11);
  EXPECT_EQ(write_vrrp(small, advert(3), ip("192.0.2.1"), kVrrpGroup), 0u);
}

TEST(VrrpPacket, HasRoomFor255AddressesAndNoMore) {
  VrrpAddresses list;
  for (int n = 0; n < 255; ++n) EXPECT_TRUE(list.add(Ip(static_cast<uint32_t>(n))));
  EXPECT_FALSE(list.add(Ip(1)));
  VrrpAdvert a = advert(2);
  a.addresses = list;
  EXPECT_EQ(written(a).size(), 16u + 4 * 255);
  EXPECT_LE(16u + 4 * 255, kMostVrrpSize);
}

TEST(VrrpPacket, NamesEveryRefusalOnce) {
  std::set<std::string> names;
  for (const VrrpRefusalWords& w : kVrrpRefusalWords) EXPECT_TRUE(names.insert(w.name).second) << w.name;
  EXPECT_EQ(names.size(), kVrrpRefusals);
}

TEST(VrrpPacket, HasAMacAddressPerVirtualRouter) { EXPECT_EQ(text(virtual_router_mac(51)), "00:00:5e:00:01:33"); }

// ---- IPv6

const std::string kIpv6Source = "fe80::10";

VrrpAdvert ipv6_advert() {
  VrrpAdvert a;
  a.vrid = 51, a.priority = 100;
  a.addresses.add(ip("fe80::100"));
  a.addresses.add(ip("2001:db8::100"));
  return a;
}

std::vector<uint8_t> ipv6_written(const VrrpAdvert& a) {
  std::vector<uint8_t> out(kMostVrrpSize);
  out.resize(write_vrrp(out, a, ip(kIpv6Source), vrrp_group(Family::ipv6)));
  return out;
}

VrrpDatagram ipv6_datagram(const std::vector<uint8_t>& payload) {
  return {ip(kIpv6Source), vrrp_group(Family::ipv6), 255, payload};
}

TEST(VrrpPacketIpv6, HasTheBytesOfRfc9568) {
  const auto bytes = ipv6_written(ipv6_advert());
  FrameBytes want{0x31, 51, 100, 2, 0, 100, 0, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0};
  want.insert(want.end(), {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0});
  FrameBytes summed{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10};
  summed.insert(summed.end(), {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12});
  summed.insert(summed.end(), {0, 0, 0, 40, 0, 0, 0, 112});
  summed.insert(summed.end(), want.begin(), want.end());
  store_be16(want, 6, slow_checksum(summed.data(), summed.size()));
  EXPECT_EQ(bytes, want);
}

TEST(VrrpPacketIpv6, IsReadBack) {
  VrrpAdvert a;
  const auto bytes = ipv6_written(ipv6_advert());
  ASSERT_FALSE(parse_vrrp(ipv6_datagram(bytes), a));
  EXPECT_EQ(a.vrid, 51);
  EXPECT_EQ(a.checksum, VrrpChecksum::pseudo_header);
  ASSERT_EQ(a.addresses.size(), 2u);
  EXPECT_EQ(text(a.addresses.list()[0]), "fe80::100");
  EXPECT_EQ(text(a.addresses.list()[1]), "2001:db8::100");
}

TEST(VrrpPacketIpv6, IsRefusedByTheSameRules) {
  const auto bytes = ipv6_written(ipv6_advert());
  VrrpDatagram in = ipv6_datagram(bytes);
  in.ttl = 254;
  EXPECT_EQ(refusal(in), "ttl");
  in = ipv6_datagram(bytes), in.source = ip("fe80::11");
  EXPECT_EQ(refusal(in), "checksum");
  in = ipv6_datagram(bytes), in.source = Ip::any(Family::ipv6);
  EXPECT_EQ(refusal(in), "bad-source");
  EXPECT_EQ(refusal(ipv6_datagram({bytes.begin(), bytes.end() - 1})), "truncated");
  EXPECT_EQ(refusal(ipv6_datagram(with(bytes, 3, 1))), "overlong");
  EXPECT_EQ(refusal(ipv6_datagram(with(bytes, 0, 0x21))), "version");  // version 2 is IPv4's
  EXPECT_EQ(refusal(ipv6_datagram(with(bytes, 1, 51))), "checksum");   // that of the message alone
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto b = bytes;
    b[bit / 8] = static_cast<uint8_t>(b[bit / 8] ^ 1 << bit % 8);
    EXPECT_NE(refusal(ipv6_datagram(b)), "") << bit;
  }
}

TEST(VrrpPacketIpv6, IsWrittenForOneFamilyOnly) {
  VrrpAdvert a = ipv6_advert();
  a.version = 2;
  EXPECT_TRUE(ipv6_written(a).empty());
  a = ipv6_advert();
  a.addresses.add(ip("192.0.2.1"));
  EXPECT_TRUE(ipv6_written(a).empty());
  EXPECT_TRUE(written(ipv6_advert()).empty());
  EXPECT_TRUE(ipv6_written(advert(3)).empty());
  a.addresses = {};
  while (a.addresses.add(ip("2001:db8::1"))) continue;
  EXPECT_EQ(ipv6_written(a).size(), kMostVrrpSize);
}

}  // namespace
}  // namespace rawvs
