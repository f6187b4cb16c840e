// SPDX-License-Identifier: BSD-2-Clause
// config_check_servers.cpp: checks servers: a VIP as a server, a server named twice, a port without effect, too many
// servers.

#include <map>
#include <memory>

#include "config/config_check.h"
#include "config/config_values.h"

namespace rawvs {
namespace {

// A port without effect, which IPVS forces or ignores, is a fault here. Empty: no fault.
std::string port_fault(const Checking& c, size_t i, const ServerSpec& server) {
  const VirtualConfig& v = c.config.virtuals[i];
  const bool many = c.marks[i].value != 0 || v.ports[0].ports[0] == kEveryPort;
  const uint16_t own = many ? uint16_t{0} : v.ports[0].ports[0].first;
  if (server.at.port.value == 0 || server.at.port.value == own) return {};
  const bool nat = server.method == Method::masq;
  if (nat && (!many || (c.marks[i].value != 0 && v.persistence == Duration::zero()))) return {};
  const std::string forward = "forward=" + std::string(forward_word(server.method));
  std::string why = nat ? "persistence over several ports" : forward;
  why += many ? " keeps the port that the client chose" : " keeps the virtual's port " + std::to_string(own);
  std::string remedy = "; leave \":" + std::to_string(server.at.port.value) + "\" out";
  if (!nat && !many) remedy += ", or translate it with forward=nat";
  return text(server.at) + ": " + why + remedy;
}

class ServerCheck {
 public:
  explicit ServerCheck(Checking& c) : c_(c) {}

  void check(size_t i, size_t n) {
    const VirtualConfig& v = c_.config.virtuals[i];
    const Place& place = c_.places.virtuals[i];
    if (i != of_) of_ = i, seen_.clear();
    if (std::string why = unfit(i, v.servers[n]); !why.empty()) return c_.report.wrong(place, "server", why, n);
    if (!c_.shaped[i]) return;
    const Port own(c_.marks[i].value == 0 ? v.ports[0].ports[0].first : uint16_t{0});
    Endpoint server = v.servers[n].at;
    if (server.port.value == 0) server.port = own;
    const auto [other, fresh] = seen_.emplace(server, n);
    if (fresh) return;
    const int line = place.line_of("server", other->second);
    const std::string which = server.port == own ? rawvs::text(server.addr) : rawvs::text(server);
    c_.report.wrong(place, "server", which + " is already on line " + std::to_string(line), n);
  }

  void check_sorry(size_t i) {
    const VirtualConfig& v = c_.config.virtuals[i];
    const Place& place = c_.places.virtuals[i];
    const size_t its = c_.marks[i].value == 0 ? v.ports.size() : 1;  // without a mark: a service for each protocol
    if (c_.shaped[i]) c_.services += its, c_.servers += v.servers.size() * its;
    if (!v.sorry) return;
    if (std::string why = unfit(i, *v.sorry); !why.empty()) c_.report.wrong(place, "sorry", why);
  }

 private:
  // Why it cannot be a server here; empty: it can.
  std::string unfit(size_t i, const ServerSpec& server) const {
    if (c_.vips.contains(server.at.addr)) return rawvs::text(server.at.addr) + " is a VIP of this file";
    return c_.shaped[i] ? port_fault(c_, i, server) : std::string();
  }

  Checking& c_;
  size_t of_ = SIZE_MAX;             // the virtual of seen_
  std::map<Endpoint, size_t> seen_;  // its servers
};

void check_room(Checking& c) {
  const Place& place = c.places.director;
  const auto fits = [&](const char* key, uint32_t most, size_t needed, const char* what) {
    if (needed <= most || place.line == 0 || place.bad(key)) return;
    c.report.wrong(place, key,
                   std::to_string(most) + " is less than the " + std::to_string(needed) + what + " of this file");
  };
  fits("max_servers", c.config.settings.max_servers, c.servers, " servers");
  fits("max_services", c.config.settings.max_services, c.services, " services");
}

}  // namespace

void add_server_checks(Checking& c, Portions& walks) {
  const auto check = std::shared_ptr<ServerCheck>(new ServerCheck(c));
  const auto virtuals = [&c] { return c.config.virtuals.size(); };
  walks.each_of(
      virtuals, [&c](size_t i) { return c.config.virtuals[i].servers.size(); },
      [check](size_t i, size_t n) { check->check(i, n); });
  walks.each(virtuals, [check](size_t i) { check->check_sorry(i); });
  walks.once([&c] { check_room(c); });
}

}  // namespace rawvs
