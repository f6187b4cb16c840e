// SPDX-License-Identifier: BSD-2-Clause
// doctor_guards.cpp: the doctor's checks of the guards, which keep this host's kernel from handling the VIPs' frames.
#include <algorithm>

#include "doctor.h"

namespace rawvs::adm {
namespace {

bool switched_off(const DaemonFacts& daemon) {  // by guard = off
  const auto found = daemon.settings.find("guard");
  return found != daemon.settings.end() && found->second == "off";
}

// The guard of an interface: its way, "off", or empty if unknown.
std::string guard_of(const DaemonFacts& daemon, const PortFacts& port) {
  return port.guard.empty() && switched_off(daemon) ? "off" : port.guard;
}

Finding unguarded(const DoctorFacts& facts, const PortFacts& port, const std::vector<Ip>& vips) {
  std::string rules;
  for (size_t i = 0; i < std::min<size_t>(3, vips.size()); ++i) {
    const std::string tables = vips[i].is_v4() ? "iptables" : "ip6tables";
    rules +=
        (i == 0 ? "" : "; ") + (tables + " -t raw -I PREROUTING -i " + port.name + " -d " + text(vips[i])) + " -j DROP";
  }
  const bool off = switched_off(facts.daemon);
  return {off ? Urgency::warning : Urgency::error, "no-guard",
          port.name + " has no guard (" + (off ? "guard = off" : "none could be attached, rawvsd's log says why") +
              "), and this host forwards",
          "its kernel also routes the frames that rawvsd takes, unless a firewall rule drops them: servers get packets "
          "twice, and NAT servers' answers reach clients untranslated, too",
          off ? "set guard = auto in " + facts.daemon.config + " and restart rawvsd; or, for each VIP: " + rules
              : "for each VIP: " + rules};
}

// Some VIPs are not guarded: the kernel had no room for them.
Finding partly_guarded(const DoctorFacts& facts, const PortFacts& port) {
  const std::string rule = "iptables (ip6tables for IPv6) -t raw -I PREROUTING -i " + port.name + " -d VIP -j DROP";
  const std::string better = "set guard = auto in " + facts.daemon.config +
                             " and restart rawvsd (tcx and clsact, from Linux 4.5 on, have room for more)";
  const std::string memory = "free -m, and give this host more memory; rawvsd's log says what the kernel refused";
  return {Urgency::error, "guard-full",
          std::to_string(port.guarded) + " of " + std::to_string(port.vips) + " VIPs guarded on " + port.name + " (" +
              port.guard + "), and this host forwards",
          "its kernel also routes the frames to the others: servers get packets twice",
          (port.guard == "classic" && facts.daemon.setting("guard") == "classic" ? better : memory) +
              "; or, for each VIP: " + rule};
}

Finding flows_not_guarded(const DoctorFacts& facts, const PortFacts& port) {
  return {Urgency::warning, "guard-flows",
          "the guard on " + port.name + " had no room for " + std::to_string(port.unguarded) +
              " NAT connections since rawvsd's start, and this host forwards",
          "its kernel also routes their servers' answers, untranslated",
          "free -m, and give this host more memory; or set a lower max_connections in " + facts.daemon.config +
              " and restart rawvsd"};
}

}  // namespace

std::string look_at_guards(const DoctorFacts& facts, Findings& findings) {
  const std::vector<Ip> vips = live_vips(facts.daemon);
  std::string right;
  for (const PortFacts& port : facts.daemon.ports) {
    const HostLink* const link = facts.host.link(port.name);
    const std::string guard = guard_of(facts.daemon, port);
    if (guard.empty() || !link || !link->up) continue;
    const std::string routes = link->forwarding ? "this host forwards" : "this host does not forward";
    if (link->forwarding && port.unguarded > 0) findings.push_back(flows_not_guarded(facts, port));
    if (guard != "off" && link->forwarding && port.guarded < port.vips) {
      findings.push_back(partly_guarded(facts, port));
    } else if (guard != "off") {
      join(right, port.name + " has a guard (" + guard + ')');
      right += " and " + routes;
    } else if (link->forwarding && !vips.empty()) {
      findings.push_back(unguarded(facts, port, vips));
    } else {
      join(right, port.name + " has no guard, but needs none: " + routes);
    }
  }
  return right.empty() ? "" : right + ": its kernel leaves the VIPs' frames alone";
}

}  // namespace rawvs::adm
