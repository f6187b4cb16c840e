// SPDX-License-Identifier: BSD-2-Clause
// ini_random.h: random configurations, the same for the same seed, for tests of save --ini.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "rawvs/config.h"

namespace rawvs::drawn {

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(engine_()) % limit; }
  bool one_in(uint32_t n) { return below(n) == 0; }
  template <class T>
  const T& of(const std::vector<T>& all) {
    return all[below(static_cast<uint32_t>(all.size()))];
  }

 private:
  std::mt19937 engine_;
};

// The address of either family that a number stands for.
inline Ip address_of(Family family, uint32_t number) {
  return family == Family::ipv4 ? Ip(number) : Ip(uint64_t{0x20010db8} << 32, number);
}

// A tunnel may be of the other family.
inline ServerSpec random_server(Random& r, Ip at, bool either = true) {
  ServerSpec server;
  server.at.addr = at;
  server.weight = static_cast<int32_t>(r.below(4));
  constexpr Method kMethods[] = {Method::route, Method::tunnel, Method::masq};
  server.method = kMethods[r.below(3)];
  if (either && server.method == Method::tunnel && r.one_in(4)) {
    const Family other = at.is_v4() ? Family::ipv6 : Family::ipv4;
    server.at.addr = address_of(other, static_cast<uint32_t>(at.lo()));
  }
  if (server.method == Method::tunnel && r.one_in(2)) server.tunnel = {TunnelType::gue, Port(6080), {}};
  if (r.one_in(4)) server.name = ShortName::of("s-" + std::to_string(at.lo()));  // unlike all others
  if (r.one_in(4)) server.upper = 20, server.lower = r.below(20);
  if (r.one_in(4)) server.mac = Mac{{2, 0, 0, 0, 1, static_cast<uint8_t>(1 + r.below(250))}};
  return server;
}

inline std::vector<PortMatch> random_ports(Random& r, bool& every) {
  every = false;
  switch (r.below(6)) {
    case 0: return {{Protocol::tcp, {{80, 80}, {443, 443}}}, {Protocol::udp, {{53, 60}}}};
    case 1: return {{Protocol::tcp, {{8000, 8010}}}};
    case 2: return {{Protocol::udp, {{53, 53}}}};
    case 3: every = true; return {{Protocol::tcp, {{0, 65535}}}, {Protocol::udp, {{0, 65535}}}};
    case 4: every = true; return {{Protocol::tcp, {{0, 65535}}}};
    default: return {{Protocol::tcp, {{80, 80}}}};
  }
}

inline void draw_health(Random& r, const std::vector<std::string>& checks, uint32_t i, VirtualConfig& v) {
  if (r.one_in(2)) v.check = r.of(checks);
  for (ServerConfig& server : v.servers) {
    if (r.one_in(4)) server.check = r.one_in(3) ? "none" : r.of(checks);
  }
  v.health.inhibit = !r.one_in(3);
  v.health.on_down = static_cast<OnDown>(r.below(3));
  v.health.quorum = 1 + r.below(3);
  if (!r.one_in(3)) return;
  v.sorry.emplace();
  v.sorry->at.addr = address_of(v.service_family(), 0x0a090001 + i);
}

inline void draw_virtuals(Random& r, const std::vector<std::string>& checks, Config& c) {
  for (uint32_t i = r.below(7); i > 0; --i) {
    VirtualConfig& v = c.virtuals.emplace_back();
    v.name = "web-" + std::to_string(i);
    bool every = false;
    if (i <= c.groups.size() && r.one_in(2)) {
      v.mark = c.groups[i - 1].mark;
      v.family = c.groups[i - 1].family();
    } else {
      v.address = address_of(r.one_in(2) ? Family::ipv4 : Family::ipv6, 0xc0000264 + (r.one_in(5) ? 20 : 0) + i);
      v.ports = random_ports(r, every);
      if (r.one_in(4)) v.mark = Mark(1000 + i);
    }
    if (every || r.one_in(3)) v.persistence = std::chrono::seconds(60 + r.below(300));
    const Family family = v.service_family();
    v.netmask = {Netmask(), family};
    if (v.persistence != Duration::zero() && r.one_in(3)) {
      v.netmask = {Netmask(family, static_cast<uint8_t>(family == Family::ipv4 ? 24 : 64)), family};
    }
    v.scheduler = r.one_in(3) ? Scheduler::mh : static_cast<Scheduler>(r.below(5));
    if (v.scheduler == Scheduler::mh && r.one_in(2)) v.flags = {Scheduler::mh, 1};
    for (uint32_t s = r.below(5); s > 0; --s) {
      v.servers.push_back({random_server(r, address_of(family, 0x0a000000 + (i << 8) + s)), {}});
    }
    draw_health(r, checks, i, v);
    const auto by_arp = [](const std::string& check) { return check == "arp"; };
    if (by_arp(v.check)) v.health.inhibit = true;
  }
}

inline Config random_config(Random& r) {
  Config c;
  c.interface = "eth0";
  c.settings.sloppy_tcp = r.one_in(2);
  c.settings.timeouts.tcp = std::chrono::seconds(1 + r.below(1000));
  for (uint32_t i = 0, n = r.below(4); i < n; ++i) {
    GroupConfig& g = c.groups.emplace_back();
    g.name = "group." + std::to_string(i);
    g.mark = Mark(r.one_in(8) ? 0x52560000 + i : i + 1);
    const Family family = r.one_in(2) ? Family::ipv4 : Family::ipv6;
    const Ip vip = address_of(family, 0xc633640a + i);
    const Network some = family == Family::ipv4 ? Network{Ip(0xcb007100), 24} : Network{address_of(family, 0), 64};
    g.matches.push_back({vip, {Protocol::tcp, {{80, 90}}}, Network::all(family)});
    if (r.one_in(2)) g.matches.push_back({vip, {Protocol::udp, {{1, 9}}}, some});
  }
  std::vector<std::string> checks{"tcp", "icmp"};
  for (uint32_t i = r.below(3); i > 0; --i) {
    CheckConfig& check = c.checks.emplace_back();
    check.name = "check" + std::to_string(i);
    check.spec.name = check.name;
    check.spec.kind = r.one_in(2) ? CheckKind::http : CheckKind::tcp;
    check.spec.interval = std::chrono::seconds(5 + r.below(9));
    checks.push_back(check.name);
  }
  draw_virtuals(r, checks, c);
  for (uint32_t i = c.virtuals.empty() ? 0 : r.below(3); i > 0; --i) {
    VrrpConfig& v = c.vrrps.emplace_back();
    v.name = "vrrp" + std::to_string(i);
    v.spec.vrid = static_cast<uint8_t>(i);
    if (i != 1 || r.one_in(2)) {
      v.spec.addresses = {address_of(r.one_in(2) ? Family::ipv4 : Family::ipv6, 0xcb007200 + i)};
    } else {
      const auto is_v4 = [](const VirtualConfig& one) { return one.vip() && one.vip()->is_v4(); };
      const auto of_v4 = [](const GroupConfig& g) { return g.family() == Family::ipv4; };
      const bool any_v4 = std::ranges::any_of(c.virtuals, is_v4) || std::ranges::any_of(c.groups, of_v4);
      v.family = any_v4 ? Family::ipv4 : Family::ipv6;
    }
    if (r.one_in(4)) v.spec.tracks.push_back({r.of(c.virtuals).name, 0});
  }
  if (r.one_in(2)) c.sync.emplace().key = "a secret of ours";
  return c;
}

}  // namespace rawvs::drawn
