// SPDX-License-Identifier: BSD-2-Clause
// packet_socket.h: the back end "ring": an AF_PACKET socket with a receive ring.
//
// PACKET_MMAP TPACKET_V2 ring (V3 delays frames by up to half a millisecond), PACKET_VNET_HDR in both directions,
// PACKET_COPY_THRESH for frames larger than a slot, PACKET_IGNORE_OUTGOING. packet(7), packet_mmap.rst.
#pragma once

#include <linux/if_ether.h>

#include "sys/io/link_socket.h"

namespace rawvs {

class PacketSocket final : public LinkSocket {
 public:
  static Result<std::unique_ptr<PacketSocket>> open(const Options& options);
  ~PacketSocket() override;

  const char* name() const override { return "ring"; }
  size_t receive(std::span<Frame> frames) override;
  void release() override;  // returns the slots of the last receive() to the kernel

 private:
  struct Ring {
    uint8_t* base = nullptr;
    size_t bytes = 0;
    uint32_t slots = 0, slot_bytes = 0;
    tpacket2_hdr* at(uint32_t slot) const {
      return reinterpret_cast<tpacket2_hdr*>(base + size_t{slot} * slot_bytes);  // the kernel aligns slots to pages
    }
  };
  // Whole frames: an IP packet of 64 KB, Ethernet header, one VLAN tag. Pages are touched only when one arrives.
  static constexpr size_t kWholeFrames = 32;
  static constexpr size_t kWholeSize = kHeadroom + 65535 + ETH_HLEN + 4;

  explicit PacketSocket(const Options& options);
  Result<Done> prepare();
  Result<Done> make_ring(int& refused);  // refused: the errno with which the kernel refused it
  bool fill(Frame& frame, tpacket2_hdr* slot, uint32_t status);
  bool read_whole(Frame& frame);

  Ring ring_;
  uint32_t next_ = 0;  // the slot that the kernel fills next
  uint32_t lent_ = 0;  // slots before it that the director still uses
  size_t whole_lent_ = 0;
  std::unique_ptr<uint8_t[]> whole_;
};

}  // namespace rawvs
