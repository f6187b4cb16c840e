// SPDX-License-Identifier: BSD-2-Clause
// filter.cpp: the filter of the packet socket, for VIPs, servers and ports as the input has them: libpcap compiles it,
// and it admits what is watched.
#include "side/capture_filter.h"

#include <pcap/pcap.h>

#include <algorithm>

#include "frames.h"
#include "input.h"

namespace rawvs {
namespace {

std::vector<Ip> addresses(fuzz::Input& in) {
  std::vector<Ip> all;
  for (uint32_t n = in.below(24); n > 0; --n) {
    all.push_back(in.one_in(3) ? Ip(uint64_t{0x20010db8} << 32 | in.byte(), in.number())
                               : Ip(in.one_in(4) ? in.number() : 0xc0000200 + in.byte()));
  }
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

void check(fuzz::Input& in) {
  Watch watch;
  watch.vips = addresses(in), watch.neighbors = addresses(in), watch.nat_servers = addresses(in);
  watch.icmp_errors = in.one_in(2);
  const std::vector<Mac> own(in.below(4), Mac{{2, 0, 0, 0, 0, 0x10}});
  const CaptureSets sets = capture_sets(watch);
  MUST(sets.admits(watch));
  const std::string text = capture_filter(sets, own);
  static pcap_t* const kPcap = pcap_open_dead(DLT_EN10MB, 65535);
  bpf_program program{};
  if (pcap_compile(kPcap, &program, text.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    std::fprintf(stderr, "%s: %s\n", pcap_geterr(kPcap), text.c_str());
    MUST(false);
  }
  const auto admits = [&](const test::FrameBytes& b) {
    const pcap_pkthdr header{{}, static_cast<bpf_u_int32>(b.size()), static_cast<bpf_u_int32>(b.size())};
    return pcap_offline_filter(&program, &header, b.data()) != 0;
  };
  if (!own.empty()) {
    for (const Ip vip : watch.vips) {
      const std::string client = vip.is_v4() ? "198.51.100.1" : "2001:db8:c6::1";
      MUST(admits(test::frame(test::Tcp{.src = client, .dst = rawvs::text(vip)})));
    }
    for (const Ip server : watch.nat_servers) {
      const std::string client = server.is_v4() ? "198.51.100.1" : "2001:db8:c6::1";
      MUST(admits(test::frame(test::Udp{.src = rawvs::text(server), .dst = client})));
    }
  }
  pcap_freecode(&program);
}

}  // namespace
}  // namespace rawvs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rawvs::fuzz::Input in({data, size});
  rawvs::check(in);
  return 0;
}
