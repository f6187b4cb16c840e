// SPDX-License-Identifier: BSD-2-Clause
// Tests the back end "xdp" with the kernel.
#ifdef RAWVS_XDP
#include "root_xdp.h"
#include "links.h"

#include <algorithm>

#include "sys/io/xdp_checksum.h"

namespace rawvs::test::on_xdp {
namespace {

TEST_F(XdpOnVeth, TakesAVipsFramesUnchangedAndTheKernelSeesNone) {
  ASSERT_TRUE(io_->native());
  for (int i = 0; i < 200; ++i) {  // more than once around the ring
    send(to_vip(std::to_string(i)));
    const Caught got = next_frame(*io_);
    ASSERT_EQ(got.bytes, to_vip(std::to_string(i)));
    ASSERT_GE(got.headroom, FrameIo::kHeadroom);
    ASSERT_FALSE(got.offload.partial_checksum());
  }
  send(past_vip("marker"));
  EXPECT_EQ(next_frame(*tap_).bytes, past_vip("marker"));
  EXPECT_EQ(io_->counters().received, 200u);
  EXPECT_EQ(io_->counters().kernel_dropped, 0u);
}

TEST_F(XdpOnVeth, MarksFramesWithTheirLinkAndLendsThemWritableUntilReleased) {
  for (int i = 0; i < 20; ++i) send(to_vip(std::to_string(i)));
  std::vector<Frame> frames(20);
  ASSERT_EQ(io_->receive(frames), 20u);
  for (size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].link, kInLink);
    EXPECT_EQ(FrameBytes(frames[i].data, frames[i].data + frames[i].size), to_vip(std::to_string(i)));
    std::fill(frames[i].data - frames[i].headroom, frames[i].data + frames[i].size, uint8_t{0xff});
  }
  io_->release();
  send(to_vip("after"));
  EXPECT_EQ(next_frame(*io_).bytes, to_vip("after"));
}

TEST_F(XdpOnVeth, LeavesToTheKernelWhatIsNotSurelyTheDirectors) {
  const FrameBytes other_mac = to_vip("other MAC", {{2, 0, 0, 0, 0, 0x77}});
  const FrameBytes fragment = ipv4_frame(kLeft, kRight, "192.0.2.1", kVip, 17, 64, kMoreFragments, FrameBytes(16));
  const FrameBytes who_has = frame(ArpFrame{.sender_mac = kLeft, .sender = "192.0.2.1", .target = kVip});
  for (const FrameBytes& passes : {other_mac, fragment, who_has, past_vip("other address")}) {
    send(passes);
    EXPECT_EQ(next_frame(*tap_).bytes, passes);
  }
  // But the director gets what it watches, fragments and ARP, by the packet socket beside.
  EXPECT_EQ(next_frame(*io_).bytes, fragment);
  EXPECT_EQ(next_frame(*io_).bytes, who_has);
  send(to_vip("last"));
  EXPECT_EQ(next_frame(*io_).bytes, to_vip("last"));
}

TEST_F(XdpOnVeth, TakesTheServicesPortsOfTheHostsOwnAddress) {
  constexpr const char* kOwn = "192.0.2.102";
  const auto own = [&](uint16_t port, const char* data) {
    return frame(Udp{.src = "192.0.2.1", .dst = kOwn, .dport = port, .data = data, .from = kLeft, .to = kRight});
  };
  watch_.own = {{ip(kOwn), Protocol::udp, 53, 54}, {ip("2001:db8::102"), Protocol::udp, 53, 53}};
  tell();
  for (const FrameBytes& taken : {own(53, "first"), own(54, "last"), frame(udp6("six", "2001:db8::102"))}) {
    send(taken);
    EXPECT_EQ(next_frame(*io_).bytes, taken);
  }
  const FrameBytes syn = frame(Tcp{.src = "192.0.2.1", .dst = kOwn, .dport = 53, .from = kLeft, .to = kRight});
  for (const FrameBytes& passes : {own(55, "the host's"), syn}) {
    send(passes);
    EXPECT_EQ(next_frame(*tap_).bytes, passes);
  }
  watch_.own.clear();
  tell();
  send(own(53, "no longer"));
  EXPECT_EQ(next_frame(*tap_).bytes, own(53, "no longer"));
}

TEST_F(XdpOnVeth, TakesWhatIsSentToAVirtualMacAddressOfOurs) {
  constexpr std::array kMacs{kRight, Mac{{0x00, 0x00, 0x5e, 0x00, 0x01, 0x33}}};
  ASSERT_TRUE(io_->watch(watch_, kMacs));
  send(to_vip("virtual", kMacs[1]));
  EXPECT_EQ(next_frame(*io_).bytes, to_vip("virtual", kMacs[1]));
  send(to_vip("own"));
  EXPECT_EQ(next_frame(*io_).bytes, to_vip("own"));
  const FrameBytes other = to_vip("another's", {{0x00, 0x00, 0x5e, 0x00, 0x01, 0x34}});
  send(other);
  EXPECT_EQ(next_frame(*tap_).bytes, other);
  EXPECT_NE(output_of("bridge fdb show dev r0 self").find("00:00:5e:00:01:33"), std::string::npos);
  tell();
  send(to_vip("no longer", kMacs[1]));
  EXPECT_EQ(next_frame(*tap_).bytes, to_vip("no longer", kMacs[1]));
  EXPECT_EQ(output_of("bridge fdb show dev r0 self").find("00:00:5e:00:01:33"), std::string::npos);
}

TEST_F(XdpOnVeth, FollowsItsVips) {
  watch_.vips = {ip("192.0.2.101")};
  tell();
  send(to_vip("no longer"));
  EXPECT_EQ(next_frame(*tap_).bytes, to_vip("no longer"));
  watch_.vips = {ip(kVip), ip("192.0.2.101")};
  tell();
  send(to_vip("again"));
  EXPECT_EQ(next_frame(*io_).bytes, to_vip("again"));
}

TEST_F(XdpOnVeth, TakesNatServersAnswersOfKnownFlowsAlone) {
  watch_.nat_servers = {ip(kServer)};
  tell();
  const ReplyFlow flow{Protocol::udp, {ip(kServer), Port(8080)}, {ip(kAsker), Port(1001)}};
  const ReplyChange begins{flow, true}, ends{flow, false};
  flows_.change({&begins, 1});
  send(answer(8080, 1001));
  EXPECT_EQ(next_frame(*io_).bytes, answer(8080, 1001));
  for (const FrameBytes& unknown : {answer(8080, 1002), answer(8081, 1001), answer(8080, 1001, 132)}) {
    send(unknown);
    EXPECT_EQ(next_frame(*tap_).bytes, unknown);
    EXPECT_EQ(next_frame(*io_).bytes, unknown) << "the packet socket beside has its copy";
  }
  flows_.change({&ends, 1});
  send(answer(8080, 1001));
  EXPECT_EQ(next_frame(*tap_).bytes, answer(8080, 1001));
}

TEST_F(XdpOnVeth, TakesAnswersBehindAHeaderWithOptions) {
  watch_.nat_servers = {ip(kServer)};
  tell();
  const ReplyChange begins{{Protocol::udp, {ip(kServer), Port(8080)}, {ip(kAsker), Port(1001)}}, true};
  flows_.change({&begins, 1});
  FrameBytes with_options = answer(8080, 1001);
  with_options.insert(with_options.begin() + 34, 40, 1);  // ten words of NOP, the most there may be
  with_options[14] = 0x4f;
  store_be16(with_options, 16, static_cast<uint16_t>(load_be16(with_options, 16) + 40));
  fix_ip_checksum(with_options);
  send(with_options);
  send(past_vip("marker"));
  EXPECT_EQ(next_frame(*io_).bytes, with_options);
  EXPECT_EQ(next_frame(*tap_).bytes, past_vip("marker"));
}

TEST_F(XdpOnVeth, SendsFramesInOrderAndCountsThoseThatAreRefused) {
  std::vector<FrameBytes> bytes;
  for (int i = 0; i < 700; ++i) bytes.push_back(past_vip(std::to_string(i)));  // more than there are buffers
  bytes[300] = past_vip(std::string(3000, 'x'));                               // longer than the MTU
  std::vector<Frame> frames(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i)
    frames[i].data = bytes[i].data(), frames[i].size = static_cast<uint32_t>(bytes[i].size());
  frames[301].vlan = 5;  // its tag would be lost
  const std::span<const Frame> all = frames;
  size_t seen = 0;
  const auto arrived = [&](size_t to) {
    for (; seen < to; ++seen) {
      if (seen == 300 || seen == 301) continue;
      ASSERT_EQ(next_frame(*at_left_).bytes, bytes[seen]) << seen;
    }
  };
  ASSERT_TRUE(at_left_->set_filter("ip dst 198.51.100.9"));
  io_->send(all.first(200));
  arrived(200);
  io_->send(all.subspan(200, 200));
  arrived(400);
  io_->send(all.subspan(400));
  // The ring at left has 256 slots: of 300 at once it keeps the first.
  arrived(600);
  EXPECT_EQ(io_->counters().sent, 698u);
  EXPECT_EQ(io_->counters().send_failed, 2u);
}

Offload partial_udp() {
  Offload offload;
  offload.flags = Offload::needs_checksum;
  offload.checksum_start = 34;
  offload.checksum_offset = 6;
  return offload;
}
FrameBytes with_partial_checksum(FrameBytes f) {  // UDP: the pseudo-header's sum alone
  const uint32_t sum =
      load_be16(f, 26) + uint32_t{load_be16(f, 28)} + load_be16(f, 30) + load_be16(f, 32) + f[23] + load_be16(f, 38);
  store_be16(f, 40, static_cast<uint16_t>((sum & 0xffff) + (sum >> 16)));
  return f;
}

TEST_F(XdpOnVeth, FindsOutThatAChecksumIsPartialAndCompletesItWhenSending) {
  ASSERT_TRUE(send_bytes(*at_left_, with_partial_checksum(to_vip("sum")), partial_udp()));
  const Caught got = next_frame(*io_);
  EXPECT_EQ(got.bytes, with_partial_checksum(to_vip("sum"))) << "veth's native XDP has completed it?";
  EXPECT_EQ(got.offload, partial_udp());
  ASSERT_TRUE(send_bytes(*io_, with_partial_checksum(past_vip("odd")), partial_udp()));
  const Caught sent = next_frame(*at_left_);
  EXPECT_EQ(describe(sent.bytes).find("BAD"), std::string::npos) << describe(sent.bytes);
  EXPECT_FALSE(sent.offload.partial_checksum());
}

FrameBytes with_partial_checksum6(FrameBytes f) {
  uint32_t sum = f[20] + uint32_t{load_be16(f, 18)};
  for (size_t at = 22; at < 54; at += 2) sum += load_be16(f, at);
  sum = (sum & 0xffff) + (sum >> 16);
  store_be16(f, 60, static_cast<uint16_t>((sum & 0xffff) + (sum >> 16)));
  return f;
}
Offload partial_udp6() {
  Offload offload = partial_udp();
  offload.checksum_start = 54;
  return offload;
}

TEST_F(XdpOnVeth, FindsOutThatAChecksumOverIpv6IsPartialAndCompletesItWhenSending) {
  watch_.vips = {ip(kVip6)};
  tell();
  ASSERT_TRUE(send_bytes(*at_left_, with_partial_checksum6(to_vip6("sum")), partial_udp6()));
  const Caught got = next_frame(*io_);
  EXPECT_EQ(got.bytes, with_partial_checksum6(to_vip6("sum"))) << "veth's native XDP has completed it?";
  EXPECT_EQ(got.offload, partial_udp6());
  ASSERT_TRUE(send_bytes(*io_, with_partial_checksum6(past_vip6("odd")), partial_udp6()));
  EXPECT_EQ(next_frame(*at_left_).bytes, past_vip6("odd"));
}

TEST_F(XdpOnVeth, SendsASuperFrameWholeByThePacketSocketBeside) {
  const auto [large, offload] = super_frame(kRight, 20000);
  ASSERT_TRUE(at_left_->set_filter("tcp dst port 5001"));
  ASSERT_TRUE(send_bytes(*io_, large, offload));
  const Caught got = next_frame(*at_left_);
  EXPECT_EQ(got.bytes.size(), large.size());
  EXPECT_EQ(got.offload.segment_size, 1448);
}

TEST_F(XdpOnVeth, WorksByTheKernelsGenericXdpWhereTheDriverHasNone) {
  io_.reset();
  shell(
      "ip link add b0 type bridge mcast_snooping 0 && ip link set b0 address 02:00:00:00:00:02 up && "
      "ip link set r0 master b0");
  wait_for_link("b0");
  options_.ifindex = ifindex_of("b0");
  options_.name = "b0";
  auto opened = XdpIo::open(options_, flows_);
  ASSERT_TRUE(opened) << opened.error().text;
  XdpIo& generic = **opened;
  EXPECT_FALSE(generic.native());
  EXPECT_NE(generic.remark(), "");
  ASSERT_TRUE(generic.watch(watch_, {&kRight, 1}));
  auto tap = open_socket("b0", "ip");
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(send_bytes(*at_left_, to_vip(std::to_string(i))));
    ASSERT_EQ(next_frame(generic).bytes, to_vip(std::to_string(i)));
  }
  ASSERT_TRUE(send_bytes(*at_left_, past_vip("marker")));
  EXPECT_EQ(next_frame(*tap).bytes, past_vip("marker"));
}

TEST_F(XdpOnVeth, LeavesNothingBehind) {
  io_.reset();
  send(to_vip("the kernel's"));
  EXPECT_EQ(next_frame(*tap_).bytes, to_vip("the kernel's"));
  EXPECT_EQ(output_of("ip link show r0").find("xdp"), std::string::npos);
}

TEST_F(XdpOnVeth, IsSkippedWhereAnotherProgramIsAndTheRingIsTaken) {
  const auto opened = open_frame_io(IoMode::xdp, options_, flows_);
  ASSERT_TRUE(opened) << opened.error().text;
  EXPECT_STREQ(opened->io->name(), "ring");
  EXPECT_EQ(opened->skipped.find("xdp: interface r0: AF_XDP socket: Device or resource busy"), 0u) << opened->skipped;
}

TEST_F(XdpOnVeth, IsSkippedWhereFramesAreLongerThanABuffer) {
  options_.mtu = 9000;
  const auto opened = open_frame_io(IoMode::xdp, options_, flows_);
  ASSERT_TRUE(opened) << opened.error().text;
  EXPECT_STREQ(opened->io->name(), "ring");
  EXPECT_EQ(opened->skipped, "xdp: interface r0: frames of an MTU of 9000 do not fit a buffer of 4096 bytes");
}

TEST(XdpChecksum, OfAWholePacketIsNoPartialOne) {
  FrameBytes udp = to_vip("whole");
  EXPECT_EQ(offload_found(udp), Offload{});
  FrameBytes tcp = frame(Tcp{});
  EXPECT_EQ(offload_found(tcp), Offload{});
  FrameBytes udp6 = to_vip6("whole");
  EXPECT_EQ(offload_found(udp6), Offload{});
}

TEST(XdpChecksum, IsTheSameWhetherItIsCompletedOnceOrTwice) {
  FrameBytes once = with_partial_checksum(to_vip("sum"));
  ASSERT_EQ(offload_found(once), partial_udp());
  complete_checksum(once, partial_udp());
  EXPECT_EQ(once, to_vip("sum"));
  FrameBytes once6 = with_partial_checksum6(to_vip6("sum"));
  ASSERT_EQ(offload_found(once6), partial_udp6());
  complete_checksum(once6, partial_udp6());
  EXPECT_EQ(once6, to_vip6("sum"));
  // A payload that makes the whole checksum equal to the pseudo-header's sum: to complete it again changes nothing.
  bool found = false;
  for (uint32_t word = 0; word < 0x10000 && !found; ++word) {
    const std::string data{static_cast<char>(word >> 8), static_cast<char>(word)};
    FrameBytes f = to_vip(data);
    if (offload_found(f) == Offload{}) continue;
    found = true;
    const FrameBytes before = f;
    complete_checksum(f, offload_found(f));
    EXPECT_EQ(f, before);
  }
  EXPECT_TRUE(found);
}

TEST(XdpChecksum, NeverReadsPastAnyTruncation) {  // run under ASan: each copy has exactly `keep` bytes
  for (const FrameBytes& whole : {to_vip("some data"), to_vip6("some data"), frame(Tcp{}),
                                  ipv4_frame(kLeft, kRight, kServer, kVip, 132, 64, 0, FrameBytes(20))}) {
    for (size_t keep = 0; keep < whole.size(); ++keep) {
      FrameBytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(keep));
      EXPECT_EQ(offload_found(cut), Offload{}) << keep;
    }
  }
}

TEST(XdpChecksum, OfAnSctpPacketThatHasNoneIsFilledIn) {
  FrameBytes sctp = ipv4_frame(kLeft, kRight, kServer, kVip, 132, 64, 0, FrameBytes(20, 7));
  store_be32(sctp, 42, 0);
  EXPECT_EQ(offload_found(sctp), Offload{});
  EXPECT_NE(load_be32(sctp, 42), 0u);
}

}  // namespace
}  // namespace rawvs::test::on_xdp
#endif
