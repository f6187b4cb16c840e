// SPDX-License-Identifier: BSD-2-Clause
// vnet_header.h: struct virtio_net_hdr of linux/virtio_net.h, whose older versions are no valid C++ (a member is called
// "class"): a frame's offload facts as PACKET_VNET_HDR and tun's IFF_VNET_HDR carry them, in the machine's byte order.
#pragma once

#include "rawvs/frame.h"

namespace rawvs {

struct VnetHeader {
  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t hdr_len = 0;
  uint16_t gso_size = 0;
  uint16_t csum_start = 0;
  uint16_t csum_offset = 0;
  Offload offload() const { return {flags, gso_type, hdr_len, gso_size, csum_start, csum_offset}; }
  // For sending: "checksum valid" is for receivers only.
  static VnetHeader of(const Offload& o) {
    return {static_cast<uint8_t>(o.flags & Offload::needs_checksum),
            o.segmentation,
            o.header_size,
            o.segment_size,
            o.checksum_start,
            o.checksum_offset};
  }
};
static_assert(sizeof(VnetHeader) == 10);

}  // namespace rawvs
