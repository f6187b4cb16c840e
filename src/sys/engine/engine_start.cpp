// SPDX-License-Identifier: BSD-2-Clause
// engine_start.cpp: opens the parts and loads the tables at the start; applies a changed configuration.
#include <memory>
#include <utility>

#include "config/config_tables.h"
#include "core/service.h"
#include "sys/engine/engine_parts.h"
#include "sys/engine/start_check.h"
#include "wire/formatted.h"

namespace rawvs {

Engine::Engine(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::start(const Config& config, const std::string& file, const Log& log,
                                              const Helper& helper, int signals, Opened opened,
                                              Predecessor& predecessor) {
  auto parts = std::make_unique<Parts>(config, file, log, helper);
  parts->already = std::move(opened);
  if (const auto done = parts->open(signals, predecessor); !done) {
    // Destructors would close and remove what the predecessor goes on with: the process has to end without them.
    if (predecessor) static_cast<void>(parts.release());
    return done.error();
  }
  if (predecessor) predecessor.say_in_charge();
  if (predecessor.is_interim()) {
    if (const auto added = parts->replacement.expect(predecessor.take_socket(), parts->other); !added)
      return added.error();
  }
  return std::unique_ptr<Engine>(new Engine(std::move(parts)));
}

int Engine::tun_fd() const { return parts_->local_clients.tun_fd(); }
void Engine::hand_over_control(bool on) const { parts_->requests.hand_over(on); }
void Engine::set_next(std::vector<std::string> trial, std::function<Result<int>(const HandOver&)> start,
                      std::function<void()> stay) {
  parts_->replacement.set_next({std::move(trial), std::move(start), std::move(stay)});
}
const HandOver& Engine::successor() const { return parts_->replacement.socket(); }

Result<Done> Engine::Parts::load(int signals_fd) {
  if (const auto memory = has_memory(context.director, context.config.settings); !memory) return memory.error();
  if (const auto opened = context.poller.open(); !opened) return opened.error();
  const auto way = already.control ? Result<Done>(Done{}) : ControlSocket::make_way(context.config.control);
  if (!way) return way.error();
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  context.netlink = std::move(*netlink);
  if (const auto opened = context.frames.open(); !opened) return opened.error();
  context.fast.load();
  if (const auto opened = signals.open(signals_fd); !opened) return opened.error();
  if (const auto opened = local_clients.open(std::move(already.tun)); !opened) return opened.error();
  // Services before interfaces: filter and guard are made once for all services.
  if (const auto known = ports.know_all(); !known) return known.error();
  if (const auto opened = routes.open(); !opened) return opened.error();
  if (const auto followed = mastership.follow(); !followed) return followed.error();
  return load_tables();
}

// Takes over what the other rawvsd does, which ends it. Returns what its Mastership::masters() said; none: it has ended
// by itself, which leaves this process alone; the interim one must not stay alone.
Result<std::optional<std::string>> Engine::Parts::take_over(const Predecessor& predecessor) {
  const auto state = predecessor.state();
  if (state) saving.take(*state, false);
  const auto changes = state ? predecessor.take() : state.error();
  context.now = clock_now();
  context.another_serves = false;
  if (!changes && predecessor.is_interim()) return changes.error();
  if (!changes) {
    context.log.write(Severity::warning, "the rawvsd before this one: " + changes.error().text);
    if (!state) saving.restore();
    return std::optional<std::string>();
  }
  saving.take(changes->file, true);
  other = changes->process;
  if (!predecessor.is_interim()) replacement.collect(other);
  return std::optional(changes->text);
}

Result<Done> Engine::Parts::open(int signals_fd, const Predecessor& predecessor) {
  context.another_serves = static_cast<bool>(predecessor);
  if (const auto loaded = load(signals_fd); !loaded) return loaded;
  // Before connections: a sorry server's place in the table is made by the checks.
  if (const auto followed = checks.follow(true); !followed) return followed.error();
  std::optional<std::string> masters;
  if (predecessor) {
    auto taken = take_over(predecessor);
    if (!taken) return taken.error();
    masters = std::move(*taken);
  }
  if (const auto opened = ports.open_all(); !opened) return opened.error();
  if (!predecessor) saving.restore();
  mastership.start(checks.wanted(), checks.checked(), masters);
  if (const auto followed = syncing.follow(); !followed) return followed.error();
  return requests.open(std::move(already.control),
                       already.calls);  // last: clients take the socket's existence for "ready"
}

// The director first: what its socket's filter leaves out, the program still forwards until then.
void Engine::Parts::end_fast() {
  context.fast.stop();
  ports.end_fast();
}

// The programs stay attached, and leave everything to the other rawvsd: detaching them takes the kernel milliseconds.
void Engine::Parts::stop_forwarding() {
  context.now = clock_now();
  context.fast.stop();
  context.frames.drain(context.now);
  context.another_serves = true;
  ports.release();
  syncing.release();
}

void Engine::Parts::go_on() {
  context.now = clock_now();
  context.another_serves = false;
  ports.end_fast();  // the other one may have removed them
  context.fast.go_on();
  ports.take_back();
  if (const auto followed = syncing.follow(); !followed) context.log.write(Severity::error, followed.error().text);
}

Result<Done> Engine::Parts::load_tables() {
  Director& director = context.director;
  set_present_addresses(context.config, [this](const auto&... of) { return ports.address_of(of...); });
  const WantedTables tables = wanted_tables(context.config);
  director.set_groups(tables.groups, context.turn());
  context.dispatch();
  for (const WantedService& wanted : tables.services) {
    const ServiceKey& key = wanted.spec.key;
    director.set_from_file(key, wanted.said);
    auto refusal = director.add(wanted.spec, context.turn());
    context.dispatch();
    if (refusal) return Error{formatted("service {}: {}", text(key), name(*refusal))};
    for (const ServerSpec& server : wanted.servers) {
      refusal = director.add_server(key, server, context.turn());
      context.dispatch();
      if (refusal) return Error{formatted("service {}: server {}: {}", text(key), text(server.at), name(*refusal))};
    }
  }
  return Done{};
}

void Engine::Parts::follow_config() {
  const auto say = [this](const Result<Done>& followed) {
    if (!followed) context.log.write(Severity::error, followed.error().text);
  };
  vrrp_notifier.follow();
  virtual_notifier.follow();
  say(checks.follow(false));
  say(mastership.follow());
  mastership.start(checks.wanted(), checks.checked());
  say(syncing.follow());
}

}  // namespace rawvs
