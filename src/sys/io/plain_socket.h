// SPDX-License-Identifier: BSD-2-Clause
// plain_socket.h: the back end "socket": an AF_PACKET socket read with recvmmsg(2), without a ring.
//
// For kernels whose rings lack a needed feature, and for hosts without memory for a ring: frames wait in the socket's
// queue, where a small frame takes little. A packet takes a third more time than with a ring.
#pragma once

#include "sys/io/link_socket.h"

namespace rawvs {

class PlainSocket final : public LinkSocket {
 public:
  static Result<std::unique_ptr<PlainSocket>> open(const Options& options);

  const char* name() const override { return "socket"; }
  size_t receive(std::span<Frame> frames) override;
  void release() override { lent_ = 0; }

 private:
  static constexpr size_t kFrames = 32;  // borrowed at once
  struct Envelope {                      // received with a frame
    VnetHeader header;
    std::array<iovec, 2> parts{};
    sockaddr_ll from{};
    alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(tpacket_auxdata))> control{};
  };
  explicit PlainSocket(const Options& options);
  Result<Done> prepare();
  size_t read_some(size_t most);
  bool fill(Frame& frame, size_t at);
  uint8_t* data_of(size_t at);

  size_t lent_ = 0;                  // buffers in use
  std::unique_ptr<uint8_t[]> data_;  // not initialised: a page is touched only by a frame that reaches it
  std::array<Envelope, kFrames> envelopes_{};
  std::array<mmsghdr, kFrames> messages_{};
};

}  // namespace rawvs
