// SPDX-License-Identifier: BSD-2-Clause
// config_check.cpp: what no single line can tell: keys that are missing, and values that contradict each other.

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include "config_rows.h"
#include "config_values.h"
#include "spec_words.h"

namespace rawvs {
namespace {

struct Claim {  // somebody wants these ports of a VIP
  Ip vip{};
  Protocol protocol = Protocol::tcp;
  PortRange range{};
  Network clients{Ip(), 0};
  Mark mark{};  // 0: for a service of the VIP and one port, or every port
  const Place* place = nullptr;
  int line = 0;

  bool overlaps(const Claim& c) const {
    return vip == c.vip && protocol == c.protocol && range.first <= c.range.last && c.range.first <= range.last &&
           (clients.holds(c.clients.base) || c.clients.holds(clients.base));
  }
  bool same_packets(const Claim& c) const { return holds(c) && c.holds(*this); }
  // Every packet of the other. REQUIRES: they overlap, so that the client networks lie one in the other.
  bool holds(const Claim& c) const {
    return range.first <= c.range.first && c.range.last <= range.last && clients.prefix <= c.clients.prefix;
  }
};

std::string text(const Claim& c) {
  const std::string from = c.clients.prefix == 0 ? "" : " from " + rawvs::text(c.clients);
  return std::string(name(c.protocol)) + ' ' + rawvs::text(c.vip) + ':' + rawvs::text(c.range) + from;
}

std::string owner(const Place& place, int line) { return '[' + place.title + "] (line " + std::to_string(line) + ')'; }

class Checker {
 public:
  Checker(const Config& config, const Places& places)
      : config_(config), places_(places), marks_(marks_of_virtuals(config)) {}

  std::optional<Error> run() const {
    using Check = std::optional<Error> (Checker::*)() const;
    constexpr std::array<Check, 8> kChecks{&Checker::interfaces, &Checker::groups,  &Checker::virtuals, &Checker::marks,
                                           &Checker::ports,      &Checker::choices, &Checker::servers,  &Checker::room};
    for (const Check step : kChecks) {
      if (auto problem = (this->*step)()) return problem;
    }
    return std::nullopt;
  }

 private:
  std::optional<Error> interfaces() const;
  std::optional<Error> groups() const;
  std::optional<Error> virtuals() const;
  std::optional<Error> marks() const;
  std::optional<Error> ports() const;
  std::optional<Error> choices() const;
  std::optional<Error> choices_of(size_t i) const;
  std::optional<Error> servers() const;
  std::optional<Error> servers_of(size_t i, const std::set<Ip>& vips) const;
  std::optional<Error> room() const;
  std::optional<Error> port_of(size_t i, const ServerSpec& server, size_t nth) const;
  std::vector<Claim> claims() const;
  std::optional<std::string> contradiction(const Claim& first, const Claim& second) const;
  bool balanced(Mark mark) const { return std::find(marks_.begin(), marks_.end(), mark) != marks_.end(); }

  Error missing(const Place& place, std::string_view key, const std::string& text) const {
    return fault(places_.file, place.line, place, key, {text});
  }
  Error wrong(const Place& place, std::string_view key, const std::string& text, size_t nth = 0) const {
    return fault(places_.file, place.line_of(key, nth), place, key, {text});
  }

  const Config& config_;
  const Places& places_;
  std::vector<Mark> marks_;  // of the virtuals
};

std::optional<Error> Checker::interfaces() const {
  const Place& place = places_.director;
  if (place.line == 0) {
    return Error{std::string(places_.file) + ": there is no [director] section; it names the interface"};
  }
  if (config_.interface.empty()) return missing(place, "interface", "missing; it names where clients are");
  if (config_.interface != config_.inside) return std::nullopt;
  return wrong(place, "inside", quoted(config_.inside) + " is the interface, too; leave inside out");
}

std::optional<Error> Checker::groups() const {
  for (size_t i = 0; i < config_.groups.size(); ++i) {
    if (config_.groups[i].mark.value == 0) return missing(places_.groups[i], "mark", "missing; it numbers the group");
    if (config_.groups[i].matches.empty()) return missing(places_.groups[i], "match", "missing; VIP and ports");
  }
  return std::nullopt;
}

std::optional<Error> Checker::virtuals() const {
  for (size_t i = 0; i < config_.virtuals.size(); ++i) {
    const VirtualConfig& v = config_.virtuals[i];
    const Place& place = places_.virtuals[i];
    const bool has_ports = !v.ports.empty();
    if (v.address && !has_ports) return missing(place, "ports", "missing; an address needs ports, such as tcp/80");
    if (!v.address && has_ports) return missing(place, "address", "missing; ports need an address, the VIP");
    if (!v.address && v.mark.value == 0) {
      return missing(place, "address", "missing; a virtual has address and ports, or the mark of a group");
    }
  }
  return std::nullopt;
}

std::optional<Error> Checker::marks() const {
  std::map<uint32_t, const Place*> seen;
  for (size_t i = 0; i < config_.virtuals.size(); ++i) {
    const uint32_t mark = marks_[i].value;
    if (mark == 0) continue;
    const auto [other, fresh] = seen.emplace(mark, &places_.virtuals[i]);
    if (fresh) continue;
    return wrong(
        places_.virtuals[i], "mark",
        "mark " + std::to_string(mark) + " is balanced by " + owner(*other->second, other->second->line) + " already");
  }
  for (size_t i = 0; i < config_.virtuals.size(); ++i) {
    const VirtualConfig& v = config_.virtuals[i];
    const auto defines = [&](const GroupConfig& group) { return group.mark == v.mark; };
    if (v.address || std::any_of(config_.groups.begin(), config_.groups.end(), defines)) continue;
    return wrong(places_.virtuals[i], "mark",
                 "no group has mark " + std::to_string(v.mark.value) + "; add a [group NAME] with it");
  }
  return std::nullopt;
}

std::vector<Claim> Checker::claims() const {
  std::vector<Claim> all;
  for (size_t i = 0; i < config_.groups.size(); ++i) {
    const GroupConfig& group = config_.groups[i];
    for (size_t m = 0; m < group.matches.size(); ++m) {
      const auto& [vip, match, clients] = group.matches[m];
      const int line = places_.groups[i].line_of("match", m);
      for (const PortRange range : match.ports) {
        all.push_back({vip, match.protocol, range, clients, group.mark, &places_.groups[i], line});
      }
    }
  }
  for (size_t i = 0; i < config_.virtuals.size(); ++i) {
    const int line = places_.virtuals[i].line_of("ports");
    for (const PortMatch& match : config_.virtuals[i].ports) {
      for (const PortRange range : match.ports) {
        const Ip vip = *config_.virtuals[i].address;
        all.push_back({vip, match.protocol, range, {Ip(), 0}, marks_[i], &places_.virtuals[i], line});
      }
    }
  }
  return all;
}

// What is wrong with two claims that overlap, if they are for different services. A packet gets one mark, that of the
// most specific match; as in IPVS, a mark that is balanced comes before the VIP's own services, and among these one
// port comes before every port.
std::optional<std::string> Checker::contradiction(const Claim& first, const Claim& second) const {
  if (first.mark == second.mark && first.mark.value != 0) return std::nullopt;
  const bool marked = first.mark.value != 0 || second.mark.value != 0;
  const bool mixed = marked && (first.mark.value == 0 || second.mark.value == 0);
  if (mixed && !balanced(first.mark.value != 0 ? first.mark : second.mark)) return std::nullopt;
  const std::string other = text(first) + " of " + owner(*first.place, first.line);
  if (first.same_packets(second)) return text(second) + " is the same as " + other + "; one of them would get nothing";
  if (!first.holds(second) && !second.holds(first)) {
    return text(second) + " and " + other + " overlap, and neither contains the other: ambiguous";
  }
  const Claim& narrow = first.holds(second) ? second : first;
  if (!mixed || narrow.mark.value != 0) return std::nullopt;  // the narrow one wins
  return text(second) + " and " + other + " overlap, and a group comes before a virtual without mark: give " +
         owner(*narrow.place, narrow.place->line) + " a mark, then the narrower one wins";
}

std::optional<Error> Checker::ports() const {
  std::vector<Claim> all = claims();
  std::sort(all.begin(), all.end(), [](const Claim& a, const Claim& b) {
    return std::tie(a.vip, a.protocol, a.range.first, a.line) < std::tie(b.vip, b.protocol, b.range.first, b.line);
  });
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = i + 1; j < all.size(); ++j) {
      const bool near = all[i].vip == all[j].vip && all[i].protocol == all[j].protocol;
      if (!near || all[j].range.first > all[i].range.last) break;  // sorted: nothing behind overlaps either
      if (!all[i].overlaps(all[j])) continue;
      const bool in_order = all[i].line <= all[j].line;
      const Claim& first = in_order ? all[i] : all[j];
      const Claim& second = in_order ? all[j] : all[i];
      const auto problem = contradiction(first, second);
      if (!problem) continue;
      const bool group = second.place->title.starts_with("group ");
      return fault(places_.file, second.line, *second.place, group ? "match" : "ports", {*problem});
    }
  }
  return std::nullopt;
}

std::optional<Error> Checker::choices() const {
  for (size_t i = 0; i < config_.virtuals.size(); ++i) {
    if (auto problem = choices_of(i)) return problem;
  }
  return std::nullopt;
}

std::optional<Error> Checker::choices_of(size_t i) const {
  const Place& place = places_.virtuals[i];
  const VirtualConfig& v = config_.virtuals[i];
  if (v.flags.scheduler && *v.flags.scheduler != v.scheduler) {
    const std::string own = name(*v.flags.scheduler), other = name(v.scheduler);
    return wrong(
        place, "scheduler_flags",
        flags_text(*v.flags.scheduler, v.flags.bits) + " is for scheduler = " + own + "; this virtual has " + other);
  }
  const bool persistent = v.persistence != Duration::zero();
  if (!persistent && !v.netmask.full()) {
    return wrong(place, "netmask", "is for persistence, and this virtual has none; add such as persistence = 360");
  }
  if (marks_[i].value != 0) return std::nullopt;
  if (!persistent && v.ports[0].ports[0] == kEveryPort) {
    return wrong(place, "ports",
                 text(v.ports) + ": every port needs persistence, so that all of a client's connections reach one " +
                     "server; add such as persistence = 360, or name the ports");
  }
  for (const PortMatch& match : v.ports) {
    if (!v.one_packet || match.protocol == Protocol::udp) continue;
    return wrong(place, "one_packet", "is for UDP, and this virtual has ports = " + text(v.ports));
  }
  return std::nullopt;
}

std::optional<Error> Checker::servers() const {
  std::set<Ip> vips;
  for (const Claim& claim : claims()) vips.insert(claim.vip);
  for (size_t i = 0; i < config_.virtuals.size(); ++i) {
    if (auto problem = servers_of(i, vips)) return problem;
  }
  return std::nullopt;
}

std::optional<Error> Checker::servers_of(size_t i, const std::set<Ip>& vips) const {
  const Place& place = places_.virtuals[i];
  const VirtualConfig& v = config_.virtuals[i];
  const Port own(marks_[i].value == 0 ? v.ports[0].ports[0].first : uint16_t{0});
  std::map<Endpoint, size_t> seen;
  for (size_t n = 0; n < v.servers.size(); ++n) {
    Endpoint server = v.servers[n].at;
    if (vips.contains(server.addr)) {
      return wrong(place, "server", rawvs::text(server.addr) + " is a VIP of this file", n);
    }
    if (auto problem = port_of(i, v.servers[n], n)) return problem;
    if (server.port.value == 0) server.port = own;
    const auto [other, fresh] = seen.emplace(server, n);
    if (fresh) continue;
    const int line = place.line_of("server", other->second);
    const std::string which = server.port == own ? rawvs::text(server.addr) : rawvs::text(server);
    return wrong(place, "server", which + " is already on line " + std::to_string(line), n);
  }
  return std::nullopt;
}

// IPVS forces or ignores a port that can have no effect; here that is said.
std::optional<Error> Checker::port_of(size_t i, const ServerSpec& server, size_t nth) const {
  const VirtualConfig& v = config_.virtuals[i];
  const bool many = marks_[i].value != 0 || v.ports[0].ports[0] == kEveryPort;
  const uint16_t own = many ? uint16_t{0} : v.ports[0].ports[0].first;
  if (server.at.port.value == 0 || server.at.port.value == own) return std::nullopt;
  const bool nat = server.method == Method::masq;
  if (nat && (!many || (marks_[i].value != 0 && v.persistence == Duration::zero()))) return std::nullopt;
  const std::string forward = "forward=" + std::string(forward_word(server.method));
  std::string why = nat ? "persistence over several ports" : forward;
  why += many ? " keeps the port that the client chose" : " keeps the virtual's port " + std::to_string(own);
  std::string remedy = "; leave \":" + std::to_string(server.at.port.value) + "\" out";
  if (!nat && !many) remedy += ", or translate it with forward=nat";
  return wrong(places_.virtuals[i], "server", text(server.at) + ": " + why + remedy, nth);
}

std::optional<Error> Checker::room() const {
  size_t needed = 0;
  for (size_t i = 0; i < config_.virtuals.size(); ++i) {
    const VirtualConfig& v = config_.virtuals[i];  // without mark: a service for each protocol
    needed += v.servers.size() * (marks_[i].value == 0 ? v.ports.size() : 1);
  }
  if (needed <= config_.settings.max_servers) return std::nullopt;
  return wrong(places_.director, "max_servers",
               std::to_string(config_.settings.max_servers) + " is less than the " + std::to_string(needed) +
                   " servers of this file");
}

}  // namespace

int Place::line_of(std::string_view key, size_t nth) const {
  for (const auto& [found, found_line] : keys) {
    if (found == key && nth-- == 0) return found_line;
  }
  return line;
}

Error fault(std::string_view file, int line, const Place& place, std::string_view key, const Error& problem) {
  return at(std::string(file) + ':' + std::to_string(line) + ": [" + place.title + "] " + std::string(key), problem);
}

std::optional<Error> check(const Config& config, const Places& places) {
  if (auto problem = Checker(config, places).run()) return problem;
  if (auto problem = check_health(config, places)) return problem;
  if (auto problem = check_vrrp(config, places)) return problem;
  return check_sync(config, places);
}

}  // namespace rawvs
