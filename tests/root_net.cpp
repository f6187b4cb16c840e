// SPDX-License-Identifier: BSD-2-Clause
#include "root_net.h"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sys/io/packet_socket.h"
#include "sys/io/plain_socket.h"

namespace rawvs::test {
namespace {

int own_namespace() { return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC); }

}  // namespace

Netns::Netns() {
  const int before = own_namespace();
  if (unshare(CLONE_NEWNET) != 0) ADD_FAILURE() << "unshare: " << std::strerror(errno);
  fd_ = own_namespace();
  shell("ip link set lo up");
  setns(before, CLONE_NEWNET);
  close(before);
}

Netns::~Netns() { close(fd_); }

void Netns::enter() const { ASSERT_EQ(setns(fd_, CLONE_NEWNET), 0) << std::strerror(errno); }

std::string Netns::path() const { return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_); }

void shell(const std::string& command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; }

std::string output_of(const std::string& command) {
  FILE* const pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  std::string out;
  char piece[512];
  for (size_t n = 0; (n = fread(piece, 1, sizeof piece, pipe)) > 0;) out.append(piece, n);
  pclose(pipe);
  return out;
}

int ifindex_of(const std::string& name) { return static_cast<int>(if_nametoindex(name.c_str())); }

void write_sysctl(const std::string& name, const std::string& value) {
  FILE* const file = fopen(("/proc/sys/" + name).c_str(), "w");
  ASSERT_NE(file, nullptr) << name;
  fputs(value.c_str(), file);
  EXPECT_EQ(fclose(file), 0) << name;
}

void RootNet::SetUp() {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: makes network namespaces";
  if (std::system("ip -V >/dev/null 2>&1") != 0) GTEST_SKIP() << "needs ip(8), package iproute2";
  home_ = own_namespace();
  if (unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "cannot make network namespaces: " << std::strerror(errno);
}

void RootNet::TearDown() {
  if (home_ < 0) return;
  EXPECT_EQ(setns(home_, CLONE_NEWNET), 0);
  close(home_);
}

void RootNetInside::SetUp() {
  RootNet::SetUp();
  if (IsSkipped()) return;
  space_.emplace();
  space_->enter();
}

void RootNetInside::TearDown() {
  RootNet::TearDown();
  space_.reset();
}

void VethPair::SetUp() {
  RootNet::SetUp();
  if (IsSkipped()) return;
  left_.emplace(), right_.emplace();
  right_->enter();
  write_sysctl("net/ipv6/conf/all/disable_ipv6", "1");
  left_->enter();
  write_sysctl("net/ipv6/conf/all/disable_ipv6", "1");
  shell("ip link add l0 address 02:00:00:00:00:01 type veth peer name r0 address 02:00:00:00:00:02 netns " +
        right_->path());
  shell("ip addr add 192.0.2.1/24 dev l0 && ip link set l0 up");
  right_->enter();
  shell("ip addr add 192.0.2.2/24 dev r0 && ip link set r0 up");
  wait_for_link("r0");
  left_->enter();
  wait_for_link("l0");
}

void VethPair::TearDown() {
  RootNet::TearDown();
  left_.reset(), right_.reset();
}

void VethPair::wait_for_link(const std::string& name) {
  shell("for i in $(seq 100); do ip -o link show " + name +
        " 2>/dev/null | grep -q 'state UP' && exit 0; sleep 0.05; done; exit 1");
}

std::unique_ptr<LinkSocket> open_socket(const std::string& interface, const std::string& filter, uint32_t ring_frames,
                                        IoMode mode) {
  FrameIo::Options options;
  options.ifindex = ifindex_of(interface);
  options.name = interface;
  options.ring_frames = ring_frames;
  std::unique_ptr<LinkSocket> io;
  if (mode == IoMode::socket) {
    auto opened = PlainSocket::open(options);
    EXPECT_TRUE(opened) << opened.error().text;
    if (opened) io = std::move(*opened);
  } else {
    auto opened = PacketSocket::open(options);
    EXPECT_TRUE(opened) << opened.error().text;
    if (opened) io = std::move(*opened);
  }
  if (io && !filter.empty()) {
    const auto set = io->set_filter(filter);
    EXPECT_TRUE(set) << set.error().text;
  }
  return io;
}

SuperFrame super_frame(Mac from, size_t payload) {
  const bool rightwards = from == kLeft;
  SuperFrame made{frame(Tcp{.src = rightwards ? "192.0.2.1" : "192.0.2.2",
                            .dst = rightwards ? "192.0.2.2" : "192.0.2.1",
                            .dport = 5001,
                            .flags = "A",
                            .data = std::string(payload, 'x'),
                            .from = from,
                            .to = rightwards ? kRight : kLeft}),
                  {}};
  made.offload.flags = Offload::needs_checksum;
  made.offload.segmentation = Offload::tcp4;
  made.offload.header_size = 54;
  made.offload.segment_size = 1448;
  made.offload.checksum_start = 34;
  made.offload.checksum_offset = 16;
  return made;
}

bool send_bytes(FrameIo& io, const FrameBytes& bytes, const Offload& offload) {
  FrameBytes copy = bytes;
  Frame frame;
  frame.data = copy.data();
  frame.size = static_cast<uint32_t>(copy.size());
  frame.offload = offload;
  const uint64_t before = io.counters().sent;
  io.send({&frame, 1});
  return io.counters().sent == before + 1;
}

Caught next_frame(FrameIo& io) {
  Caught caught;
  for (int tries = 0; tries < 20 && caught.bytes.empty(); ++tries) {
    Frame frame;
    if (io.receive({&frame, 1}) == 1) {
      caught = {FrameBytes(frame.data, frame.data + frame.size), frame.offload, frame.vlan, frame.headroom};
    } else {
      pollfd wait{io.fd(), POLLIN, 0};
      poll(&wait, 1, 100);
    }
    io.release();
  }
  return caught;
}

}  // namespace rawvs::test
