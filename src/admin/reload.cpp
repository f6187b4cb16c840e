// SPDX-License-Identifier: BSD-2-Clause
// reload.cpp: the difference of two configurations, applied. New things come first and old ones go last, so that an
// address that only moves between services is never given up.
#include "rawvs/reload.h"

#include <algorithm>
#include <array>

#include "config_rows.h"
#include "config_values.h"
#include "rawvs/control.h"
#include "spec_words.h"

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

std::string joined(const std::vector<std::string>& values) {
  std::string out;
  for (const std::string& value : values) out += (out.empty() ? "" : " ") + value;
  return out.empty() ? "none" : out;
}

const WantedService* find(const WantedTables& tables, const ServiceKey& key) {
  const auto found = std::ranges::find_if(tables.services, [&](const WantedService& s) { return s.spec.key == key; });
  return found == tables.services.end() ? nullptr : &*found;
}

const ServerSpec* find(const WantedService& service, Endpoint at) {
  const auto found = std::ranges::find(service.servers, at, &ServerSpec::at);
  return found == service.servers.end() ? nullptr : &*found;
}

WantedTables tables_of(const Services& services) {
  WantedTables tables;
  tables.groups = services.groups();
  for (const Service& service : services.services()) {
    if (!service.used) continue;
    WantedService& wanted = tables.services.emplace_back(WantedService{service.spec, {}});
    for (const ServerSlot slot : service.servers) wanted.servers.push_back(services.server(slot).wanted());
    std::ranges::reverse(wanted.servers);  // newest first there
  }
  return tables;
}

// What is decided at start stays as it is until the next one.
void keep_for_restart(const Config& was, Config& next) {
  for (const Row<Config>& row : director_rows()) {
    if (!row.at_start) continue;
    const std::vector<std::string> texts = row.texts(was);
    // These texts were read once, so they are right.
    static_cast<void>(row.set(next, texts.empty() ? std::string_view() : std::string_view(texts[0])));
  }
}

// A virtual that balances several ports under a mark nobody gave keeps the mark: its connections' templates are under
// it. It is the same one by its name, or else by its address and ports.
void keep_marks(const Config& was, Config& next) {
  const std::vector<Mark> marks = marks_of_virtuals(was);
  std::vector<bool> taken(was.virtuals.size());
  const auto keep = [&](VirtualConfig& v, auto&& is_it) {
    for (size_t i = 0; i < was.virtuals.size() && v.kept.value == 0; ++i) {
      const VirtualConfig& old = was.virtuals[i];
      if (taken[i] || old.mark.value != 0 || marks[i].value == 0 || !is_it(old)) continue;
      v.kept = marks[i];
      taken[i] = true;
    }
  };
  for (VirtualConfig& v : next.virtuals) {
    keep(v, [&](const VirtualConfig& old) { return old.name == v.name && old.address == v.address; });
  }
  for (VirtualConfig& v : next.virtuals) {
    keep(v, [&](const VirtualConfig& old) { return old.address == v.address && old.ports == v.ports; });
  }
}

class Reload {
 public:
  Reload(Director& director, Instant now, Outbox& out, const std::function<void()>& dispatch)
      : director_(director), now_(now), out_(out), dispatch_(dispatch) {}

  // Of [director]: each key that the new file has otherwise, and no other.
  void settings(const Config& was, const Config& next) {
    Config live = was;
    live.settings = director_.settings();
    bool changed = false;
    for (const Row<Config>& row : director_rows()) {
      const std::vector<std::string> before = row.texts(was), after = row.texts(next);
      if (before == after) continue;
      const std::string from = before.empty() ? "" : before[0], to = after.empty() ? "" : after[0];
      const std::string line =
          std::string(row.key) + ": " + (from.empty() ? "none" : from) + " -> " + (to.empty() ? "none" : to);
      if (row.at_start) {
        done_.pending.push_back(line + ": takes effect at the next start");
      } else if (!row.set(live, to)) {
        done_.changes.push_back(line);
        changed = true;
      }
    }
    if (changed) director_.set_settings(live.settings, now_);
  }

  void tables(const WantedTables& was, const WantedTables& next) {
    const auto equal = [](const GroupMatch& a, const GroupMatch& b) { return same(a, b); };
    if (!std::ranges::equal(was.groups, next.groups, equal)) {
      director_.set_groups(next.groups, now_, out_);
      dispatch_();
      note("groups: changed");
    }
    for (const WantedService& service : next.services) {
      const WantedService* const before = find(was, service.spec.key);
      put(before, service);
      servers(before, service);
    }
    for (const WantedService& service : was.services) {
      if (find(next, service.spec.key) || !director_.services().find(service.spec.key)) continue;
      step(director_.remove(service.spec.key, now_, out_), rawvs::text(service.spec.key) + ": removed");
    }
  }

  // What the engine makes of sections that are no part of the tables; here it is only told.
  template <class Section>
  void sections(const std::string& kind, std::span<const Row<Section>> rows, const std::vector<Section>& was,
                const std::vector<Section>& next) {
    for (const Section& section : next) {
      const std::string name = kind + ' ' + section.name + ": ";
      const auto before = std::ranges::find(was, section.name, &Section::name);
      if (before == was.end()) {
        note(name + "added");
        continue;
      }
      for (const Row<Section>& row : rows) keys(row, name, row.texts(*before), row.texts(section));
    }
    for (const Section& section : was) {
      if (std::ranges::find(next, section.name, &Section::name) == next.end()) {
        note(kind + ' ' + section.name + ": removed");
      }
    }
  }

  void sync(const std::optional<SyncConfig>& was, const std::optional<SyncConfig>& next) {
    if (was.has_value() != next.has_value()) note(next ? "sync: added" : "sync: removed");
    if (!was || !next) return;
    for (const Row<SyncConfig>& row : sync_rows()) keys(row, "sync: ", row.texts(*was), row.texts(*next));
  }

  // How servers are asked, and what follows; all else of a virtual is in the tables.
  void health(const std::vector<VirtualConfig>& was, const std::vector<VirtualConfig>& next) {
    constexpr std::array<std::string_view, 8> kKeys{"check",  "on_down",    "inhibit",       "slow_start",
                                                    "quorum", "hysteresis", "flaps_allowed", "sorry"};
    for (const VirtualConfig& v : next) {
      const auto before = std::ranges::find(was, v.name, &VirtualConfig::name);
      if (before == was.end()) continue;
      for (const Row<VirtualConfig>& row : virtual_rows()) {
        if (std::ranges::find(kKeys, row.key) == kKeys.end()) continue;
        keys(row, "virtual " + v.name + ": ", row.texts(*before), row.texts(v));
      }
    }
  }

  Reloaded take() { return std::move(done_); }

 private:
  void note(std::string line) { done_.changes.push_back(std::move(line)); }
  template <class Section>
  void keys(const Row<Section>& row, const std::string& name, const std::vector<std::string>& was,
            const std::vector<std::string>& next) {
    if (was == next) return;
    const bool secret = row.key == "password" || row.key == "key";  // the log is read by more people than the file
    note(name + std::string(row.key) + (secret ? ": changed" : ": " + joined(was) + " -> " + joined(next)));
  }
  void step(std::optional<Refusal> refusal, const std::string& line) {
    dispatch_();
    if (!refusal) return note(line);
    done_.pending.push_back(line +
                            ": refused: " + (*refusal == Refusal::full ? "no room, see max_servers" : name(*refusal)));
  }

  // A service that rawvsadm has made or removed meanwhile is the file's again when the file says something new of it.
  void put(const WantedService* before, const WantedService& next) {
    const ServiceSpec& spec = next.spec;
    const Service* const there = director_.services().find(spec.key);
    const std::string name = rawvs::text(spec.key);
    if (before && same(before->spec, spec)) return;
    if (!there) return step(director_.add(spec, now_, out_), name + ": added");
    if (!same(there->spec, spec)) step(director_.edit(spec, now_, out_), name + ": " + text(spec));
  }

  void servers(const WantedService* before, const WantedService& next) {
    const ServiceKey& key = next.spec.key;
    if (!director_.services().find(key)) return;  // removed by rawvsadm, and left so
    for (const ServerSpec& server : next.servers) {
      const ServerSpec* const old = before ? find(*before, server.at) : nullptr;
      if (old && same(*old, server)) continue;
      const std::optional<ServerSpec> there = in_service(key, server.at);
      const std::string line = rawvs::text(key) + ": server " + rawvs::text(server);
      if (!there) {
        step(director_.add_server(key, server, now_, out_), line + ": added");
      } else if (!same(*there, server)) {
        replace(key, *there, server, line);
      }
    }
    if (!before) return;
    for (const ServerSpec& server : before->servers) {
      if (find(next, server.at) || !in_service(key, server.at)) continue;
      step(director_.remove_server(key, server.at, now_, out_),
           rawvs::text(key) + ": server " + rawvs::text(server.at) + ": removed");
    }
  }

  // An edit without a MAC address keeps the fixed one; a server that has lost it in the file is asked for again.
  void replace(const ServiceKey& key, const ServerSpec& there, const ServerSpec& server, const std::string& line) {
    if (there.mac && !server.mac) {
      director_.remove_server(key, server.at, now_, out_);
      dispatch_();
      return step(director_.add_server(key, server, now_, out_), line);
    }
    step(director_.edit_server(key, server, now_, out_), line);
  }

  std::optional<ServerSpec> in_service(const ServiceKey& key, Endpoint at) const {
    const Services& services = director_.services();
    for (const ServerSlot slot : services.find(key)->servers) {
      if (services.server(slot).spec.at == at) return services.server(slot).wanted();
    }
    return std::nullopt;
  }

  Director& director_;
  const Instant now_;
  Outbox& out_;
  const std::function<void()>& dispatch_;
  Reloaded done_;
};

}  // namespace

Reloaded reload(const Config& was, Config& next, bool reset, Director& director, Instant now, Outbox& out,
                const std::function<void()>& dispatch) {
  keep_marks(was, next);
  Reload work(director, now, out, dispatch);
  Config before = was;
  if (reset) before.settings = director.settings();
  work.settings(before, next);
  work.tables(reset ? tables_of(director.services()) : wanted_tables(was), wanted_tables(next));
  work.sections("check", check_rows(), was.checks, next.checks);
  work.health(was.virtuals, next.virtuals);
  work.sections("vrrp", vrrp_rows(), was.vrrps, next.vrrps);
  work.sync(was.sync, next.sync);
  keep_for_restart(was, next);
  return work.take();
}

}  // namespace rawvs
