// SPDX-License-Identifier: BSD-2-Clause
// Tests faulty servers, and virtuals and groups that contradict each other, and the messages about them.

#include "config_refusals.h"

namespace rawvs {
namespace {

using namespace test;

constexpr Wrong kWrongTables[] = {
    {kWeb, "server =\n",
     ":6: [virtual web] server: no value; expected IP or IP:PORT, and options, such as 192.0.2.11 weight=1"},
    {kWeb, "server = web1\n",
     ":6: [virtual web] server: \"web1\" is not a server: expected IP or IP:PORT, such as 192.0.2.11 or "
     "[2001:db8::11]:80"},
    {kWeb, "server = 192.0.2.11:0\n",
     ":6: [virtual web] server: \"192.0.2.11:0\" is not a server: expected IP or IP:PORT, such as 192.0.2.11 or "
     "[2001:db8::11]:80"},
    {kWeb, "server = 224.0.0.1\n",
     ":6: [virtual web] server: \"224.0.0.1\" is not a unicast address that a network can reach"},
    {kWeb, "server = 192.0.2.11 wieght=2\n",
     ":6: [virtual web] server: \"wieght=2\": no such option; did you mean \"weight\"?"},
    {kWeb, "server = 192.0.2.11 # first\n",
     ":6: [virtual web] server: \"#\": no such option: weight, forward, mac, upper, lower, tun_type, tun_port, "
     "tun_checksum, proxy_protocol, check, name; a comment behind a value begins with \" ;\""},
    {kWeb, "server = 192.0.2.11 weight\n", ":6: [virtual web] server: \"weight\" has no value: weight=..."},
    {kWeb, "server = 192.0.2.11 weight=-1\n",
     ":6: [virtual web] server: weight: \"-1\" is not a number from 0 to 2147483647"},
    {kWeb, "server = 192.0.2.11 weight=1 weight=2\n", ":6: [virtual web] server: weight: given twice"},
    {kWeb, "server = 192.0.2.11 forward=route\n",
     ":6: [virtual web] server: forward: \"route\" is not a way to forward: dr, tun, nat, fullnat"},
    {kWeb, "server = 192.0.2.11 tun_type=gue tun_port=6080\n",
     ":6: [virtual web] server: tun_type is for forward=tun; this server is forward=dr"},
    {kWeb, "server = 192.0.2.11 tun_checksum=none forward=nat\n",
     ":6: [virtual web] server: tun_checksum is for forward=tun; this server is forward=nat"},
    {kWeb, "server = 192.0.2.11 forward=tun tun_type=vxlan\n",
     ":6: [virtual web] server: tun_type: \"vxlan\" is not a type of tunnel: ipip, gue, gre"},
    {kWeb, "server = 192.0.2.11 forward=tun tun_type=gue\n",
     ":6: [virtual web] server: tun_port is missing: a gue tunnel needs the UDP port that the server listens on, such "
     "as 6080"},
    {kWeb, "server = 192.0.2.11 forward=tun tun_port=6080\n",
     ":6: [virtual web] server: tun_port is for tun_type=gue; a tunnel of type ipip has no port"},
    {kWeb, "server = 192.0.2.11 forward=tun tun_type=gue tun_port=0\n",
     ":6: [virtual web] server: tun_port: \"0\" is not a number from 1 to 65535"},
    {kWeb, "server = 192.0.2.11 forward=tun tun_checksum=on\n",
     ":6: [virtual web] server: tun_checksum is for tun_type=gue or gre; ipip has no checksum of its own"},
    {kWeb, "server = 192.0.2.11 forward=tun tun_type=gre tun_checksum=remote\n",
     ":6: [virtual web] server: tun_checksum=remote is for tun_type=gue; gre has none or on"},
    {kWeb, "server = 192.0.2.11 forward=tun tun_type=gre tun_checksum=off\n",
     ":6: [virtual web] server: tun_checksum: \"off\" is not a checksum of a tunnel: none, on, remote"},
    {kWeb, "server = 192.0.2.11 forward=fullnat proxy_protocol=1\n",
     ":6: [virtual web] server: proxy_protocol: \"1\" is not a version of the PROXY protocol that is spoken here: 2"},
    {kWeb, "server = 192.0.2.11 forward=nat proxy_protocol=2\n",
     ":6: [virtual web] server: proxy_protocol is for forward=fullnat; this server is forward=nat"},
    {kWeb, "server = 192.0.2.11 name=\n",
     ":6: [virtual web] server: name: \"\" is not a name: at most 32 letters, digits, \".\", \"_\", \"-\""},
    {kWeb, "server = 192.0.2.11 name=web/1\n",
     ":6: [virtual web] server: name: \"web/1\" is not a name: at most 32 letters, digits, \".\", \"_\", \"-\""},
    {kWeb, "server = 192.0.2.11 name=a23456789012345678901234567890123\n",
     ":6: [virtual web] server: name: \"a23456789012345678901234567890123\" is not a name: at most 32 letters, digits, "
     "\".\", \"_\", \"-\""},
    {kWeb, "server = 192.0.2.11 name=192.0.2.12\n",
     ":6: [virtual web] server: name: \"192.0.2.12\" is an address; a server without name is called by its own"},
    {kWeb, "server = 192.0.2.11 name=a\nserver = 192.0.2.12 name=b\nserver = 192.0.2.13 name=a\n",
     ":8: [virtual web] server: name=a: the server on line 6 has this name"},
    {kWeb, "server = 192.0.2.11\nserver = 192.0.2.12 name=b\nsorry = 192.0.2.13 name=b\n",
     ":8: [virtual web] sorry: name=b: the server on line 7 has this name"},
    {kWeb, "server = 192.0.2.11 mac=02:00:00:00:00\n",
     ":6: [virtual web] server: mac: \"02:00:00:00:00\" is not a MAC address, such as 02:00:00:00:00:01"},
    {kWeb, "server = 192.0.2.11 mac=01:00:5e:00:00:01\n",
     ":6: [virtual web] server: mac: \"01:00:5e:00:00:01\" is not the MAC address of one machine"},
    {kWeb, "server = 192.0.2.11 upper=5 lower=6\n",
     ":6: [virtual web] server: lower=6 exceeds upper=5; the lower threshold is at most the upper one"},
    {kWeb, "server = 192.0.2.11 upper=4294967296\n",
     ":6: [virtual web] server: upper: \"4294967296\" is not a number from 0 to 4294967295"},
    {kWeb, "server = 192.0.2.11:8080\n",
     ":6: [virtual web] server: 192.0.2.11:8080: forward=dr keeps the virtual's port 80; leave \":8080\" out, or "
     "translate it with forward=nat"},
    {kWeb, "server = 192.0.2.11:8080 forward=tun\n",
     ":6: [virtual web] server: 192.0.2.11:8080: forward=tun keeps the virtual's port 80; leave \":8080\" out, or "
     "translate it with forward=nat"},
    {kVirtual, "address = 192.0.2.100\nports = tcp/*\npersistence = 360\nserver = 192.0.2.11:80 forward=nat\n",
     ":7: [virtual web] server: 192.0.2.11:80: persistence over several ports keeps the port that the client chose; "
     "leave \":80\" out"},
    {kVirtual, "address = 192.0.2.100\nports = tcp/80,443\npersistence = 360\nserver = 192.0.2.11:80 forward=nat\n",
     ":7: [virtual web] server: 192.0.2.11:80: persistence over several ports keeps the port that the client chose; "
     "leave \":80\" out"},
    {kWeb, "server = 192.0.2.11:8080 forward=nat\nserver = 192.0.2.11:8080 forward=nat\n",
     ":7: [virtual web] server: 192.0.2.11:8080 is already on line 6"},
    {kWeb, "server = 192.0.2.11 forward=nat\nserver = 192.0.2.11 forward=tun\n",
     ":7: [virtual web] server: 192.0.2.11 is already on line 6"},
    {kWeb, "server = 192.0.2.11\nserver = 192.0.2.11:80\n",
     ":7: [virtual web] server: 192.0.2.11 is already on line 6"},
    {kWeb, "server = 192.0.2.100\n", ":6: [virtual web] server: 192.0.2.100 is a VIP of this file"},
    {kVirtual, "address = 192.0.2.100\nserver = 192.0.2.11:80\nports = tcp/80,443\n",
     ":5: [virtual web] server: 192.0.2.11:80: forward=dr keeps the port that the client chose; leave \":80\" out"},
    {kDirector,
     "max_servers = 1\n[virtual web]\naddress = 192.0.2.100\nports = tcp/80\nserver = 192.0.2.11\nserver = "
     "192.0.2.12\n",
     ":3: [director] max_servers: 1 is less than the 2 servers of this file"},
    {kDirector,
     "max_servers = 1\n[virtual web]\naddress = 192.0.2.100\nports = *\npersistence = 360\nserver = 192.0.2.11\n",
     ":3: [director] max_servers: 1 is less than the 2 servers of this file"},
    {kDirector, "max_services = 1\n[virtual web]\naddress = 192.0.2.100\nports = *\npersistence = 360\n",
     ":3: [director] max_services: 1 is less than the 2 services of this file"},
    {kWeb, "[virtual b]\naddress = 192.0.2.100\nports = tcp/80\n",
     ":8: [virtual b] ports: tcp 192.0.2.100:80 is the same as tcp 192.0.2.100:80 of [virtual web] (line 5); one of "
     "them would get nothing"},
    {kVirtual,
     "address = 192.0.2.100\nports = *\npersistence = 60\n"
     "[virtual b]\naddress = 192.0.2.100\nports = udp/*\npersistence = 60\n",
     ":9: [virtual b] ports: udp 192.0.2.100:* is the same as udp 192.0.2.100:* of [virtual web] (line 5); one of them "
     "would get nothing"},
    {kWeb, "[virtual b]\naddress = 192.0.2.100\nports = udp/80 tcp/79-81\n",
     ":8: [virtual b] ports: tcp 192.0.2.100:79-81 and tcp 192.0.2.100:80 of [virtual web] (line 5) overlap, and a "
     "group comes before a virtual without mark: give [virtual web] (line 3) a mark, then the narrower one wins"},
    {kWeb, "[virtual b]\nmark = 7\n", ":7: [virtual b] mark: no group has mark 7; add a [group NAME] with it"},
    {kGroup, "mark = 0x7\nmatch = 192.0.2.100 tcp/80\n[virtual a]\nmark = 7\n[virtual b]\nmark = 7\n",
     ":9: [virtual b] mark: mark 7 is balanced by [virtual a] (line 6) already"},
    {kGroup,
     "mark = 7\nmatch = 192.0.2.100 tcp/80-90\nmatch = 192.0.2.100 udp/80\n[group h]\nmark = 8\nmatch = 192.0.2.101 "
     "tcp/90\nmatch = 192.0.2.100 tcp/90-91\n",
     ":10: [group h] match: tcp 192.0.2.100:90-91 and tcp 192.0.2.100:80-90 of [group g] (line 5) overlap, and neither "
     "contains the other: ambiguous"},
    {kGroup, "mark = 7\nmatch = 192.0.2.100 tcp/80-90\n[group h]\nmark = 8\nmatch = 192.0.2.100 udp/1 tcp/80-90\n",
     ":8: [group h] match: tcp 192.0.2.100:80-90 is the same as tcp 192.0.2.100:80-90 of [group g] (line 5); one of "
     "them would get nothing"},
    {kGroup,
     "mark = 7\nmatch = 192.0.2.100 tcp/80 from 198.51.100.0/24\n"
     "[group h]\nmark = 8\nmatch = 192.0.2.100 tcp/80 from 198.51.100.0/24\n",
     ":8: [group h] match: tcp 192.0.2.100:80 from 198.51.100.0/24 is the same as tcp 192.0.2.100:80 from "
     "198.51.100.0/24 of [group g] (line 5); one of them would get nothing"},
    {kGroup,  // fewer ports, but more clients
     "mark = 7\nmatch = 192.0.2.100 tcp/80\n[group h]\nmark = 8\nmatch = 192.0.2.100 tcp/* from 198.51.100.0/24\n",
     ":8: [group h] match: tcp 192.0.2.100:* from 198.51.100.0/24 and tcp 192.0.2.100:80 of [group g] (line 5) "
     "overlap, "
     "and neither contains the other: ambiguous"},
    {kGroup,
     "mark = 7\nmatch = 192.0.2.100 tcp/80-90\n[virtual a]\nmark = 7\n[virtual b]\naddress = 192.0.2.100\nports = "
     "tcp/85\n",
     ":10: [virtual b] ports: tcp 192.0.2.100:85 and tcp 192.0.2.100:80-90 of [group g] (line 5) overlap, and a group "
     "comes before a virtual without mark: give [virtual b] (line 8) a mark, then the narrower one wins"},
    {kGroup,
     "mark = 7\nmatch = 192.0.2.100 tcp/85\n[virtual a]\nmark = 7\n[virtual b]\naddress = 192.0.2.100\nports = "
     "tcp/85\n",
     ":10: [virtual b] ports: tcp 192.0.2.100:85 is the same as tcp 192.0.2.100:85 of [group g] (line 5); one of them "
     "would get nothing"},
    {kGroup, "mark = 7\nmatch = tcp/80\n",
     ":5: [group g] match: \"tcp/80\" is not an address: expected an address such as 192.0.2.100 or "
     "2001:db8::100"},
    {kGroup, "mark = 7\nmatch = 192.0.2.100\n",
     ":5: [group g] match: no ports; expected such as tcp/80,443 or udp/5000-5010"},
    {kGroup, "mark = 7\nmatch = 239.0.0.1 tcp/80\n",
     ":5: [group g] match: \"239.0.0.1\" is not a unicast address that a network can reach"},
    {kGroup, "mark = 7\nmatch = 192.0.2.100 from 198.51.100.0/24\n",
     ":5: [group g] match: no ports; expected such as tcp/80,443 or udp/5000-5010"},
    {kGroup, "mark = 7\nmatch = 192.0.2.100 tcp/80 from\n",
     ":5: [group g] match: expected one client network behind \"from\", at the end, such as from 198.51.100.0/24"},
    {kGroup, "mark = 7\nmatch = 192.0.2.100 tcp/80 from 198.51.100.0/24 udp/80\n",
     ":5: [group g] match: expected one client network behind \"from\", at the end, such as from 198.51.100.0/24"},
    {kGroup, "mark = 7\nmatch = 192.0.2.100 tcp/80 from 198.51.100.7/24\n",
     ":5: [group g] match: \"198.51.100.7/24\" is not a network, such as 198.51.100.0/24 (bits behind the prefix are "
     "0), or one address"},
};

TEST(ConfigRefusals, SayWhichServersAndServicesDoNotFit) {
  static_assert(std::size(kWrongTables) >= 40);
  refuses(kWrongTables);
}

// May overlap, because all packets of one also match the other.
TEST(ConfigRefusals, LetTheMoreSpecificOfTwoServicesBe) {
  const std::string group = std::string(kGroup) + "mark = 7\nmatch = 192.0.2.100 tcp/80-90\n[virtual a]\nmark = 7\n";
  const std::string every = std::string(kVirtual) + "address = 192.0.2.100\nports = *\npersistence = 60\n";
  const std::string h = "[group h]\nmark = 8\nmatch = 192.0.2.100 ", b = "[virtual b]\naddress = 192.0.2.100\nports = ";
  for (const std::string& text :
       {group + h + "tcp/85\n", group + h + "tcp/80-90 from 198.51.100.0/24\n", group + h + "tcp/80-91\n",
        group + h + "tcp/85 from 198.51.100.0/24\nmatch = 192.0.2.100 tcp/85 from 198.51.0.0/16\n",
        group + h + "tcp/90-91 from 198.51.100.0/24\n" + "match = 192.0.2.101 tcp/80-100\n", group + h + "udp/85-95\n",
        group + h + "tcp/91-95\n",
        group + "[group h]\nmark = 7\nmatch = 192.0.2.100 tcp/85-95\n",  // the same service
        group + b + "tcp/85\nmark = 9\n", group + b + "tcp/*\npersistence = 60\n", every + b + "tcp/80\n",
        every + b + "udp/53\n", every + b + "tcp/80,443\n",
        std::string(kWeb) + h + "tcp/80 from 198.51.100.0/24\n[virtual office]\nmark = 8\n"}) {
    const auto config = parse_config(text, "rawvs.ini");
    EXPECT_EQ(text.find("tcp/90-91 from") == std::string::npos, static_cast<bool>(config))
        << text << (config ? "" : config.error().text);
  }
}

}  // namespace
}  // namespace rawvs
