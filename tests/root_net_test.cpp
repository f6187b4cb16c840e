// SPDX-License-Identifier: BSD-2-Clause
// Tests the packet-socket back ends of frame_io.h with the kernel, in network namespaces (root_net.h, VethPair).
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "root_net.h"
#include "sys/io/packet_socket.h"

namespace rawvs::test {
namespace {

class Pair : public VethPair {
 protected:
  std::unique_ptr<LinkSocket> at_left(const std::string& filter) {
    left_->enter();
    return open_socket("l0", filter, 256, mode_);
  }
  std::unique_ptr<LinkSocket> at_right(const std::string& filter, uint32_t ring_frames = 256) {
    right_->enter();
    return open_socket("r0", filter, ring_frames, mode_);
  }
  IoMode mode_ = IoMode::ring;
};
using RingOnVeth = Pair;

class BackEndOnVeth : public Pair, public testing::WithParamInterface<IoMode> {
 protected:
  BackEndOnVeth() { mode_ = GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Each, BackEndOnVeth, testing::Values(IoMode::ring, IoMode::socket),
                         [](const auto& one) { return one.param == IoMode::ring ? "Ring" : "Socket"; });

FrameBytes numbered(const std::string& data) {
  return frame(Udp{.src = "192.0.2.1", .dst = "198.51.100.9", .data = data, .from = kLeft, .to = kRight});
}

TEST_P(BackEndOnVeth, CarriesAFrameUnchanged) {
  auto left = at_left("less 1"), right = at_right("udp");
  const FrameBytes sent = numbered("hello");
  ASSERT_TRUE(send_bytes(*left, sent));
  const Caught got = next_frame(*right);
  EXPECT_EQ(got.bytes, sent);
  EXPECT_EQ(got.vlan, 0);
  EXPECT_GE(got.headroom, PacketSocket::kHeadroom);
  EXPECT_FALSE(got.offload.super_frame());
  EXPECT_EQ(right->counters().received, 1u);
  EXPECT_EQ(left->counters().sent, 1u);
}

TEST_P(BackEndOnVeth, HasWritableHeadroom) {
  auto left = at_left("less 1"), right = at_right("udp");
  const FrameBytes sent = numbered("hello");
  for (int i = 0; i < 300; ++i) {  // more than once around the ring
    ASSERT_TRUE(send_bytes(*left, sent));
    pollfd wait{right->fd(), POLLIN, 0};
    ASSERT_EQ(poll(&wait, 1, 2000), 1);
    Frame frame;
    ASSERT_EQ(right->receive({&frame, 1}), 1u);
    EXPECT_EQ(FrameBytes(frame.data, frame.data + frame.size), sent);
    std::fill(frame.data - frame.headroom, frame.data + frame.size, uint8_t{0xff});
    right->release();
  }
}

TEST_P(BackEndOnVeth, ReceivesNothingBeforeTheFirstFilterAndThenOnlyWhatItTakes) {
  auto left = at_left("less 1"), right = at_right("");
  ASSERT_TRUE(send_bytes(*left, numbered("too early")));
  ASSERT_TRUE(right->set_filter("udp dst port 53"));
  EXPECT_FALSE(right->filter_is_wide());
  Udp other{.src = "192.0.2.1", .dst = "198.51.100.9", .dport = 54, .from = kLeft, .to = kRight};
  ASSERT_TRUE(send_bytes(*left, frame(other)));
  ASSERT_TRUE(send_bytes(*left, numbered("now")));
  EXPECT_EQ(next_frame(*right).bytes, numbered("now"));
}

TEST_P(BackEndOnVeth, NamesWhatIsWrongWithAFilter) {
  auto right = at_right("");
  const auto set = right->set_filter("ether dsst 1");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().text.find("interface r0: filter \"ether dsst 1\": "), 0u) << set.error().text;
}

TEST_P(BackEndOnVeth, TakesEveryIpv4AndArpFrameWhenTheFilterIsTooLongForTheKernel) {
  auto left = at_left("less 1"), right = at_right("");
  std::string expression = "udp dst port 1";  // every term is at least one instruction
  for (int port = 2; port < 6000; port += 2) expression += " or port " + std::to_string(port);
  ASSERT_TRUE(right->set_filter(expression));
  EXPECT_TRUE(right->filter_is_wide());
  ASSERT_TRUE(send_bytes(*left, numbered("any")));
  EXPECT_EQ(next_frame(*right).bytes, numbered("any"));
  ASSERT_TRUE(right->set_filter("udp dst port 54"));
  EXPECT_FALSE(right->filter_is_wide());
}

TEST_P(BackEndOnVeth, DoesNotReadBackWhatItSends) {
  auto left = at_left("udp"), right = at_right("udp");
  ASSERT_TRUE(send_bytes(*left, numbered("from the left")));
  ASSERT_EQ(next_frame(*right).bytes, numbered("from the left"));
  const FrameBytes back =
      frame(Udp{.src = "198.51.100.9", .dst = "198.51.100.1", .data = "back", .from = kRight, .to = kLeft});
  ASSERT_TRUE(send_bytes(*right, back));
  EXPECT_EQ(next_frame(*left).bytes, back);  // the first that left sees
}

TEST_P(BackEndOnVeth, TellsTheVlanIdAndTakesAPriorityTagForNone) {
  auto left = at_left("less 1"), right = at_right("udp");
  const FrameBytes plain = numbered("tagged");
  for (const uint16_t tag : {uint16_t{0x2005}, uint16_t{0x2000}}) {  // priority 1
    FrameBytes tagged = plain;
    const uint8_t bytes[] = {0x81, 0x00, static_cast<uint8_t>(tag >> 8), static_cast<uint8_t>(tag)};
    tagged.insert(tagged.begin() + 12, std::begin(bytes), std::end(bytes));
    ASSERT_TRUE(send_bytes(*left, tagged));
    const Caught got = next_frame(*right);
    EXPECT_EQ(got.bytes, plain);
    EXPECT_EQ(got.vlan, tag & 0xfff);
  }
}

TEST_P(BackEndOnVeth, SkipsAFrameThatIsRefusedAndSendsTheRest) {
  auto left = at_left("less 1"), right = at_right("udp");
  std::vector<FrameBytes> bytes(150, numbered("good"));
  bytes[0] = bytes[70] = numbered(std::string(3000, 'x'));  // longer than the MTU
  bytes[149] = FrameBytes(3, 0);                            // not even an Ethernet header
  std::vector<Frame> frames(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i)
    frames[i].data = bytes[i].data(), frames[i].size = uint32_t(bytes[i].size());
  frames[71].vlan = 5;  // its tag would be lost
  left->send(frames);
  EXPECT_EQ(left->counters().sent, 146u);
  EXPECT_EQ(left->counters().send_failed, 4u);
  for (int i = 0; i < 146; ++i) ASSERT_EQ(next_frame(*right).bytes, numbered("good")) << i;
}

TEST_F(RingOnVeth, CountsWhatTheRingCouldNotHold) {
  auto left = at_left("less 1"), right = at_right("udp", 16);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(send_bytes(*left, numbered(std::to_string(i))));
  std::vector<Frame> frames(64);
  pollfd wait{right->fd(), POLLIN, 0};
  ASSERT_EQ(poll(&wait, 1, 2000), 1);
  ASSERT_EQ(right->receive(frames), 16u);
  EXPECT_EQ(right->receive(frames), 0u) << "a lent slot was given twice";
  right->release();
  EXPECT_EQ(right->counters().kernel_dropped, 34u);
  EXPECT_EQ(right->counters().kernel_dropped, 34u);
  ASSERT_TRUE(send_bytes(*left, numbered("after")));
  EXPECT_EQ(next_frame(*right).bytes, numbered("after"));
}

// Kernels before 4.20 show a socket what other sockets of the host send; newer ones can be asked to.
TEST_P(BackEndOnVeth, GivesBuffersBackThatHoldOnlyFramesOfItsOwnHost) {
  auto left = at_left("less 1"), right = at_right("udp", 16), other = at_right("less 1");
  constexpr int kOff = 0;
  ASSERT_EQ(setsockopt(right->fd(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &kOff, sizeof kOff), 0);
  std::vector<Frame> frames(64);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(send_bytes(*other, numbered("our own")));
    pollfd wait{right->fd(), POLLIN, 0};
    ASSERT_EQ(poll(&wait, 1, 2000), 1) << round << ": the ring shows nothing";
    EXPECT_EQ(right->receive(frames), 0u) << round;
    EXPECT_EQ(poll(&wait, 1, 0), 0) << round << ": frames that nobody wants would wake the loop for ever";
  }
  EXPECT_EQ(right->counters().kernel_dropped, 0u);
  ASSERT_TRUE(send_bytes(*left, numbered("for us")));
  EXPECT_EQ(next_frame(*right).bytes, numbered("for us"));
}

TEST_P(BackEndOnVeth, TellsOfAnInterfaceThatWentDownAndWorksAgainWhenItIsUp) {
  auto left = at_left("less 1"), right = at_right("udp");
  EXPECT_FALSE(left->take_error());
  left_->enter();
  shell("ip link set l0 down");
  EXPECT_TRUE(left->take_error());
  EXPECT_FALSE(left->take_error());
  EXPECT_FALSE(send_bytes(*left, numbered("lost")));
  EXPECT_TRUE(left->take_error());
  EXPECT_EQ(left->counters().send_failed, 1u);
  shell("ip link set l0 up");
  wait_for_link("l0");
  ASSERT_TRUE(send_bytes(*left, numbered("up")));
  EXPECT_EQ(next_frame(*right).bytes, numbered("up"));
}

TEST_F(RingOnVeth, NamesAnInterfaceThatIsNotThere) {
  const auto opened = PacketSocket::open({.ifindex = 4711, .name = "eth9"});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().text, "interface eth9: packet socket: bind: No such device");
}

// A TCP connection from left to right with the kernel's default offloads, so that packet sockets see super-frames.
class Transfer {
 public:
  Transfer(const Netns& from, const Netns& to) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(5000);
    inet_pton(AF_INET, "192.0.2.2", &address.sin_addr);
    const auto* const a = reinterpret_cast<const sockaddr*>(&address);
    to.enter();
    const int listening = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(bind(listening, a, sizeof address), 0);
    EXPECT_EQ(listen(listening, 1), 0);
    from.enter();
    sender_ = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(connect(sender_, a, sizeof address), 0);
    receiver_ = accept(listening, nullptr, nullptr);
    close(listening);
  }
  ~Transfer() { close(sender_), close(receiver_); }
  void step() {  // as much as fits
    static char data[1 << 18];
    while (send(sender_, data, sizeof data, MSG_DONTWAIT) > 0) continue;
    while (recv(receiver_, data, sizeof data, MSG_DONTWAIT) > 0) continue;
  }

 private:
  int sender_, receiver_;
};

TEST_P(BackEndOnVeth, SeesASuperFrameWholeWithItsOffloadFactsAndSendsItOn) {
  auto right = at_right("tcp dst port 5000 and greater 1000");
  auto left = at_left("less 1");
  std::optional<Caught> super;
  {
    Transfer transfer(*left_, *right_);
    for (int i = 0; i < 200 && !super; ++i) {
      transfer.step();
      Caught got = next_frame(*right);
      if (got.bytes.size() > 20000) super = std::move(got);
    }
  }
  ASSERT_TRUE(super) << "no super-frame in 200 frames";
  const Offload& o = super->offload;
  EXPECT_TRUE(o.super_frame());
  EXPECT_EQ(o.segmentation, Offload::tcp4);
  EXPECT_EQ(o.segment_size, 1448);  // MTU 1500, IP 20, TCP 20, timestamps 12
  EXPECT_TRUE(o.partial_checksum());
  EXPECT_EQ(o.checksum_start, 34);
  EXPECT_EQ(o.checksum_offset, 16);
  EXPECT_GE(super->headroom, PacketSocket::kHeadroom);
  EXPECT_EQ(load_be16(super->bytes, 16) + 14u, super->bytes.size()) << "cut, or longer than its IP packet";
  EXPECT_EQ(right->counters().cut, 0u);

  // A port nobody listens at, so that no other frame is like it. The checksum is partial: ports are no part of it.
  store_be16(super->bytes, 36, 5001);
  auto onward = at_right("tcp dst port 5001");
  ASSERT_TRUE(send_bytes(*left, super->bytes, o));
  const Caught again = next_frame(*onward);
  EXPECT_EQ(again.bytes, super->bytes);
  EXPECT_EQ(again.offload.segmentation, o.segmentation);
  EXPECT_EQ(again.offload.segment_size, o.segment_size);
  EXPECT_EQ(again.offload.checksum_start, o.checksum_start);
  EXPECT_EQ(again.offload.checksum_offset, o.checksum_offset);
  EXPECT_TRUE(again.offload.partial_checksum());
}

TEST_P(BackEndOnVeth, KeepsLargeAndSmallFramesInOrderAndEndsABatchWhenItsLargeBuffersAreUsedUp) {
  auto right = at_right("tcp dst port 5001 or udp");
  auto left = at_left("less 1");
  const auto [large, offload] = super_frame(kLeft, 30000);
  constexpr size_t kPairs = 40;
  for (size_t i = 0; i < kPairs; ++i) {
    ASSERT_TRUE(send_bytes(*left, large, offload));
    ASSERT_TRUE(send_bytes(*left, numbered(std::to_string(i))));
  }
  size_t seen = 0, batches = 0;
  for (std::vector<Frame> frames(128); seen < 2 * kPairs && batches < 10; ++batches) {
    pollfd wait{right->fd(), POLLIN, 0};
    ASSERT_EQ(poll(&wait, 1, 2000), 1);
    const size_t n = right->receive(frames);
    for (size_t i = 0; i < n; ++i, ++seen) {
      const FrameBytes got(frames[i].data, frames[i].data + frames[i].size);
      EXPECT_EQ(got, seen % 2 == 0 ? large : numbered(std::to_string(seen / 2))) << seen;
      EXPECT_EQ(frames[i].offload.super_frame(), seen % 2 == 0) << seen;
    }
    right->release();
  }
  EXPECT_EQ(seen, 2 * kPairs);
  EXPECT_GT(batches, 1u);
  EXPECT_EQ(right->counters().cut, 0u);
}

}  // namespace
}  // namespace rawvs::test
