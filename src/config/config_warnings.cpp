// SPDX-License-Identifier: BSD-2-Clause
// config_warnings.cpp: warns of settings that are allowed but probably not meant (rawvsd -t, rawvsadm check).
//
// To add one: a text here that names the consequence, and a line in tests/config_findings_test.cpp.

#include <algorithm>
#include <memory>

#include "config/config_check.h"
#include "config/config_values.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr Duration kShortPersistence = 10s;  // less than a person takes to read a page

void warn_director(Checking& c) {
  const Place& place = c.places.director;
  const auto warn = [&](const char* key, const std::string& text) { c.report.warn(place, key, text); };
  if (c.config.settings.max_connections < c.servers) {
    warn("max_connections", formatted("{} is less than the {} servers of this file: some would never get a connection",
                                      c.config.settings.max_connections, c.servers));
  }
  if (c.config.guard == GuardMode::off) {
    warn("guard", "off: the host's kernel answers clients, too, unless something else keeps it from the VIPs");
  }
  if (c.config.local_clients && c.config.guard == GuardMode::off) {
    warn("local_clients",
         "with guard = off: this host's kernel routes the clients' packets to the VIPs, too, and they "
         "come to the director twice, unless something else keeps it from them");
  }
  if (c.config.settings.arp_defend && c.config.settings.arp_probe_interval == Duration::zero()) {
    warn("arp_defend", "with arp_probe_interval = 0, a real server that answers for a VIP is found by chance only");
  }
  if (!c.config.state.empty()) {
    constexpr std::string_view kInMemory[] = {"/run/", "/var/run/", "/dev/shm/", "/tmp/"};
    const auto in = [&](std::string_view folder) { return c.config.state.starts_with(folder); };
    if (std::ranges::none_of(kInMemory, in)) {
      warn("state", c.config.state + " may lie on a disk: use a file in RAM, such as /run/rawvs/state");
    }
  } else if (c.config.state_interval != Duration::zero()) {
    warn("state_interval", "is without effect: there is no state = FILE");
  }
}

void warn_group(Checking& c, size_t i) {
  const Mark mark = c.config.groups[i].mark;
  const Family family = c.config.groups[i].family();
  if (mark.value == 0 || c.balanced(mark, family)) return;
  c.report.warn(c.places.groups[i], "mark",
                formatted("{}: no virtual balances it; until rawvsadm -A -f {}{} nobody serves its packets", mark.value,
                          mark.value, family == Family::ipv6 ? " -6" : ""));
}

// Settings about checks in a virtual whose servers have none. Defaults are not meant to have an effect: a file that was
// printed names them all.
void warn_unchecked(Checking& c, size_t i) {
  const VirtualConfig& v = c.config.virtuals[i];
  const Place& place = c.places.virtuals[i];
  const auto has_check = [](const ServerConfig& s) { return !s.check.empty() && s.check != "none"; };
  if (!v.check.empty() || place.bad("check") || std::ranges::any_of(v.servers, has_check)) return;
  constexpr std::string_view kAboutChecks[] = {"sorry", "inhibit", "slow_start", "quorum", "hysteresis", "notify"};
  const VirtualConfig untouched;
  for (const Row<VirtualConfig>& row : virtual_rows()) {
    if (std::ranges::find(kAboutChecks, row.key) == std::end(kAboutChecks) || !place.find(row.key)) continue;
    if (row.texts(v) == row.texts(untouched)) continue;
    c.report.warn(place, row.key.data(), "is without effect: no server of this virtual has a check");
  }
  if (c.tracked.contains(v.name)) {
    c.report.warn(place, "check", "none, so the track of this virtual in [vrrp] never changes anything");
  }
}

void warn_weights(Checking& c, size_t i, uint64_t sum, bool differ) {
  const VirtualConfig& v = c.config.virtuals[i];
  const Place& place = c.places.virtuals[i];
  if (sum == 0) return c.report.warn(place, "server", "every server has weight=0: none gets a new client");
  if (v.health.quorum > sum) {
    c.report.warn(place, "quorum",
                  formatted("{} is more than all weights together, {}: it is never reached", v.health.quorum, sum));
  }
  if (differ && (v.scheduler == Scheduler::rr || v.scheduler == Scheduler::lc)) {
    const char* const used = name(v.scheduler);
    c.report.warn(place, "scheduler",
                  formatted("{} does not heed weights, and those of the servers differ; w{} does", used, used));
  }
}

void warn_virtual(Checking& c, size_t i) {
  const VirtualConfig& v = c.config.virtuals[i];
  const Place& place = c.places.virtuals[i];
  const auto warn = [&](const char* key, const std::string& text) { c.report.warn(place, key, text); };
  if (v.servers.empty() && !place.bad("server")) warn("server", "there is none: clients are turned away");
  if (v.persistence != Duration::zero()) {
    if (v.persistence < kShortPersistence) {
      warn("persistence", text(v.persistence) + " is shorter than clients pause; 360 is usual");
    }
    if (v.netmask == Netmask(v.service_family(), 0)) warn("netmask", "/0: all clients are one, and get one server");
    if (v.one_packet) warn("one_packet", "with persistence, too: the datagrams of a client go to one server");
  }
  warn_unchecked(c, i);
}

void warn_check(Checking& c, size_t i) {
  const CheckConfig& check = c.config.checks[i];
  const Place& place = c.places.checks[i];
  if (!c.used_checks.contains(check.name)) c.report.warn(place, "type", "no virtual and no server uses this check");
  if (check.spec.timeout > check.spec.interval) {
    c.report.warn(
        place, "timeout",
        formatted("{} is longer than interval = {}: a server that does not answer is asked less often than that",
                  text(check.spec.timeout), text(check.spec.interval)));
  }
}

void warn_vrrp(Checking& c, size_t i) {
  const VrrpSpec& spec = c.config.vrrps[i].spec;
  const Place& place = c.places.vrrps[i];
  const auto warn = [&](const char* key, const std::string& text) { c.report.warn(place, key, text); };
  if (spec.interval < 100ms) {
    const auto apart = (256 + spec.interval.count() - 1) / spec.interval.count();
    warn("interval",
         formatted("{}: two backups whose priorities are less than {} apart may take over in the same millisecond",
                   text(spec.interval), apart));
  }
  if (!spec.preempt && spec.preempt_delay != Duration::zero()) {
    warn("preempt_delay", "is without effect with preempt = 0");
  }
  if (spec.peers.empty() && spec.min_ttl) warn("min_ttl", "is without effect without peer; multicast needs 255");
  if (!spec.password.empty())
    warn("password", "everybody on the LAN can read it: it keeps mistakes out, not attackers");
}

// Values that are taken literally, and that a person has put between quotation marks.
void warn_quotes(Checking& c, const Place& place, const char* key, std::string_view value) {
  const bool quoted =
      value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.front() == value.back();
  if (quoted) c.report.warn(place, key, "the quotation marks are part of the value");
}

void warn_sync(Checking& c) {
  if (!c.config.sync) return;
  const Place& place = c.places.sync;
  if (c.config.sync->key.empty() && !place.bad("key")) {
    c.report.warn(place, "key", "none: whoever reaches the port can put connections into the table");
  }
  warn_quotes(c, place, "key", c.config.sync->key);
}

// Names that differ in the case of their letters only: they will be mistyped.
class Cases {
 public:
  void add(Checking& c, const Place& place) {
    std::string folded = place.title;
    for (char& letter : folded) letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter;
    const auto [other, fresh] = seen_.try_emplace(std::move(folded), &place);
    if (fresh) return;
    c.report.warn(place, "name",
                  formatted("differs from [{}] on line {} in the case of letters alone", other->second->title,
                            other->second->line));
  }

 private:
  std::map<std::string, const Place*> seen_;
};

struct Weights {  // of one virtual
  uint64_t sum = 0;
  int32_t first = 0;
  bool differ = false;
};

void add_weights(Checking& c, Portions& walks) {
  const auto seen = std::shared_ptr<Weights>(new Weights());
  walks.each_of([&c] { return c.config.virtuals.size(); },
                [&c](size_t i) { return c.config.virtuals[i].servers.size(); },
                [&c, seen](size_t i, size_t n) {
                  const std::vector<ServerConfig>& servers = c.config.virtuals[i].servers;
                  if (n == 0) *seen = {};
                  const int32_t weight = servers[n].weight;
                  seen->sum += static_cast<uint64_t>(weight);
                  if (weight != 0 && seen->first != 0 && weight != seen->first) seen->differ = true;
                  if (seen->first == 0) seen->first = weight;
                  if (n + 1 == servers.size()) warn_weights(c, i, seen->sum, seen->differ);
                });
}

}  // namespace

void add_warnings(Checking& c, Portions& walks) {
  const auto cases = std::shared_ptr<Cases>(new Cases());
  walks.once([&c] { warn_director(c); });
  walks.each([&c] { return c.config.groups.size(); },
             [&c, cases](size_t i) {
               warn_group(c, i);
               cases->add(c, c.places.groups[i]);
             });
  walks.each([&c] { return c.config.checks.size(); },
             [&c, cases](size_t i) {
               warn_check(c, i);
               cases->add(c, c.places.checks[i]);
               const CheckSpec& spec = c.config.checks[i].spec;
               for (const auto& [key, value] : {std::pair<const char*, const std::string&>{"host", spec.host},
                                                {"body", spec.body},
                                                {"send", spec.send},
                                                {"expect", spec.expect}}) {
                 warn_quotes(c, c.places.checks[i], key, value);
               }
             });
  walks.each([&c] { return c.config.virtuals.size(); },
             [&c, cases](size_t i) {
               warn_virtual(c, i);
               cases->add(c, c.places.virtuals[i]);
             });
  add_weights(c, walks);
  walks.each([&c] { return c.config.vrrps.size(); },
             [&c, cases](size_t i) {
               warn_vrrp(c, i);
               cases->add(c, c.places.vrrps[i]);
               warn_quotes(c, c.places.vrrps[i], "password", c.config.vrrps[i].spec.password);
             });
  walks.once([&c] { warn_sync(c); });
}

}  // namespace rawvs
