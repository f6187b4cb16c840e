// SPDX-License-Identifier: BSD-2-Clause
// Tests host_route.h with the kernel: root_guard.h's router, and packets of the server.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "links.h"
#include "root_guard.h"
#include "sys/net/host_route.h"
#include "wire/checksum.h"

namespace rawvs::test {
namespace {

constexpr const char *kFrom = "203.0.113.7", *kFar = "192.0.2.10";

class GivenBack : public GuardOnRouter {
 protected:
  void SetUp() override {
    GuardOnRouter::SetUp();
    if (IsSkipped()) return;
    auto opened = HostRoute::open();
    ASSERT_TRUE(opened) << opened.error().text;
    host_ = std::move(*opened);
  }
  void give(FrameBytes bytes, const Offload& offload = {}) {
    Frame frame;
    frame.data = bytes.data();
    frame.size = static_cast<uint32_t>(bytes.size());
    frame.offload = offload;
    host_->send(frame);
  }
  static Udp datagram(const std::string& data) {
    return {.src = kFrom, .dst = kFar, .data = data, .dont_fragment = false, .from = kServer, .to = kInside};
  }
  std::unique_ptr<HostRoute> host_;
};

// As when it is forwarded: all of it but the Ethernet header, the time to live and the header's checksum.
TEST_F(GivenBack, LeavesAsIfItWereForwarded) {
  const FrameBytes sent = frame(datagram("hello"));
  give(sent);
  const FrameBytes got = next_frame(*at_client_).bytes;
  EXPECT_EQ(described({got, {}}), "02:00:00:00:00:d0>02:00:00:00:00:0c 203.0.113.7:1001 > 192.0.2.10:53 udp ttl 63");
  FrameBytes expected = sent;
  expected[22] = 63;
  fix_ip_checksum(expected);
  EXPECT_EQ(FrameBytes(got.begin() + 14, got.end()), FrameBytes(expected.begin() + 14, expected.end()));
  EXPECT_EQ(host_->counters(kOutLink).sent, 1u);
}

TEST_F(GivenBack, KeepsOptionsAndLosesEthernetsPadding) {
  FrameBytes bytes = frame(datagram(""));
  bytes.insert(bytes.begin() + 34, 4, 1);  // NOP
  bytes[14] = 0x46;
  store_be16(bytes, 16, static_cast<uint16_t>(load_be16(bytes, 16) + 4));
  fix_ip_checksum(bytes);
  const size_t size = bytes.size();
  bytes.resize(60);
  give(bytes);
  const FrameBytes got = next_frame(*at_client_).bytes;
  EXPECT_EQ(got.size(), size);
  EXPECT_EQ(got[14], 0x46);
  EXPECT_EQ(load_be32(got, 34), 0x01010101u);
}

TEST_F(GivenBack, FragmentsStayFragments) {
  for (const uint16_t word : {uint16_t{0x2000}, uint16_t{0x2003}, uint16_t{5}}) {
    give(ipv4_frame(kServer, kInside, kFrom, kFar, 17, 64, word, FrameBytes(24, 0x5a)));
    const FrameBytes got = next_frame(*at_client_).bytes;
    ASSERT_EQ(got.size(), 58u);
    EXPECT_EQ(load_be16(got, 20), word);
    EXPECT_EQ(load_be16(got, 18), 0x1234) << "its identification";
    EXPECT_EQ(FrameBytes(got.begin() + 34, got.end()), FrameBytes(24, 0x5a));
  }
}

TEST_F(GivenBack, DropsAndCountsWhatHasNoTimeToLiveLeft) {
  Udp old = datagram("old");
  for (const uint8_t ttl : {uint8_t{1}, uint8_t{0}}) {
    old.ttl = ttl;
    give(frame(old));
  }
  old.ttl = 2;
  give(frame(old));
  EXPECT_EQ(described(next_frame(*at_client_)),
            "02:00:00:00:00:d0>02:00:00:00:00:0c 203.0.113.7:1001 > 192.0.2.10:53 udp ttl 1");
  EXPECT_EQ(host_->counters(kOutLink).expired, 2u);
  EXPECT_EQ(host_->counters(kOutLink).sent, 1u);
}

TEST_F(GivenBack, DropsAndCountsWhatIsTooLongForItsWay) {
  shell("ip link set d0 mtu 1400");
  give(frame(datagram(std::string(1400, 'x'))));
  give(frame(datagram("short")));
  EXPECT_EQ(next_frame(*at_client_).bytes.size(), frame(datagram("short")).size());
  EXPECT_EQ(host_->counters(kOutLink).too_long, 1u);
}

TEST_F(GivenBack, DropsAndCountsWhatHasNoWay) {
  Udp lost = datagram("lost");
  lost.dst = "192.0.0.1";
  give(frame(lost));
  EXPECT_EQ(host_->counters(kOutLink).failed, 1u);
  EXPECT_EQ(host_->counters(kOutLink).sent, 0u);
}

TEST_F(GivenBack, CompletesAChecksumThatTheSenderHadLeftToItsCard) {
  FrameBytes bytes = frame(datagram("partial"));
  const auto udp_size = static_cast<uint32_t>(bytes.size() - 34);
  store_be16(bytes, 40, checksum_fold(pseudo_header_sum(ip(kFrom), ip(kFar), Protocol::udp, udp_size)));
  Offload offload;
  offload.flags = Offload::needs_checksum;
  offload.checksum_start = 34, offload.checksum_offset = 6;
  give(bytes, offload);
  EXPECT_EQ(described(next_frame(*at_client_)),
            "02:00:00:00:00:d0>02:00:00:00:00:0c 203.0.113.7:1001 > 192.0.2.10:53 udp ttl 63");
}

TEST_F(GivenBack, TakesASuperFrameApart) {
  std::string data;
  for (int i = 0; i < 3000; ++i) data += static_cast<char>('a' + i % 26);
  const FrameBytes super =
      frame(Tcp{.src = kFrom, .dst = kFar, .flags = "AP", .data = data, .seq = 5000, .from = kServer, .to = kInside});
  Offload offload;
  offload.flags = Offload::checksum_valid;
  offload.segmentation = Offload::tcp4;
  offload.header_size = 54;
  offload.segment_size = 1200;
  give(super, offload);
  std::string arrived;
  uint32_t seq = 5000;
  for (int i = 0; i < 3; ++i) {
    const FrameBytes got = next_frame(*at_client_).bytes;
    ASSERT_GT(got.size(), 54u);
    EXPECT_EQ(described({got, {}}),
              std::string("02:00:00:00:00:d0>02:00:00:00:00:0c 203.0.113.7:1001 > 192.0.2.10:80 ") +
                  (i == 2 ? "PA" : "A") + " ttl 63");
    EXPECT_EQ(load_be32(got, 38), seq);
    arrived.append(got.begin() + 54, got.end());
    seq += 1200;
  }
  EXPECT_EQ(arrived, data);
  EXPECT_EQ(host_->counters(kOutLink).sent, 3u);
}

TEST_F(GivenBack, ReachesTheHostItself) {
  const int receiver = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(53);
  ASSERT_EQ(bind(receiver, reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  Udp to_host = datagram("for you");
  to_host.dst = "198.51.100.1";
  give(frame(to_host));
  char got[16] = {};
  EXPECT_EQ(recv(receiver, got, sizeof got, MSG_DONTWAIT), 7);
  EXPECT_STREQ(got, "for you");
  close(receiver);
}

// Which the kernel's check of forged addresses does not hinder: its source is reached by another interface.
TEST_F(GivenBack, IsDeliveredToTheHostAsItCame) {
  write_sysctl("net/ipv4/conf/all/rp_filter", "1");
  write_sysctl("net/ipv4/conf/lo/rp_filter", "1");
  const auto arrived = open_socket("lo", "udp");
  Udp to_vip = datagram("for you");
  to_vip.dst = "192.0.2.100";
  to_vip.ttl = 1;
  const int receiver = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in vip{};
  vip.sin_family = AF_INET;
  vip.sin_port = htons(53);
  vip.sin_addr.s_addr = htonl(0xc0000264);
  ASSERT_EQ(bind(receiver, reinterpret_cast<const sockaddr*>(&vip), sizeof vip), 0);
  FrameBytes bytes = frame(to_vip);
  Frame f;
  f.data = bytes.data();
  f.size = static_cast<uint32_t>(bytes.size());
  host_->deliver(f);
  char got[16] = {};
  sockaddr_in from{};
  socklen_t size = sizeof from;
  EXPECT_EQ(recvfrom(receiver, got, sizeof got, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size), 7);
  EXPECT_STREQ(got, "for you");
  EXPECT_EQ(ntohl(from.sin_addr.s_addr), ip(kFrom).v4());
  EXPECT_EQ(described(next_frame(*arrived)).substr(36), "203.0.113.7:1001 > 192.0.2.100:53 udp ttl 1");
  EXPECT_EQ(host_->counters(kOutLink).undelivered, 0u);
  close(receiver);
}

}  // namespace
}  // namespace rawvs::test
