// SPDX-License-Identifier: BSD-2-Clause
// root_guard.h: the network for tests of the guard. The director's host is a router and has one VIP as its own address.
//
//   client | c0 192.0.2.10 ---- d0 192.0.2.1 | director | d1 198.51.100.1 ---- s0 198.51.100.10 | server
//          |                                 | ip_forward=1, lo 192.0.2.100       (203.0.113.0/24 is behind the server)
//
// That a packet does not arrive is shown without waiting: one sent after it arrives first.
#pragma once

#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "root_net.h"
#include "sys/guard/guard.h"

namespace rawvs::test {

inline constexpr Mac kClient{{2, 0, 0, 0, 0, 0x0c}}, kOutsideMac{{2, 0, 0, 0, 0, 0xd0}},
    kStranger{{2, 0, 0, 0, 0, 0x77}}, kInside{{2, 0, 0, 0, 0, 0xd1}}, kServer{{2, 0, 0, 0, 0, 5}};
inline bool kernel_has_tcx() {  // by its version: a broken tcx guard must not pass for a missing one
  utsname names{};
  int major = 0, minor = 0;
  return uname(&names) == 0 && std::sscanf(names.release, "%d.%d", &major, &minor) == 2 &&
         (major > 6 || (major == 6 && minor >= 6));
}
inline constexpr const char* kNoTcx = "this kernel is older than Linux 6.6: it has no tcx";

class GuardOnRouter : public RootNet {
 protected:
  void SetUp() override {
    RootNet::SetUp();
    if (IsSkipped()) return;
    client_.emplace(), director_.emplace(), server_.emplace();
    for (const auto* space : {&client_, &server_, &director_}) {
      (*space)->enter();
      write_sysctl("net/ipv6/conf/all/disable_ipv6", "1");
    }
    shell("ip link add d0 address 02:00:00:00:00:d0 type veth peer name c0 address 02:00:00:00:00:0c netns " +
          client_->path());
    shell("ip link add d1 address 02:00:00:00:00:d1 type veth peer name s0 address 02:00:00:00:00:05 netns " +
          server_->path());
    write_sysctl("net/ipv4/ip_forward", "1");
    shell("ip addr add 192.0.2.1/24 dev d0 && ip addr add 198.51.100.1/24 dev d1 && ip addr add 192.0.2.100/32 dev lo");
    shell("ip link set d0 up && ip link set d1 up");
    server_->enter();
    shell("ip link set s0 up");
    seen_by_server_ = open_socket("s0", "ip or arp");
    client_->enter();
    shell("ip link set c0 up");
    at_client_ = open_socket("c0", "ip or arp");
    director_->enter();
    shell("ip neigh add 192.0.2.10 lladdr 02:00:00:00:00:0c dev d0");
    shell("ip neigh add 198.51.100.10 lladdr 02:00:00:00:00:05 dev d1");
    shell("ip route add 203.0.113.0/24 via 198.51.100.10");
    tap_ = open_socket("d0", "udp");
  }
  void TearDown() override {
    RootNet::TearDown();
    tap_.reset(), at_client_.reset(), seen_by_server_.reset();
    client_.reset(), director_.reset(), server_.reset();
  }

  // A process that guards this VIP and ends without a destructor, as a killed rawvsd.
  void die_with(GuardMode mode, const std::string& vip) {
    const pid_t child = fork();
    if (child == 0) {
      auto guard = attach(mode);
      if (guard) protect(*guard, {vip}), guard->end_former();
      _exit(guard ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
  std::unique_ptr<Guard> attach(GuardMode mode, const std::string& interface = "d0") {
    auto attached = Guard::attach(interface, ifindex_of(interface), mode, flows_);
    EXPECT_TRUE(attached) << attached.error().text;
    return attached ? std::move(*attached) : nullptr;
  }
  static void protect(Guard& guard, const std::vector<std::string>& vips) {
    Watch watch;
    for (const std::string& vip : vips) watch.vips.push_back(ip(vip));
    std::sort(watch.vips.begin(), watch.vips.end());
    const auto done = guard.protect(watch, {&kOutsideMac, 1}, {});
    EXPECT_TRUE(done) << done.error().text;
  }

  void from_client(const FrameBytes& bytes) { ASSERT_TRUE(send_bytes(*at_client_, bytes)); }
  static FrameBytes datagram(const char* to, Mac mac = kOutsideMac) {
    return frame(Udp{.src = "192.0.2.10", .dst = to, .from = kClient, .to = mac});
  }
  static FrameBytes syn(const char* to) {
    return frame(Tcp{.src = "192.0.2.10", .dst = to, .dport = 81, .from = kClient, .to = kOutsideMac});
  }
  static FrameBytes who_has(const char* address) {
    return frame(ArpFrame{.sender_mac = kClient, .sender = "192.0.2.10", .target = address});
  }
  static std::string described(const Caught& got) { return got.bytes.empty() ? "nothing" : describe(got.bytes); }
  std::string next_at_server() { return described(next_frame(*seen_by_server_)); }
  std::string next_at_client() { return described(next_frame(*at_client_)); }
  std::string next_at_tap() { return described(next_frame(*tap_)); }
  static std::string routed(const std::string& to) {
    return "02:00:00:00:00:d1>02:00:00:00:00:05 192.0.2.10:1001 > " + to + ":53 udp ttl 63";
  }
  static std::string tapped(const std::string& to) {
    return "02:00:00:00:00:0c>02:00:00:00:00:d0 192.0.2.10:1001 > " + to + ":53 udp ttl 64";
  }
  static std::string refused_by(const std::string& from) {
    return "02:00:00:00:00:d0>02:00:00:00:00:0c " + from + ":81 > 192.0.2.10:1001 RA ttl 64";
  }
  static std::string arp_of(const std::string& address) {
    return "02:00:00:00:00:d0>02:00:00:00:00:0c arp " + address +
           " is-at 02:00:00:00:00:d0 to 192.0.2.10 02:00:00:00:00:0c";
  }

  FlowMap flows_{16};
  std::optional<Netns> client_, director_, server_;
  std::unique_ptr<LinkSocket> at_client_, tap_, seen_by_server_;
};

class EveryGuard : public GuardOnRouter, public testing::WithParamInterface<GuardMode> {
 protected:
  void SetUp() override {
    GuardOnRouter::SetUp();
    if (!IsSkipped() && GetParam() == GuardMode::tcx && !kernel_has_tcx()) GTEST_SKIP() << kNoTcx;
  }
};

inline std::string way_name(const testing::TestParamInfo<GuardMode>& parameter) {
  switch (parameter.param) {
    case GuardMode::tcx: return "Tcx";
    case GuardMode::clsact: return "Clsact";
    case GuardMode::classic: return "Classic";
    case GuardMode::automatic: return "Automatic";
    case GuardMode::off: break;
  }
  return "Off";
}

}  // namespace rawvs::test
