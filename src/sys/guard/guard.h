// SPDX-License-Identifier: BSD-2-Clause
// guard.h: keeps the host's own kernel from handling the frames that the director handles.
// In:  an interface, what the director watches.
// Out: the kernel's copies of these frames are dropped, and no others.
//
// The director receives copies. Without a guard the kernel would route its own copy, or answer it with RST or ICMP, and
// spend more time on it than the director. The guard drops the director's frames on one interface's ingress, right
// after the packet socket's tap. A map of the translated flows selects the replies of NAT servers.
//
// Ways, best first: tcx (a BPF link, Linux 6.6; ends with its file descriptor), clsact (a BPF filter, Linux 4.5;
// survives a crash: the next start replaces it, a stop removes it), classic (the same hook with a classic BPF program,
// for kernels without the bpf system call). tc-bpf(8), bpf(2).
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>

#include "rawvs/config.h"
#include "rawvs/result.h"
#include "side/watch.h"

namespace rawvs {

// The replies of NAT servers that are kept from the host's kernel: one set for the guards of both links, with a map for
// each family. The kernel reserves a map's memory (16 bytes per possible connection, 100 more per existing one) when a
// NAT server of that family appears.
class FlowMap {
 public:
  explicit FlowMap(uint32_t most);
  ~FlowMap();
  FlowMap(const FlowMap&) = delete;
  FlowMap& operator=(const FlowMap&) = delete;

  // In effect from the next frame on. ICMP errors that quote the client's packets of a flow belong to it.
  void change(std::span<const ReplyChange> changes);

  // Flows without room in the map, whose replies the kernel routes untranslated, and the last errno.
  uint64_t refused() const { return refused_; }
  int problem() const { return problem_; }

  Result<int> open(Family family);  // the map's descriptor, for a guard's program

 private:
  struct Map {
    std::unique_ptr<class BpfMap> map;
    bool tried = false;
  };
  template <class Key>
  void change(Map& map, std::span<const ReplyChange> alike, Key (*key_of)(const ReplyFlow&));
  uint32_t most_;
  std::array<Map, 2> maps_;  // by family
  uint64_t refused_ = 0;
  int problem_ = 0;
};

class Guard {
 public:
  // Attaches to the interface, and drops nothing yet: what an earlier rawvsd left there goes on. An error names the
  // ways that were tried, why each failed, and the command that helps. REQUIRES: flows outlives the guard.
  // ethernet = false: its frames are bare IP packets.
  static Result<std::unique_ptr<Guard>> attach(const std::string& interface, int ifindex, GuardMode mode,
                                               FlowMap& flows, bool ethernet = true);
  ~Guard();  // detaches
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // Sets what is dropped from now on: frames to these VIPs and to `own`, our MAC addresses there, the interface's
  // first (none: the link has no Ethernet, and all its frames are sent to us); packets to the services' ports of the
  // host's own addresses, of fragments the first, without which the kernel discards the others; the replies of flows in
  // the map; fragments from NAT servers, which do not show their ports. hosts: the host's own addresses, sorted:
  // packets to them from a NAT server are dropped only if they belong to a flow in the map. The kernel treats every
  // other frame as sent to the host, for each of our MAC addresses: so it routes for hosts whose gateway has a virtual
  // MAC address. (Not with classic, and not before Linux 4.8.) The kernel may not have room for everything: the rest is
  // guarded nevertheless, the error says why, and the next call tries again.
  Result<Done> protect(const Watch& watch, std::span<const Mac> own, const std::vector<Ip>& hosts);

  // This guard knows everything that is to be dropped: what an earlier rawvsd left on the hook is removed.
  void end_former();

  // Where there is to be no guard: removes what a killed rawvsd left on the hook.
  static void remove_left(int ifindex);

  // How many of the VIPs of the last protect() are guarded.
  size_t guarded_vips() const;

  // False: this way cannot distinguish flows. It drops all TCP, UDP and SCTP, ICMP errors and fragments from NAT
  // servers to other addresses than `hosts`, and the director has to give back what is not its own.
  bool knows_flows() const;

  const char* way() const;  // "tcx", "clsact", "classic"

  // The descriptor that keeps the guard attached, in whichever process it is open. -1: the guard stays until detached.
  int link_fd() const;

 private:
  struct Impl;
  explicit Guard(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
