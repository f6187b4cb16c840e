// SPDX-License-Identifier: BSD-2-Clause
// config_check_health.cpp: [check] sections, and who names them: what no single line can tell.

#include <algorithm>
#include <array>

#include "config_rows.h"
#include "config_values.h"

namespace rawvs {
namespace {

struct Need {  // a key that only these kinds of check heed
  std::string_view key;
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

// Can it be sent to the VIP on a server? Whose its packets are is seen by their ports.
bool may_ask_vip(CheckKind kind) {
  return kind != CheckKind::arp && kind != CheckKind::icmp && kind != CheckKind::exec;
}

bool has_port(CheckKind kind) { return kind != CheckKind::arp && kind != CheckKind::icmp; }

std::optional<Error> section(const CheckConfig& c, const Place& place, std::string_view file) {
  const auto wrong = [&](std::string_view key, const std::string& text) {
    return fault(file, place.line_of(key), place, key, {text});
  };
  const std::string kind = name(c.spec.kind);
  for (const auto& [key, line] : place.keys) {
    if (heeds(c.spec.kind, key)) continue;
    if (key == "via")
      return wrong(key, "is for type = tcp, tls, http, udp or dns; type = " + kind + " asks the server");
    const auto* const need = std::ranges::find(kNeeds, key, &Need::key);
    return wrong(key, std::string("is for type = ") + name(need->kinds[0]) + "; this check has type = " + kind);
  }
  if (c.spec.kind == CheckKind::exec && c.spec.program.empty()) {
    return wrong("program", "missing; type = exec runs a program");
  }
  if (c.spec.port.value != 0 && !has_port(c.spec.kind)) return wrong("port", "type = " + kind + " asks no port");
  return std::nullopt;
}

// Why this server cannot be asked so. Empty: it can.
std::string unsuited(const Config& config, const VirtualConfig& v, const ServerConfig& server) {
  const std::string& named = server.check.empty() ? v.check : server.check;
  const CheckSpec* const check = find_check(config, named);
  const bool by_arp = check ? check->kind == CheckKind::arp : named == name(CheckKind::arp);
  if (by_arp && !v.health.inhibit) {
    return "type = arp asks for servers of the table, and one that is taken out would never come back: leave out "
           "inhibit = 0";
  }
  if (!check || check->via != CheckSpec::Via::vip) return {};
  const std::string found = "[check " + named + "] has via = vip, but ";
  if (server.method == Method::masq) return found + "behind NAT a server has no VIP: give it another check";
  if (!v.health.inhibit) return found + "nothing is sent to servers that are taken out: leave out inhibit = 0";
  return {};
}

}  // namespace

bool heeds(CheckKind kind, std::string_view key) {
  if (key == "via") return may_ask_vip(kind);
  const auto* const need = std::ranges::find(kNeeds, key, &Need::key);
  return need == kNeeds.end() || std::ranges::find(need->kinds, kind) != need->kinds.end();
}

const CheckSpec* find_check(const Config& config, std::string_view name) {
  const auto found = std::ranges::find(config.checks, name, &CheckConfig::name);
  return found == config.checks.end() ? nullptr : &found->spec;
}

std::optional<Error> check_health(const Config& config, const Places& places) {
  for (size_t i = 0; i < config.checks.size(); ++i) {
    if (auto problem = section(config.checks[i], places.checks[i], places.file)) return problem;
  }
  std::vector<std::string_view> known{"arp", "icmp", "tcp", "tls", "http", "dns", "none"};
  for (const CheckConfig& c : config.checks) known.emplace_back(c.name);
  const auto unknown = [&](std::string_view name) -> std::optional<Error> {
    if (name.empty() || std::ranges::find(known, name) != known.end()) return std::nullopt;
    const std::string guess = did_you_mean(name, known);
    return Error{"there is no [check " + std::string(name) + "]" +
                 (guess.empty() ? "; there are " + listed(known) : guess)};
  };
  for (size_t i = 0; i < config.virtuals.size(); ++i) {
    const VirtualConfig& v = config.virtuals[i];
    const Place& place = places.virtuals[i];
    if (const auto problem = unknown(v.check))
      return fault(places.file, place.line_of("check"), place, "check", *problem);
    for (size_t n = 0; n < v.servers.size(); ++n) {
      if (const auto problem = unknown(v.servers[n].check)) {
        return fault(places.file, place.line_of("server", n), place, "server", at("check", *problem));
      }
      if (const std::string why = unsuited(config, v, v.servers[n]); !why.empty()) {
        return fault(places.file, place.line_of("server", n), place, "server", at("check", {why}));
      }
    }
  }
  return std::nullopt;
}

}  // namespace rawvs
