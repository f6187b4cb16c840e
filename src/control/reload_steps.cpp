// SPDX-License-Identifier: BSD-2-Clause
// reload_steps.cpp: applies the difference of two configurations in portions. New things come first and old ones go
// last, so that an address which only moves between services is never released.
#include "control/reload.h"

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "config/config_rows.h"
#include "config/config_values.h"
#include "config/spec_words.h"
#include "control/reload_report.h"
#include "control/reload_tables.h"
#include "core/service.h"
#include "rawvs/control.h"
#include "rawvs/settings.h"

namespace rawvs {

namespace {

bool same(const ServiceSpec& a, const ServiceSpec& b) {
  return a.scheduler == b.scheduler && a.flags == b.flags && a.persistence == b.persistence && a.netmask == b.netmask &&
         a.one_packet == b.one_packet;
}

bool same(const ServerSpec& a, const ServerSpec& b) {
  return a.method == b.method && a.weight == b.weight && a.upper == b.upper && a.lower == b.lower &&
         a.tunnel == b.tunnel && a.mac == b.mac;
}

bool same(const GroupMatch& a, const GroupMatch& b) {
  return a.vip == b.vip && a.protocol == b.protocol && a.ports == b.ports && a.mark == b.mark && a.clients == b.clients;
}

std::string text(const ServiceSpec& s) {
  std::string out = std::string("scheduler=") + name(s.scheduler);
  if (s.flags != 0) out += " scheduler_flags=" + flags_text(s.scheduler, s.flags);
  out += " persistence=" + rawvs::text(s.persistence);
  if (s.netmask != Netmask{}) out += " netmask=" + rawvs::text(s.netmask.bits);
  return s.one_packet ? out + " one_packet=1" : out;
}

// A service's servers, by endpoint.
class ServersAt {
 public:
  void set(std::span<const ServerSpec> servers) {  // they must outlive this object's use
    all_.clear();
    for (const ServerSpec& server : servers) all_.push_back(&server);
    std::ranges::sort(all_, {}, &ServerSpec::at);
  }
  const ServerSpec* find(Endpoint at) const {
    const auto found = std::ranges::lower_bound(all_, at, {}, &ServerSpec::at);
    return found != all_.end() && (*found)->at == at ? *found : nullptr;
  }

 private:
  std::vector<const ServerSpec*> all_;
};

std::map<ServiceKey, const WantedService*> by_key(const WantedTables& tables) {
  std::map<ServiceKey, const WantedService*> all;
  for (const WantedService& service : tables.services) all.emplace(service.spec.key, &service);
  return all;
}

}  // namespace

struct Reload::Impl {
  enum class Phase : uint8_t {
    settings,
    old_tables,
    old_keys,
    new_tables,
    new_keys,
    services,
    groups,
    leftovers,
    checks,
    virtuals,
    rest,
    forget_old,
    forget_new,
    done
  };
  struct Turn {  // one call of step()
    Director& director;
    Instant now;
    Outbox& out;
    const std::function<void()>& dispatch;
    size_t left;  // of the portion
    void spend(size_t looks) { left -= std::min(left, looks); }
  };

  Impl(const Config& from, Config to, bool whole) : was(from), next(std::move(to)), reset(whole) {}

  void advance(Turn& t);
  void settings(Turn& t);
  bool services(Turn& t);
  void enter(Turn& t, const WantedService& service);
  void put(Turn& t, const WantedService* old, const WantedService& service);
  bool servers(Turn& t, const WantedService& service);
  void server(Turn& t, const ServiceKey& key, const ServerSpec& wanted);
  void old_server(Turn& t, const ServiceKey& key, Endpoint at);
  void replace(Turn& t, const ServiceKey& key, const ServerSpec& there, const ServerSpec& server,
               const std::string& line);
  void groups(Turn& t);
  bool leftovers(Turn& t);
  bool virtuals(Turn& t);
  void note(std::string line) { said.changes.push_back(std::move(line)); }
  void changed(Turn& t, std::optional<Refusal> refusal, const std::string& line);
  static std::optional<ServerSpec> in_service(const Director& director, const ServiceKey& key, Endpoint at);

  const Config& was;
  Config next;
  const bool reset;
  Phase phase = Phase::settings;
  Reloaded said;
  WantedTables old_tables, new_tables;
  std::map<ServiceKey, const WantedService*> old_services, new_services;
  std::map<std::string_view, const VirtualConfig*> old_virtuals;
  size_t at = 0;         // the next service, or virtual
  size_t at_server = 0;  // within the service: new servers, then old ones
  bool entered = false;
  const WantedService* before = nullptr;  // the service in the old tables
  ServersAt old_servers, new_servers;     // its servers
};

Reload::Reload(const Config& was, Config next, bool reset)
    : impl_(std::make_unique<Impl>(was, std::move(next), reset)) {}
Reload::~Reload() = default;
Reload::Reload(Reload&&) noexcept = default;

const Reloaded& Reload::so_far() const { return impl_->said; }
Reloaded Reload::take_so_far() { return std::move(impl_->said); }
Config Reload::take_next() { return std::move(impl_->next); }

bool Reload::step(Director& director, Turn turn, const std::function<void()>& dispatch, size_t portion) {
  Impl::Turn step{director, turn.now, turn.out, dispatch, std::max(portion, size_t{1})};
  while (step.left > 0 && impl_->phase != Impl::Phase::done) impl_->advance(step);
  return impl_->phase == Impl::Phase::done;
}

void Reload::Impl::advance(Turn& t) {
  bool over = true;
  switch (phase) {
    case Phase::settings:
      keep_marks(was, next);
      settings(t);
      t.left = 0;
      break;
    case Phase::old_tables:
      old_tables = reset ? tables_of(t.director.services()) : wanted_tables(was);
      if (reset) leave_out_sorry(was, old_tables);
      t.left = 0;
      break;
    case Phase::old_keys:
      old_services = by_key(old_tables);
      t.left = 0;
      break;
    case Phase::new_tables:
      new_tables = wanted_tables(next);
      t.left = 0;
      break;
    case Phase::new_keys:
      new_services = by_key(new_tables);
      for (const VirtualConfig& v : was.virtuals) old_virtuals.emplace(v.name, &v);
      t.left = 0;
      break;
    case Phase::services: over = services(t); break;
    case Phase::groups: groups(t); break;
    case Phase::leftovers: over = leftovers(t); break;
    case Phase::checks: report_checks(was, next, said.changes); break;
    case Phase::virtuals: over = virtuals(t); break;
    case Phase::rest:
      report_sections(was, next, said.changes);
      keep_for_restart(was, next);
      break;
    case Phase::forget_old:  // frees what is large in steps of their own
      old_services.clear(), old_virtuals.clear(), old_tables = {};
      t.left = 0;
      break;
    case Phase::forget_new:
      new_services.clear(), new_tables = {};
      t.left = 0;
      break;
    case Phase::done: return;
  }
  if (!over) return;
  phase = static_cast<Phase>(static_cast<uint8_t>(phase) + 1);
  at = 0;
}

// Applies each key of [director] that differs, and no other.
void Reload::Impl::settings(Turn& t) {
  Config live;  // of its settings; tables may be large, and are not copied
  live.settings = t.director.settings();
  Config there;
  there.settings = live.settings;
  bool any = false;
  for (const Row<Config>& row : director_rows()) {
    const std::vector<std::string> before_texts = row.texts(reset && !row.at_start ? there : was);
    const std::vector<std::string> after = row.texts(next);
    if (before_texts == after) continue;
    const std::string to = after.empty() ? "" : after[0];
    const std::string line = std::string(row.key) + ": " + (before_texts.empty() ? "none" : before_texts[0]) + " -> " +
                             (to.empty() ? "none" : to);
    if (row.at_start) {
      said.pending.push_back(line + ": takes effect at the next start");
    } else if (!row.set(live, to)) {
      note(line);
      any = true;
    }
  }
  if (any) t.director.set_settings(live.settings, t.now);
}

bool Reload::Impl::services(Turn& t) {
  for (; at < new_tables.services.size(); ++at) {
    if (t.left == 0) return false;
    const WantedService& service = new_tables.services[at];
    if (!entered) enter(t, service);
    if (!servers(t, service)) return false;
    t.director.set_open(service.spec.key, true);
    entered = false;
  }
  return true;
}

void Reload::Impl::enter(Turn& t, const WantedService& service) {
  const auto found = old_services.find(service.spec.key);
  before = found == old_services.end() ? nullptr : found->second;
  old_servers.set(before ? std::span(before->servers) : std::span<const ServerSpec>());
  new_servers.set(service.servers);
  at_server = 0;
  entered = true;
  t.spend(1);
  put(t, before, service);
}

// A service that rawvsadm has made or removed becomes the file's when its record in the file has changed.
void Reload::Impl::put(Turn& t, const WantedService* old, const WantedService& service) {
  const ServiceSpec& spec = service.spec;
  const Service* const there = t.director.services().find(spec.key);
  const std::string name = rawvs::text(spec.key);
  if (old && same(old->spec, spec)) return;
  if (there) {
    if (!same(there->spec, spec)) changed(t, t.director.edit(spec, {t.now, t.out}), name + ": " + text(spec));
    return;
  }
  const auto refusal = t.director.add(spec, {t.now, t.out});
  t.director.set_open(spec.key, false);
  changed(t, refusal, name + ": added");
}

// False: unfinished.
bool Reload::Impl::servers(Turn& t, const WantedService& service) {
  const ServiceKey& key = service.spec.key;
  if (!t.director.services().find(key)) return true;  // removed by rawvsadm, and left so
  const size_t first_old = service.servers.size(), end = first_old + (before ? before->servers.size() : 0);
  for (; at_server < end; ++at_server) {
    if (t.left == 0) return false;
    t.spend(1);
    if (at_server < first_old) {
      server(t, key, service.servers[at_server]);
    } else {
      old_server(t, key, before->servers[at_server - first_old].at);
    }
  }
  return true;
}

void Reload::Impl::server(Turn& t, const ServiceKey& key, const ServerSpec& wanted) {
  const ServerSpec* const old = old_servers.find(wanted.at);
  if (old && same(*old, wanted)) return;
  const std::optional<ServerSpec> there = in_service(t.director, key, wanted.at);
  const std::string line = rawvs::text(key) + ": server " + rawvs::text(wanted);
  if (!there) {
    changed(t, t.director.add_server(key, wanted, {t.now, t.out}), line + ": added");
  } else if (!same(*there, wanted)) {
    replace(t, key, *there, wanted, line);
  }
}

void Reload::Impl::old_server(Turn& t, const ServiceKey& key, Endpoint server) {
  if (new_servers.find(server) || !in_service(t.director, key, server)) return;
  changed(t, t.director.remove_server(key, server, {t.now, t.out}),
          rawvs::text(key) + ": server " + rawvs::text(server) + ": removed");
}

// An edit without a MAC address keeps the fixed one, so a server that lost it in the file is resolved by ARP again.
void Reload::Impl::replace(Turn& t, const ServiceKey& key, const ServerSpec& there, const ServerSpec& server,
                           const std::string& line) {
  if (there.mac && !server.mac) {
    t.director.remove_server(key, server.at, {t.now, t.out});
    t.dispatch();
    return changed(t, t.director.add_server(key, server, {t.now, t.out}), line);
  }
  changed(t, t.director.edit_server(key, server, {t.now, t.out}), line);
}

void Reload::Impl::groups(Turn& t) {
  const auto equal = [](const GroupMatch& a, const GroupMatch& b) { return same(a, b); };
  if (std::ranges::equal(old_tables.groups, new_tables.groups, equal)) return;
  t.director.set_groups(new_tables.groups, {t.now, t.out});
  t.dispatch();
  note("groups: changed");
  t.left = 0;
}

bool Reload::Impl::leftovers(Turn& t) {
  for (; at < old_tables.services.size(); ++at) {
    if (t.left == 0) return false;
    t.spend(1);
    const ServiceKey& key = old_tables.services[at].spec.key;
    const Service* const there = t.director.services().find(key);
    if (new_services.contains(key) || !there) continue;
    t.spend(there->servers.size() * 4);
    changed(t, t.director.remove(key, {t.now, t.out}), rawvs::text(key) + ": removed");
  }
  return true;
}

bool Reload::Impl::virtuals(Turn& t) {
  for (; at < next.virtuals.size(); ++at) {
    if (t.left == 0) return false;
    t.spend(kChange);
    const auto old = old_virtuals.find(next.virtuals[at].name);
    if (old != old_virtuals.end()) report_virtual(*old->second, next.virtuals[at], said.changes);
  }
  return true;
}

// A refusal for lack of room for something other than servers has its own text.
void Reload::Impl::changed(Turn& t, std::optional<Refusal> refusal, const std::string& line) {
  t.dispatch();
  t.spend(kChange);
  if (!refusal) return note(line);
  const bool server = line.find(": server ") != std::string::npos;
  const std::string full = std::string("no room, see ") + (server ? "max_servers" : "max_services");
  said.pending.push_back(line + ": refused: " + (*refusal == Refusal::full ? full : name(*refusal)));
}

std::optional<ServerSpec> Reload::Impl::in_service(const Director& director, const ServiceKey& key, Endpoint at) {
  const Server* const server = director.services().known(key, at);
  return server ? std::optional(server->wanted()) : std::nullopt;
}

}  // namespace rawvs
