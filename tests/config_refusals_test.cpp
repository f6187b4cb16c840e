// SPDX-License-Identifier: BSD-2-Clause
// Tests faulty configuration files and the messages about them, which are part of the interface.

#include "config_refusals.h"

namespace rawvs {
namespace {

using namespace test;
using namespace std::string_view_literals;

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
constexpr std::string_view kLongControl = "control = /" X50 X50 X50 X50 "\n";
constexpr std::string_view kLong = ";" X50 X50 X50 X50 "\n";
#undef X50

constexpr Wrong kWrong[] = {
    {"", "interface = eth0\n", ":1: interface: stands before any section; a file begins with [director]"},
    {"", "", ": there is no [director] section; it names the interface"},
    {"", "[virtual web]\naddress = 192.0.2.100\nports = tcp/80\n",
     ": there is no [director] section; it names the interface"},
    {kDirector, "nonsense\n", ":3: neither \"key = value\" nor \"[section]\" nor a comment, which begins with \";\""},
    {kDirector, "= 5\n", ":3: [director]: no key before the \"=\""},
    {kDirector, " inside = eth1\n", ":3: the line is indented; keys and sections begin in the first column"},
    {kWeb, "server = 192.0.2.11\n\t192.0.2.12\n",
     ":7: the line is indented; keys and sections begin in the first column"},
    {kDirector, "guard = off\001\n", ":3: control character 0x01 in column 12"},
    {kDirector, "guard = off\000\n"sv, ":3: control character 0x00 in column 12"},
    {kDirector, "guard = off\rinside = eth1\n", ":3: control character 0x0d in column 12"},
    {kDirector, "; caf\177\n", ":3: control character 0x7f in column 6"},
    {kDirector, kLongControl, ":3: the line has 211 bytes; at most 199 are allowed"},
    {kDirector, kLong, ":3: the line has 201 bytes; at most 199 are allowed"},
    {kDirector, "[virtual web\n", ":3: [virtual web: the \"]\" is missing"},
    {kDirector, "[virtual ;web]\n",
     ":3: [virtual ;web]: \";web\" is not a name: at most 32 letters, digits, \".\", \"_\", \"-\""},
    {kDirector, "[virtual web] address = 192.0.2.100\n",
     ":3: [virtual web]: \"address\" behind the section; a comment begins with \";\""},
    {kDirector, "[virtual web] # first\n", ":3: [virtual web]: \"#\" behind the section; a comment begins with \";\""},
    {kDirector, "[virtul web]\n", ":3: [virtul web]: no such section; did you mean \"virtual\"?"},
    {kDirector, "[groups g]\n", ":3: [groups g]: no such section; did you mean \"group\"?"},
    {kDirector, "[service web]\n",
     ":3: [service web]: no such section; there are [director], [virtual NAME], [group NAME], [check NAME], [vrrp "
     "NAME], [sync]"},
    {kDirector, "[]\n",
     ":3: []: no such section; there are [director], [virtual NAME], [group NAME], [check NAME], [vrrp NAME], "
     "[sync]"},
    {kDirector, "[Director]\n", ":3: [Director]: no such section; did you mean \"director\"?"},
    {"", "[director main]\ninterface = eth0\n", ":1: [director main]: this section takes no name"},
    {kDirector, "[virtual]\n", ":3: [virtual]: expected one name, without blanks: [virtual NAME]"},
    {kDirector, "[group two words]\n", ":3: [group two words]: expected one name, without blanks: [group NAME]"},
    {kDirector, "[virtual web/1]\n",
     ":3: [virtual web/1]: \"web/1\" is not a name: at most 32 letters, digits, \".\", \"_\", \"-\""},
    {kDirector, "[virtual abcdefghijklmnopqrstuvwxyz-123456]\n",
     ":3: [virtual abcdefghijklmnopqrstuvwxyz-123456]: \"abcdefghijklmnopqrstuvwxyz-123456\" is not a name: at most 32 "
     "letters, digits, \".\", \"_\", \"-\""},
    {kDirector, "[director]\ninside = eth1\n", ":3: [director]: already on line 1"},
    {kWeb, "[virtual web]\n", ":6: [virtual web]: already on line 3"},
    {kDirector, "[group g]\nmark = 1\nmatch = 192.0.2.100 tcp/80\n[group g]\n", ":6: [group g]: already on line 3"},
    {kVirtual, "schduler = wlc\n", ":4: [virtual web] schduler: no such key; did you mean \"scheduler\"?"},
    {kDirector, "timeout = 5\n", ":3: [director] timeout: no such key; did you mean \"timeout_tcp\"?"},
    {kDirector, "syn_cookies = maybe\n", ":3: [director] syn_cookies: \"maybe\" is not one of auto, on, off"},
    {kDirector, "local_ports = 80-1000\n", ":3: [director] local_ports: \"80-1000\" begins below 1024"},
    {kDirector, "local_ports = 5000-4000\n", ":3: [director] local_ports: \"5000-4000\": the range runs backwards"},
    {kDirector, "local_address = 224.0.0.1\n",
     ":3: [director] local_address: \"224.0.0.1\" is not a unicast address that a network can reach"},
    {kDirector, "local_address = 203.0.113.5 fe80::5\n",
     ":3: [director] local_address: \"fe80::5\" is a link-local address: it means a host on one link only, and no "
     "router "
     "forwards it; use a global one or a unique local one, such as 2001:db8::100"},
    {kDirector, "local_address = 203.0.113.5 203.0.113.5\n",
     ":3: [director] local_address: 203.0.113.5 is named twice"},
    {kDirector, "local_address = 203.0.113.5\nlocal_address = 203.0.113.6 203.0.113.5\n",
     ":4: [director] local_address: 203.0.113.5 is already on line 3"},
    {kDirector,
     "local_address = 192.0.2.11\n[virtual web]\naddress = 192.0.2.100\nports = tcp/80\n"
     "server = 192.0.2.11 forward=fullnat\n",
     ":7: [virtual web] server: 192.0.2.11 is a local_address (line 3), so it is this host itself, whose answers "
     "forward=fullnat cannot translate; use forward=dr, or correct local_address"},
    {kDirector, "colour = red\n",
     ":3: [director] colour: no such key; this section has interface, inside, auto_interfaces, local_clients, control, "
     "control_group, read_group, "
     "user, seccomp, guard, io, fast_path, fast_after, state, state_interval, ring_frames, fast_flows, "
     "max_connections, max_servers, max_services, "
     "max_fragmented, "
     "max_ftp, local_address, local_ports, expire_nodest_conn, "
     "expire_quiescent_template, sloppy_tcp, conn_reuse_mode, sloppy_sctp, pmtu_disc, mss_clamp, schedule_icmp, "
     "lblc_expiration, "
     "lblcr_expiration, drop_entry, drop_packet, secure_tcp, syn_cookies, protocol_share, service_share, client_share, "
     "half_open_server, half_open_service, timeout_tcp, timeout_tcpfin, timeout_udp, garp_count, garp_interval, "
     "arp_timeout, arp_hold, "
     "arp_probe_interval, arp_defend, reply_rate, reply_burst"},
    {kVirtual, "colour = red\n",
     ":4: [virtual web] colour: no such key; this section has address, ports, mark, family, scheduler, "
     "scheduler_flags, persistence, netmask, one_packet, server, check, on_down, inhibit, "
     "slow_start, quorum, hysteresis, flaps_allowed, sorry, notify, max_connections, max_rate, client_connections, "
     "client_rate, allow, deny, allow_file, deny_file"},
    {kVirtual, "notify = mail\n", ":4: [virtual web] notify: \"mail\" is not an absolute path"},
    {kDirector, "server = 192.0.2.11\n", ":3: [director] server: no such key here; it belongs in [virtual NAME]"},
    {kVirtual, "max_servers = 5\n", ":4: [virtual web] max_servers: no such key here; it belongs in [director]"},
    {kVirtual, "max_connections = 16777215\n",
     ":4: [virtual web] max_connections: \"16777215\" is not a number from 0 to 16777214"},
    {kVirtual, "max_rate = -1\n", ":4: [virtual web] max_rate: \"-1\" is not a number from 0 to 1000000"},
    {kVirtual, "client_rate = 1000001\n",
     ":4: [virtual web] client_rate: \"1000001\" is not a number from 0 to 1000000"},
    {kVirtual, "deny = 198.51.100.1/24\n",
     ":4: [virtual web] deny: \"198.51.100.1/24\" has bits behind the prefix; its network is 198.51.100.0/24"},
    {kVirtual, "allow = 198.51.100.0/24, 203.0.113.0/24\n",
     ":4: [virtual web] allow: \"198.51.100.0/24,\" is not a network, such as 198.51.100.0/24 or 2001:db8:1::/64, or "
     "one address"},
    {kVirtual, "allow =\n",
     ":4: [virtual web] allow: no value; expected networks, such as 198.51.100.0/24 2001:db8:1::/64"},
    {kVirtual, "deny_file = bad\n",
     ":4: [virtual web] deny_file: \"bad\" is not a path for a file: it begins with \"/\", has no blank, and at most "
     "150 "
     "characters"},
    {kVirtual, "Address = 192.0.2.100\n", ":4: [virtual web] Address: no such key; did you mean \"address\"?"},
    {kDirector, "interface = eth1\n", ":3: [director] interface: already on line 2"},
    {kWeb, "ports = tcp/443\n", ":6: [virtual web] ports: already on line 5"},
    {kVirtual, "persistence = 32d\n",
     ":4: [virtual web] persistence: \"32d\" is not a duration: a number of seconds, or with ms, s, m or h behind it"},
    {kVirtual, "persistence = 2678401\n",
     ":4: [virtual web] persistence: \"2678401\" is out of range: 0, or 1s to 2678400s"},
    {kVirtual, "persistence = 999ms\n",
     ":4: [virtual web] persistence: \"999ms\" is out of range: 0, or 1s to 2678400s"},
    {kVirtual, "persistence = 1500ms\n", ":4: [virtual web] persistence: \"1500ms\": expected whole seconds"},
    {kVirtual, "netmask = 24\n", ":4: [virtual web] netmask: \"24\" is not a netmask: expected /24 or 255.255.255.0"},
    {kVirtual, "netmask = /33\n",
     ":4: [virtual web] netmask: /33 is for IPv6, and this virtual is IPv4; expected such as 255.255.255.0 or /24"},
    {kVirtual, "netmask = 255.255.255\n",
     ":4: [virtual web] netmask: \"255.255.255\" is not a netmask, such as 255.255.255.0 or /24; or /64 for "
     "IPv6"},
    {kWeb, "netmask = /24\n",
     ":6: [virtual web] netmask: is for persistence, and this virtual has none; add such as persistence = 360"},
    {kVirtual, "one_packet = maybe\n",
     ":4: [virtual web] one_packet: \"maybe\" is not a switch: 1, yes, on, or 0, no, off"},
    {kWeb, "one_packet = 1\n", ":6: [virtual web] one_packet: is for UDP, and this virtual has ports = tcp/80"},
    {kVirtual, "scheduler_flags = port\n",
     ":4: [virtual web] scheduler_flags: \"port\" is not a flag of a scheduler: sh-port, sh-fallback, mh-port, "
     "mh-fallback"},
    {kVirtual, "scheduler_flags = sh-port, flag-1\n",
     ":4: [virtual web] scheduler_flags: \" flag-1\" is not a flag of a scheduler: sh-port, sh-fallback, mh-port, "
     "mh-fallback"},
    {kVirtual, "scheduler_flags = sh-port,\n",
     ":4: [virtual web] scheduler_flags: \"\" is not a flag of a scheduler: sh-port, sh-fallback, mh-port, "
     "mh-fallback"},
    {kVirtual, "scheduler_flags = sh-port,mh-port\n",
     ":4: [virtual web] scheduler_flags: \"sh-port,mh-port\" mixes flags of sh and of mh; a virtual has one scheduler"},
    {kVirtual, "scheduler_flags = sh-port,sh-port\n", ":4: [virtual web] scheduler_flags: sh-port is named twice"},
    {kWeb, "scheduler_flags = sh-port\n",
     ":6: [virtual web] scheduler_flags: sh-port is for scheduler = sh; this virtual has wlc"},
    {kWeb, "scheduler = mh\nscheduler_flags = sh-port,sh-fallback\n",
     ":7: [virtual web] scheduler_flags: sh-fallback,sh-port is for scheduler = sh; this virtual has mh"},
    {kVirtual, "address = 192.0.2.100\nports = *\n",
     ":5: [virtual web] ports: tcp/* udp/*: every port needs persistence, so that all of a client's connections reach "
     "one server; add such as persistence = 360, or name the ports"},
    {kVirtual, "address = 192.0.2.100\nports = sctp/*\npersistence = 0\n",
     ":5: [virtual web] ports: sctp/*: every port needs persistence, so that all of a client's connections reach one "
     "server; add such as persistence = 360, or name the ports"},
    {kDirector, "pmtu_disc = 2\n", ":3: [director] pmtu_disc: \"2\" is not a switch: 1, yes, on, or 0, no, off"},
    {kDirector, "lblc_expiration = 0\n", ":3: [director] lblc_expiration: \"0\" is out of range: 1s to 2678400s"},
    {kDirector, "max_fragmented = 3\n", ":3: [director] max_fragmented: \"3\" is not a number from 4 to 8192"},
    {kDirector, "max_ftp = 65535\n", ":3: [director] max_ftp: \"65535\" is not a number from 1 to 65534"},
    {"", "[director]\ninside = eth1\n", ":1: [director] interface: missing; it names where clients are"},
    {kVirtual, "", ":3: [virtual web] address: missing; a virtual has address and ports, or the mark of a group"},
    {kVirtual, "address = 192.0.2.100\n", ":3: [virtual web] ports: missing; an address needs ports, such as tcp/80"},
    {kVirtual, "ports = tcp/80\n", ":3: [virtual web] address: missing; ports need an address, the VIP"},
    {kVirtual, "address = 192.0.2.100\nmark = 5\n",
     ":3: [virtual web] ports: missing; an address needs ports, such as tcp/80"},
    {kGroup, "match = 192.0.2.100 tcp/80\n", ":3: [group g] mark: missing; it numbers the group"},
    {kGroup, "mark = 1\n", ":3: [group g] match: missing; VIP and ports"},
    {"", "[director]\ninterface =\n",
     ":2: [director] interface: \"\" is not the name of an interface (1 to 15 characters, no blank, quotation mark, "
     "\"/\", \":\" or "
     "\";\")"},
    {"", "[director]\ninterface = eth0 eth/1\n",
     ":2: [director] interface: \"eth/1\" is not the name of an interface (1 to 15 characters, no blank, "
     "quotation mark, \"/\", "
     "\":\" or \";\")"},
    {"", "[director]\ninterface = eth0 wan* eth0\n", ":2: [director] interface: \"eth0\" is named twice"},
    {"", "[director]\ninterface = eth0 wan*\ninside = lan0 wan*\n",
     ":3: [director] inside: \"wan*\" is among interface, too; leave it out here"},
    {kDirector, "auto_interfaces = 2\n",
     ":3: [director] auto_interfaces: \"2\" is not a switch: 1, yes, on, or 0, no, off"},
    {"", "[director]\ninterface = a-very-long-name\n",
     ":2: [director] interface: \"a-very-long-name\" is not the name of an interface (1 to 15 characters, no blank, "
     "quotation mark, "
     "\"/\", \":\" or \";\")"},
    {kDirector, "inside = eth0\n", ":3: [director] inside: \"eth0\" is among interface, too; leave it out here"},
    {kDirector, "control = rawvs.sock\n",
     ":3: [director] control: \"rawvs.sock\" is not a path for a socket: it begins with \"/\", has no blank, and at "
     "most 107 characters"},
    {kDirector, "seccomp = maybe\n",
     ":3: [director] seccomp: \"maybe\" is not 1, yes, on, nor 0, no, off, nor log or kill"},
    {kDirector, "control_group = a:b\n", ":3: [director] control_group: \"a:b\" is not the name of a user group"},
    {kDirector, "read_group = a:b\n", ":3: [director] read_group: \"a:b\" is not the name of a user group"},
    {kDirector, "io = mmap\n", ":3: [director] io: \"mmap\" is not a way to read frames: auto, ring, socket, xdp"},
    {kDirector, "guard = iptables\n",
     ":3: [director] guard: \"iptables\" is not a guard: auto, tcx, clsact, classic, off"},
    {kDirector, "ring_frames = 63\n", ":3: [director] ring_frames: \"63\" is not a number from 64 to 65536"},
    {kDirector, "ring_frames = 65537\n", ":3: [director] ring_frames: \"65537\" is not a number from 64 to 65536"},
    {kDirector, "fast_path = yes\n", ":3: [director] fast_path: \"yes\" is not one of auto, on, off"},
    {kDirector, "fast_after = 0\n", ":3: [director] fast_after: \"0\" is not a number from 1 to 255"},
    {kDirector, "fast_after = 256\n", ":3: [director] fast_after: \"256\" is not a number from 1 to 255"},
    {kDirector, "fast_flows = 0\n", ":3: [director] fast_flows: \"0\" is not a number from 1 to 4194304"},
    {kDirector, "fast_flows = 4194305\n", ":3: [director] fast_flows: \"4194305\" is not a number from 1 to 4194304"},
    {kDirector, "max_connections = 0\n", ":3: [director] max_connections: \"0\" is not a number from 1 to 16777214"},
    {kDirector, "max_connections = 16777215\n",
     ":3: [director] max_connections: \"16777215\" is not a number from 1 to 16777214"},
    {kDirector, "max_connections = 1e6\n",
     ":3: [director] max_connections: \"1e6\" is not a number from 1 to 16777214"},
    {kDirector, "max_connections = -1\n", ":3: [director] max_connections: \"-1\" is not a number from 1 to 16777214"},
    {kDirector, "max_connections = 99999999999999999999999\n",
     ":3: [director] max_connections: \"99999999999999999999999\" is not a number from 1 to 16777214"},
    {kDirector, "conn_reuse_mode = 4\n", ":3: [director] conn_reuse_mode: \"4\" is not a number from 0 to 3"},
    {kDirector, "sloppy_tcp = true\n",
     ":3: [director] sloppy_tcp: \"true\" is not a switch: 1, yes, on, or 0, no, off"},
    {kDirector, "timeout_tcp = 0\n", ":3: [director] timeout_tcp: \"0\" is out of range: 1s to 2678400s"},
    {kDirector, "timeout_tcp = 15 m\n",
     ":3: [director] timeout_tcp: \"15 m\" is not a duration: a number of seconds, or with ms, s, m or h behind it"},
    {kDirector, "timeout_tcp = 1d\n",
     ":3: [director] timeout_tcp: \"1d\" is not a duration: a number of seconds, or with ms, s, m or h behind it"},
    {kDirector, "timeout_udp = 745h\n", ":3: [director] timeout_udp: \"745h\" is out of range: 1s to 2678400s"},
    {kDirector, "garp_interval = 50ms\n",
     ":3: [director] garp_interval: \"50ms\" is out of range: 0, or 100ms to 86400s"},
    {kDirector, "arp_timeout =\n",
     ":3: [director] arp_timeout: \"\" is not a duration: a number of seconds, or with ms, s, m or h behind it"},
    {kDirector, "arp_hold = 65 # packets\n",
     ":3: [director] arp_hold: \"65 # packets\" is not a number from 0 to 64; a comment behind a value begins with \" "
     ";\""},
    {kVirtual, "address = 192.0.2.300\n",
     ":4: [virtual web] address: \"192.0.2.300\" is not an address: expected an address such as 192.0.2.100 or "
     "2001:db8::100"},
    {kVirtual, "address = eth7\nports = tcp/80\n",
     ":4: [virtual web] address: \"eth7\" is no address, and no interface of [director]: expected such as 192.0.2.100, "
     "2001:db8::100 or eth0"},
    {kVirtual, "address = eth0\nports = *\npersistence = 60\n",
     ":5: [virtual web] ports: tcp/* udp/*: every port of an address of this host would leave none to the host; name "
     "the ports"},
    {kVirtual, "address = 224.0.0.1\n",
     ":4: [virtual web] address: \"224.0.0.1\" is not a unicast address that a network can reach"},
    {kVirtual, "address = 127.0.0.1\n",
     ":4: [virtual web] address: \"127.0.0.1\" is not a unicast address that a network can reach"},
    {kVirtual, "address = 255.255.255.255\n",
     ":4: [virtual web] address: \"255.255.255.255\" is not a unicast address that a network can reach"},
    {kVirtual, "ports =\n", ":4: [virtual web] ports: no ports; expected such as tcp/80,443 or udp/5000-5010"},
    {kVirtual, "ports = 80\n",
     ":4: [virtual web] ports: \"80\" has no \"/\"; expected tcp/, udp/ or sctp/ and ports, such as "
     "tcp/80,443 or udp/5000-5010"},
    {kVirtual, "ports = tcp/8O\n",
     ":4: [virtual web] ports: \"tcp/8O\": \"8O\" is not a port or a range of ports (1-65535)"},
    {kVirtual, "ports = tcp/0\n",
     ":4: [virtual web] ports: \"tcp/0\": \"0\" is not a port or a range of ports (1-65535)"},
    {kVirtual, "ports = tcp/80,\n",
     ":4: [virtual web] ports: \"tcp/80,\": \"\" is not a port or a range of ports (1-65535)"},
    {kVirtual, "ports = tcp/65536\n",
     ":4: [virtual web] ports: \"tcp/65536\": \"65536\" is not a port or a range of ports (1-65535)"},
    {kVirtual, "ports = tcp/90-80\n", ":4: [virtual web] ports: \"tcp/90-80\": \"90-80\": the range runs backwards"},
    {kVirtual, "ports = icmp/8\n",
     ":4: [virtual web] ports: \"icmp/8\": \"icmp\" is not a protocol; expected tcp/, udp/ or sctp/ and ports, such as "
     "tcp/80,443 or udp/5000-5010"},
    {kVirtual, "ports = tcp/80,443 tcp/400-500\n", ":4: [virtual web] ports: tcp/443 is named twice"},
    {kVirtual, "ports = tcp/80 tcp/*\n", ":4: [virtual web] ports: tcp/80 is named twice"},
    {kVirtual, "ports = * udp/*\n", ":4: [virtual web] ports: udp/* is named twice"},
    {kVirtual, "ports = tcp/80,*\n",
     ":4: [virtual web] ports: \"tcp/80,*\": \"*\" is not a port or a range of ports (1-65535)"},
    {kVirtual, "ports = tcp/80 from 198.51.100.0/24\n",
     ":4: [virtual web] ports: \"from\" belongs in a group: [group NAME], mark = N, match = VIP PORTS from NETWORK"},
    {kVirtual, "mark = 0\n",
     ":4: [virtual web] mark: \"0\" is not a mark: a number from 1 to 4294967295, or 0x1 to 0xffffffff"},
    {kVirtual, "mark = 0x100000000\n",
     ":4: [virtual web] mark: \"0x100000000\" is not a mark: a number from 1 to 4294967295, or 0x1 to 0xffffffff"},
    {kVirtual, "scheduler = wcl\n",
     ":4: [virtual web] scheduler: \"wcl\" is not a scheduler: rr, wrr, lc, wlc, sed, nq, dh, "
     "sh, mh, fo, ovf, lblc, lblcr, twos"},
};

TEST(ConfigRefusals, SayPlaceFaultAndWhatIsAllowed) {
  static_assert(std::size(kWrong) >= 60);
  refuses(kWrong);
}

TEST(ConfigRefusals, AreTheSameWithCarriageReturnsAndAByteOrderMark) {
  for (const Wrong& wrong : kWrong) {
    if (wrong.text.find('\r') != std::string_view::npos) continue;
    std::string text = "\xef\xbb\xbf";
    for (const char c : std::string(wrong.before) + std::string(wrong.text))
      text += c == '\n' ? "\r\n" : std::string(1, c);
    refuses(text, wrong.error);
  }
}

TEST(ConfigRefusals, NameTheFirstFaultOfSeveral) {
  const auto config = parse_config("[director]\ninterface = eth0\nnonsense\nguard = none\n indented\n", "a.ini");
  ASSERT_FALSE(config);
  EXPECT_TRUE(config.error().text.starts_with("a.ini:3: neither")) << config.error().text;
}

TEST(ConfigRefusals, SuggestTheKeyForEverySlipOfOneLetter) {
  for (const KeyHelp& row : config_keys()) {
    const bool only = row.section == "director" || row.section == "sync";
    const std::string section = '[' + std::string(row.section) + (only ? "]\n" : " x]\n");
    for (size_t i = 1; i < row.key.size(); ++i) {
      std::string slip(row.key);
      slip.erase(i, 1);
      if (slip == "lblc_expiration") continue;  // of lblcr_expiration: a key, too
      const auto config = parse_config(section + slip + " = 1\n", "rawvs.ini");
      ASSERT_FALSE(config) << slip;
      EXPECT_NE(config.error().text.find("no such key; did you mean \""), std::string::npos) << config.error().text;
    }
  }
}

}  // namespace
}  // namespace rawvs
