// SPDX-License-Identifier: BSD-2-Clause
// reload_steps.cpp: applies the difference of two configurations in portions. New things come first and old ones go
// last, so that an address which only moves between services is never released.
#include "control/reload_impl.h"

#include <algorithm>
#include <string>
#include <utility>

#include "config/config_rows.h"
#include "config/config_tables.h"
#include "config/config_values.h"
#include "config/spec_words.h"
#include "control/control_changes.h"
#include "control/reload_report.h"
#include "control/reload_tables.h"
#include "core/called.h"
#include "core/service.h"
#include "rawvs/control.h"
#include "rawvs/settings.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

bool same(const GroupMatch& a, const GroupMatch& b) {
  return a.vip == b.vip && a.protocol == b.protocol && a.ports == b.ports && a.mark == b.mark && a.clients == b.clients;
}

std::string text(const ServiceSpec& s) {
  std::string out = formatted("scheduler={}", name(s.scheduler));
  if (s.flags != 0) out += formatted(" scheduler_flags={}", flags_text(s.scheduler, s.flags));
  out += formatted(" persistence={}", rawvs::text(s.persistence));
  if (s.netmask != Netmask{}) out += formatted(" netmask={}", mask_text(s.netmask, s.key.family()));
  return s.one_packet ? out + " one_packet=1" : out;
}

}  // namespace

Reload::Reload(const Config& was, Config next, bool reset, bool plan)
    : impl_(std::make_unique<Impl>(was, std::move(next), reset, plan)) {
  impl_->prepare();
}
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
    case Phase::settings: settings(t); break;
    case Phase::tables:
    case Phase::rest: over = walk(t); break;
    case Phase::services: over = services(t); break;
    case Phase::groups: groups(t); break;
    case Phase::leftovers:
      over = leftovers(t);
      if (over) prepare_rest();
      break;
    case Phase::done: return;
  }
  if (!over) return;
  phase = static_cast<Phase>(static_cast<uint8_t>(phase) + 1);
  at = 0;
}

bool Reload::Impl::walk(Turn& t) {
  table = &t.director;
  const size_t before_this = walks.worked();
  const bool over = walks.step((t.left + 1) / 2);
  t.spend(2 * (walks.worked() - before_this));  // an item takes longer than a look at a server
  return over;
}

void Reload::Impl::prepare() {
  marks.add_to(walks);
  add_kept_lists(was, next, said.changes, walks);
  reset ? prepare_present() : add_tables(was, marks.old_marks(), old_tables, walks);
  add_index(old_tables.services, old_services, walks);
  if (reset) {
    walks.each([this] { return was.virtuals.size(); }, [this](size_t i) { leave_out_sorry(i); });
  }
  add_tables(next, marks.marks(), new_tables, walks);
  add_index(new_tables.services, new_services, walks);
  places.add_before(table, walks);
  places.add_groups(old_tables, new_tables, walks);
}

// Takes the present tables for the old ones.
void Reload::Impl::prepare_present() {
  walks.each_of(
      [this] {
        old_tables.groups = table->services().groups();
        return table->services().services().size();
      },
      [this](size_t slot) { return present.items(table->services(), slot); },
      [this](size_t slot, size_t n) {
        if (n == 0) {
          const Service* const service = present.service(table->services(), slot);
          if (service) old_tables.services.push_back({service->spec, {}});
        } else if (const Server* const server = present.server(table->services(), n)) {
          old_tables.services.back().servers.push_back(server->wanted());
        }
      });
}

// A sorry server that is in the table because it is in use: the checks put it there, not a file or an operator.
void Reload::Impl::leave_out_sorry(size_t i) {
  const VirtualConfig& v = was.virtuals[i];
  if (!v.sorry) return;
  for (const ServiceKey& key : services_of(v, marks.old_marks()[i])) {
    const auto is_sorry = [&, at = place_of(*v.sorry, key.vip.port)](const ServerSpec& server) {
      return place_of(server, key.vip.port) == at;
    };
    walks.spend(v.servers.size() / 8);
    WantedService* const service = find(old_tables.services, *old_services, key);
    if (service && std::ranges::none_of(v.servers, is_sorry)) std::erase_if(service->servers, is_sorry);
  }
}

void Reload::Impl::prepare_rest() {
  places.add_lines(said.changes, walks);
  add_check_reports(was, next, said.changes, walks);
  walks.each([this] { return next.virtuals.size(); },
             [this](size_t i) {
               walks.spend(kChange);
               const VirtualConfig* const old = marks.old_virtual(next.virtuals[i].name);
               if (old) report_virtual(*old, next.virtuals[i], said.changes);
             });
  walks.once([this] {
    report_sections(was, next, said.changes);
    keep_for_restart(was, next);
  });
  walks.each(
      [this] {
        return std::max({old_tables.services.size(), old_tables.groups.size(), new_tables.services.size(),
                         new_tables.groups.size()});
      },
      [this](size_t) {
        for (WantedTables* const tables : {&old_tables, &new_tables}) {
          Portions::drop(tables->services);
          Portions::drop(tables->groups);
        }
      });
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
    const std::string line = formatted("{}: {} -> {}", row.key, all_of(before_texts), all_of(after));
    if (row.at_start) {
      said.pending.push_back(line + ": takes effect at the next start");
    } else if (!row.replace(live, after)) {
      note(line);
      any = true;
    }
  }
  if (any && !plan) t.director.set_settings(live.settings, t.now);
}

bool Reload::Impl::services(Turn& t) {
  for (; at < new_tables.services.size(); ++at) {
    if (t.left == 0) return false;
    const WantedService& service = new_tables.services[at];
    if (!entered) enter(t, service);
    if (!servers(t, service)) return false;
    if (!plan) t.director.set_open(service.spec.key, true);
    entered = false;
  }
  return true;
}

void Reload::Impl::enter(Turn& t, const WantedService& service) {
  before = find(old_tables.services, *old_services, service.spec.key);
  old_servers.emplace(before ? before->servers.size() : 0);
  new_servers.emplace(service.servers.size());
  at_server = 0;
  entered = true;
  planned = false;
  t.spend(1);
  from_file(t, service);
  put(t, before, service);
}

// A service that rawvsadm has made or removed becomes the file's when its record in the file has changed.
void Reload::Impl::put(Turn& t, const WantedService* old, const WantedService& service) {
  const ServiceSpec& spec = service.spec;
  const Service* const there = t.director.services().find(spec.key);
  const std::string name = called(service.said.name, rawvs::text(spec.key));
  if (old && alike(old->spec, spec)) return;
  if (there) {
    if (!alike(there->spec, spec))
      changed(t, act([&] { return t.director.edit(spec, {t.now, t.out}); }), formatted("{}: {}", name, text(spec)));
    return;
  }
  const auto refusal = act([&] { return t.director.add(spec, {t.now, t.out}); });
  if (!plan) t.director.set_open(spec.key, false);
  planned = plan;
  if (!refusal) places.added(spec.key);
  changed(t, refusal, name + ": added");
}

// Nobody but a file sets them: what is in effect is the old file's.
void Reload::Impl::from_file(Turn& t, const WantedService& service) {
  const ServiceKey& key = service.spec.key;
  const auto& [limits, name, on_down] = service.said;
  const auto there = t.director.services().from_file(key);
  const bool same_name = there.name == name;
  if (!same_name && t.director.services().find(key))
    note(formatted("{}: {}", rawvs::text(key), renamed(there.name, name)));
  const bool same_limits = there.limits && limits ? alike(*there.limits, *limits) : there.limits == limits;
  if (!plan && (!same_name || !same_limits || there.on_down != on_down)) t.director.set_from_file(key, service.said);
}

// False: unfinished.
bool Reload::Impl::servers(Turn& t, const WantedService& service) {
  const ServiceKey& key = service.spec.key;
  if (!planned && !t.director.services().find(key)) return true;  // removed by rawvsadm, and left so
  const std::vector<ServerSpec>& wanted = service.servers;
  const size_t news = wanted.size(), olds = before ? before->servers.size() : 0;
  for (; at_server < 2 * (news + olds); ++at_server) {
    if (t.left == 0) return false;
    t.spend(1);
    size_t n = at_server;
    if (n < news) {
      new_servers->add(wanted[n].at, n);
    } else if (n -= news; n < olds) {
      old_servers->add(before->servers[n].at, n);
    } else if (n -= olds; n < news) {
      server(t, key, wanted[n], service.waits[n]);
    } else {
      old_server(t, service, before->servers[n - news].at);
    }
  }
  return true;
}

// Checks follow when all tables are there. Until then a new server that waits for its check gets no connections.
void Reload::Impl::server(Turn& t, const ServiceKey& key, const ServerSpec& wanted, bool waits) {
  const Slot old = old_servers->find(wanted.at, [this](Slot n) { return before->servers[n].at; });
  if (old != kNoSlot && alike(before->servers[old], wanted)) return name_server(t, key, wanted);
  const std::optional<ServerSpec> there = in_service(t.director, key, wanted.at);
  const std::string line = formatted("{}: server {}", named(t, key), with_name_first(wanted));
  if (!there) {
    const auto refusal = act([&] { return t.director.add_server(key, wanted, {t.now, t.out}); });
    if (waits && !plan) t.director.set_standing(key, wanted.at, Standing::keeps, 0);
    changed(t, refusal, line + ": added");
  } else if (!alike(*there, wanted)) {
    replace(t, key, *there, wanted, line);
  }
  name_server(t, key, wanted);
}

void Reload::Impl::name_server(Turn& t, const ServiceKey& key, const ServerSpec& wanted) {
  const std::optional<ServerSpec> there = in_service(t.director, key, wanted.at);
  if (!there || there->name == wanted.name) return;
  if (!plan) t.director.set_name(key, wanted.at, wanted.name);
  note(formatted("{}: server {}: {}", named(t, key), rawvs::text(wanted.at), renamed(there->name, wanted.name)));
}

void Reload::Impl::old_server(Turn& t, const WantedService& service, Endpoint server) {
  const ServiceKey& key = service.spec.key;
  const Slot kept = new_servers->find(server, [&](Slot n) { return service.servers[n].at; });
  const std::optional<ServerSpec> there = in_service(t.director, key, server);
  if (kept != kNoSlot || !there) return;
  if (!plan) t.director.set_name(key, server, {});  // another server may have its name now
  changed(t, act([&] {
            return t.director.remove_server(key, server, {t.now, t.out});
          }),
          formatted("{}: server {}: removed", named(t, key), called(there->name, rawvs::text(server))));
}

// An edit without a MAC address keeps the fixed one, so a server that lost it in the file is resolved by ARP again: it
// is added anew, and what its check said still applies.
void Reload::Impl::replace(Turn& t, const ServiceKey& key, const ServerSpec& there, const ServerSpec& server,
                           const std::string& line) {
  if (there.mac && !server.mac && !plan) {
    const Server known = *t.director.services().known(key, server.at);
    t.director.remove_server(key, server.at, {t.now, t.out});
    t.dispatch();
    const auto refusal = t.director.add_server(key, server, {t.now, t.out});
    t.director.set_standing(key, server.at, known.standing, known.most_weight, known.share, known.least_weight);
    t.director.set_order(key, server.at, known.order);
    return changed(t, refusal, line);
  }
  changed(t, act([&] { return t.director.edit_server(key, server, {t.now, t.out}); }), line);
}

void Reload::Impl::groups(Turn& t) {
  const auto equal = [](const GroupMatch& a, const GroupMatch& b) { return same(a, b); };
  if (std::ranges::equal(old_tables.groups, new_tables.groups, equal)) return;
  if (!plan) t.director.set_groups(new_tables.groups, {t.now, t.out});
  t.dispatch();
  places.groups_replaced();
  t.left = 0;
}

bool Reload::Impl::leftovers(Turn& t) {
  for (; at < old_tables.services.size(); ++at) {
    if (t.left == 0) return false;
    t.spend(1);
    const ServiceKey& key = old_tables.services[at].spec.key;
    const Service* const there = t.director.services().find(key);
    if (!there || find(new_tables.services, *new_services, key)) continue;
    t.spend(there->servers.size() * 4);
    const std::string name = named(t, key);
    places.removed(key);
    changed(t, act([&] { return t.director.remove(key, {t.now, t.out}); }), name + ": removed");
  }
  if (plan) return true;
  while (const auto key = t.director.services().said_after(said_last)) {
    if (t.left == 0) return false;
    t.spend(1);
    if (!find(new_tables.services, *new_services, *key)) t.director.set_from_file(*key, {});
    said_last = key;
  }
  return true;
}

// A refusal for lack of room for something other than servers has its own text.
void Reload::Impl::changed(Turn& t, std::optional<Refusal> refusal, const std::string& line) {
  t.dispatch();
  t.spend(kChange);
  if (!refusal) return note(line);
  const bool server = line.find(": server ") != std::string::npos;
  const char* const full = server ? "no room, see max_servers" : "no room, see max_services";
  said.pending.push_back(formatted("{}: refused: {}", line, *refusal == Refusal::full ? full : name(*refusal)));
}

// By the file that is applied; of a service that it does not have, by the one before.
std::string Reload::Impl::named(Turn& t, const ServiceKey& key) const {
  const bool in_file = at < new_tables.services.size() && phase == Phase::services;
  const ShortName name = in_file ? new_tables.services[at].said.name : t.director.services().from_file(key).name;
  return called(name, rawvs::text(key));
}

std::optional<ServerSpec> Reload::Impl::in_service(const Director& director, const ServiceKey& key, Endpoint at) {
  const Server* const server = director.services().known(key, at);
  return server ? std::optional(server->wanted()) : std::nullopt;
}

}  // namespace rawvs
