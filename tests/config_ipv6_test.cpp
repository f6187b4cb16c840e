// SPDX-License-Identifier: BSD-2-Clause
// Tests IPv6 in configuration files: what is read, what is filled in, what is refused.

#include <gtest/gtest.h>

#include "config_refusals.h"
#include "config_same.h"

namespace rawvs {
namespace {

using namespace test;

Ip ip(const char* text) { return *parse_ip(text); }

constexpr std::string_view kWeb6 =
    "[director]\ninterface = eth0\n[virtual web]\naddress = 2001:db8::100\nports = tcp/80\n";  // next: line 6
constexpr std::string_view kBothGroups =
    "[director]\ninterface = eth0\n[group g4]\nmark = 10\nmatch = 192.0.2.100 tcp/80\n"
    "[group g6]\nmark = 10\nmatch = 2001:db8::100 tcp/80,443 from 2001:db8:1::/64\n";  // next: line 9

TEST(ConfigIpv6, AVirtualHasServersOfItsFamilyAndTunnelsToTheOther) {
  const Config c = parsed(std::string(kWeb6) +
                          "persistence = 5m\nnetmask = /64\nserver = [2001:db8::11]:80 weight=2\n"
                          "server = 2001:DB8:0:0::12\nserver = 192.0.2.13 forward=tun\nsorry = 2001:db8::19\n");
  ASSERT_EQ(c.virtuals.size(), 1u);
  const VirtualConfig& v = c.virtuals[0];
  EXPECT_EQ(v.address, ip("2001:db8::100"));
  EXPECT_EQ(v.netmask, Netmask(Family::ipv6, 64));
  ASSERT_EQ(v.servers.size(), 3u);
  EXPECT_EQ(v.servers[0].at, (Endpoint{ip("2001:db8::11"), Port(80)}));
  EXPECT_EQ(v.servers[1].at, (Endpoint{ip("2001:db8::12"), Port(0)}));
  EXPECT_EQ(v.servers[2].at.addr, ip("192.0.2.13"));
  const WantedTables tables = wanted_tables(c);
  ASSERT_EQ(tables.services.size(), 1u);
  EXPECT_EQ(text(tables.services[0].spec.key), "tcp [2001:db8::100]:80");
  EXPECT_EQ(tables.services[0].servers[1].at, (Endpoint{ip("2001:db8::12"), Port(80)}));
  expect_survives_printing(c);
}

TEST(ConfigIpv6, WithoutANetmaskEachClientIsItsOwn) {
  const Config c = parsed(std::string(kWeb6) + "persistence = 5m\nserver = 2001:db8::11\n");
  EXPECT_TRUE(c.virtuals[0].netmask.full());
  EXPECT_NE(print_config(c).find("\nnetmask = /128\n"), std::string::npos);
}

TEST(ConfigIpv6, AMarkIsAServicePerFamily) {
  const Config c = parsed(std::string(kBothGroups) +
                          "[virtual v4]\nmark = 10\nserver = 192.0.2.11\n"
                          "[virtual v6]\nmark = 10\nfamily = ipv6\nserver = 2001:db8::11\ncheck = tcp\n");
  const WantedTables tables = wanted_tables(c);
  ASSERT_EQ(tables.services.size(), 2u);
  EXPECT_EQ(tables.services[0].spec.key, mark_key(Mark(10), Family::ipv4));
  EXPECT_EQ(tables.services[1].spec.key, mark_key(Mark(10), Family::ipv6));
  ASSERT_EQ(tables.groups.size(), 3u);
  const std::vector<WantedChecks> checks = wanted_checks(c);
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_EQ(checks[0].vip, ip("2001:db8::100"));
  EXPECT_EQ(checks[0].service.family(), Family::ipv6);
  expect_survives_printing(c);
}

// In either family: the server's own says how it is asked.
TEST(ConfigIpv6, ACheckOfNeighboursIsNamedByEitherProtocol) {
  const Config c = parsed(std::string(kWeb6) + "server = 2001:db8::11 check=nd\nserver = 2001:db8::12 check=arp\n" +
                          "server = 2001:db8::13 check=own\n[check own]\ntype = nd\n");
  const std::vector<WantedChecks> checks = wanted_checks(c);
  ASSERT_EQ(checks.size(), 1u);
  for (const WantedChecks::Server& server : checks[0].servers) EXPECT_EQ(server.check->kind, CheckKind::arp);
  EXPECT_EQ(c.checks[0].spec.kind, CheckKind::arp);
  expect_survives_printing(c);
  refuses(std::string(kWeb6) + "server = 2001:db8::11 check=nd\ninhibit = 0\n",
          ":6: [virtual web] server: check: type = arp asks for servers of the table, and one that is taken out would "
          "never come back: leave out inhibit = 0");
}

TEST(ConfigIpv6, TheOnlyGroupOfAMarkSaysItsFamily) {
  const Config c = parsed(
      "[director]\ninterface = eth0\n[group g]\nmark = 7\nmatch = 2001:db8::100 udp/53\n"
      "[virtual dns]\nmark = 7\nserver = 2001:db8::11\n");
  EXPECT_EQ(c.virtuals[0].family, Family::ipv6);
  EXPECT_EQ(wanted_tables(c).services[0].spec.key, mark_key(Mark(7), Family::ipv6));
  EXPECT_EQ(c.groups[0].matches[0].clients, Network::all(Family::ipv6));
  expect_survives_printing(c);
}

TEST(ConfigIpv6, VirtualsOfSeveralPortsMayShareAGivenMark) {
  const Config c = parsed(
      "[director]\ninterface = eth0\n[virtual a]\naddress = 192.0.2.100\nports = tcp/80,443\nmark = 5\n"
      "[virtual b]\naddress = 2001:db8::100\nports = tcp/80,443\nmark = 5\n");
  const WantedTables tables = wanted_tables(c);
  ASSERT_EQ(tables.services.size(), 2u);
  EXPECT_EQ(tables.services[0].spec.key, mark_key(Mark(5), Family::ipv4));
  EXPECT_EQ(tables.services[1].spec.key, mark_key(Mark(5), Family::ipv6));
  expect_survives_printing(c);
}

TEST(ConfigIpv6, AnInstanceOfVrrpHasTheVipsOfItsFamily) {
  const std::string both =
      "[director]\ninterface = eth0\n[virtual a]\naddress = 192.0.2.100\nports = tcp/80\n"
      "[virtual b]\naddress = 2001:db8::100\nports = tcp/80\n";
  const Config c = parsed(both +
                          "[vrrp four]\nvrid = 1\n[vrrp six]\nvrid = 2\nsource = fe80::1\n"
                          "[vrrp named]\nvrid = 3\naddress = fe80::99 2001:db8::99\npeer = fe80::2\n");
  const std::vector<VrrpSpec> specs = wanted_vrrp(c);
  ASSERT_EQ(specs.size(), 3u);
  EXPECT_EQ(specs[0].addresses, (std::vector<Ip>{ip("192.0.2.100")}));
  EXPECT_EQ(specs[1].addresses, (std::vector<Ip>{ip("2001:db8::100")}));
  EXPECT_EQ(specs[2].addresses, (std::vector<Ip>{ip("fe80::99"), ip("2001:db8::99")}));
  expect_survives_printing(c);
  const Config only = parsed(std::string(kWeb6) + "[vrrp v]\nvrid = 1\n");
  EXPECT_EQ(wanted_vrrp(only)[0].addresses, (std::vector<Ip>{ip("2001:db8::100")}));
  expect_survives_printing(only);
}

TEST(ConfigIpv6, AServerMayBeTheHostItself) {
  const Config c = parsed(std::string(kWeb6) +
                          "server = ::1\nsorry = [::1]:80\n[virtual four]\n"
                          "address = 192.0.2.100\nports = tcp/80\nserver = 127.0.0.1\n");
  EXPECT_EQ(c.virtuals[0].servers[0].at.addr, ip("::1"));
  EXPECT_EQ(c.virtuals[1].servers[0].at.addr, ip("127.0.0.1"));
  expect_survives_printing(c);
  refuses(std::string(kWeb6) + "server = ::1 forward=nat\n",
          ":6: [virtual web] server: ::1 is this host itself, whose answers forward=nat cannot translate; use "
          "forward=dr");
}

TEST(ConfigIpv6, SyncHasAGroupOrPeersOfIpv6) {
  const Config c = parsed(std::string(kWeb6) + "[sync]\ngroup = ff02::81\npeer = fe80::2 2001:db8::20\n");
  EXPECT_EQ(c.sync->group, ip("ff02::81"));
  EXPECT_EQ(c.sync->peers, (std::vector<Ip>{ip("fe80::2"), ip("2001:db8::20")}));
  expect_survives_printing(c);
}

constexpr Wrong kWrong[] = {
    {kVirtual, "address = fe80::1\n",
     ":4: [virtual web] address: \"fe80::1\" is a link-local address: it means a host on one link only, and no router "
     "forwards it; use a global one or a unique local one, such as 2001:db8::100"},
    {kVirtual, "address = ::1\n",
     ":4: [virtual web] address: \"::1\" is not a unicast address that a network can reach: it is a loopback address"},
    {kVirtual, "address = ::\n",
     ":4: [virtual web] address: \"::\" is not a unicast address that a network can reach: it is the unspecified "
     "address"},
    {kVirtual, "address = ff02::1\n",
     ":4: [virtual web] address: \"ff02::1\" is not a unicast address that a network can reach: it is a multicast "
     "address"},
    {kVirtual, "address = ::ffff:192.0.2.1\n",
     ":4: [virtual web] address: \"::ffff:192.0.2.1\" is not an address: an IPv4-mapped address is no host's; write "
     "192.0.2.1; expected an address such as 192.0.2.100 or 2001:db8::100"},
    {kVirtual, "address = fe80::1%eth0\n",
     ":4: [virtual web] address: \"fe80::1%eth0\" is not an address: \"%eth0\" is a zone, which belongs to no address "
     "here; expected an address such as 192.0.2.100 or 2001:db8::100"},
    {kVirtual, "address = [2001:db8::1]\n",
     ":4: [virtual web] address: \"[2001:db8::1]\" is not an address: brackets are for an address with a port; "
     "expected an address such as 192.0.2.100 or 2001:db8::100"},
    {kVirtual, "address = 2001:db8::1::2\n",
     ":4: [virtual web] address: \"2001:db8::1::2\" is not an address: expected an address such as 192.0.2.100 or "
     "2001:db8::100"},
    {kWeb6, "server = [2001:db8::11]:0\n",
     ":6: [virtual web] server: \"[2001:db8::11]:0\" is not a server: expected IP or IP:PORT, such as 192.0.2.11 or "
     "[2001:db8::11]:80"},
    {kWeb6, "server = fe80::11\n",
     ":6: [virtual web] server: \"fe80::11\" is a link-local address: it means a host on one link only, and no router "
     "forwards it; use a global one or a unique local one, such as 2001:db8::100"},
    {kWeb6, "server = 192.0.2.11\n",
     ":6: [virtual web] server: 192.0.2.11 is IPv4, and this virtual is IPv6: forward=dr needs one family, only "
     "forward=tun and forward=fullnat carry the other"},
    {kWeb, "sorry = [2001:db8::11]:8080 forward=nat\n",
     ":6: [virtual web] sorry: 2001:db8::11 is IPv6, and this virtual is IPv4: forward=nat needs one family, only "
     "forward=tun and forward=fullnat carry the other"},
    {kBothGroups, "[virtual v]\nmark = 10\nserver = 2001:db8::11\n",
     ":11: [virtual v] server: 2001:db8::11 is IPv6, and this virtual is IPv4: forward=dr needs one family, only "
     "forward=tun and forward=fullnat carry the other; or family = ipv6"},
    {kBothGroups, "[virtual v]\nmark = 10\n[virtual w]\nmark = 10\n",
     ":12: [virtual w] mark: mark 10 is balanced by [virtual v] (line 9) already; for the group of the other family "
     "add family = ipv6"},
    {kWeb6, "family = ipv6\n",
     ":6: [virtual web] family: is for a virtual without address; this one has address = 2001:db8::100, which is IPv6"},
    {kVirtual, "family = 6\n", ":4: [virtual web] family: \"6\" is not one of ipv4, ipv6"},
    {kGroup, "mark = 7\nmatch = 192.0.2.100 tcp/80\n[virtual v]\nmark = 7\nfamily = ipv6\n",
     ":8: [virtual v] family: no group with VIPs of IPv6 has mark 7; add a [group NAME] with it, or leave family out"},
    {kGroup, "mark = 7\nmatch = 192.0.2.100 tcp/80\nmatch = 2001:db8::100 tcp/80\n",
     ":6: [group g] match: the VIP 2001:db8::100 is IPv6, and 192.0.2.100 of this group is IPv4: put it into another "
     "[group NAME] with the same mark, a mark has one for each family"},
    {kGroup, "mark = 7\nmatch = 2001:db8::100 tcp/80 from 198.51.100.0/24\n",
     ":5: [group g] match: 198.51.100.0/24 is IPv4, and the VIP 2001:db8::100 is IPv6: no packet has addresses of "
     "both"},
    {kGroup, "mark = 7\nmatch = 2001:db8::100 tcp/80 from 2001:db8::1/64\n",
     ":5: [group g] match: \"2001:db8::1/64\" is not a network, such as 2001:db8:1::/64 (bits behind the prefix are "
     "0), or one address"},
    {kWeb6, "persistence = 60\nnetmask = 255.255.255.0\n",
     ":7: [virtual web] netmask: 255.255.255.0 is for IPv4, and this virtual is IPv6; expected a prefix length, such "
     "as /64"},
    {kWeb6, "netmask = 64\n", ":6: [virtual web] netmask: \"64\" is not a netmask: expected /64"},
    {kWeb6, "netmask = /64\n",
     ":6: [virtual web] netmask: is for persistence, and this virtual has none; add such as persistence = 360"},
    {kWeb6, "[virtual all]\naddress = 2001:db8::100\nports = tcp/80\n",
     ":8: [virtual all] ports: tcp [2001:db8::100]:80 is the same as tcp [2001:db8::100]:80 of [virtual web] (line "
     "5); one of them would get nothing"},
    {kWeb6, "[vrrp v]\nvrid = 7\naddress = 2001:db8::100 192.0.2.1\n",
     ":8: [vrrp v] address: 192.0.2.1 is IPv4, and this instance is IPv6: it has one family; add a [vrrp NAME] for "
     "the other"},
    {kWeb6, "[vrrp v]\nvrid = 7\naddress = 2001:db8::100\nsource = 192.0.2.1\n",
     ":9: [vrrp v] source: 192.0.2.1 is IPv4, and this instance is IPv6: it has one family; add a [vrrp NAME] for the "
     "other"},
    {kWeb6, "[vrrp v]\nvrid = 7\nversion = 2\n",
     ":8: [vrrp v] version: 2 is for IPv4 alone, and this instance is IPv6; leave version out: 3"},
    {kWeb, "[vrrp v]\nvrid = 7\nfamily = ipv6\n", ":6: [vrrp v] address: missing, and this file has no IPv6 VIP"},
    {kWeb, "[sync]\npeer = 192.0.2.2 2001:db8::2\n",
     ":7: [sync] peer: 2001:db8::2 is IPv6, and 192.0.2.2 is IPv4: one socket reaches peers of one family"},
};

TEST(ConfigIpv6, RefusalsNameFaultAndFamily) { refuses(kWrong); }

}  // namespace
}  // namespace rawvs
