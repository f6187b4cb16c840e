// SPDX-License-Identifier: BSD-2-Clause
// Tests with the kernel that packet sockets leave out what the fast path forwards (root_net.h, VethPair). In its place
// a program leaves out long frames. That one does not arrive is shown by a short one, sent after it.
#include "program_array.h"
#include "root_net.h"
#include "sys/io/packet_socket.h"
#include "sys/io/plain_socket.h"

namespace rawvs::test {
namespace {

class FastTap : public VethPair, public testing::WithParamInterface<IoMode> {
 protected:
  void SetUp() override {
    VethPair::SetUp();
    if (IsSkipped()) return;
    array_ = array_of_programs();
    if (!array_) GTEST_SKIP() << "no eBPF here: " << strerror(errno);
    left_->enter();
    from_ = open_socket("l0", "less 1");
  }
  std::unique_ptr<FrameIo> open(int taps) const {
    right_->enter();
    FlowMap flows(1);
    auto opened = open_frame_io(GetParam(), {.ifindex = ifindex_of("r0"), .name = "r0", .fast_taps = taps}, flows);
    EXPECT_TRUE(opened) << opened.error().text;
    return opened ? std::move(opened->io) : nullptr;
  }
  void leave_out_long_frames() const {
    using namespace ebpf;
    Assembler a;
    Assembler::Label is_short;
    a.put(load_word(r2, r1, offsetof(__sk_buff, len)));
    a.put(set(r0, -1));
    a.put(set(r3, 100));
    a.jump_if_greater(r3, r2, is_short);
    a.put(set(r0, 0));
    a.here(is_short);
    a.put(leave());
    put_first(array_, a.code());
  }
  static FrameBytes to_vip(const std::string& data) {
    return frame(Udp{.src = "192.0.2.1", .dst = "192.0.2.100", .data = data, .from = kLeft, .to = kRight});
  }
  std::string first_of(FrameIo& io, std::initializer_list<FrameBytes> sent) const {
    for (const FrameBytes& one : sent) EXPECT_TRUE(send_bytes(*from_, one));
    const Caught got = next_frame(io);
    for (size_t n = 0; n < sent.size(); ++n) {
      if (sent.begin()[n] == got.bytes) return "frame " + std::to_string(n);
    }
    return "another one, or none";
  }

  static inline const Mac own_[] = {kRight};
  static Watch vip() {
    Watch watch;
    watch.vips = {ip("192.0.2.100")};
    return watch;
  }
  const Watch vips_ = vip();
  const FrameBytes long_ = to_vip(std::string(200, 'x')), short_ = to_vip("hello");
  Fd array_;
  std::unique_ptr<LinkSocket> from_;
};

TEST_P(FastTap, LeavesOutWhatTheProgramDoes) {
  auto io = open(array_.get());
  ASSERT_TRUE(io);
  EXPECT_FALSE(io->leaves_out_fast()) << "there is no filter yet";
  ASSERT_TRUE(io->watch(vips_, own_));
  EXPECT_TRUE(io->leaves_out_fast()) << io->fast_problem();
  EXPECT_EQ(io->fast_problem(), "");
  EXPECT_EQ(first_of(*io, {long_}), "frame 0") << "no program decides yet";
  leave_out_long_frames();
  EXPECT_EQ(first_of(*io, {long_, short_}), "frame 1");
  Watch more = vips_;
  more.vips.push_back(ip("192.0.2.101"));
  ASSERT_TRUE(io->widen(more, own_));
  EXPECT_TRUE(io->leaves_out_fast());
  EXPECT_EQ(first_of(*io, {long_, short_}), "frame 1");
}

TEST_P(FastTap, OfManyAddressesToo) {
  auto io = open(array_.get());
  ASSERT_TRUE(io);
  leave_out_long_frames();
  Watch many = vips_;
  for (uint32_t n = 0; n < 5000; ++n) many.vips.push_back(Ip(0xcb000000 + 97 * n));
  ASSERT_TRUE(io->widen(many, own_));
  EXPECT_TRUE(io->leaves_out_fast()) << io->fast_problem();
  EXPECT_EQ(first_of(*io, {long_, short_}), "frame 1");
  ASSERT_TRUE(io->watch(many, own_));
  EXPECT_TRUE(io->leaves_out_fast()) << io->fast_problem();
  EXPECT_EQ(first_of(*io, {long_, short_}), "frame 1");
}

TEST_P(FastTap, SaysWhenItCannot) {
  right_->enter();
  const Fd no_array(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  for (const int taps : {no_array.get(), -1}) {
    auto io = open(taps);
    ASSERT_TRUE(io);
    ASSERT_TRUE(io->watch(vips_, own_));
    EXPECT_FALSE(io->leaves_out_fast());
    EXPECT_EQ(io->fast_problem().empty(), taps < 0) << io->fast_problem();
    EXPECT_EQ(first_of(*io, {long_}), "frame 0");
  }
}

INSTANTIATE_TEST_SUITE_P(Each, FastTap, testing::Values(IoMode::ring, IoMode::socket),
                         [](const auto& one) { return one.param == IoMode::ring ? "Ring" : "Socket"; });

}  // namespace
}  // namespace rawvs::test
