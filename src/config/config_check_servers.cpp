// SPDX-License-Identifier: BSD-2-Clause
// config_check_servers.cpp: checks servers: a VIP as a server, a server or a name twice, a port without effect, too
// many servers; and the local addresses by which full NAT's servers know the director.

#include <algorithm>
#include <map>
#include <memory>

#include "config/config_check.h"
#include "config/config_values.h"
#include "core/local_addresses.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

// A port without effect, which IPVS forces or ignores, is a fault here. Empty: no fault.
std::string port_fault(const Checking& c, size_t i, const ServerSpec& server) {
  const VirtualConfig& v = c.config.virtuals[i];
  const bool many = c.marks[i].value != 0 || v.ports[0].ports[0] == kEveryPort;
  const uint16_t own = many ? uint16_t{0} : v.ports[0].ports[0].first;
  if (server.at.port.value == 0 || server.at.port.value == own) return {};
  const bool nat = translates(server.method);
  if (nat && (!many || (c.marks[i].value != 0 && v.persistence == Duration::zero()))) return {};
  return formatted("{}: {} keeps {}; leave \":{}\" out{}", text(server.at),
                   nat ? "persistence over several ports" : formatted("forward={}", forward_word(server.method)),
                   many ? "the port that the client chose" : formatted("the virtual's port {}", own),
                   server.at.port.value, nat || many ? "" : ", or translate it with forward=nat");
}

// A tunnel's packet can be of another family than the client's packet in it, and full NAT translates. Empty: no fault.
std::string family_fault(const Checking& c, size_t i, const ServerSpec& server) {
  const VirtualConfig& v = c.config.virtuals[i];
  const Place& place = c.places.virtuals[i];
  const Family own = v.service_family(), its = server.at.addr.family();
  if (own == its || server.method == Method::tunnel || server.method == Method::fullnat || !c.shaped[i] ||
      place.bad("family"))
    return {};
  const bool other_group = !v.address && c.group_of.contains({v.mark.value, its});
  return formatted(
      "{} is {}, and this virtual is {}: forward={} needs one family, only forward=tun and forward=fullnat carry the "
      "other{}",
      text(server.at.addr), name(its), name(own), forward_word(server.method),
      other_group ? formatted("; or family = {}", its == Family::ipv4 ? "ipv4" : "ipv6") : "");
}

class ServerCheck {
 public:
  explicit ServerCheck(Checking& c) : c_(c) {}

  void check(size_t i, size_t n) {
    const VirtualConfig& v = c_.config.virtuals[i];
    const Place& place = c_.places.virtuals[i];
    if (i != of_) of_ = i, seen_.clear(), names_.clear();
    if (std::string why = unfit(i, v.servers[n]); !why.empty()) return c_.report.wrong(place, "server", why, n);
    if (std::string why = name_fault(v.servers[n].name, place, n); !why.empty()) {
      return c_.report.wrong(place, "server", why, n);
    }
    if (!c_.shaped[i]) return;
    const Port own(c_.marks[i].value == 0 ? v.ports[0].ports[0].first : uint16_t{0});
    Endpoint server = v.servers[n].at;
    if (server.port.value == 0) server.port = own;
    const auto [other, fresh] = seen_.emplace(server, n);
    if (fresh) return;
    const int line = place.line_of("server", other->second);
    const std::string which = server.port == own ? rawvs::text(server.addr) : rawvs::text(server);
    c_.report.wrong(place, "server", formatted("{} is already on line {}", which, line), n);
  }

  void check_sorry(size_t i) {
    const VirtualConfig& v = c_.config.virtuals[i];
    const Place& place = c_.places.virtuals[i];
    const size_t its = c_.marks[i].value == 0 ? v.ports.size() : 1;  // without a mark: a service for each protocol
    if (c_.shaped[i]) c_.services += its, c_.servers += v.servers.size() * its;
    if (!v.sorry) return;
    std::string why = unfit(i, *v.sorry);
    if (why.empty()) why = sorry_name_fault(v, place);
    if (!why.empty()) c_.report.wrong(place, "sorry", why);
  }

 private:
  static std::string one_packet_fault(const VirtualConfig& v, const ServerSpec& server) {
    if (!v.one_packet || server.method != Method::fullnat) return {};
    return rawvs::text(server.at.addr) +
           ": forward=fullnat finds a reply's client by the connection, and one_packet = 1 leaves none; "
           "leave one_packet out, or take another way to forward";
  }

  static std::string proxy_fault(const VirtualConfig& v, const ServerSpec& server) {
    const auto other = [](const PortMatch& match) { return match.protocol != Protocol::tcp; };
    if (!server.proxy || std::ranges::none_of(v.ports, other)) return {};
    return rawvs::text(server.at.addr) +
           ": proxy_protocol is for TCP, and this virtual has ports = " + rawvs::text(v.ports);
  }

  std::string name_fault(const ShortName& name, const Place& place, size_t n) {
    if (name.empty()) return {};
    const auto [other, fresh] = names_.emplace(name.text(), n);
    return fresh ? std::string() : name_taken(name, place, other->second);
  }

  static std::string name_taken(const ShortName& name, const Place& place, size_t by) {
    return formatted("name={}: the server on line {} has this name", name.text(), place.line_of("server", by));
  }

  static std::string sorry_name_fault(const VirtualConfig& v, const Place& place) {
    const auto same = [&](const ServerConfig& server) {
      return server.name == v.sorry->name && server.at != v.sorry->at;
    };
    const auto other = std::ranges::find_if(v.servers, same);
    if (v.sorry->name.empty() || other == v.servers.end()) return {};
    return name_taken(other->name, place, static_cast<size_t>(other - v.servers.begin()));
  }

  std::string local_fault(const ServerSpec& server) const {
    const auto local = c_.locals.find(server.at.addr);
    if (local == c_.locals.end() || !translates(server.method)) return {};
    return formatted(
        "{} is a local_address (line {}), so it is this host itself, whose answers forward={} cannot "
        "translate; use forward=dr, or correct local_address",
        rawvs::text(server.at.addr), c_.places.director.line_of("local_address", local->second),
        forward_word(server.method));
  }

  // Why it cannot be a server here; empty: it can.
  std::string unfit(size_t i, const ServerSpec& server) const {
    if (c_.vips.contains(server.at.addr)) return rawvs::text(server.at.addr) + " is a VIP of this file";
    if (std::string why = family_fault(c_, i, server); !why.empty()) return why;
    if (server.at.addr.loopback() && translates(server.method)) {
      return rawvs::text(server.at.addr) +
             " is this host itself, whose answers forward=" + std::string(forward_word(server.method)) +
             " cannot translate; use forward=dr";
    }
    if (std::string why = local_fault(server); !why.empty()) return why;
    if (std::string why = one_packet_fault(c_.config.virtuals[i], server); !why.empty()) return why;
    if (std::string why = proxy_fault(c_.config.virtuals[i], server); !why.empty()) return why;
    return c_.shaped[i] ? port_fault(c_, i, server) : std::string();
  }

  Checking& c_;
  size_t of_ = SIZE_MAX;             // the virtual of seen_
  std::map<Endpoint, size_t> seen_;  // its servers
  std::map<std::string_view, size_t> names_;
};

// A VIP may be one: packets to it come here, too. Whether the host has the others is known when rawvsd runs.
void check_local(Checking& c, size_t n) {
  const Place& place = c.places.director;
  const Ip addr = c.config.settings.local_addresses[n];
  if (const auto fault = link_local_fault(text(addr), addr)) c.report.wrong(place, "local_address", fault->text, n);
  if (const auto [first, fresh] = c.locals.emplace(addr, n); !fresh) {
    const int line = place.line_of("local_address", first->second), its = place.line_of("local_address", n);
    c.report.wrong(place, "local_address",
                   line == its ? formatted("{} is named twice", text(addr))
                               : formatted("{} is already on line {}", text(addr), line),
                   n);
  }
  if (n == LocalAddresses::kMost) {
    c.report.wrong(place, "local_address", formatted("{}: at most {} addresses", text(addr), LocalAddresses::kMost), n);
  }
}

void check_room(Checking& c) {
  const Place& place = c.places.director;
  const auto fits = [&](const char* key, uint32_t most, size_t needed, const char* what) {
    if (needed <= most || place.line == 0 || place.bad(key)) return;
    c.report.wrong(place, key, formatted("{} is less than the {} {} of this file", most, needed, what));
  };
  fits("max_servers", c.config.settings.max_servers, c.servers, "servers");
  fits("max_services", c.config.settings.max_services, c.services, "services");
}

}  // namespace

void add_server_checks(Checking& c, Portions& walks) {
  const auto check = std::shared_ptr<ServerCheck>(new ServerCheck(c));
  const auto virtuals = [&c] { return c.config.virtuals.size(); };
  walks.each([&c] { return c.config.settings.local_addresses.size(); }, [&c](size_t n) { check_local(c, n); });
  walks.each_of(
      virtuals, [&c](size_t i) { return c.config.virtuals[i].servers.size(); },
      [check](size_t i, size_t n) { check->check(i, n); });
  walks.each(virtuals, [check](size_t i) { check->check_sorry(i); });
  walks.once([&c] { check_room(c); });
}

}  // namespace rawvs
