// SPDX-License-Identifier: BSD-2-Clause
// config_same.h: equality of Configs, and a file that sets every key, for tests of the configuration.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "rawvs/config.h"

namespace rawvs {

inline Config parsed(std::string_view text) {
  auto config = parse_config(text, "rawvs.ini");
  if (config) return *config;
  ADD_FAILURE() << config.error().text << "\n" << text;
  return {};
}

// Structured bindings: a new field of Settings does not compile here until it is compared, and so has a key.
inline auto fields(const Settings& s) {
  const auto& [connections, servers, services, fragmented, ftp, nodest, quiescent, sloppy, reuse, sctp, pmtu, mss,
               errors, lblc, lblcr, timeouts, entry, packet, secure, of_protocol, of_service, of_client, server_open,
               service_open, cookies, fast, locals, local_ports, garps, garp, arp, hold, probe, defend, rate, burst] =
      s;
  const auto& [tcp, fin, udp] = timeouts;
  return std::tie(connections, servers, services, fragmented, ftp, nodest, quiescent, sloppy, reuse, sctp, pmtu, mss,
                  errors, lblc, lblcr, tcp, fin, udp, entry, packet, secure, of_protocol, of_service, of_client,
                  server_open, service_open, cookies, fast, locals, local_ports, garps, garp, arp, hold, probe, defend,
                  rate, burst);
}
inline auto fields(const ServerSpec& s) {
  const auto& [at, method, weight, upper, lower, tunnel, proxy, mac, name] = s;
  return std::tie(at, method, weight, upper, lower, tunnel, proxy, mac, name);
}
inline auto fields(const VirtualConfig& v) {  // but for the line and the servers
  const auto& [name, line, address, ports, mark, kept, family, scheduler, flags, persistence, netmask, one_packet,
               servers, check, health, sorry, limits, notify] = v;
  return std::tie(name, address, ports, mark, kept, family, scheduler, flags, persistence, netmask, one_packet, check,
                  health, limits, notify);
}

inline bool same(const VirtualConfig& a, const VirtualConfig& b) {
  const bool same_sorry =
      a.sorry.has_value() == b.sorry.has_value() && (!a.sorry || fields(*a.sorry) == fields(*b.sorry));
  return fields(a) == fields(b) && same_sorry &&
         std::equal(a.servers.begin(), a.servers.end(), b.servers.begin(), b.servers.end(),
                    [](const ServerConfig& x, const ServerConfig& y) {
                      const ServerSpec& one = x;
                      const ServerSpec& other = y;
                      return fields(one) == fields(other) && x.check == y.check;
                    });
}
inline bool same(const CheckConfig& a, const CheckConfig& b) { return a.name == b.name && a.spec == b.spec; }
inline bool same(const VrrpConfig& a, const VrrpConfig& b) {
  return a.name == b.name && a.on == b.on && a.spec == b.spec && a.family == b.family && a.notify == b.notify;
}
inline bool same(const GroupConfig& a, const GroupConfig& b) {
  return std::tie(a.name, a.mark, a.matches) == std::tie(b.name, b.mark, b.matches);
}
inline bool same(const Config& a, const Config& b) {
  const auto each = [](const auto& x, const auto& y) { return same(x, y); };
  return std::tie(a.interface, a.inside, a.auto_interfaces, a.local_clients, a.control, a.control_group, a.read_group,
                  a.user, a.seccomp, a.guard, a.io, a.state, a.state_interval, a.fast_path, a.fast_flows,
                  a.ring_frames) == std::tie(b.interface, b.inside, b.auto_interfaces, b.local_clients, b.control,
                                             b.control_group, b.read_group, b.user, b.seccomp, b.guard, b.io, b.state,
                                             b.state_interval, b.fast_path, b.fast_flows, b.ring_frames) &&
         std::equal(a.checks.begin(), a.checks.end(), b.checks.begin(), b.checks.end(), each) &&
         std::equal(a.vrrps.begin(), a.vrrps.end(), b.vrrps.begin(), b.vrrps.end(), each) &&
         fields(a.settings) == fields(b.settings) && a.sync == b.sync &&
         std::equal(a.groups.begin(), a.groups.end(), b.groups.begin(), b.groups.end(), each) &&
         std::equal(a.virtuals.begin(), a.virtuals.end(), b.virtuals.begin(), b.virtuals.end(), each);
}

inline void expect_survives_printing(const Config& config) {
  const std::string text = print_config(config);
  const Config again = parsed(text);
  EXPECT_TRUE(same(config, again)) << text;
  EXPECT_EQ(print_config(again), text);
}

inline constexpr std::string_view kEverything =
    "[director]\ninterface = eth0 wan*\ninside = eth1.7\nauto_interfaces = 0\nlocal_clients = 1\nmss_clamp = "
    "1400\ncontrol = "
    "/run/x.sock\ncontrol_group = "
    "adm\nread_group = users\nguard = classic\n"
    "io = socket\nfast_path = off\nfast_after = 12\nfast_flows = 4194304\nring_frames = 64\nmax_connections = "
    "1001\nmax_servers = "
    "1002\nmax_services = 1005\nmax_fragmented = 1003\nmax_ftp = 1004\n"
    "expire_nodest_conn = yes\nexpire_quiescent_template = on\nsloppy_tcp = 1\nconn_reuse_mode = 3\n"
    "sloppy_sctp = yes\npmtu_disc = no\nschedule_icmp = 1\nlblc_expiration = 11m\nlblcr_expiration "
    "= 12h\n"
    "drop_entry = 3\ndrop_packet = 2\nsecure_tcp = 0\nsyn_cookies = on\n"
    "protocol_share = 60\nservice_share = 50\nclient_share = 5\n"
    "half_open_server = 4096\nhalf_open_service = 8192\n"
    "timeout_tcp = 1m\ntimeout_tcpfin = 2h\n"
    "local_address = 203.0.113.5 2001:db8::5\nlocal_ports = 1024-65535\n"
    "timeout_udp = 3\ngarp_count = 4\ngarp_interval = 5500ms\narp_timeout = 6s\narp_hold = 7\n"
    "arp_probe_interval = 0\narp_defend = 1\nreply_rate = 9\nreply_burst = 10\n"
    "[group media]\nmark = 10\nmatch = 192.0.2.100 tcp/443,8000-8010 udp/443\n"
    "match = 192.0.2.101 udp/1-65535 sctp/* from 198.51.100.0/24\n"
    "[virtual web]\naddress = 192.0.2.100\nports = tcp/80\nscheduler = rr\n"
    "server = 192.0.2.11:80 weight=0 forward=dr mac=02:00:00:00:00:0a upper=20 lower=10\nserver = 192.0.2.12 "
    "name=web-2.b_C\n"
    "[virtual media]\nmark = 0xa\n"
    "[virtual mail]\naddress = 192.0.2.102\nports = tcp/25,465 udp/25\nscheduler = lc\nserver = 192.0.2.13\n"
    "[virtual empty]\naddress = 192.0.2.102\nports = udp/53\nmark = 1381367808\n"  // 0x52560000
    "[virtual sticky]\naddress = 192.0.2.103\nports = *\nscheduler = sh\nscheduler_flags = sh-port, sh-fallback\n"
    "persistence = 5m\nnetmask = /25\nserver = 192.0.2.14 forward=nat\n"
    "server = 192.0.2.15 forward=tun tun_type=gue tun_port=6080 tun_checksum=remote\n"
    "[virtual dns]\naddress = 192.0.2.104\nports = udp/53\none_packet = 1\n"
    "server = 192.0.2.16:5353 forward=nat\nserver = 192.0.2.16:5354 forward=nat\n"
    "server = 192.0.2.17:53 forward=tun tun_type=gre tun_checksum=on\nserver = 192.0.2.18 forward=tun\n"
    "[virtual sctp]\naddress = 192.0.2.104\nports = sctp/9\nscheduler = mh\nscheduler_flags = mh-port\n"
    "max_connections = 5\nmax_rate = 6\nclient_connections = 7\nclient_rate = 8\n"
    "allow = 198.51.100.0/24 2001:db8::/32\nallow = 203.0.113.9/32\ndeny = 198.51.100.7/32\n"
    "allow_file = /etc/rawvs/allowed\ndeny_file = /etc/rawvs/denied\ndeny_file = /etc/rawvs/robots\n";

// Keys about servers, programs and the failure of hosts.
inline constexpr std::string_view kEverythingElse =
    "[director]\ninterface = eth0\ninside = eth1\nstate = /run/x.state\nstate_interval = 11s\n"
    "[check page]\ntype = http\nport = 81\nvia = vip\ninterval = 1s\njitter = 0\ntimeout = 300ms\nretries = 0\n"
    "retry_delay = 200ms\nrise = 2\nfall = 3\nstart = up\npath = /a\nhost = www.example.org\n"
    "status = 200,301-302\nbody = all is well\n"
    "[check echo]\ntype = udp\nsend = ping\nexpect = pong\n"
    "[check names]\ntype = dns\nquery = www.example.org\nquery_type = TXT\nrcode = 3\n"
    "[check own]\ntype = exec\nprogram = /bin/true -x\nuser = daemon\n"
    "[virtual checked]\naddress = 192.0.2.105\nports = tcp/80\ncheck = page\non_down = reset\ninhibit = 0\n"
    "slow_start = 30s\nquorum = 2\nhysteresis = 1\nflaps_allowed = 5\nsorry = 192.0.2.19 name=sorry forward=nat\n"
    "notify = /bin/true\n"
    "server = 192.0.2.11 check=own\nserver = 192.0.2.12 check=none\nserver = 192.0.2.13 check=icmp\n"
    "[vrrp shop]\non = inside\nvrid = 51\nversion = 2\npriority = 150\ninterval = 2s\npreempt = 0\n"
    "preempt_delay = 3s\naddress = 192.0.2.100 192.0.2.101\npeer = 203.0.113.2\nsource = 203.0.113.3\n"
    "min_ttl = 254\npassword = secret\ntrack = checked\ntrack = web weight=-20\nnotify = /bin/true\n"
    "[vrrp other]\nvrid = 52\naddress = 192.0.2.102\nstart = master\nchecksum = message\ngroup = both\n"
    "virtual_mac = 1\nother_vips = yes\n"
    "[virtual web]\naddress = 192.0.2.100\nports = tcp/80\n"
    "[sync]\nrole = both\non = inside\nid = 7\ngroup = 224.0.0.82\nport = 8849\nttl = 2\n"
    "peer = 203.0.113.2 203.0.113.3\nkey = a secret of ours\nshare = 50\nwindow = 1m\nthreshold = 4\nperiod = 51\n"
    "refresh_period = 10s\nretries = 3\ntemplates_only = yes\nfull_every = 0\nmax_length = 1400\n";

}  // namespace rawvs
