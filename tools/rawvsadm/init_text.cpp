// SPDX-License-Identifier: BSD-2-Clause
// init_text.cpp: the file and the commands for the servers, of a plan.
#include <algorithm>
#include <set>

#include "config/config_values.h"
#include "init.h"
#include "server_setup.h"

namespace rawvs::adm {

namespace {

bool plan_has_port(const InitPlan& plan, std::string_view port) {
  const std::string& all = plan.ports;
  const auto digit = [&](size_t at) { return at < all.size() && all[at] >= '0' && all[at] <= '9'; };
  for (size_t at = all.find(port); at != std::string::npos; at = all.find(port, at + 1)) {
    if ((at == 0 || !digit(at - 1)) && !digit(at + port.size())) return true;
  }
  return false;
}

std::string virtual_name_of(const InitPlan& plan) {
  if (plan_has_port(plan, "80") || plan_has_port(plan, "443")) return "web";
  return plan_has_port(plan, "53") ? "dns" : "service";
}

// What the method asks of the servers, as comments.
std::string about_servers(const InitPlan& plan) {
  switch (plan.method) {
    case Method::route:
      return "; Direct routing: each server is on this LAN, has the VIP on lo, does not answer for it on the LAN, and\n"
             "; answers clients itself: rawvs-realserver(8).\n";
    case Method::tunnel:
      return "; Tunnels: routers may stand between. Each server unwraps the packets, has the VIP on its tunnel's\n"
             "; interface, and answers clients itself: rawvs-realserver(8).\n";
    case Method::masq:
      return "; NAT: this host is each server's gateway to the clients. Another port than the VIP's: IP:PORT.\n";
    default:
      return "; Full NAT: servers see this host's address in place of the client's, and need no change. They learn "
             "the\n"
             "; client's from a header with proxy_protocol=2, if they expect one. Another port than the VIP's: "
             "IP:PORT.\n";
  }
}

std::string about_check(const InitPlan& plan) {
  const std::string key = "check   = " + plan.check + '\n';
  if (plan.check == "none") return "; No health check: a server that fails gets clients still.\n" + key;
  return "; A server that fails this check gets no new clients until it succeeds again. Details: a section [check "
         "NAME].\n" +
         key;
}

std::string init_server_line(const ServerSpec& server) {
  std::string out = "server  = " + (server.at.port == Port{} ? text(server.at.addr) : text(server.at));
  if (server.method != Method::route) out.append(" forward=").append(forward_word(server.method));
  if (!server.name.empty()) out += " name=" + std::string(server.name.text());
  return out + '\n';
}

std::string pair_sections(const InitPlan& plan, const std::string& name) {
  const bool tracks = plan.check != "none" && plan.method != Method::masq;
  std::string out =
      "\n; Two directors: the same file on both, but for the priority. The one with the higher one has the VIP; the "
      "other\n"
      "; takes over when it is silent" +
      std::string(tracks ? ", or when none of its servers is well" : "") +
      ". vrid: no other router's on this LAN.\n[vrrp " + name +
      "]\nvrid     = 51\npriority = 150                    ; of the second director: 100\n";
  if (plan.method != Method::masq) {
    if (tracks) out += "track    = " + name + '\n';
  } else {
    out += "address  = " + text(plan.vip) + "\ngroup    = both\n";
    out += "\n; The servers' gateway moves together with the VIP.\n[vrrp gateway]\n";
    if (!plan.inside.empty()) out += "on       = inside\n";
    out += "vrid     = 52\npriority = 150                    ; of the second director: 100\n";
    out += "address  = " + text(plan.gateway.value_or(plan.vip)) + "\ngroup    = both\n";
  }
  return out +
         "\n; Each director knows the other's connections, so none breaks when it takes over. The same key on both.\n"
         "[sync]\nkey = " +
         plan.key + '\n';
}

}  // namespace

std::string init_file(const InitPlan& plan) {
  const std::string name = virtual_name_of(plan);
  std::string out =
      "; rawvs.ini, written by rawvsadm init. rawvs.ini(5) describes every key; \"rawvsd -t -c FILE\" checks a file.\n"
      "\n[director]\n; The interface to the clients. Requests arrive here, and the director answers for the VIP here.\n"
      "interface = " +
      plan.interface + '\n';
  if (!plan.inside.empty()) out += "; The interface to the servers.\ninside = " + plan.inside + '\n';
  out += "\n; A virtual service: what clients reach, and the servers behind it.\n[virtual " + name +
         "]\n; The VIP: a free address, configured on no interface of this host.\naddress = " + text(plan.vip) +
         "\nports   = " + plan.ports + "\n\n" + about_check(plan) + '\n' + about_servers(plan) +
         "; More in a line: weight=N, its share; name=NAME, what rawvsadm calls it.\n";
  for (const ServerSpec& server : plan.servers) out += init_server_line(server);
  return plan.pair ? out + pair_sections(plan, name) : out;
}

namespace {

// Each once: a server may be there with several ports.
std::string server_addresses(const std::vector<ServerSpec>& servers) {
  std::set<Ip> known;
  std::string out;
  for (const ServerSpec& server : servers) {
    if (known.insert(server.at.addr).second) out += (out.empty() ? "" : ", ") + text(server.at.addr);
  }
  return out;
}

std::string typed_line(const std::string& text) { return "  " + text + '\n'; }

std::string at_every_boot(const std::string& settings) {
  return "At every boot: rawvs-realserver(8), with in /etc/default/rawvs-realserver\n" + settings;
}

std::string direct_commands(const InitPlan& plan) {
  const std::string vip = text(plan.vip);
  const bool ipv6 = plan.vip.is_v6();
  return "On each server (" + server_addresses(plan.servers) + "), as root:\n" +
         (ipv6 ? "" : typed_line(kQuietSetting)) + typed_line(vip_command(vip, ipv6, "lo")) +
         at_every_boot("    MODE=dr VIPS=" + vip + '\n');
}

// The kernel's interface that unwraps, by the families of the outer and the inner packets.
std::string tunnel_commands(const InitPlan& plan, const std::vector<ServerSpec>& servers) {
  const std::string vip = text(plan.vip);
  const bool ipv6 = plan.vip.is_v6(), outer6 = servers[0].at.addr.is_v6();
  const std::string device = outer6 ? "ip6tnl0" : ipv6 ? "sit0" : "tunl0";
  std::string out = "On each server (" + server_addresses(servers) + "), as root:\n";
  out += typed_line(std::string("modprobe ") + (outer6 ? "ip6_tunnel" : ipv6 ? "sit" : "ipip"));
  if (outer6 && !ipv6) out += typed_line("ip -6 tunnel change ip6tnl0 mode any");
  out += typed_line("ip link set " + device + " up");
  if (!ipv6) {
    out += typed_line("sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf." + device + ".rp_filter=0");
    out += typed_line(kQuietSetting);
  }
  out += typed_line(vip_command(vip, ipv6, device));
  const std::string outer = outer6 == ipv6 ? "" : outer6 ? " OUTER=ipv6" : " OUTER=ipv4";
  return out + at_every_boot("    MODE=tun VIPS=" + vip + outer + '\n');
}

std::string nat_commands(const InitPlan& plan) {
  const std::string gateway = plan.gateway ? text(*plan.gateway) : "GATEWAY";
  return "On each server (" + server_addresses(plan.servers) + "), as root:\n" +
         typed_line(std::string("ip ") + (plan.vip.is_v6() ? "-6 " : "") + "route replace default via " + gateway) +
         (plan.gateway ? "" : "where GATEWAY is this director's address on the servers' network.\n") +
         at_every_boot("    MODE=nat GATEWAY=" + gateway + '\n');
}

}  // namespace

std::string init_commands(const InitPlan& plan) {
  switch (plan.method) {
    case Method::route: return direct_commands(plan);
    case Method::masq: return nat_commands(plan);
    case Method::tunnel: break;
    default: return "The servers need nothing.\n";
  }
  std::string out;
  for (const Family family : kBothFamilies) {
    std::vector<ServerSpec> servers;
    std::ranges::copy_if(plan.servers, std::back_inserter(servers),
                         [&](const ServerSpec& server) { return server.at.addr.family() == family; });
    if (!servers.empty()) out += (out.empty() ? "" : "\n") + tunnel_commands(plan, servers);
  }
  return out;
}

}  // namespace rawvs::adm
