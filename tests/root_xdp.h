// SPDX-License-Identifier: BSD-2-Clause
// root_xdp.h: the network for tests of the back end "xdp". The director is at the right (root_net.h, VethPair); a
// packet socket at r0 shows what its kernel gets. That a packet does not arrive is shown without waiting: one sent
// after it arrives first.
#pragma once

#include "links.h"
#include "root_net.h"
#include "sys/io/xdp_io.h"

namespace rawvs::test::on_xdp {

inline constexpr const char *kVip = "192.0.2.100", *kServer = "192.0.2.1", *kAsker = "198.51.100.7";
inline constexpr uint16_t kMoreFragments = 0x2000;

inline FrameBytes to_vip(const std::string& data, Mac to = kRight) {
  return frame(Udp{.src = "192.0.2.1", .dst = kVip, .data = data, .from = kLeft, .to = to});
}
inline FrameBytes past_vip(const std::string& data) {
  return frame(Udp{.src = "192.0.2.1", .dst = "198.51.100.9", .data = data, .from = kLeft, .to = kRight});
}
inline FrameBytes answer(uint16_t server_port, uint16_t client_port, uint8_t protocol = 17) {
  FrameBytes l4(12);
  store_be16(l4, 0, server_port), store_be16(l4, 2, client_port), store_be16(l4, 4, 12);
  return ipv4_frame(kLeft, kRight, kServer, kAsker, protocol, 64, 0, l4);
}

inline constexpr const char *kVip6 = "2001:db8::100", *kServer6 = "2001:db8::1";

inline Udp udp6(const std::string& data, const char* to = kVip6) {
  return {.src = kServer6, .dst = to, .data = data, .from = kLeft, .to = kRight};
}
inline FrameBytes to_vip6(const std::string& data) { return frame(udp6(data)); }
inline FrameBytes past_vip6(const std::string& data) { return frame(udp6(data, "2001:db8:51::9")); }

class XdpOnVeth : public VethPair {
 protected:
  void SetUp() override {
    VethPair::SetUp();
    if (IsSkipped()) return;
    left_->enter();
    at_left_ = open_socket("l0", "ip or ip6 or arp");
    right_->enter();
    options_.ifindex = ifindex_of("r0");
    options_.name = "r0";
    options_.ring_frames = 64;
    options_.link = kInLink;
    auto opened = XdpIo::open(options_, flows_);
    if (!opened) GTEST_SKIP() << "this kernel has no AF_XDP that we can use: " << opened.error().text;
    io_ = std::move(*opened);
    wait_for_link("r0");
    tap_ = open_socket("r0", "ip or ip6 or arp");
    watch_.vips = {ip(kVip)};
    tell();
  }
  void TearDown() override {
    VethPair::TearDown();
    io_.reset(), tap_.reset(), at_left_.reset();
  }
  void tell() {
    const auto told = io_->watch(watch_, {&kRight, 1});
    ASSERT_TRUE(told) << told.error().text;
  }
  void send(const FrameBytes& bytes) { ASSERT_TRUE(send_bytes(*at_left_, bytes)); }

  FlowMap flows_{16};
  FrameIo::Options options_;
  Watch watch_;
  std::unique_ptr<LinkSocket> at_left_, tap_;
  std::unique_ptr<XdpIo> io_;
};

}  // namespace rawvs::test::on_xdp
