// SPDX-License-Identifier: BSD-2-Clause
// Tests rawvsadm doctor: each test changes one fact of a healthy director and expects the finding.
#include "core/tunnel.h"
#include "doctor_fixture.h"

namespace rawvs::adm {
namespace {

using namespace test;

TEST(Doctor, FindsNothingWrongWithAHealthyDirectorAndSaysWhatItLookedAt) {
  const Diagnosis diagnosis = examined({});
  EXPECT_EQ(checks(diagnosis), "");
  EXPECT_TRUE(diagnosis.well());
  const std::string text = diagnosis_text(diagnosis);
  for (const char* const line :
       {"eth0, eth1 are up, with a carrier", "192.0.2.100 is on no interface of this host",
        "nobody else has answered ARP for 192.0.2.100", "eth0 has a guard (tcx) and this host forwards",
        "LRO is off at eth0, eth1", "2 services: each has a server", "3 real servers: none is silent",
        "1 NAT server: nothing shows that answers go past", "clients send (1500 bytes) fits",
        "nothing was lost: 2000000 frames", "this host's firewall: iptables-save", "0 errors, 0 warnings, 0 notes"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << " is not in:\n" << text;
  }
}

TEST(Doctor, FindsAVipOnAnInterfaceOfThisHost) {
  const auto on_lo = [](HostFacts& host) { host.links[0].addresses.push_back({*parse_ip("192.0.2.100"), 32}); };
  finds({.host = on_lo}, "warning:vip-on-host", "VIP 192.0.2.100 is configured on this host, on lo",
        "ip addr del 192.0.2.100/32 dev lo");
  // A retired VIP may be on another host.
  const auto retired = [](HostFacts& host) { host.links[0].addresses.push_back({*parse_ip("192.0.2.199"), 32}); };
  EXPECT_EQ(checks(examined({.host = retired})), "");
}

TEST(Doctor, FindsAMissingGuardOnlyWhereTheKernelForwards) {
  const std::pair<std::string, std::string> gone = {"link name=eth0 guard=tcx", "link name=eth0 guard=off"};
  const std::string rule = "iptables -t raw -I PREROUTING -i eth0 -d 192.0.2.100 -j DROP";
  finds({.changed = {gone}}, "error:no-guard", "eth0 has no guard (none could be attached", rule);
  finds({.changed = {gone, {"guard = auto", "guard = off"}}}, "warning:no-guard",
        "eth0 has no guard (guard = off), and this host forwards", "set guard = auto in /etc/rawvs.ini");
  const auto host = [](HostFacts& h) { h.links[1].forwarding = false; };
  const Diagnosis diagnosis = examined({.changed = {gone}, .host = host});
  EXPECT_EQ(checks(diagnosis), "");
  EXPECT_NE(diagnosis_text(diagnosis).find("eth0 has no guard, but needs none"), std::string::npos);
}

TEST(Doctor, FindsAGuardThatHasNoRoomForAllVips) {
  const std::pair<std::string, std::string> partly = {"link name=eth0 guard=tcx",
                                                      "link name=eth0 vips=5 guarded=3 guard=tcx"};
  const std::string rule = "iptables (ip6tables for IPv6) -t raw -I PREROUTING -i eth0 -d VIP -j DROP";
  finds(
      {.changed = {partly}}, "error:guard-full", "3 of 5 VIPs guarded on eth0 (tcx), and this host forwards",
      "free -m, and give this host more memory; rawvsd's log says what the kernel refused; or, for each VIP: " + rule);
  finds({.changed = {partly, {"guarded=3 guard=tcx", "guarded=3 guard=classic"}, {"guard = auto", "guard = classic"}}},
        "error:guard-full", "3 of 5 VIPs guarded on eth0 (classic)",
        "set guard = auto in /etc/rawvs.ini and restart rawvsd");
  const auto host = [](HostFacts& h) { h.links[1].forwarding = false; };
  EXPECT_EQ(checks(examined({.changed = {partly}, .host = host})), "");
  EXPECT_EQ(checks(examined({.changed = {partly, {"guarded=3", "guarded=5"}}})), "");
}

TEST(Doctor, FindsNatConnectionsThatAreNotGuarded) {
  finds({.changed = {{"link name=eth1 guard=tcx", "link name=eth1 unguarded=7 guard=tcx"}}}, "warning:guard-flows",
        "the guard on eth1 had no room for 7 NAT connections", "set a lower max_connections in /etc/rawvs.ini");
}

TEST(Doctor, FindsMulticastGroupsThatCouldNotBeJoined) {
  finds({.changed = {{"link name=eth0 guard=tcx", "link name=eth0 missing-groups=2 guard=tcx"}}}, "warning:nd-groups",
        "2 multicast groups of IPv6 VIPs could not be joined on eth0",
        "ip link show eth0 (IPv6 needs an MTU of 1280 or more)");
}

TEST(Doctor, SaysThatItDidNotLookAtAGuardThatRawvsdDoesNotTellOf) {
  const Illness illness{.changed = {{" guard=tcx", ""}}};
  const Diagnosis diagnosis = examined(illness);
  EXPECT_EQ(checks(diagnosis), "");
  EXPECT_EQ(diagnosis.unseen[0], "the guards: this rawvsd does not tell of them; its log does");
}

TEST(Doctor, FindsAStrictReversePathFilterOnlyWhereServersAnswerFromTheVipThroughThisHost) {
  const auto strict = [](HostFacts& host) { host.links[1].rp_filter = host.links[2].rp_filter = 1; };
  EXPECT_EQ(checks(examined({.host = strict})), "");  // the one inside is NAT's
  const std::pair<std::string, std::string> dr = {"method=masq", "method=route"};
  finds({.changed = {dr}, .host = strict}, "warning:rp-filter", "rp_filter is strict on eth1",
        "sysctl -w net.ipv4.conf.eth1.rp_filter=2");
  const auto loose = [](HostFacts& host) { host.links[2].rp_filter = 2; };
  EXPECT_EQ(checks(examined({.changed = {dr}, .host = loose})), "");
  const auto no_router = [](HostFacts& host) { host.links[2].rp_filter = 1, host.links[2].forwarding = false; };
  EXPECT_EQ(checks(examined({.changed = {dr}, .host = no_router})), "");
}

TEST(Doctor, FindsRedirectsOnlyWhereNatServersShareTheClientsLink) {
  const auto sends = [](HostFacts& host) { host.links[1].send_redirects = true; };
  EXPECT_EQ(checks(examined({.host = sends})), "");
  finds({.changed = {{"203.0.113.21 link=eth1", "203.0.113.21 link=eth0"}}, .host = sends}, "warning:redirects",
        "ICMP redirects on eth0", "net.ipv4.conf.all.send_redirects=0");
}

TEST(Doctor, FindsLargeReceiveOffload) {
  finds({.host = [](HostFacts& host) { host.links[2].lro = true; }}, "error:lro", "(LRO) is on at eth1",
        "ethtool -K eth1 lro off");
}

TEST(Doctor, FindsInterfacesThatAreMissingDownWithoutCarrierOrAddress) {
  const auto with = [](const std::function<void(HostFacts&)>& host) { return Illness{.host = host}; };
  finds(with([](HostFacts& h) { h.links.pop_back(); }), "error:no-interface", "there is no interface eth1", "ip link");
  finds(with([](HostFacts& h) { h.links[2].up = false; }), "error:interface-down", "interface eth1 is down",
        "ip link set eth1 up");
  finds(with([](HostFacts& h) { h.links[1].carrier = false; }), "error:no-carrier", "eth0 has no carrier",
        "ip link show eth0");
  finds(with([](HostFacts& h) { h.links[2].addresses.clear(); }), "warning:no-address",
        "eth1 has no address of its own", "ip addr add ADDRESS/BITS dev eth1");
}

TEST(Doctor, FindsOthersThatAnswerForTheVip) {
  const std::string row = "rival address=192.0.2.100 mac=02:00:00:00:00:11 server=";
  finds({.added = {row + "192.0.2.11"}}, "error:server-answers-arp",
        "real server 192.0.2.11 (02:00:00:00:00:11) answers ARP for VIP 192.0.2.100",
        "on 192.0.2.11: sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
  finds({.added = {row + "192.0.2.11"}}, "error:server-answers-arp", "answers ARP for", "arp_defend = 1 in [director]");
  finds({.changed = {{"max_connections = 1000 ; few", "arp_defend = 1"}}, .added = {row + "192.0.2.11"}},
        "warning:server-answers-arp", "arp_defend repeats the director's claim", "rawvs-realserver");
  finds({.added = {row + "-"}}, "error:rival", "02:00:00:00:00:11, which is no real server",
        "ip neigh | grep 02:00:00:00:00:11");
}

TEST(Doctor, FindsASilentServerOnceHoweverManyServicesItHas) {
  const std::string again =
      "server service=mark:10 server=192.0.2.11:0 method=route weight=1 active=0 inactive=0 reach=silent "
      "via=192.0.2.11 mac=-";
  const std::pair<std::string, std::string> silent = {"reach=ready via=192.0.2.11", "reach=silent via=192.0.2.11"};
  finds({.changed = {silent}, .added = {again}}, "error:silent", "real server 192.0.2.11 does not answer ARP on eth0",
        "rawvsadm drain 192.0.2.11");
}

TEST(Doctor, FindsASilentServerByItsNeighbourWhenRawvsdDoesNotTellOfReach) {
  finds({.changed = {{" reach=ready via=192.0.2.11", ""},
                     {"192.0.2.11 link=eth0 state=fresh",
                      "192.0.2.11 link=eth0 "
                      "state=silent"}}},
        "error:silent", "real server 192.0.2.11 does not answer ARP on eth0", "ping -c 1 192.0.2.11");
}

TEST(Doctor, NamesTheGatewayThatIsSilent) {
  finds({.changed = {{"reach=ready via=203.0.113.21", "reach=silent via=203.0.113.31"}},
         .added = {"neighbor address=203.0.113.31 link=eth1 state=silent mac=- servers=1"}},
        "error:silent", "gateway 203.0.113.31 does not answer ARP on eth1: it is the way to 203.0.113.21",
        "ping -c 1 203.0.113.31");
}

TEST(Doctor, FindsServersWithoutARouteOnThisHostAndUnderTheVip) {
  finds({.changed = {{"reach=ready via=203.0.113.21", "reach=no-route via=-"}}}, "error:no-route",
        "no route to real server 203.0.113.21 through eth0 and eth1", "ip route get 203.0.113.21");
  const auto local = [](const std::string& reach) {
    return std::pair<std::string, std::string>{"reach=ready via=192.0.2.11 mac=02:00:00:00:00:11",
                                               "local=1 via=- mac=- reach=" + reach};
  };
  finds({.changed = {local("local-nat")}}, "error:server-is-this-host", "real server 192.0.2.11 is this host itself",
        "rawvsadm -d -t 192.0.2.100:80 -r 192.0.2.11:80");
  finds({.changed = {local("vip-missing")}}, "error:local-without-vip", "is none of its addresses",
        "ip addr add 192.0.2.100/32 dev lo");
  const auto on_lo = [](HostFacts& host) { host.links[0].addresses.push_back({*parse_ip("192.0.2.100"), 32}); };
  EXPECT_EQ(checks(examined({.changed = {local("ready")}, .host = on_lo})), "");
  finds({.changed = {{"192.0.2.11:80", "192.0.2.100:80"}, {"via=192.0.2.11", "via=192.0.2.100"}}},
        "error:server-is-vip", "real server 192.0.2.100 is itself a VIP", "rawvsadm drain 192.0.2.100");
}

TEST(Doctor, FindsDirectRoutingThroughARouterUnlessTheMacIsFixed) {
  const std::pair<std::string, std::string> routed = {"reach=ready via=192.0.2.11", "reach=ready via=192.0.2.31"};
  const std::string hop = "neighbor address=192.0.2.31 link=eth0 servers=1 mac=02:00:00:00:00:31 state=";
  finds({.changed = {routed}, .added = {hop + "fresh"}}, "error:dr-through-router",
        "real server 192.0.2.11 is behind a router (192.0.2.31)", "rawvsadm -e -t 192.0.2.100:80 -r 192.0.2.11:80 -i");
  EXPECT_EQ(checks(examined({.changed = {routed}, .added = {hop + "fixed"}})), "");
}

TEST(Doctor, FindsTwoDirectServersBehindOneMac) {
  finds({.changed = {{"02:00:00:00:00:12", "02:00:00:00:00:11"}}}, "warning:same-mac",
        "192.0.2.11 and 192.0.2.12 have the same MAC address, 02:00:00:00:00:11", "proxy_arp");
}

TEST(Doctor, FindsServicesThatNobodyServes) {
  finds({.added = {"service service=udp:192.0.2.100:53 scheduler=rr"}}, "error:no-server",
        "service udp:192.0.2.100:53 has no real server", "rawvsadm -a -u 192.0.2.100:53 -r SERVER");
  finds({.changed = {{"method=route weight=1 upper=8", "method=route weight=0 upper=8"}}}, "error:no-weight",
        "every real server of mark:10 has weight 0", "rawvsadm -e -f 10 -r 192.0.2.12:0 -g -w 1 -x 8");
  finds({.changed = {{"persistent=1 overloaded=0", "persistent=1 overloaded=1"}}}, "error:overloaded",
        "every real server of mark:10 has reached its upper threshold",
        "rawvsadm -e -f 10 -r 192.0.2.12:0 -g -w 1 -x 16");
  DoctorFacts nothing;
  EXPECT_EQ(checks(diagnose(nothing)), "note:no-service");
}

TEST(Doctor, FindsMarksThatNothingCarriesAndTablesThatNoFileGives) {
  finds({.added = {"unwritable text=mark 99: no group says which packets carry it, and so on"}},
        "error:mark-without-group", "the service of mark 99 never gets a packet", "rawvsadm -D -f 99");
  finds({.added = {"unwritable text=[vrrp v] tracks [virtual shop], whose service was removed"}},
        "warning:table-not-savable", "no configuration gives the present table", "rawvsadm save --ini");
}

TEST(Doctor, TypesTheWholeCommandOfATunnelsServer) {
  finds(
      {.added = {"service service=sctp:192.0.2.100:9 scheduler=rr",
                 "server service=sctp:192.0.2.100:9 server=192.0.2.12:9 method=tunnel tun-type=gue tun-port=6080 "
                 "tun-checksum=remote weight=0 upper=0 lower=0"},
       .host = [](HostFacts& host) { host.links[1].mtu = 1600, host.links[2].mtu = 1600; }},
      "error:no-weight note:tunnel-mtu", "every real server of sctp:192.0.2.100:9 has weight 0",
      "rawvsadm -e --sctp-service 192.0.2.100:9 -r 192.0.2.12:9 -i --tun-type gue --tun-port 6080 --tun-remcsum -w 1");
}

TEST(Doctor, FindsANatServerWhoseAnswersGoElsewhere) {
  finds({.changed = {{"outpkts=80", "outpkts=0"}}}, "error:nat-gateway",
        "NAT server 203.0.113.21:8080 got 90 packets for tcp:192.0.2.100:80, and not one came back",
        "on 203.0.113.21: ip route replace default via 203.0.113.10");
  // Nine packets may be in transit.
  EXPECT_EQ(checks(examined({.changed = {{"inpkts=90 outpkts=80", "inpkts=9 outpkts=0"}}})), "");
}

std::string waiting(const char* client, const char* virtual_at, const char* server, int expires) {
  return "connection protocol=tcp expires=" + std::to_string(expires) + " state=SYN_RECV client=" + client +
         " virtual=" + virtual_at + " server=" + server;
}

std::vector<std::string> three(const char* client, const char* virtual_at, const char* server, int expires) {
  std::vector<std::string> rows;
  for (int port = 1; port <= 3; ++port) {
    rows.push_back(waiting((client + (':' + std::to_string(40000 + port))).c_str(), virtual_at, server, expires));
  }
  return rows;
}

TEST(Doctor, FindsClientsInANatServersOwnNetwork) {
  EXPECT_TRUE(wants_connections(facts_of({})));
  finds({.added = three("203.0.113.9", "192.0.2.100:80", "203.0.113.21:8080", 40)}, "error:nat-near-clients",
        "clients in 203.0.113.0/24 get no answer from NAT server 203.0.113.21:8080",
        "on 203.0.113.21: ip route replace 203.0.113.0/24 via 203.0.113.10");
  // A handshake in progress is not stuck; single clients from elsewhere prove nothing, since others get replies.
  for (const auto& [client, expires] : {std::pair{"203.0.113.9", 59}, std::pair{"198.51.100.2", 40}}) {
    const auto rows = three(client, "192.0.2.100:80", "203.0.113.21:8080", expires);
    EXPECT_EQ(checks(examined({.added = rows})), "");
  }
}

TEST(Doctor, FindsAServerThatAnswersNoClient) {
  const std::pair<std::string, std::string> idle = {"active=4 inactive=2", "active=3 inactive=0"};
  EXPECT_TRUE(wants_connections(facts_of({.changed = {idle}})));
  const auto stuck = three("198.51.100.2", "192.0.2.100:80", "192.0.2.11:80", 40);
  finds({.changed = {idle}, .added = stuck}, "error:no-answer",
        "real server 192.0.2.11:80 of tcp:192.0.2.100:80 answers no client: all its 3 connections are in SYN_RECV",
        "on 192.0.2.11: ss -ltn; ip addr add 192.0.2.100/32 dev lo");
  // A connection in another state got a reply.
  EXPECT_EQ(checks(examined({.changed = {{"active=4 inactive=2", "active=3 inactive=1"}}, .added = stuck})), "");
}

TEST(Doctor, FindsAServerThatDoesNotAnswerItsFirstClient) {
  const std::pair<std::string, std::string> first = {"active=4 inactive=2", "active=1 inactive=0"};
  const std::pair<std::string, std::string> only = {"conns=9 inpkts=90 outpkts=0", "conns=1 inpkts=90 outpkts=0"};
  const auto one = waiting("198.51.100.2:40001", "192.0.2.100:80", "192.0.2.11:80", 40);
  finds({.changed = {first, only}, .added = {one}}, "error:no-answer",
        "answers no client: its only connection is in SYN_RECV", "on 192.0.2.11: ss -ltn; ip addr add 192.0.2.100/32");
  // Others got replies before: this client may have gone away.
  EXPECT_EQ(checks(examined({.changed = {first}, .added = {one}})), "");
  // Its first SYN has just come; a second one shows that the first was not answered.
  const auto now = waiting("198.51.100.2:40001", "192.0.2.100:80", "192.0.2.11:80", 60);
  const std::pair<std::string, std::string> single = {"conns=9 inpkts=90 outpkts=0", "conns=1 inpkts=1 outpkts=0"};
  EXPECT_EQ(checks(examined({.changed = {first, single}, .added = {now}})), "");
  EXPECT_EQ(checks(examined({.changed = {first, only}, .added = {now}})), "error:no-answer");
  // Its check has taken it out: nothing else is reported.
  const std::pair<std::string, std::string> out = {"server=192.0.2.11:80 method=route weight=1",
                                                   "server=192.0.2.11:80 health=down method=route weight=0"};
  EXPECT_EQ(checks(examined({.changed = {first, only, out}, .added = {one}})), "warning:server-down");
}

TEST(Doctor, FindsAServerWithoutATunnel) {
  const std::pair<std::string, std::string> tunnel = {"server=192.0.2.11:80 method=route",
                                                      "server=192.0.2.11:80 method=tunnel tun-type=ipip"};
  const std::pair<std::string, std::string> first = {"active=4 inactive=2", "active=1 inactive=0"};
  const std::pair<std::string, std::string> only = {"conns=9 inpkts=90 outpkts=0", "conns=1 inpkts=90 outpkts=0"};
  const auto wide = [](HostFacts& host) { host.links[1].mtu = 1520, host.links[2].mtu = 1500; };
  const std::string errors = "exit name=tunnel-error fate=answered count=5 meaning=x";
  const auto one = waiting("198.51.100.2:40001", "192.0.2.100:80", "192.0.2.11:80", 40);
  const Diagnosis found = examined({.changed = {tunnel, first, only}, .added = {errors, one}, .host = wide});
  ASSERT_FALSE(found.findings.empty());
  EXPECT_EQ(found.findings[0].check, "no-answer");
  EXPECT_NE(found.findings[0].why.find("5 ICMP errors about tunnel packets came back"), std::string::npos);
  // UDP does not show who got a reply.
  const std::string tunnels = checks(examined({.changed = {tunnel}, .added = {errors}, .host = wide}));
  EXPECT_NE(tunnels.find("note:tunnel-errors"), std::string::npos) << tunnels;
}

TEST(Doctor, DoesNotAdviseToDrainWhoGetsNothingAnyway) {
  const Diagnosis silent = examined({.changed = {{"server=192.0.2.11:80 method=route weight=1",
                                                  "server=192.0.2.11:80 health=down method=route weight=0"},
                                                 {"reach=ready via=192.0.2.11", "reach=silent via=192.0.2.11"}}});
  EXPECT_EQ(checks(silent), "error:silent warning:server-down");
  EXPECT_EQ(diagnosis_text(silent).find("drain"), std::string::npos) << diagnosis_text(silent);
  const Diagnosis own = examined(
      {.changed = {{"server=192.0.2.11:80 method=route weight=1", "server=192.0.2.11:80 method=route weight=0"},
                   {"reach=ready via=192.0.2.11 mac=02:00:00:00:00:11", "reach=local-nat via=- mac=- local=1"}}});
  EXPECT_EQ(checks(own), "error:server-is-this-host");
  EXPECT_EQ(diagnosis_text(own).find("drain"), std::string::npos) << diagnosis_text(own);
  EXPECT_NE(own.findings[0].type.find("rawvsadm -d -t 192.0.2.100:80 -r 192.0.2.11:80"), std::string::npos);
}

TEST(Doctor, DoesNotAdviseAWeightForServersThatCannotBeReached) {
  const Diagnosis found = examined(
      {.changed = {{"server=192.0.2.12:0 method=route weight=1", "server=192.0.2.12:0 method=route weight=0"},
                   {"reach=ready via=192.0.2.12 mac=02:00:00:00:00:12", "reach=other-interface via=- mac=-"}}});
  EXPECT_EQ(checks(found), "error:none-reachable error:no-route");
}

TEST(Doctor, FindsAnInterfaceWithoutEthernet) {
  finds({.host = [](HostFacts& h) { h.links[2].unfit = "it has no Ethernet: a PPP link"; }}, "error:no-ethernet",
        "rawvsd cannot serve on interface eth1", "ip -d link show eth1");
}

TEST(Doctor, FindsATunnelThatIsNarrowerThanWhatClientsSend) {
  const std::pair<std::string, std::string> tunnel = {"server=192.0.2.12:0 method=route",
                                                      "server=192.0.2.12:0 method=tunnel tun-type=ipip tun-port=0 "
                                                      "tun-checksum=none"};
  finds({.changed = {tunnel}}, "note:tunnel-mtu",
        "the tunnel to 192.0.2.12 carries packets of 1480 bytes, clients' may have 1500",
        "nothing, if clients hear ICMP; else, here and on the whole way: ip link set eth0 mtu 1520");
  EXPECT_TRUE(examined({.changed = {tunnel}}).well());
  const auto narrow = [](HostFacts& host) { host.links[2].mtu = 1299; };
  finds({.changed = {{"method=masq", "method=tunnel tun-type=ipip"}}, .host = narrow}, "warning:tunnel-mtu",
        "carries packets of 1279 bytes", "here and on the whole way: ip link set eth1 mtu 1520");
  finds({.host = [](HostFacts& host) { host.links[2].mtu = 1400; }}, "note:mtu",
        "the way to 203.0.113.21 carries packets of 1400 bytes", "ip link set eth1 mtu 1500");
}

TEST(Doctor, TakesTheSameOverheadOfATunnelAsTheDirector) {
  struct Kind {
    const char* words;
    Tunnel tunnel;
  };
  for (const Kind& kind :
       {Kind{"tun-type=ipip", {}}, Kind{"tun-type=gre", {TunnelType::gre, Port(), {}}},
        Kind{"tun-type=gre tun-checksum=on", {TunnelType::gre, Port(), TunnelChecksum::checksum}},
        Kind{"tun-type=gue", {TunnelType::gue, Port(6080), {}}},
        Kind{"tun-type=gue tun-checksum=on", {TunnelType::gue, Port(6080), TunnelChecksum::checksum}}}) {
    const Diagnosis diagnosis = examined({.changed = {{"method=masq", std::string("method=tunnel ") + kind.words}}});
    ASSERT_EQ(checks(diagnosis), "note:tunnel-mtu") << kind.words;
    const std::string left =
        "carries packets of " + std::to_string(1500 - tunnel_overhead(kind.tunnel, Family::ipv4)) + " bytes";
    EXPECT_NE(diagnosis.findings[0].what.find(left), std::string::npos) << diagnosis.findings[0].what;
  }
}

TEST(Doctor, FindsFullTablesAndRingsAndSaysWhichSettingToRaise) {
  finds({.changed = {{"table-full fate=dropped count=0", "table-full fate=dropped count=400"}}}, "warning:table-full",
        "there was no room for another connection: 400 frames of 2000000 since rawvsd's start",
        "set max_connections = 2000 in /etc/rawvs.ini (it is 1000), and restart rawvsd");
  finds({.changed = {{"guard=tcx received=1000000 kernel-dropped=0", "guard=tcx received=1000000 kernel-dropped=5"}}},
        "note:ring-full note:ring-full", "5 frames of 1000000 were lost at eth0", "set ring_frames = 2048");
  finds({.changed = {{"name=eth1 guard=tcx received=1000000 kernel-dropped=0 cut=0",
                      "name=eth1 guard=tcx received=1000000 kernel-dropped=0 cut=900"}}},
        "warning:queue-full", "900 frames of 1000000 were lost at eth1", "ethtool -K eth1 gro off");
  finds({.added = {"exit name=hold-full fate=dropped count=300 meaning=x"}}, "warning:hold-full",
        "too many packets waited",
        "set arp_hold = 16 in /etc/rawvs.ini (it is 8), and type: "
        "rawvsadm reload");
}

TEST(Doctor, SaysHowToGetIntoRawvsdsNetworkNamespace) {
  const auto elsewhere = [](HostFacts& host) { host = {.known = false, .links = {}}; };
  const Diagnosis diagnosis = examined({.changed = {{"pid=0", "pid=4711"}}, .host = elsewhere});
  EXPECT_EQ(checks(diagnosis), "");
  for (const std::string& line : diagnosis.right) EXPECT_EQ(line.find("on no interface"), std::string::npos) << line;
  EXPECT_NE(diagnosis.unseen[0].find("nsenter -t 4711 -n rawvsadm doctor"), std::string::npos) << diagnosis.unseen[0];
}

TEST(Doctor, TellsTheWorstFirst) {
  const auto host = [](HostFacts& h) { h.links[1].lro = true, h.links[2].mtu = 1400; };
  const std::pair<std::string, std::string> full = {"table-full fate=dropped count=0", "table-full fate=x count=400"};
  EXPECT_EQ(checks(examined({.changed = {full}, .host = host})), "error:lro warning:table-full note:mtu");
}

TEST(Doctor, TellsProgramsTheSameAsPeople) {
  std::string text =
      diagnosis_json({.findings = {{Urgency::warning, "mtu", "w", "y", "t"}}, .right = {"a/b"}, .unseen = {"c"}});
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
  EXPECT_EQ(text, R"({"findings":[{"severity":"warning","check":"mtu","what":"w","why":"y","type":"t"}],)"
                  R"("right":["a/b"],"not-looked-at":["c"]})");
}

TEST(Doctor, SurvivesRowsThatMakeNoSense) {
  DoctorFacts facts;
  for (const char* const row :
       {"server service=x server=y", "service", "server", "connection state=SYN_RECV", "vip address=1.2.3", "neighbor",
        "exit", "link", "line text=", "line text= = ", "rival address=192.0.2.1", "daemon pid=x",
        "service service=tcp:nonsense", "service service=mark:",
        "connection state=SYN_RECV client=192.0.2.1:1 "
        "virtual=192.0.2.2:2 server=0.0.0.0:0"}) {
    note_row(Row(row), facts);
  }
  EXPECT_FALSE(diagnosis_text(diagnose(facts)).empty());
}

}  // namespace
}  // namespace rawvs::adm
