// SPDX-License-Identifier: BSD-2-Clause
// frame_exchange.h: passes frames from the interfaces to the director, and acts on its outbox.
// In:  frames; the time, when the director's deadline has passed.
// Out: frames sent, or given back to the host's kernel; reply flows for the guards' map; lines in the log.
// Not: opening interfaces (ports.h), decisions (director.h).
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "core/loss_log.h"
#include "rawvs/director.h"
#include "sys/engine/part.h"
#include "sys/engine/poller.h"
#include "sys/guard/guard.h"
#include "sys/io/frame_io.h"
#include "sys/net/host_route.h"
#include "sys/sys.h"

namespace rawvs {

class FrameExchange final : public Part {
 public:
  FrameExchange(uint32_t most_connections, Director& director, Outbox& outbox, Poller& poller, const Log& log);
  Result<Done> open();

  void serve(Instant now) override;
  Instant deadline() const override;

  void drain(Instant now);  // handles the frames that have arrived until now, a bounded number of them

  // Acts on the outbox; to call after every call of the director. A flow enters the guards' map before its first packet
  // leaves: the reply might come earlier.
  void dispatch();

  // Sets the source and destination of this link's frames, borrowed; null: none.
  void set_io(Link link, FrameIo* io);
  void set_guarded(Link link, bool guarded) { links_[index(link)].guarded = guarded; }
  void set_guard_knows_flows(bool knows) { guard_knows_flows_ = knows; }  // true: a guard uses flows(), or will
  FlowMap& flows() { return flows_; }
  const HostRoute::Counters& returned(Link link) const { return host_route_->counters(link); }

 private:
  struct OfLink {
    FrameIo* io = nullptr;
    bool guarded = false;  // the kernel gets no copy of its frames
  };
  size_t receive_all(Instant now);  // kFramesPerTurn: more may wait
  size_t receive_batch(FrameIo& io, Instant now);
  void change_replies();
  void return_to_host();

  Director& director_;
  Outbox& outbox_;
  Poller& poller_;
  const Log& log_;
  std::array<OfLink, kMostLinks> links_{};
  size_t count_ = 0;  // of links_ in use
  FlowMap flows_;
  std::unique_ptr<HostRoute> host_route_;
  LossLog losses_;  // packets dropped for lack of room
  std::array<Frame, Director::kBatch> frames_{};
  std::vector<Frame> departing_;
  bool guard_knows_flows_ = false;
  bool flows_warned_ = false, host_route_warned_ = false,
       undelivered_warned_ = false;  // logged once: the counters go on
};

// The number of frames, at least one, to pass to the director at once: it may have to cut each of them into packets
// that fit a tunnel, each in a buffer of the outbox.
size_t fitting(std::span<const Frame> frames);

}  // namespace rawvs
