// SPDX-License-Identifier: BSD-2-Clause
// root_net.h: network namespaces for tests that need root. They have no names: they and their interfaces disappear with
// the test program, however it ends.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "frames.h"
#include "sys/io/link_socket.h"

namespace rawvs::test {

class Netns {
 public:
  Netns();  // new and empty, but for lo, which is up
  ~Netns();
  Netns(const Netns&) = delete;
  Netns& operator=(const Netns&) = delete;
  void enter() const;        // what this thread and its children open from now on is in here
  std::string path() const;  // for `ip link set ... netns PATH`

 private:
  int fd_;
};

void shell(const std::string& command);                                // expects it to succeed
std::string output_of(const std::string& command);                     // standard output and error
int ifindex_of(const std::string& name);                               // in the namespace entered last
void write_sysctl(const std::string& name, const std::string& value);  // net/ipv4/ip_forward

// Skips the test, with a reason, unless namespaces can be made; puts the thread back where it was afterwards.
class RootNet : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

 private:
  int home_ = -1;
};

// In a namespace of its own.
class RootNetInside : public RootNet {
 protected:
  void SetUp() override;
  void TearDown() override;
  std::optional<Netns> space_;
};

inline constexpr Mac kLeft{{2, 0, 0, 0, 0, 1}}, kRight{{2, 0, 0, 0, 0, 2}};

//   left | l0 192.0.2.1/24 ---- r0 192.0.2.2/24 | right
class VethPair : public RootNet {
 protected:
  void SetUp() override;
  void TearDown() override;
  // The kernel sets up a queue some time after the carrier; frames sent before are lost, but count as sent.
  static void wait_for_link(const std::string& name);
  std::optional<Netns> left_, right_;
};

std::unique_ptr<LinkSocket> open_socket(const std::string& interface, const std::string& filter,
                                        uint32_t ring_frames = 256, IoMode mode = IoMode::ring);
bool send_bytes(FrameIo& io, const FrameBytes& bytes, const Offload& offload = {});  // true: accepted

struct SuperFrame {
  FrameBytes bytes;
  Offload offload;
};
// A TCP segment to the other end's port 5001, longer than any packet, its checksum partial. from: kLeft or kRight.
SuperFrame super_frame(Mac from, size_t payload);

struct Caught {  // a frame that came, copied
  FrameBytes bytes;
  Offload offload;
  uint16_t vlan = 0;
  uint32_t headroom = 0;
};
// The next frame, or an empty one after two seconds.
Caught next_frame(FrameIo& io);

}  // namespace rawvs::test
