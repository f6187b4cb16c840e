// SPDX-License-Identifier: BSD-2-Clause
// Tests tun.h, tun_io.h and vip_routes.h with the kernel, in a network namespace.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "root_net.h"
#include "sys/io/tun_io.h"
#include "sys/net/socket_address.h"
#include "sys/net/tun.h"
#include "sys/net/vip_routes.h"
#include "wire/packet.h"
#include "wire/split.h"

namespace rawvs::test {
namespace {

const Ip kVip = *parse_ip("192.0.2.100"), kVip6 = *parse_ip("2001:db8:1::100");
const Ip kHost = *parse_ip("192.0.2.10"), kHost6 = *parse_ip("2001:db8:1::10"), kSecond = *parse_ip("192.0.2.11");

// A host with the addresses above on e0, and a tun interface.
class TunInNamespace : public RootNetInside {
 protected:
  void SetUp() override {
    RootNetInside::SetUp();
    if (IsSkipped()) return;
    if (access("/dev/net/tun", W_OK) != 0) GTEST_SKIP() << "needs /dev/net/tun";
    shell("ip link add e0 type veth peer name peer; ip link set e0 up; ip link set peer up");
    shell("ip addr add 192.0.2.10/24 dev e0; ip addr add 192.0.2.11/24 dev e0");
    shell("ip addr add 2001:db8:1::10/64 dev e0 nodad");
    auto opened = Tun::open(Fd());
    ASSERT_TRUE(opened) << opened.error().text;
    tun_ = std::move(*opened);
    auto routes = VipRoutes::open(tun_->ifindex());
    ASSERT_TRUE(routes) << routes.error().text;
    routes_.emplace(std::move(*routes));
  }
  void TearDown() override {
    routes_.reset(), tun_.reset();
    RootNetInside::TearDown();
  }
  static std::string way_to(const std::string& vip) { return output_of("ip route get " + vip + " | head -n 1"); }
  void put(Ip vip, Ip source) {
    const auto done = routes_->put(vip, source);
    EXPECT_TRUE(done) << done.error().text;
  }
  // The next datagram of this host; other packets, such as the kernel's solicitations, are passed over.
  Caught next_datagram(TunIo& io) {
    for (int tries = 0; tries < 10; ++tries) {
      Caught caught = next_frame(io);
      Packet packet;
      Frame frame;
      frame.data = caught.bytes.data(), frame.size = static_cast<uint32_t>(caught.bytes.size());
      frame.offload = caught.offload;
      if (caught.bytes.empty() || (!parse_ip(frame, packet) && packet.protocol == Protocol::udp)) return caught;
    }
    return {};
  }
  std::unique_ptr<Tun> tun_;
  std::optional<VipRoutes> routes_;
};

TEST_F(TunInNamespace, IsUpAndEndsWithItsDescriptor) {
  EXPECT_EQ(tun_->name(), "rawvs0");
  EXPECT_EQ(tun_->ifindex(), ifindex_of("rawvs0"));
  EXPECT_FALSE(tun_->inherited());
  EXPECT_NE(output_of("ip link show rawvs0").find(",UP"), std::string::npos);
  EXPECT_TRUE(tun_->set_mtu(1400));
  EXPECT_NE(output_of("ip link show rawvs0").find("mtu 1400"), std::string::npos);
  auto second = Tun::open(Fd());
  ASSERT_TRUE(second) << second.error().text;
  EXPECT_EQ((*second)->name(), "rawvs1");
  tun_.reset();
  EXPECT_EQ(ifindex_of("rawvs0"), 0);
}

TEST_F(TunInNamespace, IsHandedOverWithItsRoutes) {
  put(kVip, kHost);
  put(kVip6, kHost6);
  const int index = tun_->ifindex();
  {
    const TunHandOver hand_over(tun_->fd());
    const int at_next = dup(std::atoi(std::getenv("RAWVS_TUN_FD")));  // as by exec()
    tun_.reset();
    setenv("RAWVS_TUN_FD", std::to_string(at_next).c_str(), 1);
    auto next = Tun::open(TunHandOver::inherited());
    ASSERT_TRUE(next) << next.error().text;
    EXPECT_TRUE((*next)->inherited());
    EXPECT_EQ((*next)->ifindex(), index);
    EXPECT_EQ(std::getenv("RAWVS_TUN_FD"), nullptr);
    const auto present = routes_->present();
    ASSERT_TRUE(present) << present.error().text;
    EXPECT_EQ(*present, (std::vector<Ip>{kVip, kVip6}));
  }
  EXPECT_EQ(ifindex_of("rawvs0"), 0);
}

TEST_F(TunInNamespace, TakesNoOtherDescriptorOver) {
  for (const char* const said : {"0", "1", "2", "-5", "9999", "x", ""}) {
    setenv("RAWVS_TUN_FD", said, 1);
    EXPECT_FALSE(TunHandOver::inherited()) << said;
    EXPECT_EQ(std::getenv("RAWVS_TUN_FD"), nullptr);
  }
  const Fd socket(::socket(AF_INET, SOCK_DGRAM, 0));
  setenv("RAWVS_TUN_FD", std::to_string(socket.get()).c_str(), 1);
  EXPECT_FALSE(TunHandOver::inherited());
  const TunHandOver none(-1);
  EXPECT_EQ(std::getenv("RAWVS_TUN_FD"), nullptr);
}

TEST_F(TunInNamespace, RoutesAreAddedChangedAndRemoved) {
  put(kVip, kHost);
  put(kVip6, kHost6);
  EXPECT_NE(way_to("192.0.2.100").find("dev rawvs0 src 192.0.2.10 "), std::string::npos) << way_to("192.0.2.100");
  EXPECT_NE(way_to("2001:db8:1::100").find("dev rawvs0"), std::string::npos) << way_to("2001:db8:1::100");
  EXPECT_NE(way_to("2001:db8:1::100").find("src 2001:db8:1::10 "), std::string::npos) << way_to("2001:db8:1::100");
  put(kVip, kSecond);
  EXPECT_NE(way_to("192.0.2.100").find("dev rawvs0 src 192.0.2.11 "), std::string::npos) << way_to("192.0.2.100");
  EXPECT_EQ(*routes_->present(), (std::vector<Ip>{kVip, kVip6}));
  routes_->remove(kVip);
  routes_->remove(kVip);
  EXPECT_NE(way_to("192.0.2.100").find("dev e0 "), std::string::npos) << way_to("192.0.2.100");
  EXPECT_EQ(*routes_->present(), (std::vector<Ip>{kVip6}));
}

TEST_F(TunInNamespace, AnotherRouteToJustThisAddressStays) {
  shell("ip route add 192.0.2.100/32 dev e0");
  const auto refused = routes_->put(kVip, kHost);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text, "another route to just this address leaves by e0");
  EXPECT_NE(way_to("192.0.2.100").find("dev e0 "), std::string::npos);
  const auto unknown = routes_->put(*parse_ip("192.0.2.101"), *parse_ip("192.0.2.77"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().text, "route from 192.0.2.77: Invalid argument");
}

TEST_F(TunInNamespace, ThisHostsPacketsComeAndItsAnswersArrive) {
  for (const auto& [vip, host] : {std::pair{kVip, kHost}, {kVip6, kHost6}}) {
    put(vip, host);
    TunIo io(tun_->fd(), Link{3});
    const Fd program(socket(kernel_family(vip.family()), SOCK_DGRAM | SOCK_NONBLOCK, 0));
    const SocketAddress to({vip, Port(53)});
    ASSERT_EQ(connect(program.get(), to.get(), to.size()), 0);
    ASSERT_EQ(send(program.get(), "hello", 5, 0), 5);
    Caught caught = next_datagram(io);
    ASSERT_FALSE(caught.bytes.empty());
    EXPECT_GE(caught.headroom, FrameIo::kHeadroom);
    Frame frame;
    frame.data = caught.bytes.data(), frame.size = static_cast<uint32_t>(caught.bytes.size());
    frame.offload = caught.offload;
    Packet packet;
    ASSERT_FALSE(parse_ip(frame, packet));
    EXPECT_EQ(text(packet.src) + ' ' + text(packet.dst) + ' ' + std::to_string(packet.dport.value),
              text(host) + ' ' + text(vip) + " 53");
    complete_checksum(frame);
    // Its answer: the same with addresses and ports exchanged, which leaves all checksums as they are.
    const size_t addresses = vip.is_v4() ? 12 : 8, length = ip_bytes(vip.family());
    auto* const ip_header = frame.data + kEthernetSize;
    std::swap_ranges(ip_header + addresses, ip_header + addresses + length, ip_header + addresses + length);
    auto* const udp = frame.data + packet.l4_at;
    std::swap_ranges(udp, udp + 2, udp + 2);
    io.send(std::span(&frame, 1));
    pollfd answered{program.get(), POLLIN, 0};  // another processor's kernel thread may have to deliver it
    ASSERT_EQ(poll(&answered, 1, 10'000), 1);
    std::array<char, 16> got{};
    EXPECT_EQ(recv(program.get(), got.data(), got.size(), 0), 5);
    EXPECT_EQ(std::string_view(got.data(), 5), "hello");
    EXPECT_EQ(io.counters().sent, 1u);
    EXPECT_GE(io.counters().received, 1u);
    EXPECT_EQ(io.counters().send_failed, 0u);
  }
}

TEST_F(TunInNamespace, NothingIsReadOfAnInterfaceThatIsGone) {
  TunIo io(tun_->fd(), Link{});
  std::array<Frame, 4> frames;
  EXPECT_FALSE(io.take_error());
  shell("ip link del rawvs0");
  EXPECT_EQ(io.receive(frames), 0u);
  EXPECT_TRUE(io.take_error());
  EXPECT_FALSE(io.take_error());
}

}  // namespace
}  // namespace rawvs::test
