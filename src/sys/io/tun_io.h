// SPDX-License-Identifier: BSD-2-Clause
// tun_io.h: the back end "tun": this host's own packets to VIPs, and what is sent back to this host.
//
// Packets are read from and written to the tun interface's descriptor one by one, with their offload facts; frames have
// the Ethernet header of a link without Ethernet (bare_link.h). The kernel's routes choose the packets: there is no
// filter.
#pragma once

#include <array>
#include <memory>

#include "sys/io/frame_io.h"

namespace rawvs {

class TunIo final : public FrameIo {
 public:
  TunIo(int fd, Link link);  // REQUIRES: the descriptor (sys/net/tun.h) outlives it

  const char* name() const override { return "tun"; }
  std::string remark() const override { return {}; }
  int fd() const override { return fd_; }
  Result<Done> watch(const Watch&, std::span<const Mac>) override { return Done{}; }
  Result<Done> widen(const Watch&, std::span<const Mac>) override { return Done{}; }
  bool filter_is_wide() const override { return false; }
  Missing missing() const override { return {}; }
  size_t receive(std::span<Frame> frames) override;
  void release() override { lent_ = 0; }
  void send(std::span<const Frame> frames) override;
  LinkCounters counters() override { return counters_; }
  bool take_error() override;

 private:
  static constexpr size_t kFrames = 32;  // borrowed at once
  static constexpr size_t kFrameSize = kHeadroom + kEthernetSize + 65535;
  bool read_one(Frame& frame, bool& more);
  void send_one(Frame frame);
  void write_one(const Frame& frame);

  int fd_;
  Link link_;
  size_t lent_ = 0;
  bool error_seen_ = false;
  LinkCounters counters_{};
  std::unique_ptr<uint8_t[]> data_;      // not initialised: a page is touched only by a packet that reaches it
  std::array<uint8_t, 9728> segment_{};  // jumbo frames
};

}  // namespace rawvs
