// SPDX-License-Identifier: BSD-2-Clause
// The filter expressions, compiled by libpcap and run over handmade frames.
#include "side/capture_filter.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <random>

namespace rawvs {
namespace {

constexpr Mac kOwn{{2, 0, 0, 0, 0, 1}}, kOther{{2, 0, 0, 0, 0, 2}};
constexpr std::array kMine{kOwn};
constexpr Ip kClient(0xc6336407), kVip(0xc0000264), kServer(0xc000020b);  // 198.51.100.7, 192.0.2.100, 192.0.2.11
constexpr size_t kKernelsMost = 4096;                                     // BPF_MAXINSNS

using FrameBytes = std::vector<uint8_t>;

FrameBytes ethernet(Mac to, uint16_t type, size_t size) {
  FrameBytes f(size);
  std::copy(to.bytes.begin(), to.bytes.end(), f.begin());
  store_be16(f, 12, type);
  return f;
}

FrameBytes ipv4(Mac to, Ip src, Ip dst) {
  FrameBytes f = ethernet(to, kEtherTypeIpv4, 60);
  f[14] = 0x45;
  store_be32(f, 26, src.v4());
  store_be32(f, 30, dst.v4());
  return f;
}

FrameBytes arp(uint16_t operation, Ip sender, Ip target, Mac to = kBroadcastMac) {
  FrameBytes f = ethernet(to, kEtherTypeArp, 60);
  store_be16(f, 14, 1);
  store_be16(f, 16, kEtherTypeIpv4);
  f[18] = 6, f[19] = 4;
  store_be16(f, 20, operation);
  store_be32(f, 28, sender.v4());
  store_be32(f, 38, target.v4());
  return f;
}
constexpr uint16_t kRequest = 1, kReply = 2;

FrameBytes of_protocol(uint8_t protocol, Ip src, Ip dst, Mac to = kOwn) {
  FrameBytes f = ipv4(to, src, dst);
  f[23] = protocol;
  return f;
}
FrameBytes icmp(int type, Ip src, Ip dst, Mac to = kOwn) {
  FrameBytes f = of_protocol(1, src, dst, to);
  f[34] = static_cast<uint8_t>(type);
  return f;
}
FrameBytes fragment(FrameBytes f, uint16_t word) {
  store_be16(f, 20, word);
  return f;
}
using Ips = std::vector<Ip>;
Watch watching(Ips vips, Ips neighbors = {}, Ips nat_servers = {}, bool icmp_errors = false) {
  return {std::move(vips), std::move(neighbors), std::move(nat_servers), icmp_errors, {}};
}
const Watch kBoth = watching({kVip}, {kServer}), kNat = watching({kVip}, {}, {kServer});

class Filter {
 public:
  explicit Filter(const std::string& expression) {
    pcap_t* const dead = pcap_open_dead(DLT_EN10MB, 262144);
    ok_ = pcap_compile(dead, &program_, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) == 0;
    EXPECT_TRUE(ok_) << pcap_geterr(dead) << ": " << expression.substr(0, 300);
    pcap_close(dead);
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;
  ~Filter() { pcap_freecode(&program_); }
  bool takes(const FrameBytes& f) const {
    pcap_pkthdr header{};
    header.caplen = header.len = static_cast<bpf_u_int32>(f.size());
    return ok_ && pcap_offline_filter(&program_, &header, f.data()) != 0;
  }
  size_t instructions() const { return program_.bf_len; }

 private:
  bpf_program program_{};
  bool ok_ = false;
};

std::vector<Ip> scattered(size_t count, uint32_t seed) {  // over 10.0.0.0/8, no two of them neighbours
  std::mt19937 random(seed);
  std::vector<Ip> out;
  while (out.size() < count) {
    out.emplace_back(0x0a000000u | (static_cast<uint32_t>(random()) & 0x00fffffcu));
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
  }
  return out;
}

std::vector<Ip> neighbours(Ip first, uint32_t count) {
  std::vector<Ip> out;
  for (uint32_t i = 0; i < count; ++i) out.emplace_back(first.v4() + i);
  return out;
}

Ip after(Ip a) { return Ip(a.v4() + 1); }

TEST(CaptureFilter, TakesWhatIsSentToAnyOfOurMacAddresses) {
  constexpr std::array kTwo{kOwn, Mac{{0x00, 0x00, 0x5e, 0x00, 0x01, 0x33}}};
  constexpr Mac kAnotherRouters{{0x00, 0x00, 0x5e, 0x00, 0x01, 0x34}};
  for (const std::string& expression : {capture_filter(kNat, kTwo), guard_filter(kNat, kTwo, {})}) {
    const Filter filter(expression);
    for (const Mac& mac : kTwo) {
      EXPECT_TRUE(filter.takes(ipv4(mac, kClient, kVip)));
      EXPECT_TRUE(filter.takes(of_protocol(6, kServer, kClient, mac)));
      EXPECT_FALSE(filter.takes(ipv4(mac, kClient, after(kServer))));
    }
    EXPECT_FALSE(filter.takes(ipv4(kAnotherRouters, kClient, kVip)));
    EXPECT_FALSE(filter.takes(of_protocol(6, kServer, kClient, kAnotherRouters)));
  }
}

TEST(CaptureFilter, SaysWhatItTakesInPcapsWords) {
  EXPECT_EQ(capture_filter(kBoth, kMine),
            "(ether dst 02:00:00:00:00:01 and arp) or (ether dst 02:00:00:00:00:01 and (ip dst host 192.0.2.100)) or "
            "(arp host 192.0.2.100) or (arp src host 192.0.2.11)");
}

TEST(CaptureFilter, TakesFramesToOurMacAndAVip) {
  const Filter filter(capture_filter(kBoth, kMine));
  EXPECT_TRUE(filter.takes(ipv4(kOwn, kClient, kVip)));
  EXPECT_FALSE(filter.takes(ipv4(kOther, kClient, kVip)));
  EXPECT_FALSE(filter.takes(ipv4(kBroadcastMac, kClient, kVip)));
  EXPECT_FALSE(filter.takes(ipv4(kOwn, kClient, kServer)));
  EXPECT_FALSE(filter.takes(ipv4(kOwn, kVip, kClient)));
  EXPECT_FALSE(filter.takes(ethernet(kOwn, 0x86dd, 60)));
}

TEST(CaptureFilter, TakesArpAboutAVipAndFromARealServer) {
  const Filter filter(capture_filter(kBoth, kMine));
  EXPECT_TRUE(filter.takes(arp(kRequest, kClient, kVip)));
  EXPECT_TRUE(filter.takes(arp(kReply, kVip, kClient)));  // another machine says that it is its own
  EXPECT_TRUE(filter.takes(arp(kReply, kServer, kClient)));
  EXPECT_FALSE(filter.takes(arp(kRequest, kClient, kServer)));
  EXPECT_FALSE(filter.takes(arp(kReply, kClient, kServer)));
  EXPECT_TRUE(filter.takes(arp(kReply, after(kServer), kClient, kOwn)));  // a server the filter has not heard of yet
}

TEST(CaptureFilter, TakesNothingWhenThereIsNothingToTake) {
  const Filter filter(capture_filter(Watch{}, kMine));
  EXPECT_FALSE(filter.takes(ipv4(kOwn, kClient, kVip)));
  EXPECT_FALSE(filter.takes(ipv4(kOwn, kClient, Ip(0))));
  EXPECT_FALSE(filter.takes(arp(kRequest, kClient, kVip)));
}

TEST(CaptureFilter, TakesOnlyArpWhenThereAreOnlyServers) {
  const Filter filter(capture_filter(watching({}, {kServer}), kMine));
  EXPECT_TRUE(filter.takes(arp(kReply, kServer, kClient)));
  EXPECT_FALSE(filter.takes(ipv4(kOwn, kClient, kServer)));
}

TEST(CaptureFilter, TakesWhateverANatServerSendsToOurMac) {
  const Filter filter(capture_filter(kNat, kMine));
  EXPECT_TRUE(filter.takes(of_protocol(6, kServer, kClient)));
  EXPECT_TRUE(filter.takes(of_protocol(132, kServer, kClient)));
  EXPECT_TRUE(filter.takes(fragment(of_protocol(17, kServer, kClient), 5)));
  EXPECT_FALSE(filter.takes(of_protocol(6, kServer, kClient, kOther)));
  EXPECT_FALSE(filter.takes(of_protocol(6, after(kServer), kClient)));
  EXPECT_FALSE(filter.takes(of_protocol(6, kClient, kServer)));
  EXPECT_TRUE(filter.takes(of_protocol(6, kClient, kVip)));
  EXPECT_TRUE(Filter(capture_filter(watching({}, {}, {kServer}), kMine)).takes(of_protocol(6, kServer, kClient)));
}

TEST(CaptureFilter, TakesIcmpErrorsToOurMacWhenTheyAreWanted) {
  Watch watch = kBoth;
  for (const bool wanted : {false, true}) {
    watch.icmp_errors = wanted;
    const Filter filter(capture_filter(watch, kMine));
    for (const int type : {3, 4, 11}) {
      EXPECT_EQ(filter.takes(icmp(type, kClient, kServer)), wanted) << type;
      EXPECT_FALSE(filter.takes(icmp(type, kClient, kServer, kOther))) << type;
      EXPECT_FALSE(filter.takes(fragment(icmp(type, kClient, kServer), 5))) << type;
    }
    for (const int type : {0, 5, 8, 12, 13}) EXPECT_FALSE(filter.takes(icmp(type, kClient, kServer))) << type;
  }
  EXPECT_TRUE(Filter(capture_filter(watching({}, {}, {}, true), kMine)).takes(icmp(3, kClient, kServer)));
}

TEST(CaptureFilter, WritesNeighbouringAddressesAsOneNetworkWithoutTakingMore) {
  const std::vector<Ip> vips = neighbours(Ip(0xc0000264), 100);  // 192.0.2.100 to 192.0.2.199
  const std::string expression = capture_filter(watching(vips), kMine);
  EXPECT_NE(expression.find("ip dst net 192.0.2.104/29"), std::string::npos) << expression;
  const Filter filter(expression);
  EXPECT_LT(filter.instructions(), 60u);
  for (uint32_t last = 0; last < 256; ++last)
    EXPECT_EQ(filter.takes(ipv4(kOwn, kClient, Ip(0xc0000200 + last))), last >= 100 && last < 200) << last;
}

TEST(CaptureFilter, IsExactForAFewDozenAddresses) {
  const std::vector<Ip> vips = scattered(64, 1);
  const Filter filter(capture_filter(watching(vips), kMine));
  for (const Ip vip : vips) {
    EXPECT_TRUE(filter.takes(ipv4(kOwn, kClient, vip)));
    EXPECT_FALSE(filter.takes(ipv4(kOwn, kClient, after(vip))));
  }
}

TEST(CaptureFilter, FitsTheKernelWithHundredsOfVipsAndAThousandServersAndLosesNone) {
  const Watch watch{scattered(300, 2), scattered(1000, 3), scattered(1000, 5), true};
  const Filter filter(capture_filter(watch, kMine));
  EXPECT_LE(filter.instructions(), 1000u);  // far below kKernelsMost: older kernels also count bytes
  for (const Ip vip : watch.vips) EXPECT_TRUE(filter.takes(ipv4(kOwn, kClient, vip))) << text(vip);
  for (const Ip vip : watch.vips) EXPECT_TRUE(filter.takes(arp(kRequest, kClient, vip))) << text(vip);
  for (const Ip server : watch.neighbors) EXPECT_TRUE(filter.takes(arp(kReply, server, kClient))) << text(server);
  for (const Ip server : watch.nat_servers) EXPECT_TRUE(filter.takes(ipv4(kOwn, server, kClient))) << text(server);
  EXPECT_FALSE(filter.takes(ipv4(kOwn, kClient, kVip)));  // wider, but not boundless
  EXPECT_FALSE(filter.takes(ipv4(kOther, kClient, watch.vips[0])));
}

TEST(CaptureFilter, CopesWithTheEndsOfTheAddressSpace) {
  const Filter filter(capture_filter(watching({Ip(0), Ip(0xffffffff)}), kMine));
  EXPECT_TRUE(filter.takes(ipv4(kOwn, kClient, Ip(0))));
  EXPECT_TRUE(filter.takes(ipv4(kOwn, kClient, Ip(0xffffffff))));
  EXPECT_FALSE(filter.takes(ipv4(kOwn, kClient, kVip)));
}

TEST(GuardFilter, TakesFramesToAVipAndArpRequestsForIt) {
  const Filter filter(guard_filter(kBoth, kMine, {}));
  EXPECT_TRUE(filter.takes(ipv4(kOwn, kClient, kVip)));
  EXPECT_TRUE(filter.takes(arp(kRequest, kClient, kVip)));
  EXPECT_TRUE(filter.takes(arp(kRequest, kServer, kVip)));
}

TEST(GuardFilter, LeavesEverythingElseToTheHost) {
  const Filter filter(guard_filter(kBoth, kMine, {}));
  EXPECT_FALSE(filter.takes(ipv4(kOther, kClient, kVip)));
  EXPECT_FALSE(filter.takes(ipv4(kOwn, kClient, kServer)));
  EXPECT_FALSE(filter.takes(ipv4(kOwn, kVip, kClient)));
  EXPECT_FALSE(filter.takes(arp(kReply, kClient, kVip)));
  EXPECT_FALSE(filter.takes(arp(kRequest, kVip, kClient)));
  EXPECT_FALSE(filter.takes(arp(kReply, kServer, kClient)));  // the host may want to know real servers, too
}

TEST(GuardFilter, TakesNothingWithoutVips) {
  const Filter filter(guard_filter(watching({}, {kServer}), kMine, {}));
  EXPECT_FALSE(filter.takes(ipv4(kOwn, kClient, kVip)));
  EXPECT_FALSE(filter.takes(arp(kRequest, kClient, kVip)));
}

TEST(GuardFilter, IsExactForHundredsOfVips) {
  const std::vector<Ip> vips = scattered(300, 4);
  const Filter filter(guard_filter(watching(vips), kMine, {}));
  EXPECT_LE(filter.instructions(), kKernelsMost);
  for (const Ip vip : vips) {
    EXPECT_TRUE(filter.takes(ipv4(kOwn, kClient, vip))) << text(vip);
    EXPECT_FALSE(filter.takes(ipv4(kOwn, kClient, after(vip)))) << text(vip);
    EXPECT_TRUE(filter.takes(arp(kRequest, kClient, vip))) << text(vip);
    EXPECT_FALSE(filter.takes(arp(kRequest, kClient, after(vip)))) << text(vip);
  }
}

TEST(GuardFilter, TakesWhatANatServerSendsThatMayBeOfAConnection) {
  const Filter filter(guard_filter(kNat, kMine, {}));
  for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}, uint8_t{132}}) {
    EXPECT_TRUE(filter.takes(of_protocol(protocol, kServer, kClient))) << int{protocol};
    EXPECT_FALSE(filter.takes(of_protocol(protocol, kServer, kClient, kOther))) << int{protocol};
    EXPECT_FALSE(filter.takes(of_protocol(protocol, kClient, kServer))) << int{protocol};
  }
  for (const int type : {3, 4, 11}) EXPECT_TRUE(filter.takes(icmp(type, kServer, kClient))) << type;
  for (const int type : {0, 5, 8, 12, 13}) EXPECT_FALSE(filter.takes(icmp(type, kServer, kClient))) << type;
  EXPECT_FALSE(filter.takes(of_protocol(47, kServer, kClient)));
  EXPECT_TRUE(filter.takes(fragment(of_protocol(47, kServer, kClient), 0x2000)));
  EXPECT_TRUE(filter.takes(fragment(of_protocol(47, kServer, kClient), 1)));
  EXPECT_FALSE(filter.takes(fragment(of_protocol(47, kServer, kClient), 0x4000)));  // do not fragment
  EXPECT_TRUE(filter.takes(of_protocol(6, kClient, kVip)));
  EXPECT_TRUE(Filter(guard_filter(watching({}, {}, {kServer}), kMine, {})).takes(of_protocol(6, kServer, kClient)));
}

TEST(GuardFilter, LeavesWhatANatServerSendsToTheHostItself) {
  const Ip host(0xc0000201), inside(0xc6336401);  // 192.0.2.1, 198.51.100.1
  const Filter filter(guard_filter(kNat, kMine, {host, inside}));
  EXPECT_FALSE(filter.takes(of_protocol(6, kServer, host)));
  EXPECT_FALSE(filter.takes(of_protocol(6, kServer, inside)));
  EXPECT_TRUE(filter.takes(of_protocol(6, kServer, kClient)));
  EXPECT_TRUE(filter.takes(of_protocol(6, kServer, after(host))));
  EXPECT_TRUE(filter.takes(of_protocol(6, kServer, kVip)));
}

}  // namespace
}  // namespace rawvs
