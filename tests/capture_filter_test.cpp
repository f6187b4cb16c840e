// SPDX-License-Identifier: BSD-2-Clause
// Tests the filter expressions: libpcap compiles them, and they run over frames made here.
#include "side/capture_filter.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include "bare_frames.h"

namespace rawvs {
namespace {

using namespace bare_frames;

constexpr size_t kKernelsMost = 4096;  // BPF_MAXINSNS

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

TEST(CaptureFilter, TakesWhatIsSentToAnyOfOurMacAddresses) {
  constexpr std::array kTwo{kOwn, Mac{{0x00, 0x00, 0x5e, 0x00, 0x01, 0x33}}};
  constexpr Mac kAnotherRouters{{0x00, 0x00, 0x5e, 0x00, 0x01, 0x34}};
  const Filter filter(capture_filter(kNat, kTwo));
  for (const Mac& mac : kTwo) {
    EXPECT_TRUE(filter.takes(ipv4(mac, kClient, kVip)));
    EXPECT_TRUE(filter.takes(of_protocol(6, kServer, kClient, mac)));
    EXPECT_FALSE(filter.takes(ipv4(mac, kClient, after(kServer))));
  }
  EXPECT_FALSE(filter.takes(ipv4(kAnotherRouters, kClient, kVip)));
  EXPECT_FALSE(filter.takes(of_protocol(6, kServer, kClient, kAnotherRouters)));
}

TEST(CaptureFilter, SaysWhatItTakesInPcapsWords) {
  EXPECT_EQ(capture_filter(kBoth, kMine),
            "(ether dst 02:00:00:00:00:01 and arp) or (ether dst 02:00:00:00:00:01 and (ip dst host 192.0.2.100)) or "
            "(arp host 192.0.2.100) or (arp src host 192.0.2.11)");
}

TEST(CaptureFilter, AsksForNoMacAddressAndNoArpWhereThereIsNoEthernet) {
  EXPECT_EQ(capture_filter(kBoth, {}), "less 1 or (ip dst host 192.0.2.100)");
  EXPECT_EQ(capture_filter(Watch{}, {}), "less 1");
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
  EXPECT_TRUE(filter.takes(arp(kReply, kVip, kClient)));  // another host claims the VIP
  EXPECT_TRUE(filter.takes(arp(kReply, kServer, kClient)));
  EXPECT_FALSE(filter.takes(arp(kRequest, kClient, kServer)));
  EXPECT_FALSE(filter.takes(arp(kReply, kClient, kServer)));
  EXPECT_TRUE(filter.takes(arp(kReply, after(kServer), kClient, kOwn)));  // a server that the filter does not know yet
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
  EXPECT_FALSE(filter.takes(ipv4(kOwn, kClient, kVip)));  // wider, but still limited
  EXPECT_FALSE(filter.takes(ipv4(kOther, kClient, watch.vips[0])));
}

TEST(CaptureFilter, CopesWithTheEndsOfTheAddressSpace) {
  const Filter filter(capture_filter(watching({Ip(0), Ip(0xffffffff)}), kMine));
  EXPECT_TRUE(filter.takes(ipv4(kOwn, kClient, Ip(0))));
  EXPECT_TRUE(filter.takes(ipv4(kOwn, kClient, Ip(0xffffffff))));
  EXPECT_FALSE(filter.takes(ipv4(kOwn, kClient, kVip)));
}

TEST(CaptureFilter, TakesTheServicesPortsOfAnOwnAddressFragmentsAndErrors) {
  Watch watch;
  watch.own = {{kVip, Protocol::tcp, 80, 80}, {kVip, Protocol::udp, 5000, 5010}, {kVip6, Protocol::tcp, 80, 80}};
  const Filter filter(capture_filter(watch, kMine));
  EXPECT_TRUE(filter.takes(with_port(Protocol::tcp, kVip, 80)));
  EXPECT_TRUE(filter.takes(with_port(Protocol::tcp, kVip, 80, 8)));
  EXPECT_TRUE(filter.takes(with_port(Protocol::udp, kVip, 5010)));
  EXPECT_TRUE(filter.takes(fragment(with_port(Protocol::udp, kVip, 5010), 0x2000)));
  EXPECT_TRUE(filter.takes(fragment(with_port(Protocol::udp, kVip, 1), 0x0010))) << "a later fragment";
  EXPECT_FALSE(filter.takes(fragment(with_port(Protocol::sctp, kVip, 1), 0x0010))) << "of no service";
  EXPECT_TRUE(filter.takes(icmp(3, kClient, kVip)));
  EXPECT_TRUE(filter.takes(with_port6(Protocol::tcp, kVip6, 80)));
  EXPECT_TRUE(filter.takes(with_port6(Protocol::tcp, kVip6, 22, uint16_t{0x0100})));
  EXPECT_TRUE(filter.takes(icmp6(1, kClient6, kVip6)));
  EXPECT_FALSE(filter.takes(with_port(Protocol::tcp, kVip, 22)));
  EXPECT_FALSE(filter.takes(with_port(Protocol::udp, kVip, 80)));
  EXPECT_FALSE(filter.takes(with_port(Protocol::tcp, kVip, 80, 0, kOther)));
  EXPECT_FALSE(filter.takes(icmp(8, kClient, kVip)));
  EXPECT_FALSE(filter.takes(icmp(3, kClient, kServer)));
  EXPECT_FALSE(filter.takes(arp(kRequest, kClient, kVip)));
  EXPECT_FALSE(filter.takes(with_port6(Protocol::tcp, kVip6, 22)));
}

TEST(CaptureFilter, TakesAllThatIsSentToAnOwnAddressOfManyPorts) {
  Watch watch;
  for (uint16_t port = 1; port < 200; port = static_cast<uint16_t>(port + 2))
    watch.own.push_back({kVip, Protocol::tcp, port, port});
  const Filter filter(capture_filter(watch, kMine));
  EXPECT_TRUE(filter.takes(with_port(Protocol::tcp, kVip, 1)));
  EXPECT_TRUE(filter.takes(with_port(Protocol::tcp, kVip, 2)));
  EXPECT_FALSE(filter.takes(with_port(Protocol::tcp, kServer, 1)));
  EXPECT_TRUE(capture_sets(watch).admits(watch));
  Watch few;
  few.own = {watch.own[0]};
  EXPECT_TRUE(capture_sets(watch).admits(few));
  EXPECT_FALSE(capture_sets(few).admits(watch));
  EXPECT_TRUE(capture_sets(few).admits(few));
}

}  // namespace
TEST(CaptureFilter, HasTheAddressesOfBothFamilies) {
  Watch watch;
  watch.vips = {*parse_ip("192.0.2.1"), *parse_ip("2001:db8::2"), *parse_ip("2001:db8::3")};
  watch.nat_servers = {*parse_ip("2001:db8::9")};
  constexpr Mac kOwn{{2, 0, 0, 0, 0, 1}};
  EXPECT_EQ(capture_filter(watch, {&kOwn, 1}),
            "(ether dst 02:00:00:00:00:01 and arp) or (ether dst 02:00:00:00:00:01 and (ip dst host 192.0.2.1)) or "
            "(arp host 192.0.2.1) or (ip6[6] = 58 and (ip6[40] = 135 or ip6[40] = 136)) or "
            "(ether dst 02:00:00:00:00:01 and (ip6 dst net 2001:db8::2/127)) or "
            "(ether dst 02:00:00:00:00:01 and (ip6 src host 2001:db8::9))");
}

}  // namespace rawvs
