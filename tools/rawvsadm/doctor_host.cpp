// SPDX-License-Identifier: BSD-2-Clause
// doctor_host.cpp: the doctor's checks of this host and its LAN: VIPs, sysctls, offloads, interfaces, ARP and neighbour
// discovery, lost frames. The guards: doctor_guards.cpp.
#include <algorithm>

#include "doctor.h"
#include "server_setup.h"

namespace rawvs::adm {

void join(std::string& list, const std::string& word) { list += (list.empty() ? "" : ", ") + word; }

std::vector<Ip> live_vips(const DaemonFacts& daemon) {
  std::vector<Ip> out;
  for (const VipFacts& vip : daemon.vips) {
    if (!vip.retired && !vip.own) out.push_back(vip.address);
  }
  return out;
}

namespace {

std::string names_of(const std::vector<PortFacts>& ports) {
  std::string out;
  for (const PortFacts& port : ports) join(out, port.name);
  return out;
}

std::string names_of(const std::vector<Ip>& vips) {
  constexpr size_t kMost = 3;
  std::string out;
  for (size_t i = 0; i < std::min(kMost, vips.size()); ++i) join(out, text(vips[i]));
  return out + (vips.size() > kMost ? " and " + std::to_string(vips.size() - kMost) + " more" : "");
}

bool has_server(const DoctorFacts& facts, const std::string& link, bool nat) {
  return std::ranges::any_of(facts.daemon.servers, [&](const ServerFacts& s) {
    const bool translated = s.method == "masq" || s.method == "fullnat";
    return !s.local && translated == nat && link_of(facts, s) == link;
  });
}

// The host is a real server of this VIP, and so has it.
bool has_local_server(const DaemonFacts& daemon, Ip vip) {
  return std::ranges::any_of(daemon.servers, [&](const ServerFacts& server) {
    const ServiceFacts& service = daemon.services[server.service];
    return server.local && (!service.virtual_at || service.virtual_at->addr == vip);
  });
}

}  // namespace

std::string look_at_vips(const DoctorFacts& facts, Findings& findings) {
  std::vector<Ip> vips = live_vips(facts.daemon);
  if (vips.empty() || !facts.host.known) return "";
  for (const Ip vip : vips) {
    for (const HostLink& link : facts.host.links) {
      const auto own = std::ranges::find(link.addresses, vip, &LinkAddress::addr);
      if (own == link.addresses.end()) continue;
      const bool served =
          std::ranges::find(facts.daemon.ports, link.name, &PortFacts::name) != facts.daemon.ports.end();
      if (!served && has_local_server(facts.daemon, vip)) continue;
      findings.push_back({Urgency::warning, "vip-on-host",
                          "VIP " + text(vip) + " is configured on this host, on " + link.name,
                          "the interface is none of rawvsd's, so all that is sent to the VIP goes to the director and "
                          "never to this host, and servers' answers that come through this host are dropped by its "
                          "kernel, as if their address were forged",
                          "ip addr del " + text(vip) + '/' + std::to_string(own->prefix) + " dev " + link.name});
    }
  }
  std::erase_if(vips, [&](Ip vip) { return has_local_server(facts.daemon, vip); });
  if (vips.empty()) return "";
  return names_of(vips) + (vips.size() == 1 ? " is" : " are") + " on no interface of this host, as it has to be";
}

namespace {

Finding groups_not_joined(const PortFacts& port) {
  return {Urgency::warning, "nd-groups",
          std::to_string(port.missing_groups) + " multicast groups of IPv6 VIPs could not be joined on " + port.name,
          "a switch that snoops MLD keeps the solicitations for these VIPs from this host: clients do not find them",
          "ip link show " + port.name +
              " (IPv6 needs an MTU of 1280 or more); rawvsd's log says what the kernel refused; or, on the switch, no "
              "MLD snooping"};
}

// IPv6 has a link-local address on every interface.
bool lacks_address(const HostLink& link, const std::vector<Ip>& vips) {
  if (!vips.empty() && std::ranges::all_of(vips, &Ip::is_v6)) return false;
  return std::ranges::all_of(link.addresses, [&](const LinkAddress& a) {
    return a.addr.is_v6() || std::ranges::find(vips, a.addr) != vips.end();
  });
}

}  // namespace

// rawvsd takes frames before the kernel checks them. But replies of DR and TUN servers that this host routes come from
// the VIP, whose network is on the other side: a strict rp_filter drops them.
std::string look_at_rp_filter(const DoctorFacts& facts, Findings& findings) {
  bool looked = false;
  for (size_t i = 1; i < facts.daemon.ports.size(); ++i) {
    const HostLink* const inside = facts.host.link(facts.daemon.ports[i].name);
    if (!inside || !inside->forwarding || !has_server(facts, inside->name, false)) continue;
    looked = true;
    if (inside->rp_filter != 1) continue;
    for (const Ip vip : live_vips(facts.daemon)) {
      if (vip.is_v6()) continue;  // which has no such setting
      const LinkAddress* const own = facts.host.network_of(vip);
      if (own && facts.host.with(own->addr) == inside) continue;
      findings.push_back({Urgency::warning, "rp-filter",
                          "rp_filter is strict on " + inside->name + ", where servers of DR or TUN are, and VIP " +
                              text(vip) + " is not of its network",
                          "servers whose gateway is this host answer from the VIP, and its kernel drops that as forged",
                          "sysctl -w net.ipv4.conf." + inside->name + ".rp_filter=2"});
      break;  // one VIP suffices
    }
  }
  return looked ? "rp_filter: not strict where servers answer through this host" : "";
}

// The kernel does not see the replies of NAT connections, but it routes other packets of the servers. It may send them
// a redirect to a client, and the NAT replies would then bypass the director.
std::string look_at_redirects(const DoctorFacts& facts, Findings& findings) {
  std::string looked;
  for (const PortFacts& port : facts.daemon.ports) {
    const HostLink* const outside = facts.host.link(port.name);
    if (!facts.daemon.of_clients(port) || !outside || !outside->forwarding) continue;
    if (!has_server(facts, outside->name, true)) continue;
    looked += (looked.empty() ? "" : " and ") + outside->name;
    if (!outside->send_redirects) continue;
    findings.push_back(
        {Urgency::warning, "redirects",
         "this host sends ICMP redirects on " + outside->name + ", where both clients and NAT servers are",
         "a server that asks a client's host something itself is told the way past the director, and from then on its "
         "answers to that client take it, untranslated",
         "sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf." + outside->name + ".send_redirects=0"});
  }
  return looked.empty() ? "" : "send_redirects: off on " + looked + ", where both clients and NAT servers are";
}

std::string look_at_offloads(const DoctorFacts& facts, Findings& findings) {
  for (const PortFacts& port : facts.daemon.ports) {
    const HostLink* const link = facts.host.link(port.name);
    if (!link || !link->lro) continue;
    findings.push_back({Urgency::error, "lro", "large receive offload (LRO) is on at " + link->name,
                        "it joins packets for good: what comes out can be neither forwarded as it was nor cut again",
                        "ethtool -K " + link->name + " lro off"});
  }
  if (facts.daemon.ports.empty() || !facts.host.known) return "";
  return "offloads: LRO is off at " + names_of(facts.daemon.ports) + "; all others may be on";
}

std::string look_at_interfaces(const DoctorFacts& facts, Findings& findings) {
  if (!facts.host.known) return "";
  const std::vector<Ip> vips = live_vips(facts.daemon);
  for (const PortFacts& port : facts.daemon.ports) {
    const HostLink* const link = facts.host.link(port.name);
    const std::string nothing = "no frame comes or goes there";
    if (port.missing_groups > 0 && link && link->up) findings.push_back(groups_not_joined(port));
    if (!link) {
      findings.push_back(
          {Urgency::error, "no-interface", "there is no interface " + port.name, nothing,
           "ip link; then correct interface or inside in " + facts.daemon.config + " and restart rawvsd"});
    } else if (!link->unfit.empty()) {
      findings.push_back({Urgency::error, "no-ethernet", "rawvsd cannot serve on interface " + port.name, link->unfit,
                          "ip -d link show " + port.name + "; then name an interface with Ethernet as interface or " +
                              "inside in " + facts.daemon.config + " and restart rawvsd"});
    } else if (!link->up) {
      findings.push_back({Urgency::error, "interface-down", "interface " + port.name + " is down", nothing,
                          "ip link set " + port.name + " up"});
    } else if (!link->carrier) {
      findings.push_back({Urgency::error, "no-carrier", "interface " + port.name + " has no carrier", nothing,
                          "ip link show " + port.name + "; then look at its cable and the switch's port"});
    } else if (lacks_address(*link, vips)) {
      findings.push_back({Urgency::warning, "no-address", "interface " + port.name + " has no address of its own",
                          "rawvsd asks for servers in nobody's name there, and has no source address for tunnels",
                          "ip addr add ADDRESS/BITS dev " + port.name});
    }
  }
  if (facts.daemon.ports.empty()) return "";
  return names_of(facts.daemon.ports) + (facts.daemon.ports.size() == 1 ? " is" : " are") + " up, with a carrier";
}

namespace {

// The VRRP instance in which this director is master of the VIP; null: none.
const VrrpFacts* mastery(const DaemonFacts& daemon, Ip vip) {
  const auto has = [&](const VrrpFacts& vrrp) {
    if (vrrp.state != "master") return false;
    return std::ranges::any_of(daemon.sections, [&](const SectionFacts& section) {
      if (section.kind != "vrrp" || section.name != vrrp.name) return false;
      const auto addresses = section.keys.find("address");  // none: all VIPs
      return addresses == section.keys.end() ||
             std::ranges::find(addresses->second, text(vip)) != addresses->second.end();
    });
  };
  const auto found = std::ranges::find_if(daemon.vrrps, has);
  return found == daemon.vrrps.end() ? nullptr : &*found;
}

Finding two_masters(const RivalFacts& rival, const VrrpFacts& vrrp) {
  return {Urgency::error, "two-masters",
          rival.mac + " answers " + what_is_answered(rival.vip) + " for VIP " + text(rival.vip) +
              ", whose master this director is (VRRP " + vrrp.name + "): two masters, or a stranger",
          "adverts do not reach one of them, or it does not believe them; clients go to the one that they hear first",
          "on both: tcpdump -e -n -i " + vrrp.link +
              (rival.vip.is_v4() ? " ip proto 112; iptables-save" : " ip6 proto 112; ip6tables-save") +
              " | grep -i -e vrrp -e 112; rawvsadm doctor"};
}

// Defended, too, it is wrong: clients may begin connections with the server before they hear the director.
Finding answers_too(const DaemonFacts& daemon, const RivalFacts& rival, const std::string& vip,
                    const std::string& why) {
  const bool defended = daemon.setting("arp_defend") == "1";
  const std::string server = "real server " + called_at(daemon, rival.server) + " (" + rival.mac + ") answers " + vip;
  const std::string cure = "on " + rival.server + quiet_command(rival.vip) + " (rawvs-realserver does all of this)";
  if (defended) {
    return {Urgency::warning, "server-answers-arp", server + "; arp_defend repeats the director's claim",
            "a stopgap: what a client begins before it hears the repeat goes to that server, and is reset afterwards",
            cure};
  }
  return {Urgency::error, "server-answers-arp", server, why,
          cure + "; if it cannot be changed: arp_defend = 1 in [director], a stopgap"};
}

}  // namespace

std::string look_at_rivals(const DoctorFacts& facts, Findings& findings) {
  for (const RivalFacts& rival : facts.daemon.rivals) {
    const std::string vip = what_is_answered(rival.vip) + (" for VIP " + text(rival.vip));
    const std::string why = "clients that hear it first go there, past the director, and are not balanced";
    const VrrpFacts* const vrrp = rival.server.empty() ? mastery(facts.daemon, rival.vip) : nullptr;
    if (vrrp) {
      findings.push_back(two_masters(rival, *vrrp));
    } else if (rival.server.empty()) {
      findings.push_back(
          {Urgency::error, "rival", rival.mac + ", which is no real server, answers " + vip, why,
           "find the machine and take the address from it; it may be another director: ip neigh | grep " + rival.mac});
    } else {
      findings.push_back(answers_too(facts.daemon, rival, vip, why));
    }
  }
  std::vector<Ip> vips;  // ours
  for (const VipFacts& vip : facts.daemon.vips) {
    if (!vip.retired && !vip.standby && !vip.own) vips.push_back(vip.address);
  }
  return vips.empty() ? ""
                      : "nobody else has answered " +
                            std::string(std::ranges::any_of(vips, &Ip::is_v6) ? "ARP or neighbour discovery" : "ARP") +
                            " for " + names_of(vips);
}

std::string look_at_neighbors(const DoctorFacts& facts, Findings& findings) {
  const auto& all = facts.daemon.neighbors;
  const auto direct = [&](Ip address) {  // by direct routing, without a gateway
    return std::ranges::any_of(facts.daemon.servers, [&](const ServerFacts& s) {
      return s.at.addr == address && s.method == "route" && s.via.value_or(address) == address;
    });
  };
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = i + 1; j < all.size(); ++j) {
      if (all[i].mac.empty() || all[i].mac != all[j].mac || all[i].link != all[j].link) continue;
      if (all[i].address.family() != all[j].address.family()) continue;  // the two addresses of one machine
      if (!direct(all[i].address) || !direct(all[j].address)) continue;
      findings.push_back(
          {Urgency::warning, "same-mac",
           text(all[i].address) + " and " + text(all[j].address) + " have the same MAC address, " + all[i].mac,
           "one machine gets both shares; or a router answers for both (proxy_arp), and direct routing "
           "does not pass one",
           "ip neigh | grep " + all[i].mac + "; switch proxy_arp off at that router, or use forward=tun"});
      return "";  // a router answers for all of them: one finding suffices
    }
  }
  return "";
}

namespace {

// A few lost frames among many are from the past or a burst; more show a setting that is too small.
Urgency weighed(uint64_t count, uint64_t of) {
  constexpr uint64_t kFew = 10000;  // one of this many
  return count * kFew < of ? Urgency::note : Urgency::warning;
}

struct Trouble {  // an exit that should not be taken
  const char* exit;
  const char* what;
  const char* why;
  const char* setting;  // to increase; null: `type` has the command
  uint64_t usual, most;
  const char* type;
};
constexpr Trouble kTroubles[] = {
    {"table-full", "there was no room for another connection", "new clients get no answer", "max_connections", 262144,
     16777214, nullptr},
    {"shed", "new connections were dropped because the table was filling", "these clients try again, and wait",
     "max_connections", 262144, 16777214, nullptr},
    {"half-open-full", "there were more half-open connections than half_open_server or half_open_service allows",
     "new clients wait, or get no answer", nullptr, 0, 0,
     "rawvsadm connections --state SYN_RECV; if these are clients, raise the limit, and type: rawvsadm reload"},
    {"hold-full", "too many packets waited for a server's MAC address", "new connections begin a second late",
     "arp_hold", 8, 64, nullptr},
    {"fragment-flood", "there were more fragments than are put together at once", "large datagrams are lost",
     "max_fragmented", 1024, 8192, nullptr},
    {"ftp-full", "there was no room for another FTP control connection under NAT", "these clients' transfers fail",
     "max_ftp", 1024, 65534, nullptr},
    {"answer-limited", "more pings, resets and ICMP errors were due than reply_rate allows",
     "closed ports look like filtered ones, and path MTU discovery may fail; or somebody scans the VIPs", "reply_rate",
     1000, 1000000, nullptr},
    {"outbox-full", "a packet would have had to be cut into too many pieces", "it was dropped", nullptr, 0, 0,
     "raise the MTU of the way to the servers, or: ethtool -K INTERFACE gro off"},
    {"tunnel-narrow", "the way to a tunnel server is too narrow for any packet", "its clients get no answer", nullptr,
     0, 0, "ip route get SERVER; raise the MTU of that way to 1500"},
    {"own-frame", "frames came back that this host itself had sent",
     "there is a loop in the LAN, or another machine has this one's MAC address", nullptr, 0, 0,
     "tcpdump -e -n -Q in -i INTERFACE ether src MAC; then find the port they come from"},
    {"local-ports-full", "all local ports to a full NAT server were in use", "new clients of it get no answer", nullptr,
     0, 0, "give local_address another address of this host, or widen local_ports, and type: rawvsadm reload"},
    {"hairpin", "a real server was the client of a service that NAT would send back to it",
     "it gets no answer: it would have to answer itself", nullptr, 0, 0,
     "let it ask its own address, or use forward=fullnat, or let one server of the service use forward=dr"},
};

std::string frames(uint64_t count) { return std::to_string(count) + (count == 1 ? " frame" : " frames"); }

void look_at_port(const DaemonFacts& daemon, const PortFacts& port, Findings& findings) {
  const std::string since = " since rawvsd's start, " + std::to_string(daemon.uptime) + " s ago";
  if (port.kernel_dropped > 0) {
    findings.push_back({weighed(port.kernel_dropped, port.received), "ring-full",
                        frames(port.kernel_dropped) + " of " + std::to_string(port.received) + " were lost at " +
                            port.name + since + ": the receive ring was full",
                        "TCP slows down for each", raised(daemon, "ring_frames", 1024, 65536)});
  }
  if (port.cut > 0) {
    findings.push_back({weighed(port.cut, port.received), "queue-full",
                        frames(port.cut) + " of " + std::to_string(port.received) + " were lost at " + port.name +
                            since + ": larger than the ring's slots, and there was no room for whole ones",
                        "TCP slows down for each",
                        "ethtool -K " + port.name + " gro off, so that received frames fit the ring"});
  }
  if (port.send_failed > 0) {
    findings.push_back(
        {weighed(port.send_failed, port.sent), "not-sent",
         frames(port.send_failed) + " could not be sent by " + port.name + since + ", of " + std::to_string(port.sent),
         "the interface was down, or its queue full",
         "ip -s link show " + port.name + "; ip link set " + port.name + " txqueuelen 10000"});
  }
}

}  // namespace

std::string look_at_losses(const DoctorFacts& facts, Findings& findings) {
  const DaemonFacts& daemon = facts.daemon;
  const bool all_sendable =
      std::ranges::all_of(daemon.servers, [&](const ServerFacts& server) { return sendable(daemon, server); });
  uint64_t received = 0;
  for (const PortFacts& port : daemon.ports) {
    received += port.received;
    look_at_port(daemon, port, findings);
  }
  if (daemon.gave_way > 0) {
    findings.push_back({Urgency::warning, "gave-way",
                        std::to_string(daemon.gave_way) +
                            " unproven connections gave way to others since rawvsd's "
                            "start, " +
                            std::to_string(daemon.uptime) + " s ago (" + daemon.gave_way_kinds + ")",
                        "a flood from forged addresses, or a table that is too small: slow clients do not get through",
                        "rawvsadm connections --state SYN_RECV; if these are clients: " +
                            raised(daemon, "max_connections", 262144, 16777214)});
  }
  for (const Trouble& trouble : kTroubles) {
    const auto counted = daemon.exits.find(std::string_view(trouble.exit));
    if (counted == daemon.exits.end() || counted->second == 0) continue;
    // Packets to a silent server are held and expire in any case.
    if (trouble.exit == std::string_view("hold-full") && !all_sendable) continue;
    findings.push_back({weighed(counted->second, received), trouble.exit,
                        std::string(trouble.what) + ": " + frames(counted->second) + " of " + std::to_string(received) +
                            " since rawvsd's start, " + std::to_string(daemon.uptime) + " s ago",
                        trouble.why,
                        trouble.type ? trouble.type : raised(daemon, trouble.setting, trouble.usual, trouble.most)});
  }
  return "nothing was lost: " + frames(received) + " received, rings and tables had room";
}

}  // namespace rawvs::adm
