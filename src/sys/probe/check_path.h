// SPDX-License-Identifier: BSD-2-Clause
// check_path.h: how the packets of a check with via = vip, which this host's kernel makes, come to the director, who
// sends them to the one server that they are for (Director::check_arrived()).
// Their socket has a mark (SO_MARK). A rule of policy routing (ip-rule(8)) and a table with one route lead marked
// packets to lo, where a packet socket takes them; whose they are is told by their ports. No further: the kernel routes
// nothing that arrives on lo with the way it has left by, a guard keeps them from this host's own programs, and where
// there can be none, those programs' answers are not heard (ProbeTarget::mark). What the server answers comes to the
// host's own address from outside, as any packet does. Not: forwarding (the director), asking (probes.h).
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
                            kPriority = 82;  // of the rule; nobody else's, it is hoped
  static constexpr uint32_t kMtu = 1280;     // bytes: such packets fit into any tunnel on any usual link

  struct Addressee {  // a server of a service, as in the director's table
    ServiceKey service{};
    Endpoint server{};
  };

  // Makes rule, route, guard and socket; all are gone with the object. What a killed rawvsd left is replaced.
  static Result<std::unique_ptr<CheckPath>> open(GuardMode guard);
  ~CheckPath();
  CheckPath(const CheckPath&) = delete;
  CheckPath& operator=(const CheckPath&) = delete;

  int fd() const;                     // readable when packets wait
  const std::string& remark() const;  // why there is no guard; empty: there is one

  // Before a probe begins: does the kernel send what goes from here to there, with the mark, to us? Else why not.
  Result<Done> leads(Endpoint vip, Ip source);
  // What the probe sends is for this server: from now on, as long as there is room, and also after its end: for
  // closing is a packet, too.
  void expect(const FlowKey& flow, const Addressee& addressee);

  // The next packets, frames.size() at most, whose bytes stay until release(); as FrameIo has them.
  size_t receive(std::span<Frame> frames);
  void release();
  const Addressee* addressee(const Frame& frame) const;  // null: nobody's that is known

 private:
  struct Impl;
  explicit CheckPath(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
