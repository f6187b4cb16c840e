// SPDX-License-Identifier: BSD-2-Clause
// Tests vrrp_socket.h with the kernel: adverts of both families between two hosts, with what IP says of them.
#include <poll.h>

#include <array>

#include "root_net.h"
#include "sys/ha/vrrp_socket.h"
#include "wire/ethernet.h"

namespace rawvs::test {
namespace {

struct Row {
  Family family;
  const char *left, *right;
};

class VrrpSocketOnVeth : public VethPair, public testing::WithParamInterface<Row> {
 protected:
  void SetUp() override {
    VethPair::SetUp();
    if (IsSkipped()) return;
    left_->enter();
    write_sysctl("net/ipv6/conf/all/disable_ipv6", "0");
    shell("ip -6 addr add 2001:db8::1/64 dev l0 nodad");
    left_index_ = ifindex_of("l0");
    left_socket_ = open();
    right_->enter();
    write_sysctl("net/ipv6/conf/all/disable_ipv6", "0");
    shell("ip -6 addr add 2001:db8::2/64 dev r0 nodad");
    right_index_ = ifindex_of("r0");
    tap_ = open_socket("r0", "ip or ip6");
    right_socket_ = open();
    ASSERT_EQ(left_socket_->join(left_index_), 0);
    ASSERT_EQ(right_socket_->join(right_index_), 0);
    ASSERT_EQ(right_socket_->join(right_index_), 0) << "again";
  }
  static std::unique_ptr<VrrpSocket> open() {
    auto opened = VrrpSocket::open(GetParam().family);
    EXPECT_TRUE(opened) << opened.error().text;
    return opened ? std::move(*opened) : nullptr;
  }
  std::optional<VrrpSocket::Heard> hear() {
    pollfd wait{right_socket_->fd(), POLLIN, 0};
    poll(&wait, 1, 2000);
    return right_socket_->receive();
  }
  std::vector<uint8_t> advert(Ip source, Ip destination) {
    VrrpAdvert a;
    a.vrid = 51;
    a.addresses.add(GetParam().family == Family::ipv4 ? ip("192.0.2.100") : ip("fe80::100"));
    std::vector<uint8_t> out(kMostVrrpSize);
    out.resize(write_vrrp(out, a, source, destination));
    return out;
  }
  void expect(const std::vector<uint8_t>& sent, Ip destination) {
    const auto heard = hear();
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->ifindex, right_index_);
    EXPECT_EQ(text(heard->packet.source), GetParam().left);
    EXPECT_EQ(text(heard->packet.destination), text(destination));
    EXPECT_EQ(heard->packet.ttl, 255);
    EXPECT_FALSE(heard->packet.header_auth);
    EXPECT_EQ(std::vector<uint8_t>(heard->packet.payload.begin(), heard->packet.payload.end()), sent);
    VrrpAdvert read;
    EXPECT_FALSE(parse_vrrp(heard->packet, read));
    EXPECT_EQ(read.vrid, 51);
  }
  FrameBytes next_advert() {
    for (;;) {
      const FrameBytes frame = next_frame(*tap_).bytes;
      if (frame.size() < 34) return frame;
      const bool v4 = GetParam().family == Family::ipv4;
      if (frame[v4 ? 23 : 20] == kVrrpProtocol && frame[14] >> 4 == (v4 ? 4 : 6)) return frame;
    }
  }

  int left_index_ = 0, right_index_ = 0;
  std::unique_ptr<VrrpSocket> left_socket_, right_socket_;
  std::unique_ptr<LinkSocket> tap_;
};

TEST_P(VrrpSocketOnVeth, SendsToTheGroup) {
  const Ip source = ip(GetParam().left), group = vrrp_group(GetParam().family);
  const auto sent = advert(source, group);
  ASSERT_EQ(left_socket_->send(left_index_, source, group, sent), 0);
  expect(sent, group);
  const FrameBytes frame = next_advert();
  ASSERT_GT(frame.size(), 34u);
  EXPECT_EQ(load_mac(frame, kEthernetSourceAt), kLeft);
  EXPECT_TRUE(load_mac(frame, kEthernetDestinationAt).group());
  const bool v4 = GetParam().family == Family::ipv4;
  EXPECT_EQ(v4 ? frame[15] : load_be16(frame, 14) >> 4 & 0xff, kVrrpTos);
  EXPECT_FALSE(left_socket_->receive()) << "not its own";
}

TEST_P(VrrpSocketOnVeth, SendsToAPeerByTheRoutes) {
  const Ip source = ip(GetParam().left), peer = ip(GetParam().right);
  const auto sent = advert(source, peer);
  ASSERT_EQ(left_socket_->send(0, source, peer, sent), 0);
  expect(sent, peer);
}

TEST_P(VrrpSocketOnVeth, SendsFromAVirtualMacAddress) {
  const Ip source = ip(GetParam().left), group = vrrp_group(GetParam().family);
  const Mac mac = virtual_router_mac(51, GetParam().family);
  const auto sent = advert(source, group);
  ASSERT_EQ(left_socket_->send_frame(left_index_, mac, source, sent), 0);
  expect(sent, group);
  EXPECT_EQ(load_mac(next_advert(), kEthernetSourceAt), mac);
}

TEST_P(VrrpSocketOnVeth, ReportsThatASourceIsNotThisHosts) {
  const Ip stranger = GetParam().family == Family::ipv4 ? ip("192.0.2.77") : ip("2001:db8::77");
  EXPECT_NE(left_socket_->send(left_index_, stranger, vrrp_group(GetParam().family), advert(stranger, stranger)), 0);
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, VrrpSocketOnVeth,
                         testing::Values(Row{Family::ipv4, "192.0.2.1", "192.0.2.2"},
                                         Row{Family::ipv6, "2001:db8::1", "2001:db8::2"}),
                         [](const auto& row) { return std::string(name(row.param.family)); });

}  // namespace
}  // namespace rawvs::test
