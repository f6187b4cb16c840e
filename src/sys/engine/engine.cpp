// SPDX-License-Identifier: BSD-2-Clause
// engine.cpp: the loop. A turn: wait; read the clock; frames, link changes, requests, deadlines; send what came out.
// poll(), not epoll, for the frames: nobody calls back for every one that arrives while we are awake. What seldom
// speaks waits behind one epoll, so that poll() has three descriptors to look at.
#include "rawvs/engine.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "sys/engine/engine_saving.h"
#include "sys/engine/engine_syncing.h"
#include "sys/ha/vrrp_socket.h"

namespace rawvs {
namespace {

constexpr size_t kFramesPerTurn = 512;  // before others get their turn

// A super-frame becomes as many packets as it has segments, and each of them a letter, and one more for each of the
// pieces that a tunnel may need: here such that TCP's least segment fits (RFC 9293 section 3.7.1).
size_t letters_for(const Frame& frame) {
  constexpr size_t kLeastSegment = 536, kHeaders = 100;
  const bool super = frame.offload.super_frame() && frame.offload.segment_size != 0;
  const size_t segment = super ? frame.offload.segment_size : frame.size;
  const size_t segments = super ? 1 + frame.size / segment : 1;
  const size_t pieces = 1 + (segment + kHeaders) / kLeastSegment;
  return segments * (pieces == 1 ? 1 : 1 + pieces);
}

}  // namespace

size_t fitting(std::span<const Frame> frames) {
  size_t count = 1, letters = letters_for(frames[0]);
  while (count < frames.size() && (letters += letters_for(frames[count])) <= Outbox::kLetters) ++count;
  return count;
}

// Many changes at once: filter and guard follow when all are made, since each time they may take long; only then the
// LAN is told.
void Engine::change(const std::function<void()>& changes) {
  director_.hold_speech(true);
  changes();
  settle_checks();
  director_.hold_speech(false);
  settle();
}

// Filter and guard first, then the frames: the answer to what is asked now must find the filter open. The ways to new
// servers are found out before the request that added them is answered.
void Engine::settle() {
  follow_watch();
  dispatch();
  follow_routes();
}

// Does what the director said. Called after every call of its door. A flow has to be in the guard's map before its
// first packet leaves, or the answer might come earlier.
void Engine::dispatch() {
  change_replies();
  for (const Link link : {Link::outside, Link::inside}) {
    FrameIo* const io = ports_[index(link)].io.get();
    departing_.clear();
    for (const Departure& d : outbox_.departures()) {
      if (d.out == link && io) departing_.push_back(d.frame);
    }
    if (!departing_.empty()) io->send(departing_);
  }
  return_to_host();
  for (const Notice& notice : outbox_.notices()) log_.write(notice.severity, notice.text);
  outbox_.clear();
}

void Engine::change_replies() {
  if (!guard_knows_flows_) return;
  flows_.change(outbox_.reply_changes());
  if (flows_.refused() == 0 || std::exchange(flows_warned_, true)) return;
  log_.write(Severity::warning, system_error("guard: a NAT connection does not fit: this host's kernel also routes its "
                                             "answers, untranslated",
                                             flows_.problem()));
}

void Engine::return_to_host() {
  for (const Frame& frame : outbox_.returned()) {
    // Without a guard the kernel has its own copy.
    if (ports_[index(frame.link)].guard) host_route_->send(frame);
  }
  uint64_t too_long = 0, failed = 0;
  for (const Link link : {Link::outside, Link::inside}) {
    too_long += host_route_->counters(link).too_long, failed += host_route_->counters(link).failed;
  }
  if (too_long + failed == 0 || std::exchange(host_route_warned_, true)) return;
  log_.write(Severity::warning, too_long != 0
                                    ? "a NAT server's packet that is none of ours is too long for its way: dropped"
                                    : "a NAT server's packet that is none of ours was refused by this host's kernel: "
                                      "no route, or a firewall's OUTPUT rule");
}

void Engine::count_links() {
  for (const Link link : {Link::outside, Link::inside}) {
    const Port& port = ports_[index(link)];
    LinkCounters counters = port.past;
    if (port.io) counters += port.io->counters();
    const HostRoute::Counters& back = host_route_->counters(link);
    counters.returned = back.sent;
    counters.return_failed = back.expired + back.too_long + back.failed;
    counters.vips = port.told.watch.vips.size();
    if (port.guard) counters.guard = port.guard->way(), counters.guarded_vips = port.guard->guarded_vips();
    if (port.guard && port.guard->knows_flows()) counters.unguarded = flows_.refused();
    director_.link_counted(link, counters);
  }
}

// One batch, if there is one: how many frames.
size_t Engine::serve_port(Port& port) {
  const size_t count = port.io ? port.io->receive(frames_) : 0;
  if (count == 0) return 0;
  for (auto rest = std::span(frames_).first(count); !rest.empty();) {
    const auto some = rest.first(fitting(rest));
    director_.frames_arrived(some, {now_, outbox_});
    dispatch();
    rest = rest.subspan(some.size());
  }
  port.io->release();
  return count;
}

// Until none is left: more arrive while some are sent, and to look for them costs less than to wait.
void Engine::serve_ports() {
  size_t served = 0, last = 0;
  do {
    last = 0;
    for (Port& port : ports_) last += serve_port(port);
    served += last;
  } while (last != 0 && served < kFramesPerTurn);
}

// Who sees a reply may rely on it: one to a change waits for the next turn, which comes at once, and begins when filter
// and guard have followed the changes of all clients who were served in this one.
void Engine::serve_control() {
  const uint32_t settled = director_.watch_version();
  change([&] {
    control_->serve(
        [&](std::string_view request, const Operator& who) {
          count_links();
          desk_.wall = wall_offset();  // the wall clock may have been set
          const auto begin = [this](std::string_view asked, const Operator& by) {
            Conversation reply = answer(asked, director_, {now_, outbox_}, desk_, by);
            dispatch();
            return reply;
          };
          if (jobs_.empty() || !changes_something(request)) return begin(request, who);
          return Conversation({[this] { return jobs_.empty(); },
                               [begin, asked = std::string(request), who] { return begin(asked, who); }});
        },
        [&](Conversation& reply) {
          return director_.watch_version() == settled ? reply.next(director_, now_) : Piece();
        },
        now_);
  });
}

Instant Engine::next_deadline() const {
  if (!jobs_.empty()) return now_;  // at once
  Instant first =
      std::min({director_.next_deadline(), control_->next_deadline(), routes_due(), ha_deadline(), sync_deadline(),
                state_due_, operators_.next_deadline(), losses_.next_deadline(), trial_deadline()});
  for (const Port& port : ports_) first = std::min({first, port.retry, port.told.again});
  return first;
}

Engine::End Engine::run() {
  replacing_ = false;
  while (!stopping_ && !replacing_) wait_and_serve();
  if (!stopping_) return End::replace;
  operators_.end(outbox_);
  dispatch();
  stop_vrrp();
  save_all();
  return End::stop;
}

void Engine::wait_and_serve() {
  constexpr Duration kLongestWait = 60s;
  const Instant deadline = next_deadline();
  const Duration wait = std::min(left_until(deadline, clock_now()), kLongestWait);
  const int wait_ms = deadline == kNever ? -1 : static_cast<int>(wait.count());
  const auto fd_of = [](const Port& port) { return port.io ? port.io->fd() : -1; };  // -1: poll() passes it over
  std::array<pollfd, 3> ready{{{fd_of(ports_[0]), POLLIN, 0}, {fd_of(ports_[1]), POLLIN, 0}, {others_, POLLIN, 0}}};
  const bool any = poll(ready.data(), ready.size(), wait_ms) > 0;
  now_ = clock_now();
  serve_vrrp();
  if (any) {
    for (size_t i = 0; i < kLinks; ++i) {
      // The interface went down: netlink tells, too; here the error is only taken, so that it does not wake us again.
      if ((ready[i].revents & POLLERR) && ports_[i].io) ports_[i].io->take_error();
    }
    if (ready[0].revents != 0 || ready[1].revents != 0) serve_ports();
    if (ready[2].revents != 0) serve_others();
  }
  if (now_ >= director_.next_deadline()) {
    director_.time_passed({now_, outbox_});
    dispatch();
  }
  serve_checks();
  work_on_jobs();
  tell_sync();
  save_some();
  serve_trial();
  if (now_ >= routes_due()) follow_routes();
  follow_watch();
  control_->wake(now_);
  control_->time_passed(now_);
  write_late_lines();
  for (const Link link : {Link::outside, Link::inside}) {
    if (now_ >= ports_[index(link)].retry) try_link(link);
  }
}

void Engine::serve_others() {
  std::array<epoll_event, 3> events{};
  const int count = epoll_wait(others_, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    switch (events[static_cast<size_t>(i)].data.u64) {
      case kNetlink: follow_kernel(netlink_->changed()); break;
      case kControl: serve_control(); break;
      case kSignals: read_signals(); break;
      case kSync: hear_sync(); break;
      case kCheckPath: serve_check_path(); break;
      default: break;
    }
  }
}

// What the log says when it is over, or at most each minute: many changes, packets for which there was no room.
void Engine::write_late_lines() {
  operators_.time_passed({now_, outbox_});
  losses_.look(director_.exits(), {now_, outbox_});
  if (!outbox_.notices().empty()) dispatch();
}

void Engine::renew_control() {
  const auto made = control_->renew();
  if (!made) {
    log_.write(Severity::warning, made.error().text);
  } else if (*made) {
    log_.write(Severity::notice, "control socket " + config_.control + " had been deleted: made again");
  }
}

void Engine::read_signals() {
  signalfd_siginfo info{};
  while (read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP) {
      renew_control();
      log_.write(Severity::notice, "SIGHUP: reading " + desk_.file + " again");
      static_cast<void>(begin_reload(false));  // what came of it is in the log
      continue;
    }
    if (info.ssi_signo == SIGUSR2) {
      log_.write(Severity::notice, "SIGUSR2: the program is to be replaced");
      begin_trial();
      continue;
    }
    log_.write(Severity::notice, info.ssi_signo == SIGINT ? "SIGINT: stopping" : "SIGTERM: stopping");
    stopping_ = true;
  }
}

}  // namespace rawvs
