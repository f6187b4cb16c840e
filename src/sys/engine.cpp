// SPDX-License-Identifier: BSD-2-Clause
// engine.cpp: the loop. A turn: wait; read the clock; frames, link changes, requests, deadlines; send what came out.
#include "rawvs/engine.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "rawvs/capture_filter.h"

namespace rawvs {

namespace {

enum Source : uint64_t { kOutside, kInside, kNetlink, kControl, kSignals };

constexpr int kBatchesPerTurn = 4;  // of one interface, before the others get their turn
constexpr Duration kRetryOpen = 1s;
constexpr Duration kRewatchPause = 200ms;

}  // namespace

Engine::Engine(const Config& config, const Log& log)
    : config_(config),
      log_(log),
      now_(clock_now()),
      started_(now_),
      director_(config.settings, random_hash_key(), !config.inside.empty(), now_) {
  departing_.reserve(Outbox::kDepartures);
  ports_[index(Link::outside)].name = config.interface;
  ports_[index(Link::inside)].name = config.inside;
}

Engine::~Engine() {
  for (Port& port : ports_) close_port(port);
  if (epoll_ >= 0) close(epoll_);
}

Result<std::unique_ptr<Engine>> Engine::start(const Config& config, const Log& log, int signals) {
  std::unique_ptr<Engine> engine(new Engine(config, log));
  if (const auto opened = engine->open_all(signals); !opened) return opened.error();
  return engine;
}

Result<Done> Engine::open_all(int signals) {
  if (director_.connections().capacity() == 0) {
    return Error{"no memory for " + std::to_string(config_.settings.max_connections) +
                 " connections: set a smaller max_connections"};
  }
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  signals_ = signals;
  if (epoll_ < 0) return Error{system_error("epoll", errno)};
  if (const auto way = ControlSocket::make_way(config_.control); !way) return way.error();
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  netlink_ = std::move(*netlink);
  if (!poll_for(signals_, kSignals) || !poll_for(netlink_->fd(), kNetlink)) return Error{system_error("epoll", errno)};
  for (const Link link : {Link::outside, Link::inside}) {
    Port& port = ports_[index(link)];
    if (port.name.empty()) continue;
    if (const auto followed = follow_link(link); !followed) return followed.error();
    if (port.facts.usable()) continue;
    log_.write(Severity::warning, "interface " + port.name +
                                      (port.facts.ifindex == 0 ? " does not exist" : " is down") + ": waiting for it");
  }
  if (const auto loaded = load_tables(); !loaded) return loaded.error();
  // Last: who sees the control socket may rely on all of the above.
  auto control = ControlSocket::listen(config_.control, config_.control_group);
  if (!control) return control.error();
  control_ = std::move(*control);
  if (!poll_for(control_->fd(), kControl)) return Error{system_error("epoll", errno)};
  return Done{};
}

Result<Done> Engine::load_tables() {
  const WantedTables tables = wanted_tables(config_);
  director_.set_groups(tables.groups, now_, outbox_);
  settle();
  for (const WantedService& wanted : tables.services) {
    auto refusal = director_.add(wanted.spec, now_, outbox_);
    settle();
    if (refusal) return Error{"service " + text(wanted.spec.key) + ": " + name(*refusal)};
    for (const ServerSpec& server : wanted.servers) {
      refusal = director_.add_server(wanted.spec.key, server, now_, outbox_);
      settle();
      if (refusal)
        return Error{"service " + text(wanted.spec.key) + ": server " + text(server.at) + ": " + name(*refusal)};
    }
  }
  return Done{};
}

bool Engine::poll_for(int fd, uint64_t what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = what;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

// Learns what the kernel says of the link now, and opens or closes the packet socket accordingly.
Result<Done> Engine::follow_link(Link link) {
  Port& port = ports_[index(link)];
  const LinkFacts facts = netlink_->query(port.name);
  const bool other = facts.ifindex != port.facts.ifindex || facts.mtu != port.facts.mtu;
  if (port.socket && (other || !facts.usable())) close_port(port);
  port.facts = facts;
  port.retry = kNever;
  Result<Done> opened = Done{};
  if (!port.socket && facts.usable()) {
    opened = open_port(port, link);
    if (!opened) port.retry = now_ + kRetryOpen;
  }
  // Without a socket the link is as good as down, whatever the kernel says of it.
  LinkFacts known = facts;
  if (!port.socket) known.up = false;
  director_.link_changed(link, known, now_, outbox_);
  settle();
  return opened;
}

Result<Done> Engine::open_port(Port& port, Link link) {
  auto socket = PacketSocket::open({.ifindex = port.facts.ifindex,
                                    .name = port.name,
                                    .link = link,
                                    .ring_frames = config_.ring_frames,
                                    .mtu = port.facts.mtu});
  if (!socket) return socket.error();
  if (!poll_for((*socket)->fd(), link == Link::outside ? kOutside : kInside)) {
    return Error{system_error(port.name + ": epoll", errno)};
  }
  port.socket = std::move(*socket);
  if (config_.guard == GuardMode::off) {
    log_.write(Severity::warning, port.name +
                                      ": guard = off: this host's kernel also handles the frames that rawvsd takes, "
                                      "unless a firewall rule drops them");
  } else if (auto guard = Guard::attach(port.name, port.facts.ifindex, config_.guard)) {
    port.guard = std::move(*guard);
    log_.write(Severity::info, port.name + ": guard attached (" + port.guard->way() + ")");
  } else {
    log_.write(Severity::warning, guard.error().text);
  }
  return Done{};
}

void Engine::close_port(Port& port) {
  if (port.socket) port.past += port.socket->counters();
  port.guard.reset();
  port.socket.reset();  // closing takes it out of epoll, too
  port.told = {};       // its deadline, too: it would wake the loop for ever
}

// Filter and guard follow the director's VIPs at once, so that a VIP is in effect when its request is answered. A
// change of servers may wait a moment: compiling a long filter takes milliseconds, and a restored table changes a
// thousand.
void Engine::follow_watch() {
  const Watch& wanted = director_.watch();
  for (Port& port : ports_) {
    if (!port.socket) continue;
    const bool same = port.told.version == director_.watch_version() && port.told.mac == port.facts.mac;
    if (same && now_ < port.told.again) continue;
    port.told.version = director_.watch_version();
    if (port.told.watch.servers != wanted.servers) port.told.again = std::min(port.told.again, now_ + kRewatchPause);
    const bool at_once = port.told.mac != port.facts.mac || port.told.watch.vips != wanted.vips;
    if (at_once || now_ >= port.told.again) watch_port(port);
  }
}

// The guard first: a frame that nobody handles is sent again, one that two handle is not taken back.
void Engine::watch_port(Port& port) {
  port.told.watch = director_.watch();
  port.told.mac = port.facts.mac;
  port.told.again = kNever;
  if (port.guard) {
    if (const auto done = port.guard->protect(port.told.watch, port.facts.mac); !done) {
      log_.write(Severity::warning, done.error().text);
    }
  }
  if (const auto done = port.socket->set_filter(capture_filter(port.told.watch, port.facts.mac)); !done) {
    log_.write(Severity::error, done.error().text);
  } else if (port.socket->filter_is_wide()) {
    log_.write(Severity::info,
               port.name + ": too many addresses for a socket filter: all IPv4 and ARP frames are looked at");
  }
}

// Filter and guard first, then the frames: the answer to what is asked now must find the filter open.
void Engine::settle() {
  follow_watch();
  dispatch();
}

// Does what the director said. Called after every call of its door.
void Engine::dispatch() {
  for (const Link link : {Link::outside, Link::inside}) {
    PacketSocket* const socket = ports_[index(link)].socket.get();
    departing_.clear();
    for (const Departure& d : outbox_.departures()) {
      if (d.out == link && socket) departing_.push_back(d.frame);
    }
    if (!departing_.empty()) socket->send(departing_);
  }
  for (const Notice& notice : outbox_.notices()) log_.write(notice.severity, notice.text);
  outbox_.clear();
}

void Engine::count_links() {
  for (const Link link : {Link::outside, Link::inside}) {
    const Port& port = ports_[index(link)];
    LinkCounters counters = port.past;
    if (port.socket) counters += port.socket->counters();
    director_.link_counted(link, counters);
  }
}

void Engine::serve_port(Port& port) {
  if (!port.socket) return;
  for (int batch = 0; batch < kBatchesPerTurn; ++batch) {
    const size_t count = port.socket->receive(frames_);
    if (count == 0) break;
    director_.frames_arrived(std::span(frames_).first(count), now_, outbox_);
    dispatch();
    port.socket->release();
    if (count < frames_.size()) break;
  }
}

Instant Engine::next_deadline() const {
  Instant first = std::min(director_.next_deadline(), control_->next_deadline());
  for (const Port& port : ports_) first = std::min({first, port.retry, port.told.again});
  return first;
}

void Engine::run() {
  while (!stopping_) wait_and_serve();
}

void Engine::wait_and_serve() {
  std::array<epoll_event, 8> events{};
  const Instant deadline = next_deadline();
  int wait_ms = -1;
  if (deadline != kNever) {
    const auto wait = std::clamp<Duration::rep>((deadline - clock_now()).count(), 0, 60'000);
    wait_ms = static_cast<int>(wait);
  }
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
  now_ = clock_now();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    switch (event.data.u64) {
      case kOutside:
      case kInside: {
        Port& port = ports_[index(event.data.u64 == kOutside ? Link::outside : Link::inside)];
        // The interface went down: netlink tells, too; here the error is only taken, so that it does not wake us again.
        if ((event.events & EPOLLERR) && port.socket) port.socket->take_error();
        serve_port(port);
        break;
      }
      case kNetlink:
        if (!netlink_->changed()) break;
        for (const Link link : {Link::outside, Link::inside}) {
          if (ports_[index(link)].name.empty()) continue;
          if (const auto followed = follow_link(link); !followed) log_.write(Severity::error, followed.error().text);
        }
        break;
      case kControl:
        control_->serve(
            [&](std::string_view request) {
              count_links();
              Conversation reply = answer(request, director_, now_, outbox_, started_);
              settle();
              return reply;
            },
            [&](Conversation& reply) { return next_piece(reply, director_, now_); }, now_);
        break;
      case kSignals: read_signals(); break;
      default: break;
    }
  }
  if (now_ >= director_.next_deadline()) {
    director_.time_passed(now_, outbox_);
    dispatch();
  }
  follow_watch();
  control_->time_passed(now_);
  for (const Link link : {Link::outside, Link::inside}) {
    if (now_ >= ports_[index(link)].retry) static_cast<void>(follow_link(link));  // the error was logged the first time
  }
}

void Engine::read_signals() {
  signalfd_siginfo info{};
  while (read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP) {
      log_.write(Severity::notice, "SIGHUP: this version does not reload; change the table with rawvsadm");
      continue;
    }
    log_.write(Severity::notice, info.ssi_signo == SIGINT ? "SIGINT: stopping" : "SIGTERM: stopping");
    stopping_ = true;
  }
}

}  // namespace rawvs
