// SPDX-License-Identifier: BSD-2-Clause
// engine_start.cpp: before the loop: all that can be wrong at start; and again when the configuration is another.
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "rawvs/engine.h"
#include "sys/engine/engine_saving.h"
#include "sys/engine/engine_syncing.h"
#include "sys/engine/start_check.h"
#include "sys/engine/trial.h"
#include "sys/ha/vrrp_socket.h"
#include "sys/net/interface_lock.h"

namespace rawvs {

Engine::Engine(const Config& config, const std::string& file, const Log& log)
    : config_(config),
      desk_{clock_now(),
            0,
            static_cast<uint32_t>(getpid()),
            file,
            &config_,
            &ward_,
            &vrrp_,
            {},
            [this](bool reset) { return begin_reload(reset); },
            [this](std::shared_ptr<Job> job) { jobs_.push_back(std::move(job)); },
            [this](const std::optional<SyncConfig>& wanted) { return set_sync(wanted); }},
      log_(log),
      now_(desk_.started),
      director_(config.settings, random_hash_key(), !config.inside.empty(), now_),
      ward_(config.settings.max_servers, random_hash_key().k0),
      flows_(config.settings.max_connections),
      file_sync_(config.sync),
      guard_knows_flows_(config.guard != GuardMode::classic && config.guard != GuardMode::off) {
  desk_.log = &operators_;
  departing_.reserve(Outbox::kDepartures);
  for (Port& port : ports_) port.lock = std::make_unique<InterfaceLock>();
  ports_[index(Link::outside)].name = config.interface;
  ports_[index(Link::inside)].name = config.inside;
}

Engine::~Engine() {
  for (Port& port : ports_) close_port(port);
  if (others_ >= 0) close(others_);
}

Result<std::unique_ptr<Engine>> Engine::start(const Config& config, const std::string& file, const Log& log,
                                              int signals) {
  std::unique_ptr<Engine> engine(new Engine(config, file, log));
  if (const auto opened = engine->open_all(signals); !opened) return opened.error();
  return engine;
}

Result<Done> Engine::open_all(int signals) {
  if (const auto memory = has_memory(director_, config_.settings); !memory) return memory.error();
  others_ = epoll_create1(EPOLL_CLOEXEC);
  signals_ = signals;
  if (others_ < 0) return Error{system_error("epoll", errno)};
  if (const auto way = ControlSocket::make_way(config_.control); !way) return way.error();
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  netlink_ = std::move(*netlink);
  auto host_route = HostRoute::open();
  if (!host_route) return host_route.error();
  host_route_ = std::move(*host_route);
  if (!poll_for(signals_, kSignals) || !poll_for(netlink_->fd(), kNetlink)) return Error{system_error("epoll", errno)};
  // Services before interfaces: filter and guard are made once, for all of them.
  for (const Link link : {Link::outside, Link::inside}) {
    if (const auto known = know_link(link); !known) return known.error();
  }
  if (const auto followed = follow_vrrp(); !followed) return followed.error();
  if (const auto loaded = load_tables(); !loaded) return loaded.error();
  if (const auto followed = follow_checks(true); !followed) return followed.error();
  for (const Link link : {Link::outside, Link::inside}) {
    Port& port = ports_[index(link)];
    if (port.name.empty()) continue;
    if (const auto followed = follow_link(link); !followed) return followed.error();
    if (port.facts.usable()) continue;
    log_.write(Severity::warning, "interface " + port.name +
                                      (port.facts.ifindex == 0 ? " does not exist" : " is down") + ": waiting for it");
  }
  restore_state();
  start_vrrp();
  if (const auto followed = follow_sync(); !followed) return followed.error();
  // Last: who sees the control socket may rely on all of the above.
  auto control = ControlSocket::listen(config_.control, config_.control_group);
  if (!control) return control.error();
  control_ = std::move(*control);
  if (!poll_for(control_->fd(), kControl)) return Error{system_error("epoll", errno)};
  return Done{};
}

Result<Done> Engine::load_tables() {
  const WantedTables tables = wanted_tables(config_);
  director_.set_groups(tables.groups, {now_, outbox_});
  dispatch();
  for (const WantedService& wanted : tables.services) {
    auto refusal = director_.add(wanted.spec, {now_, outbox_});
    dispatch();
    if (refusal) return Error{"service " + text(wanted.spec.key) + ": " + name(*refusal)};
    for (const ServerSpec& server : wanted.servers) {
      refusal = director_.add_server(wanted.spec.key, server, {now_, outbox_});
      dispatch();
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
  return epoll_ctl(others_, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace rawvs
