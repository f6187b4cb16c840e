// SPDX-License-Identifier: BSD-2-Clause
// Tests the back end "xdp" with the kernel: IPv6.
#ifdef RAWVS_XDP
#include "root_xdp.h"

#include <algorithm>

namespace rawvs::test::on_xdp {
namespace {

constexpr const char* kAsker6 = "2001:db8:51::7";

FrameBytes answer6(uint16_t server_port, uint16_t client_port, uint8_t protocol = 17) {
  FrameBytes l4(12);
  store_be16(l4, 0, server_port), store_be16(l4, 2, client_port), store_be16(l4, 4, 12);
  return ipv6_frame(kLeft, kRight, kServer6, kAsker6, protocol, 64, l4);
}

TEST_F(XdpOnVeth, TakesNatServersAnswersOfKnownFlowsAloneOfIpv6) {
  const ReplyFlow flow{Protocol::udp, {ip(kServer6), Port(8080)}, {ip(kAsker6), Port(1001)}};
  const ReplyChange begins{flow, true}, ends{flow, false};
  for (const bool with_vip : {false, true}) {
    watch_.vips = {ip(kVip)};
    if (with_vip) watch_.vips.push_back(ip(kVip6));
    std::ranges::sort(watch_.vips);
    watch_.nat_servers = {ip(kServer6)};
    tell();
    flows_.change({&begins, 1});
    send(answer6(8080, 1001));
    EXPECT_EQ(next_frame(*io_).bytes, answer6(8080, 1001));
    FrameBytes error = answer6(8080, 1001, 58);
    error[54] = 1;
    for (const FrameBytes& unknown : {answer6(8080, 1002), answer6(8081, 1001), answer6(8080, 1001, 132), error}) {
      send(unknown);
      EXPECT_EQ(next_frame(*tap_).bytes, unknown);
      EXPECT_EQ(next_frame(*io_).bytes, unknown) << "the packet socket beside has its copy";
    }
    flows_.change({&ends, 1});
    send(answer6(8080, 1001));
    EXPECT_EQ(next_frame(*tap_).bytes, answer6(8080, 1001));
    EXPECT_EQ(next_frame(*io_).bytes, answer6(8080, 1001));
  }
}

TEST_F(XdpOnVeth, TakesAVipsFramesOfIpv6) {
  send(to_vip6("not yet"));
  EXPECT_EQ(next_frame(*tap_).bytes, to_vip6("not yet"));
  watch_.vips = {ip(kVip6), ip(kVip)};
  std::ranges::sort(watch_.vips);
  tell();
  const FrameBytes tcp = frame(Tcp{.src = kServer6, .dst = kVip6, .from = kLeft, .to = kRight}),
                   ping = frame(Ping{.src = kServer6, .dst = kVip6, .from = kLeft, .to = kRight});
  for (const FrameBytes& taken : {to_vip6("udp"), tcp, ping, to_vip("IPv4 as before")}) {
    send(taken);
    EXPECT_EQ(next_frame(*io_).bytes, taken);
  }
  send(past_vip6("marker"));
  EXPECT_EQ(next_frame(*tap_).bytes, past_vip6("marker")) << "the kernel has seen none";
  watch_.vips = {ip(kVip)};
  tell();
  send(to_vip6("no longer"));
  EXPECT_EQ(next_frame(*tap_).bytes, to_vip6("no longer"));
}

TEST_F(XdpOnVeth, LeavesToTheKernelWhatIsNotSurelyTheDirectorsOfIpv6) {
  watch_.vips = {ip(kVip6)};
  tell();
  Udp other_mac = udp6("other MAC"), fragment = udp6("fragment"), extended = udp6("extended");
  other_mac.to = {{2, 0, 0, 0, 0, 0x77}};
  fragment.extensions = {fragment_header(0, true)};
  extended.extensions = {destination_options()};
  const FrameBytes who_has =
      frame(NdFrame{.src = kServer6, .target = kVip6, .dst = kVip6, .from = kLeft, .option = kLeft, .to = kRight});
  for (const FrameBytes& passes :
       {frame(other_mac), frame(fragment), frame(extended), who_has, past_vip6("other address")}) {
    send(passes);
    EXPECT_EQ(next_frame(*tap_).bytes, passes);
  }
}

}  // namespace
}  // namespace rawvs::test::on_xdp
#endif
