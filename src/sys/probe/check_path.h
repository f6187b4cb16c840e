// SPDX-License-Identifier: BSD-2-Clause
// check_path.h: passes the packets of a check with via = vip from this host's kernel to the director.
// In:  probes whose sockets have the mark kMark (SO_MARK).
// Out: their packets, and the server of each; the director forwards them (Director::check_arrived()).
// Not: forwarding, probing (probes.h).
//
// A rule of policy routing (ip-rule(8)) and a table with one route send marked packets to lo, where a packet socket
// receives them; their ports show which probe sent them. They go no further: the kernel does not route what arrives on
// lo back to lo, and a guard drops them before this host's own programs. Each family has its rule and its table. Where
// there is no guard, replies of those programs are ignored (ProbeTarget::mark). The server's replies come to the host's
// own address from outside, as usual.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "core/service.h"
#include "rawvs/config.h"
#include "rawvs/frame.h"
#include "rawvs/result.h"

namespace rawvs {

class CheckPath {
 public:
  static constexpr uint32_t kMark = 0x52560001, kTable = 21078,
                            kPriority = 82;  // of the rule; chosen not to collide with others
  static constexpr uint32_t kMtu = 1280;     // bytes: such packets fit into any tunnel on usual links

  struct Addressee {  // a server of a service in the director's tables
    ServiceKey service{};
    Endpoint server{};
  };

  // Makes guard and socket, and rule and route of this family; the destructor removes them. What a killed rawvsd left
  // is replaced.
  static Result<std::unique_ptr<CheckPath>> open(GuardMode guard, Family family = Family::ipv4);
  ~CheckPath();
  CheckPath(const CheckPath&) = delete;
  CheckPath& operator=(const CheckPath&) = delete;

  int fd() const;                     // readable when packets wait
  const std::string& remark() const;  // why there is no guard; empty: there is one

  // To call before a probe begins: an error if the kernel would not send its packets here. Makes rule and route of its
  // family if there are none.
  Result<Done> leads(Endpoint vip, Ip source);
  // Records the server of a probe's flow. The record outlives the probe while there is room: closing sends a packet,
  // too.
  void expect(const FlowKey& flow, const Addressee& addressee);

  // The next packets, at most frames.size(), valid until release(), as with FrameIo.
  size_t receive(std::span<Frame> frames);
  void release();
  const Addressee* addressee(const Frame& frame) const;  // null: of no recorded flow

 private:
  struct Impl;
  Result<Done> make_route(Family family);
  explicit CheckPath(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
