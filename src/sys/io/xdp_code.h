// SPDX-License-Identifier: BSD-2-Clause
// xdp_code.h: the instructions of the XDP program (xdp_program.h).
#pragma once

#include <linux/bpf.h>

#include <optional>
#include <span>
#include <vector>

#include "rawvs/frame.h"

namespace rawvs {

struct XdpFacts {
  std::span<const Mac> own;
  uint32_t longest;                                        // bytes: longer frames pass
  int vips, sockets;                                       // maps
  std::optional<int> vips6, flows, flows6, ports, ports6;  // maps; none: not needed
  bool ipv6() const { return vips6 || flows6 || ports6; }
};
std::vector<bpf_insn> xdp_code(const XdpFacts& facts);

// A key of the maps of ports: protocol and port as one number in the machine's order, then the address.
inline constexpr int kPortKeyAddress = 4;
constexpr uint32_t port_key(Protocol protocol, uint32_t port) { return static_cast<uint32_t>(protocol) << 16 | port; }

}  // namespace rawvs
