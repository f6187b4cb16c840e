// SPDX-License-Identifier: BSD-2-Clause
// xdp_program.h: the XDP program that redirects the director's frames past the kernel, and its maps.
//
// It redirects what is certainly the director's: unfragmented IPv4, or IPv6 without extension headers, to one of our
// MAC addresses that goes to a VIP, or to a service's port of an address of the host, or is a NAT server's reply of a
// known flow. Everything else passes: ARP and neighbour discovery, fragments, ICMP errors, tagged and long frames. The
// packet socket and the guard handle these as if there were no XDP.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "sys/guard/bpf.h"
#include "sys/io/frame_io.h"

namespace rawvs {

class XdpProgram {
 public:
  static constexpr uint32_t kMostVips = 131072;  // of each family

  // Redirects nothing yet. The program is detached when its link's descriptor closes, also by a crash. longest: longer
  // frames pass, bytes. REQUIRES: flows outlives it.
  static Result<std::unique_ptr<XdpProgram>> attach(int ifindex, uint32_t longest, FlowMap& flows);

  Result<Done> redirect_to(int xsk);  // an AF_XDP socket, bound to the interface's queue 0
  Result<Done> watch(const Watch& watch, std::span<const Mac> own);
  bool native() const { return native_; }

 private:
  XdpProgram(uint32_t longest, FlowMap& flows, BpfMap vips)
      : longest_(longest), flows_(flows), vips_(std::move(vips)) {}
  struct Knowledge {              // parts of the program, which stay once they were needed
    std::array<bool, 2> flows{};  // by family
    bool vips6 = false;
    std::array<bool, 2> ports{};  // of addresses of the host
    friend bool operator==(const Knowledge&, const Knowledge&) = default;
  };
  Result<Fd> load(std::span<const Mac> own, Knowledge knows);
  Result<Done> attach_to(int ifindex);
  struct Redirected {
    uint32_t what = 0;  // 0: all that is sent to the address; else protocol and port
    Ip address{};
    friend auto operator<=>(const Redirected&, const Redirected&) = default;
  };
  Result<Done> follow(const std::vector<Redirected>& wanted);
  int change(const Redirected& one, bool known);  // 0 or an errno

  uint32_t longest_;
  FlowMap& flows_;
  BpfMap vips_;
  Fd sockets_, program_, link_;
  std::optional<BpfMap> vips6_;                 // made with the first IPv6 VIP
  std::array<std::optional<BpfMap>, 2> ports_;  // by family, made with the first port
  bool native_ = false;
  Knowledge knows_{};
  std::vector<Mac> own_{};
  std::vector<Redirected> told_;  // what is in the maps, sorted
};

}  // namespace rawvs
