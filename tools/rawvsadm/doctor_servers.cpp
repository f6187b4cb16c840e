// SPDX-License-Identifier: BSD-2-Clause
// doctor_servers.cpp: the doctor's checks of services and real servers: who takes clients, routes, replies, MTUs.
#include <algorithm>
#include <set>

#include "core/tunnel.h"
#include "doctor.h"
#include "listing.h"
#include "server_setup.h"

namespace rawvs::adm {
namespace {

constexpr uint64_t kFewPackets = 10;     // fewer may be in transit
constexpr uint64_t kFewConnections = 3;  // fewer may be clients that gave up

// ipvsadm's option: -t 192.0.2.100:80.
std::string option(const ServiceFacts& service) {
  const std::string rest = service.key.substr(service.key.find(':') + 1);
  switch (service.protocol) {
    case Protocol::tcp: return "-t " + rest;
    case Protocol::udp: return "-u " + rest;
    case Protocol::sctp: return "--sctp-service " + rest;
    default: return "-f " + rest + (service.key.starts_with("mark6:") ? " -6" : "");
  }
}

std::string option(const ServerFacts& server) {
  if (server.method != "tunnel") return method_option(server.method);
  const std::string checksum = server.checksum == "on"       ? " --tun-csum"
                               : server.checksum == "remote" ? " --tun-remcsum"
                                                             : "";
  if (server.tunnel == "gue") return "-i --tun-type gue --tun-port " + server.tunnel_port + checksum;
  return server.tunnel == "gre" ? "-i --tun-type gre" + checksum : "-i";
}

bool of_ipv6(const ServiceFacts& service) {
  return service.virtual_at ? service.virtual_at->addr.is_v6() : service.key.starts_with("mark6:");
}

// The interface that unwraps a server's packets, as rawvs-realserver chooses it.
const char* tunnel_interface(const DaemonFacts& daemon, const ServerFacts& server) {
  if (server.at.addr.is_v6()) return "ip6tnl0";
  return of_ipv6(daemon.services[server.service]) ? "sit0" : "tunl0";
}

// The whole command: -e resets what is not given.
std::string edited(const DaemonFacts& daemon, const ServerFacts& server, uint64_t weight, uint64_t upper) {
  std::string out = "rawvsadm -e " + option(daemon.services[server.service]) + " -r " + text(server.at) + ' ' +
                    option(server) + " -w " + std::to_string(weight);
  if (upper > 0) out += " -x " + std::to_string(upper);
  if (server.lower > 0) out += " -y " + std::to_string(server.lower);
  return out;
}

std::vector<const ServerFacts*> servers_of(const DaemonFacts& daemon, size_t service) {
  std::vector<const ServerFacts*> out;
  for (const ServerFacts& server : daemon.servers) {
    if (server.service == service) out.push_back(&server);
  }
  return out;
}

// The address of this host that a server would use as its gateway.
std::string gateway_for(const DoctorFacts& facts, const ServerFacts& server) {
  if (const LinkAddress* const own = facts.host.network_of(server.at.addr)) return text(own->addr);
  const HostLink* const link = facts.host.link(link_of(facts, server));
  if (!link) return "this host's address";
  const auto fits = [&](const LinkAddress& a) {
    return a.addr.family() == server.at.addr.family() && (a.addr.is_v4() || !a.addr.link_local());
  };
  const auto own = std::ranges::find_if(link->addresses, fits);
  return own != link->addresses.end() ? text(own->addr) : "this host's address";
}

std::string interfaces_of(const DaemonFacts& daemon) {
  std::string out;
  for (const PortFacts& port : daemon.ports) out += (out.empty() ? "" : " and ") + port.name;
  return out;
}

bool is_vip(const DaemonFacts& daemon, Ip address) {
  return std::ranges::any_of(daemon.vips, [&](const VipFacts& vip) { return !vip.retired && vip.address == address; });
}

// A server that is this host itself.
std::optional<Finding> as_local(const DoctorFacts& facts, const ServerFacts& server, const std::string& move) {
  const std::string who = "real server " + called(facts.daemon, server, true) + " is this host itself";
  if (server.reach == "local-nat") {
    return Finding{Urgency::error, "server-is-this-host", who + ", with NAT",
                   "its answers do not pass rawvsd, which cannot translate them: it gets no connections",
                   move + ", or with -g (forward=dr) and the VIP on lo"};
  }
  if (server.reach == "no-flows") {
    return Finding{
        Urgency::error, "full-nat-without-flows",
        "full NAT server " + called(facts.daemon, server, true) + " gets no connections: this kernel has no eBPF",
        "the guard cannot tell its replies from what is sent to this host", move + ", or with -m or -g"};
  }
  if (server.reach != "vip-missing") return std::nullopt;
  const ServiceFacts& service = facts.daemon.services[server.service];
  const std::string vip = service.virtual_at ? text(service.virtual_at->addr) : "VIP";
  return Finding{Urgency::error, "local-without-vip",
                 who + ", but the VIP of " + called(service) + " is none of its addresses",
                 "its kernel does not take packets to the VIP: it gets no connections",
                 vip_command(vip, of_ipv6(service), "lo") + " (rawvs-realserver does all of this)"};
}

// The finding for a server to which packets cannot be sent; none: they can.
std::optional<Finding> astray(const DoctorFacts& facts, const ServerFacts& server) {
  const std::string who = "real server " + called(facts.daemon, server, true);
  const std::string move = server.takes_clients()
                               ? "rawvsadm drain " + text(server.at.addr) + "; then give its service a server elsewhere"
                               : "rawvsadm -d " + option(facts.daemon.services[server.service]) + " -r " +
                                     text(server.at) + "; give its service a server elsewhere";
  if (server.local) return as_local(facts, server, move);
  if (is_vip(facts.daemon, server.at.addr)) {
    return Finding{Urgency::error, "server-is-vip", who + " is itself a VIP of this director",
                   std::string("nobody answers ") + what_is_answered(server.at.addr) +
                       " for it but rawvsd, which does not ask itself",
                   move};
  }
  if (server.reach == "no-ethernet") {
    const std::string way = "rawvsadm -e " + option(facts.daemon.services[server.service]) + " -r " + text(server.at);
    return Finding{Urgency::error, "dr-without-ethernet",
                   who + " is behind a link without Ethernet, and direct routing needs it", "it gets no connections",
                   way + " -i, and a tunnel's end on that server; or -m, and this host as its gateway"};
  }
  if (server.reach != "no-route" && server.reach != "other-interface") return std::nullopt;
  return Finding{Urgency::error, "no-route",
                 "this host has no route to " + who + " through " + interfaces_of(facts.daemon),
                 "it gets no connections until there is one",
                 "ip route get " + text(server.at.addr) + "; add the route that is missing (ip route add " +
                     text(server.at.addr) + " via GATEWAY), or name its interface as inside in " + facts.daemon.config};
}

std::optional<Finding> bad_way(const DoctorFacts& facts, const ServerFacts& server) {
  if (auto lost = astray(facts, server)) return lost;
  const std::string host = text(server.at.addr), who = called(facts.daemon, server, true);
  const std::string via = text(server.via.value_or(server.at.addr));
  const NeighborFacts* const hop = next_hop(facts.daemon, server);
  const std::string link = link_of(facts, server);
  const std::string on = link.empty() ? "" : " on " + link;
  if (!sendable(facts.daemon, server) && server.reach != "link-down") {
    const std::string silent =
        std::string(" does not answer ") + what_is_answered(server.via.value_or(server.at.addr)) + on;
    const std::string what =
        via == host ? "real server " + who + silent : "gateway " + via + silent + ": it is the way to " + who;
    // A server with weight 0, by its check or an operator, need not be drained.
    const bool used = server.weight != 0;
    return Finding{Urgency::error, "silent", what,
                   used ? "packets for it are dropped, and clients wait in vain"
                        : "it gets no new clients; packets of those that it had are dropped",
                   "ping -c 1 " + via + "; is it up, is the address right?" +
                       (used ? " Until it is: rawvsadm drain " + host : "")};
  }
  const bool fixed = hop && hop->state == "fixed";
  if (server.method != "route" || via == host || fixed) return std::nullopt;
  const std::string way = "rawvsadm -e " + option(facts.daemon.services[server.service]) + " -r " + text(server.at);
  return Finding{Urgency::error, "dr-through-router",
                 "real server " + who + " is behind a router (" + via + "), and direct routing does not pass one",
                 "the router gets packets to the VIP, and sends them back here",
                 way + " -i, and a tunnel's end on that server; or -m, and this host as its gateway"};
}

// Nine packets may be in transit; a first client's connection without any reply is a fault.
bool no_nat_reply(const ServerFacts& server) {
  return server.out_packets == 0 && (server.in_packets >= kFewPackets || server.never_answered());
}

uint64_t tunnel_errors(const DaemonFacts& daemon) {
  const auto found = daemon.exits.find("tunnel-error");
  return found == daemon.exits.end() ? 0 : found->second;
}

}  // namespace

std::string look_at_services(const DoctorFacts& facts, Findings& findings) {
  const DaemonFacts& daemon = facts.daemon;
  for (size_t i = 0; i < daemon.services.size(); ++i) {
    const ServiceFacts& service = daemon.services[i];
    const std::vector<const ServerFacts*> servers = servers_of(daemon, i);
    const auto weighty = std::ranges::find_if(servers, &ServerFacts::takes_clients);
    const std::string why = "new clients are refused";
    if (servers.empty()) {
      findings.push_back({Urgency::error, "no-server", "service " + called(service) + " has no real server", why,
                          "rawvsadm -a " + option(service) + " -r SERVER"});
    } else if (std::ranges::none_of(servers, [](auto* s) { return s->order.empty(); })) {
      const ServerFacts& one = *servers[0];
      findings.push_back({Urgency::error, "all-ordered-out",
                          "every real server of " + called(service) +
                              " is drained or disabled: " + called(daemon, one) + " is " + one.order,
                          why, "rawvsadm enable " + text(one.at)});
    } else if (weighty == servers.end() && std::ranges::any_of(servers, &ServerFacts::unjudged)) {
      findings.push_back({Urgency::note, "not-checked-yet",
                          "the servers of " + called(service) + " have not been checked yet", "until then " + why,
                          "rawvsadm status, in a few seconds"});
    } else if (weighty == servers.end() && std::ranges::any_of(servers, &ServerFacts::out)) {
      const ServerFacts& out = **std::ranges::find_if(servers, &ServerFacts::out);
      findings.push_back({Urgency::error, "all-down",
                          "every real server of " + called(service) + " is out; " + called(daemon, out) + " is " +
                              out.health + ": " + out.why,
                          why + ", as there is no sorry server",
                          "rawvsadm status, for the reasons; mend the servers, or their check in " + daemon.config});
    } else if (const auto lost = std::ranges::find_if(servers, &ServerFacts::unreachable);
               weighty == servers.end() && lost != servers.end()) {
      const ServerFacts& one = **lost;
      findings.push_back({Urgency::error, "none-reachable",
                          "no real server of " + called(service) + " takes clients, and packets cannot be sent to " +
                              called(daemon, one) + ": " + (one.reach == "no-route" ? "there is no route" : one.reach),
                          why, "ip route get " + text(one.at.addr) + "; rawvsadm status"});
    } else if (weighty == servers.end()) {
      findings.push_back({Urgency::error, "no-weight", "every real server of " + called(service) + " has weight 0", why,
                          edited(daemon, *servers[0], 1, servers[0]->upper)});
    } else if (std::ranges::all_of(servers, [](auto* s) { return !s->takes_clients() || s->overloaded; })) {
      const ServerFacts& full = **weighty;
      findings.push_back({Urgency::error, "overloaded",
                          "every real server of " + called(service) + " has reached its upper threshold", why,
                          edited(daemon, full, full.weight, 2 * full.upper)});
    }
  }
  if (!daemon.services.empty()) {
    return plural(daemon.services.size(), "service") + ": each has a server that takes new connections";
  }
  if (std::ranges::any_of(daemon.sections, [&](const auto& s) { return !waits_for(facts, s).empty(); })) return "";
  findings.push_back({Urgency::note, "no-service", "there is no virtual service", "nothing is balanced",
                      "rawvsadm -A -t VIP:PORT -s wlc; rawvsadm -a -t VIP:PORT -r SERVER"});
  return "";
}

std::string look_at_ways(const DoctorFacts& facts, Findings& findings) {
  std::set<std::pair<std::string, Ip>> said;
  std::set<Ip> addresses;
  for (const ServerFacts& server : facts.daemon.servers) {
    addresses.insert(server.at.addr);
    auto bad = bad_way(facts, server);
    if (bad && said.emplace(bad->check, server.at.addr).second) findings.push_back(std::move(*bad));
  }
  return addresses.empty() ? "" : plural(addresses.size(), "real server") + ": none is silent or without a way to it";
}

std::string look_at_nat_replies(const DoctorFacts& facts, Findings& findings) {
  size_t looked = 0;
  for (const ServerFacts& server : facts.daemon.servers) {
    if (server.method != "masq" || !sendable(facts.daemon, server) || server.out()) continue;
    ++looked;
    const ServiceFacts& service = facts.daemon.services[server.service];
    const LinkAddress* const own = facts.host.network_of(server.at.addr);
    const std::string gateway = gateway_for(facts, server), who = called(facts.daemon, server);
    if (no_nat_reply(server)) {
      const bool wants_answer = service.protocol == Protocol::tcp || service.protocol == Protocol::sctp;
      findings.push_back(
          {wants_answer ? Urgency::error : Urgency::warning, "nat-gateway",
           "NAT server " + who + " got " + plural(server.in_packets, "packet") + " for " + called(service) +
               ", and not one came back through this host",
           "clients discard answers that are not from the VIP: this host has to be the server's gateway, also to "
           "clients in its own network; or the server does not answer at all",
           own ? "on " + text(server.at.addr) + ": ip route replace default via " + gateway
               : "ip route, on " + text(server.at.addr) +
                     " and the routers up to it: its way to clients must lead to " + gateway});
    } else if (server.near >= kFewConnections && own) {
      findings.push_back({Urgency::error, "nat-near-clients",
                          "clients in " + text(own->network()) + " get no answer from NAT server " + who +
                              ", which is in the same network: " + plural(server.near, "connection") + " in SYN_RECV",
                          "it answers them directly, not through this host, so not from the VIP",
                          "on " + text(server.at.addr) + ": ip route replace " + text(own->network()) + " via " +
                              gateway + " (and send_redirects=0 on this host; or use forward=dr)"});
    }
  }
  return looked == 0 ? "" : plural(looked, "NAT server") + ": nothing shows that answers go past this host";
}

std::string look_at_answers(const DoctorFacts& facts, Findings& findings) {
  size_t looked = 0;
  for (const ServerFacts& server : facts.daemon.servers) {
    if (!sendable(facts.daemon, server) || server.out()) continue;
    ++looked;
    const bool nat = server.method == "masq" || server.method == "fullnat";
    if (server.method == "masq" && (no_nat_reply(server) || server.near >= kFewConnections)) continue;  // reported
    if (replies_lost(facts, server)) continue;                                                          // reported
    // Connections in any other state got a reply. (As in IPVS, SYN_RECV counts as active.)
    const bool many = server.stuck >= kFewConnections && server.syns >= server.active + server.inactive;
    if (!many && !server.never_answered()) continue;
    const ServiceFacts& service = facts.daemon.services[server.service];
    const std::string vip = service.virtual_at ? text(service.virtual_at->addr) : "VIP";
    const bool ipv6 = of_ipv6(service);
    std::string type = "on " + text(server.at.addr) + ": ss -ltn; ";
    std::string why = "nobody listens there, or a firewall drops them";
    if (nat) {
      type.append(ipv6 ? "ip6tables" : "iptables").append("-save; nft list ruleset");
    } else if (server.method == "route") {
      type += vip_command(vip, ipv6, "lo") + " (rawvs-realserver start)";
      why.insert(0, "it does not have the VIP, ");
    } else {
      const std::string tunnel = tunnel_interface(facts.daemon, server);
      type += "ip addr show dev " + tunnel;
      if (!ipv6) type += "; sysctl net.ipv4.conf." + tunnel + ".rp_filter";  // IPv6 has none
      type += " (rawvs-realserver start)";
      why.insert(0, ipv6 ? "it does not unwrap them, or lacks the VIP; or "
                         : "it does not unwrap them, lacks the VIP, or checks rp_filter; or ");
      if (const uint64_t errors = tunnel_errors(facts.daemon); errors != 0) {
        why.insert(0,
                   plural(errors, "ICMP error") + " about tunnel packets came back, so it may have no tunnel at all; ");
      }
    }
    findings.push_back(
        {Urgency::error, "no-answer",
         "real server " + called(facts.daemon, server) + " of " + called(service) + " answers no client: " +
             (server.syns == 1 ? "its only connection is" : "all its " + plural(server.syns, "connection") + " are") +
             " in SYN_RECV",
         why, type});
  }
  return looked == 0 ? "" : "no real server leaves all its clients without an answer";
}

// ICMP errors about tunnels whose clients got replies, or that carry UDP, whose connections show nothing: from a server
// without a tunnel interface, or from a router on the way.
std::string look_at_tunnels(const DoctorFacts& facts, Findings& findings) {
  const ServerFacts* tunnel = nullptr;
  for (const ServerFacts& server : facts.daemon.servers) {
    if (server.method == "tunnel" && !tunnel) tunnel = &server;
    if (server.method == "tunnel" && server.never_answered()) return "";  // already reported
  }
  if (!tunnel) return "";
  const uint64_t errors = tunnel_errors(facts.daemon);
  if (errors == 0) return "no ICMP error about a tunnel packet came back";
  const std::string first = text(tunnel->at.addr);
  findings.push_back(
      {Urgency::note, "tunnel-errors",
       plural(errors, "ICMP error") + " about tunnel packets came back since rawvsd's start",
       "protocol unreachable (in IPv6, parameter problem): a server without a tunnel, whose clients get no answer; "
       "fragmentation "
       "needed (too big): a narrow way, and nothing is wrong; host unreachable: a router does not know the server",
       std::string("tcpdump -n -v -i any ") + (tunnel->at.addr.is_v6() ? "icmp6" : "icmp") + " and host " + first +
           "; on " + first + ": ip addr show dev " + tunnel_interface(facts.daemon, *tunnel) +
           " (rawvs-realserver start)"});
  return "";
}

namespace {

uint32_t overhead(const ServerFacts& server) {
  Tunnel tunnel;
  if (server.tunnel == "gue") tunnel.type = TunnelType::gue;
  if (server.tunnel == "gre") tunnel.type = TunnelType::gre;
  if (server.checksum == "on") tunnel.checksum = TunnelChecksum::checksum;
  return tunnel_overhead(tunnel, server.at.addr.family());
}

}  // namespace

std::string look_at_mtus(const DoctorFacts& facts, Findings& findings) {
  constexpr uint32_t kComfortable = 1280;  // bytes that programs may rely on: IPv6's minimum
  uint32_t clients_mtu = 0;                // of the clients' widest interface
  for (const PortFacts& port : facts.daemon.ports) {
    const HostLink* const link = facts.host.link(port.name);
    if (link && facts.daemon.of_clients(port)) clients_mtu = std::max<uint32_t>(clients_mtu, link->mtu);
  }
  if (clients_mtu == 0) return "";
  std::set<std::pair<std::string, uint32_t>> said;
  for (const ServerFacts& server : facts.daemon.servers) {
    const HostLink* const link = facts.host.link(link_of(facts, server));
    const bool tunnel = server.method == "tunnel";
    const uint32_t taken = tunnel ? overhead(server) : 0;
    if (!link || link->mtu < taken || link->mtu - taken >= clients_mtu) continue;
    if (!said.emplace(link->name, taken).second) continue;
    const uint32_t left = link->mtu - taken;
    const bool narrow = left < kComfortable;
    const std::string size = std::to_string(clients_mtu);
    findings.push_back(
        {narrow ? Urgency::warning : Urgency::note, tunnel ? "tunnel-mtu" : "mtu",
         (tunnel ? "the tunnel to " : "the way to ") + called(facts.daemon, server, true) + " carries packets of " +
             std::to_string(left) + " bytes, clients' may have " + size,
         "larger ones are refused by ICMP (or cut, where that is allowed): clients behind a firewall that drops ICMP "
         "hang when they send much",
         (narrow ? "" : "nothing, if clients hear ICMP; else, ") +
             std::string("here and on the whole way: ip link set ") + link->name + " mtu " +
             std::to_string(clients_mtu + taken)});
  }
  return facts.daemon.servers.empty()
             ? ""
             : "MTU: what clients send (" + std::to_string(clients_mtu) + " bytes) fits the ways to all servers";
}

}  // namespace rawvs::adm
