// SPDX-License-Identifier: BSD-2-Clause
// doctor_local.cpp: the doctor's checks of this host as a client ([director] local_clients).
#include <algorithm>

#include "doctor.h"

namespace rawvs::adm {

namespace {

// The kernel delivers what it sends to its own addresses to itself, before any route.
void look_at_addresses(const DoctorFacts& facts, Findings& findings) {
  for (const VipFacts& vip : facts.daemon.vips) {
    const HostLink* const on = facts.host.with(vip.address);
    if (vip.retired || (!vip.own && !on)) continue;
    findings.push_back({Urgency::note, "local-own",
                        "VIP " + text(vip.address) + " is an address of this host" + (on ? ", on " + on->name : "") +
                            ", and local_clients = 1",
                        "what this host sends to it is not balanced: its kernel delivers to itself before any route",
                        "use for this host's programs a VIP that is none of its addresses: another [virtual] with the "
                        "same servers"});
  }
}

// Servers of DR and TUN answer from the VIP, to which the route leaves by the tun interface.
void look_at_reverse_paths(const DoctorFacts& facts, Findings& findings) {
  std::string links;
  for (const ServerFacts& server : facts.daemon.servers) {
    const auto& at = facts.daemon.services[server.service].virtual_at;
    const bool answers_itself = server.method == "route" || server.method == "tunnel";
    if (server.local || !answers_itself || (at && at->addr.is_v6())) continue;
    const HostLink* const link = facts.host.link(link_of(facts, server));
    if (!link || link->rp_filter != 1 || (", " + links + ',').find(", " + link->name + ',') != std::string::npos)
      continue;
    join(links, link->name);
    findings.push_back(
        {Urgency::warning, "local-rp-filter",
         "rp_filter is strict on " + link->name + ", where servers of DR or TUN are, and local_clients = 1",
         "they answer this host from the VIP, to which its route leaves by " + facts.daemon.host_port +
             ": its kernel drops the answers as forged, and those to checks with via = vip, too",
         "sysctl -w net.ipv4.conf." + link->name + ".rp_filter=2"});
  }
}

// Answers of NAT servers to this host itself: only a guard that looks up flows keeps those from its kernel.
void look_at_nat(const DoctorFacts& facts, Findings& findings) {
  for (const ServerFacts& server : facts.daemon.servers) {
    if (server.local || server.method != "masq") continue;
    const auto port = std::ranges::find(facts.daemon.ports, link_of(facts, server), &PortFacts::name);
    if (port == facts.daemon.ports.end() || (port->guard != "classic" && port->guard != "off")) continue;
    findings.push_back(
        {Urgency::warning, "local-nat",
         (port->guard == "off" ? port->name + " has no guard" : "the guard on " + port->name + " looks up no flows") +
             ", real server " + called(facts.daemon, server) + " is of NAT, and local_clients = 1",
         "its answers to this host also reach the kernel, untranslated, which resets the connection",
         "use forward=dr or forward=tun for it, or a kernel with eBPF and guard = auto"});
    return;
  }
}

}  // namespace

std::string look_at_local_clients(const DoctorFacts& facts, Findings& findings) {
  if (facts.daemon.setting("local_clients") != "1") return "";
  if (facts.daemon.host_port.empty()) {
    findings.push_back({Urgency::error, "local-tun", "local_clients = 1, but there is no tun interface",
                        "what this host sends to a VIP is not balanced; rawvsd's log says what the kernel refused",
                        "modprobe tun; ls -l /dev/net/tun (a container needs this device and CAP_NET_ADMIN); then "
                        "restart rawvsd"});
    return "";
  }
  if (facts.host.known) {
    look_at_addresses(facts, findings);
    look_at_reverse_paths(facts, findings);
  }
  look_at_nat(facts, findings);
  return "local_clients: what this host sends to a VIP comes to rawvsd by " + facts.daemon.host_port;
}

}  // namespace rawvs::adm
