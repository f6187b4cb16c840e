// SPDX-License-Identifier: BSD-2-Clause
// config_check.cpp: what no single line can tell: keys that are missing, and values that contradict each other.

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include "config_rows.h"
#include "config_values.h"

namespace rawvs {
namespace {

struct Claim {  // somebody wants these ports of a VIP
  Ip vip{};
  Protocol protocol = Protocol::tcp;
  PortRange range{};
  Mark mark{};  // 0: for a service of one address and port
  const Place* place = nullptr;
  int line = 0;
};

std::string text(const Claim& c) {
  return std::string(name(c.protocol)) + ' ' + rawvs::text(c.vip) + ':' + rawvs::text(c.range);
}

std::string owner(const Place& place, int line) { return '[' + place.title + "] (line " + std::to_string(line) + ')'; }

class Checker {
 public:
  Checker(const Config& config, const Places& places)
      : config_(config), places_(places), marks_(marks_of_virtuals(config)) {}

  std::optional<Error> run() const {
    using Check = std::optional<Error> (Checker::*)() const;
    constexpr std::array<Check, 7> kChecks{&Checker::interfaces, &Checker::groups,  &Checker::virtuals, &Checker::marks,
                                           &Checker::ports,      &Checker::servers, &Checker::room};
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
  std::optional<Error> servers() const;
  std::optional<Error> servers_of(size_t i, const std::set<Ip>& vips) const;
  std::optional<Error> room() const;
  std::vector<Claim> claims() const;
  bool contradict(const Claim& a, const Claim& b) const;
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
      const auto& [vip, match] = group.matches[m];
      const int line = places_.groups[i].line_of("match", m);
      for (const PortRange range : match.ports) {
        all.push_back({vip, match.protocol, range, group.mark, &places_.groups[i], line});
      }
    }
  }
  for (size_t i = 0; i < config_.virtuals.size(); ++i) {
    const int line = places_.virtuals[i].line_of("ports");
    for (const PortMatch& match : config_.virtuals[i].ports) {
      for (const PortRange range : match.ports) {
        all.push_back({*config_.virtuals[i].address, match.protocol, range, marks_[i], &places_.virtuals[i], line});
      }
    }
  }
  return all;
}

// As in IPVS a mark comes before an address, so a group that nothing balances leaves its ports to others.
bool Checker::contradict(const Claim& a, const Claim& b) const {
  if (a.mark.value == 0 && b.mark.value == 0) return true;
  if (a.mark.value == 0) return balanced(b.mark);
  if (b.mark.value == 0) return balanced(a.mark);
  return a.mark != b.mark;
}

std::optional<Error> Checker::ports() const {
  std::vector<Claim> all = claims();
  std::sort(all.begin(), all.end(), [](const Claim& a, const Claim& b) {
    return std::tie(a.vip, a.protocol, a.range.first, a.line) < std::tie(b.vip, b.protocol, b.range.first, b.line);
  });
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = i + 1; j < all.size(); ++j) {
      const bool overlap =
          all[i].vip == all[j].vip && all[i].protocol == all[j].protocol && all[j].range.first <= all[i].range.last;
      if (!overlap) break;  // sorted: nothing behind overlaps either
      if (!contradict(all[i], all[j])) continue;
      const bool in_order = all[i].line <= all[j].line;
      const Claim& first = in_order ? all[i] : all[j];
      const Claim& second = in_order ? all[j] : all[i];
      const bool group = second.place->title.starts_with("group ");
      return fault(places_.file, second.line, *second.place, group ? "match" : "ports",
                   {text(second) + " overlaps " + text(first) + " of " + owner(*first.place, first.line)});
    }
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
  const uint16_t port = marks_[i].value == 0 ? v.ports[0].ports[0].first : 0;
  std::map<Ip, size_t> seen;
  for (size_t n = 0; n < v.servers.size(); ++n) {
    const Endpoint server = v.servers[n].at;
    if (vips.contains(server.addr))
      return wrong(place, "server", rawvs::text(server.addr) + " is a VIP of this file", n);
    if (server.port.value != 0 && server.port.value != port) {
      const std::string kept =
          port == 0 ? "the port that the client chose" : "the virtual's port " + std::to_string(port);
      return wrong(place, "server",
                   rawvs::text(server) + ": forward=dr keeps " + kept +
                       "; leave \":" + std::to_string(server.port.value) + "\" out",
                   n);
    }
    const auto [other, fresh] = seen.emplace(server.addr, n);
    if (fresh) continue;
    const int line = place.line_of("server", other->second);
    return wrong(place, "server", rawvs::text(server.addr) + " is already on line " + std::to_string(line), n);
  }
  return std::nullopt;
}

std::optional<Error> Checker::room() const {
  size_t needed = 0;
  for (const VirtualConfig& v : config_.virtuals) needed += v.servers.size();
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

std::optional<Error> check(const Config& config, const Places& places) { return Checker(config, places).run(); }

}  // namespace rawvs
