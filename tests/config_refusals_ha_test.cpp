// SPDX-License-Identifier: BSD-2-Clause
// Tests faulty [check] and [vrrp] sections, and the messages about them.

#include "config_refusals.h"

namespace rawvs {
namespace {

using namespace test;

constexpr Wrong kWrongHa[] = {
    {kWeb, "[check c]\ntype = web\n",
     ":7: [check c] type: \"web\" is not a kind of check: nd, arp, icmp, tcp, tls, http, udp, dns, exec"},
    {kWeb, "[check c]\ntype = dns\npath = /x\n", ":8: [check c] path: is for type = http; this check has type = dns"},
    {kWeb, "[check c]\ntype = exec\n", ":6: [check c] program: missing; type = exec runs a program"},
    {kWeb, "[check c]\nport = 80\ntype = icmp\n", ":7: [check c] port: type = icmp asks no port"},
    {kWeb, "[check c]\nvia = tunnel\n", ":7: [check c] via: \"tunnel\" is not a path for checks: server, vip"},
    {kWeb, "[check c]\ntype = icmp\nvia = vip\n",
     ":8: [check c] via: is for type = tcp, tls, http, udp or dns; type = icmp asks the server"},
    {kWeb, "[check c]\ntype = exec\nprogram = /bin/true\nvia = server\n",
     ":9: [check c] via: is for type = tcp, tls, http, udp or dns; type = exec asks the server"},
    {kWeb, "check = c\nserver = 192.0.2.11\nserver = 192.0.2.12 forward=nat\n[check c]\nvia = vip\n",
     ":8: [virtual web] server: check: [check c] has via = vip, but behind NAT a server has no VIP: give it another "
     "check"},
    {kWeb, "server = 192.0.2.11 check=c\ninhibit = 0\n[check c]\nvia = vip\n",
     ":6: [virtual web] server: check: [check c] has via = vip, but nothing is sent to servers that are taken out: "
     "leave "
     "out inhibit = 0"},
    {kWeb, "check = arp\ninhibit = 0\nserver = 192.0.2.11\n",
     ":8: [virtual web] server: check: type = arp asks for servers of the table, and one that is taken out would never "
     "come back: leave out inhibit = 0"},
    {kWeb, "[check c]\nstatus = 300-200\n",
     ":7: [check c] status: \"300-200\": a range goes from the lower status to the higher one, at most 599"},
    {kWeb, "[check c]\ninterval = 10ms\n", ":7: [check c] interval: \"10ms\" is out of range: 100ms to 86400s"},
    {kWeb, "check = page\n",
     ":6: [virtual web] check: there is no [check page]; there are arp, nd, icmp, tcp, tls, http, dns, none"},
    {kWeb, "check = htp\n", ":6: [virtual web] check: there is no [check htp]; did you mean \"http\"?"},
    {kWeb, "server = 192.0.2.12 check=x\n",
     ":6: [virtual web] server: check: there is no [check x]; there are arp, nd, icmp, tcp, tls, http, dns, none"},
    {kWeb, "on_down = kill\n",
     ":6: [virtual web] on_down: \"kill\" is not an action for connections: keep, drain, reset"},
    {kWeb, "[vrrp v]\npriority = 7\n", ":6: [vrrp v] vrid: missing; the directors of one network share it"},
    {kWeb, "[vrrp v]\nvrid = 7\non = inside\n", ":8: [vrrp v] on: inside: there is no inside interface"},
    {kWeb, "[vrrp v]\nvrid = 7\non = eth9\n",
     ":8: [vrrp v] on: \"eth9\" is not outside, inside or an interface that [director] names"},
    {kWeb, "[vrrp v]\nvrid = 7\non = wan*\n",
     ":8: [vrrp v] on: \"wan*\" is not outside, inside or the name of one interface"},
    {"", "[director]\ninterface = wan*\n[vrrp v]\nvrid = 7\naddress = 192.0.2.100\n",
     ":3: [vrrp v] on: outside: interface has patterns alone; it must name one"},
    {kWeb, "[vrrp v]\nvrid = 7\ntrack = shop\n", ":8: [vrrp v] track: there is no [virtual shop]"},
    {kWeb, "[vrrp v]\nvrid = 7\npassword = much-too-long\n",
     ":8: [vrrp v] password: has 13 characters; at most 8 are allowed"},
    {kWeb, "[vrrp v]\nvrid = 7\nother_vips = 1\n", ":8: [vrrp v] other_vips: \"1\" is not one of auto, yes, no"},
    {kWeb,
     "[vrrp v]\nvrid = 7\naddress = 192.0.2.100\nother_vips = yes\n[vrrp w]\nvrid = 8\naddress = "
     "192.0.2.101\nother_vips = yes\n",
     ":10: vrrp w: other_vips = yes is in v, too"},
    {kDirector, "[vrrp v]\nvrid = 7\n", ":3: [vrrp v] address: missing, and this file has no virtual"},
    {kWeb, "[sync]\non = inside\n", ":7: [sync] on: inside: there is no inside interface"},
    {kWeb, "[sync]\ngroup = 192.0.2.1\n",
     ":7: [sync] group: \"192.0.2.1\" is not a multicast address, such as 224.0.0.81 or ff02::81"},
    {kWeb, "[sync]\nkey = secret\n", ":7: [sync] key: has 6 characters; 8 to 64 are allowed"},
    {kWeb, "[sync]\nrole = slave\n", ":7: [sync] role: \"slave\" is not one of auto, master, backup, both"},
    {kWeb, "[sync]\n[sync]\n", ":7: [sync]: already on line 6"},
    {kWeb, "[sync web]\n", ":6: [sync web]: this section takes no name"},
    {kWeb, "[vrrp v]\nvrid = 7\n[vrrp w]\nvrid = 7\n", ":8: vrrp w: vrid 7 is that of v, on the same interface"},
};

TEST(ConfigRefusals, SayWhatIsWrongWithChecksAndVrrp) { refuses(kWrongHa); }

}  // namespace
}  // namespace rawvs
