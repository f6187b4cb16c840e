// SPDX-License-Identifier: BSD-2-Clause
// Tests what rawvsadm doctor says of VIPs that are addresses of the host itself.
#include <algorithm>

#include "doctor_fixture.h"

namespace rawvs::adm::test {
namespace {

// The first service's VIP is eth0's address; its only server is inside, with NAT.
Illness own_address() {
  Illness out;
  out.changed = {{"192.0.2.100:80", "192.0.2.10:80"},
                 {"vip address=192.0.2.100 link=eth0 mac=02:00:00:00:00:10 retired=0",
                  "vip address=192.0.2.10 link=eth0 mac=02:00:00:00:00:10 retired=0 standby=0 own=1 "
                  "ports=tcp/80,tcp/8000-8100,udp/53"},
                 {"server=192.0.2.11:80 method=route", "server=192.0.2.11:80 method=masq"},
                 {"inpkts=90 outpkts=0", "inpkts=90 outpkts=80"}};
  return out;
}

Illness with(std::function<void(HostFacts&)> host) {
  Illness out = own_address();
  out.host = std::move(host);
  return out;
}
Listener listener(Protocol protocol, const char* at) { return {protocol, *parse_endpoint(at)}; }

TEST(DoctorOwn, SaysThatAnOwnAddressIsRight) {
  const Diagnosis d = examined(own_address());
  EXPECT_TRUE(d.findings.empty()) << (d.findings.empty() ? "" : d.findings[0].what);
  EXPECT_NE(std::ranges::find(
                d.right, "this host's own addresses that are VIPs, 192.0.2.10: the services' ports are theirs alone"),
            d.right.end());
}

TEST(DoctorOwn, NamesAProgramThatListensOnAServicesPort) {
  finds(with([](HostFacts& host) { host.listeners = {listener(Protocol::tcp, "192.0.2.10:8050")}; }),
        "warning:own-listener",
        "a program of this host listens on tcp/8050 of 192.0.2.10, and a virtual service takes that port of 192.0.2.10",
        "ss -lnp 'sport = :8050'; give the program another address or port, or the service another port");
  finds(
      with([](HostFacts& host) { host.listeners = {listener(Protocol::udp, "[::]:53")}; }), "note:own-listener",
      "a program of this host listens on udp/53 of every address, and a virtual service takes that port of 192.0.2.10",
      "ss -lnp 'sport = :53'; give the program another address or port, or the service another port");
}

TEST(DoctorOwn, LeavesOtherListenersAlone) {
  const Diagnosis d = examined(with([](HostFacts& host) {
    host.listeners = {listener(Protocol::tcp, "0.0.0.0:22"), listener(Protocol::udp, "192.0.2.10:80"),
                      listener(Protocol::tcp, "203.0.113.10:80")};
    host.first_local_port = 32768, host.last_local_port = 60999;
  }));
  EXPECT_TRUE(d.findings.empty());
}

TEST(DoctorOwn, NamesAServicesPortInTheRangeOfTheHostsConnections) {
  finds(with([](HostFacts& host) { host.first_local_port = 8050, host.last_local_port = 60999; }),
        "warning:own-port-range",
        "tcp/8050 of 192.0.2.10, an address of this host, is a service's, and in the range of this host's own "
        "connections",
        "sysctl -w net.ipv4.ip_local_reserved_ports=8050-8100; for masquerading: masquerade to :1024-8049");
}

TEST(DoctorOwn, NamesAServiceOfEveryPort) {
  Illness all = own_address();
  all.changed.insert(all.changed.begin(), {"tcp:192.0.2.100:80", "tcp:192.0.2.10:0"});
  finds(all, "error:own-every-port",
        "the virtual service tcp:192.0.2.10:0 is of every port, and 192.0.2.10 is an address of this host",
        "name its ports, or give it a VIP that is no address of this host");
}

TEST(DoctorOwn, NamesAServerWhoseAnswersThisHostWouldDrop) {
  Illness direct = own_address();
  direct.changed.erase(direct.changed.begin() + 2, direct.changed.end());
  finds(
      direct, "note:own-answers",
      "VIP 192.0.2.10 is an address of this host, and real server 192.0.2.11:80 answers its clients itself, from that "
      "address",
      "use forward=nat for it, or give it another gateway");
}

// The second server is full NAT's, and no client got an answer from it.
Illness with_locals(const char* first, const char* second) {
  Illness out;
  out.changed = {{"method=masq", "method=fullnat"},
                 {"active=5 inactive=4 persistent=0 overloaded=0 reach=ready via=203.0.113.21",
                  "active=9 inactive=0 persistent=0 overloaded=0 reach=ready via=203.0.113.21"},
                 {"line text=guard = auto", std::string("line text=local_address = ") + first},
                 {"line text=max_connections = 1000 ; few", std::string("line text=local_address = ") + second}};
  for (int i = 0; i < 9; ++i) {
    out.added.push_back("connection protocol=tcp state=SYN_RECV expires=50 client=198.51.100.1:100" +
                        std::to_string(i) + " virtual=192.0.2.100:80 server=203.0.113.21:8080");
  }
  return out;
}

TEST(DoctorLocal, NamesALocalAddressThatTheHostLacksAndDoesNotBlameTheServer) {
  finds(with_locals("203.0.113.10", "203.0.113.99"), "error:local-address",
        "local_address 203.0.113.99 is no address of this host", "ip addr add 203.0.113.99/BITS dev INTERFACE");
}

TEST(DoctorLocal, BlamesTheServerWhereEveryLocalAddressIsHere) {
  finds(with_locals("203.0.113.10", "192.0.2.100"), "error:no-answer", "real server 203.0.113.21:8080",
        "on 203.0.113.21: ss -ltn");
}

TEST(DoctorOwn, SaysThatAnInterfaceHasNoAddressForItsService) {
  Illness none;
  none.host = [](HostFacts& host) { host.links[1].addresses.clear(); };
  none.added = {"line text=[virtual shop]", "line text=address = eth0", "line text=ports = tcp/80"};
  const Diagnosis d = examined(none);
  EXPECT_NE(checks(d).find("error:interface-without-address"), std::string::npos) << checks(d);
  EXPECT_NE(diagnosis_text(d).find("[virtual shop] has address = eth0, and eth0 has no IPv4 address"),
            std::string::npos);
  none.changed = {{"service service", "x"}, {"server service", "x"}};
  EXPECT_EQ(checks(examined(none)).find("no-service"), std::string::npos) << checks(examined(none));
}

TEST(DoctorLan, TakesTheTwoAddressesOfOneMachineForRight) {
  Illness both;
  both.added = {"service service=tcp:[2001:db8::100]:80 scheduler=wlc",
                "server service=tcp:[2001:db8::100]:80 server=[2001:db8::11]:80 method=route weight=1 reach=ready "
                "via=2001:db8::11",
                "neighbor address=2001:db8::11 link=eth0 state=fresh mac=02:00:00:00:00:11 servers=1"};
  EXPECT_EQ(checks(examined(both)), "");
}

}  // namespace
}  // namespace rawvs::adm::test
