// SPDX-License-Identifier: BSD-2-Clause
// config_check_health.cpp: checks [check] sections, and the servers and virtuals that name them.

#include <algorithm>
#include <array>

#include "config/config_check.h"
#include "config/config_values.h"

namespace rawvs {
namespace {

struct Need {  // a key for these kinds of check only
  const char* key;
  std::array<CheckKind, 2> kinds;
};
constexpr std::array<Need, 11> kNeeds{{
    {"path", {CheckKind::http, CheckKind::http}},
    {"host", {CheckKind::http, CheckKind::tls}},
    {"status", {CheckKind::http, CheckKind::http}},
    {"body", {CheckKind::http, CheckKind::http}},
    {"send", {CheckKind::udp, CheckKind::udp}},
    {"expect", {CheckKind::udp, CheckKind::udp}},
    {"query", {CheckKind::dns, CheckKind::dns}},
    {"query_type", {CheckKind::dns, CheckKind::dns}},
    {"rcode", {CheckKind::dns, CheckKind::dns}},
    {"program", {CheckKind::exec, CheckKind::exec}},
    {"user", {CheckKind::exec, CheckKind::exec}},
}};

// True if the check can be sent to the VIP on a server: its packets are recognised by their ports.
bool may_ask_vip(CheckKind kind) {
  return kind != CheckKind::arp && kind != CheckKind::icmp && kind != CheckKind::exec;
}

bool has_port(CheckKind kind) { return kind != CheckKind::arp && kind != CheckKind::icmp; }

void check_section(Checking& c, size_t i) {
  const CheckSpec& spec = c.config.checks[i].spec;
  const Place& place = c.places.checks[i];
  c.checks.emplace(c.config.checks[i].name, i);
  if (place.bad("type")) return;  // the other faults depend on the type
  const std::string kind = name(spec.kind);
  for (const auto& [key, lines, bad] : place.keys) {
    if (heeds(spec.kind, key)) continue;
    if (key == "via") {
      c.report.wrong(place, "via", "is for type = tcp, tls, http, udp or dns; type = " + kind + " asks the server");
      continue;
    }
    const auto* const need = std::ranges::find(kNeeds, key, &Need::key);
    c.report.wrong(place, need->key,
                   std::string("is for type = ") + name(need->kinds[0]) + "; this check has type = " + kind);
  }
  if (spec.kind == CheckKind::exec && spec.program.empty() && !place.bad("program")) {
    c.report.wrong(place, "program", "missing; type = exec runs a program");
  }
  if (spec.port.value != 0 && !has_port(spec.kind)) c.report.wrong(place, "port", "type = " + kind + " asks no port");
}

// Why this server cannot be checked this way; empty: it can.
std::string unsuited(const Checking& c, const VirtualConfig& v, const ServerConfig& server) {
  const std::string& named = server.check.empty() ? v.check : server.check;
  const auto section = c.checks.find(named);
  const CheckSpec* const check = section == c.checks.end() ? nullptr : &c.config.checks[section->second].spec;
  const bool by_arp = check ? check->kind == CheckKind::arp : find_check_kind(named) == CheckKind::arp;
  if (by_arp && !v.health.inhibit) {
    return "type = arp asks for servers of the table, and one that is taken out would never come back: leave out "
           "inhibit = 0";
  }
  if (!check || check->via != CheckSpec::Via::vip) return {};
  const std::string found = "[check " + named + "] has via = vip, but ";
  if (translates(server.method)) return found + "behind NAT a server has no VIP: give it another check";
  if (!v.health.inhibit) return found + "nothing is sent to servers that are taken out: leave out inhibit = 0";
  return {};
}

constexpr std::array<std::string_view, 8> kPlain{"arp", "nd", "icmp", "tcp", "tls", "http", "dns", "none"};

// The fault of an unknown name; empty: it is known.
std::string unknown(Checking& c, std::string_view name) {
  constexpr size_t kNamed = 20;  // names listed at most: nobody reads a longer list
  if (name.empty() || std::ranges::find(kPlain, name) != kPlain.end()) return {};
  c.used_checks.insert(name);
  if (c.checks.contains(name) || !c.places.known("check")) return {};
  std::vector<std::string_view> known{kPlain.begin(), kPlain.end()};
  for (size_t i = 0; i < std::min(c.config.checks.size(), kNamed); ++i) known.emplace_back(c.config.checks[i].name);
  const std::string guess = did_you_mean(name, known);
  return "there is no [check " + std::string(name) + "]" + (guess.empty() ? "; there are " + listed(known) : guess);
}

void check_server(Checking& c, size_t i, size_t n) {
  const VirtualConfig& v = c.config.virtuals[i];
  const Place& place = c.places.virtuals[i];
  std::string why = unknown(c, v.servers[n].check);
  if (why.empty() && !place.bad("inhibit")) why = unsuited(c, v, v.servers[n]);
  if (!why.empty()) c.report.wrong(place, "server", "check: " + why, n);
}

}  // namespace

bool heeds(CheckKind kind, std::string_view key) {
  if (key == "via") return may_ask_vip(kind);
  const auto* const need = std::ranges::find(kNeeds, key, &Need::key);
  return need == kNeeds.end() || std::ranges::find(need->kinds, kind) != need->kinds.end();
}

void add_health_checks(Checking& c, Portions& walks) {
  walks.each([&c] { return c.config.checks.size(); }, [&c](size_t i) { check_section(c, i); });
  const auto virtuals = [&c] { return c.config.virtuals.size(); };
  walks.each(virtuals, [&c](size_t i) {
    const std::string why = unknown(c, c.config.virtuals[i].check);
    if (!why.empty()) c.report.wrong(c.places.virtuals[i], "check", why);
  });
  walks.each_of(
      virtuals, [&c](size_t i) { return c.config.virtuals[i].servers.size(); },
      [&c](size_t i, size_t n) { check_server(c, i, n); });
}

}  // namespace rawvs
