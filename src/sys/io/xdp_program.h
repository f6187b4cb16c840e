// SPDX-License-Identifier: BSD-2-Clause
// xdp_program.h: the XDP program that redirects the director's frames past the kernel, and its maps.
//
// It redirects what is certainly the director's: unfragmented IPv4 to one of our MAC addresses that goes to a VIP, or
// is a NAT server's reply of a known flow. Everything else passes: ARP, fragments, ICMP errors, tagged and long frames.
// The packet socket and the guard handle these as if there were no XDP.
#pragma once

#include <span>

#include "sys/guard/bpf.h"
#include "sys/io/frame_io.h"

namespace rawvs {

class XdpProgram {
 public:
  static constexpr uint32_t kMostVips = 131072;

  // Redirects nothing yet. The program is detached when its link's descriptor closes, also by a crash. longest: longer
  // frames pass, bytes. REQUIRES: flows outlives it.
  static Result<std::unique_ptr<XdpProgram>> attach(int ifindex, uint32_t longest, FlowMap& flows);

  Result<Done> redirect_to(int xsk);  // an AF_XDP socket, bound to the interface's queue 0
  Result<Done> watch(const Watch& watch, std::span<const Mac> own);
  bool native() const { return native_; }

 private:
  XdpProgram(uint32_t longest, FlowMap& flows, BpfMap vips)
      : longest_(longest), flows_(flows), vips_(std::move(vips)) {}
  Result<Fd> load(std::span<const Mac> own, bool with_flows);
  Result<Done> attach_to(int ifindex);
  Result<Done> follow_vips(const std::vector<Ip>& wanted);

  uint32_t longest_;
  FlowMap& flows_;
  BpfMap vips_;
  Fd sockets_, program_, link_;
  bool native_ = false, knows_flows_ = false;
  std::vector<Mac> own_{};
  std::vector<Ip> told_;  // the VIPs in the map, sorted
};

}  // namespace rawvs
