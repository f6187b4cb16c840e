// SPDX-License-Identifier: BSD-2-Clause
// frame_exchange.cpp: receives a batch of frames, passes it to the director, and sends the result.
#include "sys/engine/frame_exchange.h"

#include <algorithm>
#include <utility>

#include "rawvs/exit.h"

namespace rawvs {
namespace {

constexpr size_t kFramesPerTurn = 512;  // before other parts get their turn

// A super-frame becomes as many packets as it has segments, each in a buffer of its own, and one more for each of the
// pieces that a tunnel may need: computed for TCP's least segment (RFC 9293 section 3.7.1).
size_t own_frames_for(const Frame& frame) {
  constexpr size_t kLeastSegment = 536, kHeaders = 100;
  const bool super = frame.offload.super_frame() && frame.offload.segment_size != 0;
  const size_t segment = super ? frame.offload.segment_size : frame.size;
  const size_t segments = super ? 1 + frame.size / segment : 1;
  const size_t pieces = 1 + (segment + kHeaders) / kLeastSegment;
  return segments * (pieces == 1 ? 1 : 1 + pieces);
}

}  // namespace

size_t fitting(std::span<const Frame> frames) {
  size_t count = 1, own_frames = own_frames_for(frames[0]);
  while (count < frames.size() && (own_frames += own_frames_for(frames[count])) <= Outbox::kBuffers) ++count;
  return count;
}

FrameExchange::FrameExchange(uint32_t most_connections, Director& director, Outbox& outbox, Poller& poller,
                             const Log& log)
    : director_(director), outbox_(outbox), poller_(poller), log_(log), flows_(most_connections) {
  departing_.reserve(Outbox::kDepartures);
}

Result<Done> FrameExchange::open() {
  auto opened = HostRoute::open();
  if (!opened) return opened.error();
  host_route_ = std::move(*opened);
  return Done{};
}

void FrameExchange::set_io(Link link, FrameIo* io) {
  links_[index(link)].io = io;
  count_ = std::max(count_, index(link) + 1);
  poller_.set_frames(link, io ? io->fd() : -1);
}

void FrameExchange::serve(Instant now) {
  if (poller_.frames_wait()) {
    for (const Link link : first_links(count_)) {
      // The interface went down, which netlink reports, too; clearing the error keeps it from waking the loop again.
      if (poller_.failed(link) && links_[index(link)].io) links_[index(link)].io->take_error();
    }
    receive_all(now);
  }
  if (now >= director_.next_deadline()) {
    director_.time_passed({now, outbox_});
    dispatch();
  }
  losses_.look(director_.exits(), {now, outbox_});
  if (!outbox_.notices().empty()) dispatch();
}

Instant FrameExchange::deadline() const { return std::min(director_.next_deadline(), losses_.next_deadline()); }

// Until none is left: more arrive during sending, and looking for them costs less than waiting.
size_t FrameExchange::receive_all(Instant now) {
  size_t served = 0, last = 0;
  do {
    last = 0;
    for (const OfLink& link : std::span(links_).first(count_)) {
      if (link.io) last += receive_batch(*link.io, now);
    }
    served += last;
    if (last == 0 && director_.choosing()) {  // those that arrived meanwhile have to be quick
      director_.caught_up(true, now);
      last = 1;
    }
  } while (last != 0 && served < kFramesPerTurn);
  if (director_.choosing()) director_.caught_up(false, now);
  return std::min(served, kFramesPerTurn);
}

void FrameExchange::drain(Instant now) {
  constexpr int kMostTurns = 32;
  for (int turns = 0; turns < kMostTurns && receive_all(now) == kFramesPerTurn; ++turns) continue;
}

// Handles one batch, if there is one; returns the number of frames.
size_t FrameExchange::receive_batch(FrameIo& io, Instant now) {
  const size_t count = io.receive(frames_);
  if (count == 0) return 0;
  for (auto rest = std::span(frames_).first(count); !rest.empty();) {
    const auto some = rest.first(fitting(rest));
    director_.frames_arrived(some, {now, outbox_});
    dispatch();
    rest = rest.subspan(some.size());
  }
  io.release();
  return count;
}

void FrameExchange::dispatch() {
  change_replies();
  LinkSet leaving;
  for (const Departure& d : outbox_.departures()) leaving.add(d.out);
  while (!leaving.empty()) {
    const Link link = leaving.take();
    FrameIo* const io = links_[index(link)].io;
    if (!io) continue;
    departing_.clear();
    for (const Departure& d : outbox_.departures()) {
      if (d.out == link) departing_.push_back(d.frame);
    }
    io->send(departing_);
  }
  return_to_host();
  for (const Notice& notice : outbox_.notices()) log_.write(notice);
  outbox_.clear();
}

void FrameExchange::change_replies() {
  if (!guard_knows_flows_) return;
  flows_.change(outbox_.reply_changes());
  if (flows_.refused() == 0 || std::exchange(flows_warned_, true)) return;
  log_.write(Severity::warning, system_error("guard: a NAT connection does not fit: this host's kernel also routes its "
                                             "answers, untranslated",
                                             flows_.problem()));
}

void FrameExchange::return_to_host() {
  for (const Frame& frame : outbox_.returned()) {
    // Without a guard the kernel has its own copy.
    if (links_[index(frame.link)].guarded) host_route_->send(frame);
  }
  for (const Frame& frame : outbox_.delivered()) {
    if (links_[index(frame.link)].guarded) host_route_->deliver(frame);
  }
  uint64_t too_long = 0, failed = 0, undelivered = 0;
  for (const Link link : first_links(count_)) {
    const HostRoute::Counters& count = host_route_->counters(link);
    too_long += count.too_long, failed += count.failed, undelivered += count.undelivered;
  }
  if (undelivered != 0 && !std::exchange(undelivered_warned_, true)) {
    log_.write(Severity::warning,
               "a packet for this host as a real server (Local) was refused by its kernel: a firewall's OUTPUT rule?");
  }
  if (too_long + failed == undelivered || std::exchange(host_route_warned_, true)) return;
  log_.write(Severity::warning, too_long != 0
                                    ? "a NAT server's packet that is none of ours is too long for its way: dropped"
                                    : "a NAT server's packet that is none of ours was refused by this host's kernel: "
                                      "no route, or a firewall's OUTPUT rule");
}

}  // namespace rawvs
