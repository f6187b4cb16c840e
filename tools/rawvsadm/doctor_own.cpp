// SPDX-License-Identifier: BSD-2-Clause
// doctor_own.cpp: the doctor's checks of this host's own addresses. Of those that are VIPs, the services' ports are the
// director's, and must be nobody else's; full NAT's local addresses must be there.
#include <algorithm>

#include "doctor.h"

namespace rawvs::adm {

namespace {

bool holds(const VipFacts& vip, Protocol protocol, Port port) {
  return std::ranges::any_of(vip.ports, [&](const VipFacts::Range& range) {
    return range.protocol == protocol && range.first <= port.value && port.value <= range.last;
  });
}

std::string port_of(Protocol protocol, unsigned port) {
  return std::string(name(protocol)) + '/' + std::to_string(port);
}

void look_at_listeners(const VipFacts& vip, const HostFacts& host, Findings& findings) {
  for (const Listener& listener : host.listeners) {
    const bool everywhere = listener.at.addr.unspecified();
    // A socket of IPv6 at every address usually takes IPv4's connections, too.
    if (everywhere ? listener.at.addr.is_v4() && vip.address.is_v6() : listener.at.addr != vip.address) continue;
    if (!holds(vip, listener.protocol, listener.at.port)) continue;
    const std::string port = port_of(listener.protocol, listener.at.port.value);
    findings.push_back({everywhere ? Urgency::note : Urgency::warning, "own-listener",
                        "a program of this host listens on " + port + " of " +
                            (everywhere ? "every address" : text(vip.address)) + ", and a virtual service takes that " +
                            "port of " + text(vip.address),
                        "no client reaches the program there",
                        "ss -lnp 'sport = :" + std::to_string(listener.at.port.value) +
                            "'; give the program another address or port, or the service another port"});
    return;
  }
}

void look_at_local_ports(const VipFacts& vip, const HostFacts& host, Findings& findings) {
  const auto within = std::ranges::find_if(vip.ports, [&](const VipFacts::Range& range) {
    return host.last_local_port != 0 && range.first <= host.last_local_port && host.first_local_port <= range.last;
  });
  if (within == vip.ports.end()) return;
  const unsigned port = std::max(within->first, host.first_local_port);
  findings.push_back(
      {Urgency::warning, "own-port-range",
       port_of(within->protocol, port) + " of " + text(vip.address) +
           ", an address of this host, is a service's, and in the range of this host's own connections",
       "a connection of this host, or one that it masquerades, gets no answers if it has this port",
       "sysctl -w net.ipv4.ip_local_reserved_ports=" + std::to_string(port) +
           (within->last > port ? "-" + std::to_string(std::min(within->last, host.last_local_port)) : "") +
           "; for masquerading: masquerade to :1024-" + std::to_string(port - 1)});
}

// Servers answer from the VIP, which this host's kernel takes for forged if the answers come through it.
void look_at_answers_of(const VipFacts& vip, const DaemonFacts& daemon, Findings& findings) {
  for (const ServerFacts& server : daemon.servers) {
    const auto& at = daemon.services[server.service].virtual_at;
    if (!at || at->addr != vip.address || (server.method != "route" && server.method != "tunnel")) continue;
    findings.push_back({Urgency::note, "own-answers",
                        "VIP " + text(vip.address) + " is an address of this host, and real server " +
                            called(daemon, server) + " answers its clients itself, from that address",
                        "if this host is the server's gateway, its kernel drops the answers, as if they were forged",
                        "use forward=nat for it, or give it another gateway"});
    return;
  }
}

void look_at_every_port(const VipFacts& vip, const DaemonFacts& daemon, Findings& findings) {
  for (const ServiceFacts& service : daemon.services) {
    if (!service.virtual_at || service.virtual_at->addr != vip.address || service.virtual_at->port.value != 0) continue;
    findings.push_back({Urgency::error, "own-every-port",
                        "the virtual service " + called(service) + " is of every port, and " + text(vip.address) +
                            " is an address of this host",
                        "it gets no packet: everything there would be the director's, and nothing this host's",
                        "name its ports, or give it a VIP that is no address of this host"});
  }
}

bool takes(const DoctorFacts& facts, Ip address) {
  const auto is = [&](const VipFacts& vip) { return !vip.retired && vip.address == address; };
  return facts.host.with(address) != nullptr || std::ranges::any_of(facts.daemon.vips, is);
}

}  // namespace

std::string waits_for(const DoctorFacts& facts, const SectionFacts& section) {
  const std::string address = section.kind == "virtual" ? section.value("address") : "";
  if (!facts.host.known || address.empty() || parse_ip(address)) return "";
  const HostLink* const link = facts.host.link(address);
  if (!link) return "";  // reported as missing
  const bool v6 = section.value("family") == "ipv6";
  const auto fits = [&](const LinkAddress& a) { return a.addr.is_v6() == v6 && !(v6 && a.addr.link_local()); };
  return std::ranges::any_of(link->addresses, fits) ? "" : address;
}

std::string look_at_waiting(const DoctorFacts& facts, Findings& findings) {
  for (const SectionFacts& section : facts.daemon.sections) {
    const std::string interface = waits_for(facts, section);
    if (interface.empty()) continue;
    const std::string family = section.value("family") == "ipv6" ? "IPv6" : "IPv4";
    findings.push_back({Urgency::error, "interface-without-address",
                        "[virtual " + section.name + "] has address = " + interface + ", and " + interface +
                            " has no " + family + " address",
                        "there is no such service until it gets one",
                        "ip addr show dev " + interface + "; then see to its DHCP or PPP client"});
  }
  return "";
}

bool replies_lost(const DoctorFacts& facts, const ServerFacts& server) {
  return facts.host.known && server.method == "fullnat" && std::ranges::any_of(facts.daemon.locals, [&](Ip local) {
           return local.family() == server.at.addr.family() && !takes(facts, local);
         });
}

std::string look_at_locals(const DoctorFacts& facts, Findings& findings) {
  if (!facts.host.known || facts.daemon.locals.empty()) return "";
  for (const Ip local : facts.daemon.locals) {
    if (takes(facts, local)) continue;
    const auto concerned = [&](const ServerFacts& server) {
      return server.method == "fullnat" && server.at.addr.family() == local.family();
    };
    const bool used = std::ranges::any_of(facts.daemon.servers, concerned);
    findings.push_back({used ? Urgency::error : Urgency::warning, "local-address",
                        "local_address " + text(local) + " is no address of this host",
                        used ? "full NAT's servers reply to it, and nobody takes that: their clients get no answer"
                             : "full NAT's servers would reply to it in vain; there is none now",
                        "ip addr add " + text(local) + "/BITS dev INTERFACE; or correct it in " + facts.daemon.config +
                            " and type: rawvsadm reload"});
  }
  return "local_address: " + plural(facts.daemon.locals.size(), "address") + " of full NAT, all of them here";
}

std::string look_at_own_vips(const DoctorFacts& facts, Findings& findings) {
  std::string vips;
  for (const VipFacts& vip : facts.daemon.vips) {
    if (!vip.own) continue;
    join(vips, text(vip.address));
    look_at_every_port(vip, facts.daemon, findings);
    if (!facts.host.known) continue;
    look_at_listeners(vip, facts.host, findings);
    look_at_local_ports(vip, facts.host, findings);
    look_at_answers_of(vip, facts.daemon, findings);
  }
  return vips.empty() ? ""
                      : "this host's own addresses that are VIPs, " + vips + ": the services' ports are theirs alone";
}

}  // namespace rawvs::adm
