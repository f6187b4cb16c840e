// SPDX-License-Identifier: BSD-2-Clause
// config_keys.cpp: the tables of keys: one row per key, with help, setter and text.
//
// To add a key: a field in settings.h or config.h, a row here, a paragraph in etc/rawvs.ini.

#include "config/config_rows.h"
#include "config/config_values.h"
#include "config/spec_words.h"
#include "core/connection.h"
#include "core/reassembly.h"

namespace rawvs {
namespace {

// A field of [director] in the struct that has it; Any is Config or const Config.
template <class Any, class M>
auto& in(Any& config, M Config::*field) {
  return config.*field;
}
template <class Any, class M>
auto& in(Any& config, M Settings::*field) {
  return config.settings.*field;
}
template <class Any, class M>
auto& in(Any& config, M Timeouts::*field) {
  return config.settings.timeouts.*field;
}

template <auto kField, uint64_t kLeast, uint64_t kMost>
constexpr Row<Config> number(std::string_view key, const char* help) {
  return {key, help, [](Config& c, std::string_view t) { return take(read_number(t, kLeast, kMost), in(c, kField)); },
          [](const Config& c) { return std::vector{std::to_string(in(c, kField))}; }};
}

template <auto kField>
constexpr Row<Config> on_off(std::string_view key, const char* help) {
  return {key, help, [](Config& c, std::string_view t) { return take(read_switch(t), in(c, kField)); },
          [](const Config& c) { return std::vector<std::string>{in(c, kField) ? "1" : "0"}; }};
}

template <auto kField, Duration::rep kLeast, Duration::rep kMost, Zero kZero>
constexpr Row<Config> duration(std::string_view key, const char* help) {
  return {key, help,
          [](Config& c, std::string_view t) {
            return take(read_duration(t, Duration(kLeast), Duration(kMost), kZero), in(c, kField));
          },
          [](const Config& c) { return std::vector{text(in(c, kField))}; }};
}

template <auto kField, auto kRead>
constexpr Row<Config> word(std::string_view key, const char* help) {
  return {key, help, [](Config& c, std::string_view t) { return take(kRead(t), in(c, kField)); },
          [](const Config& c) { return std::vector{in(c, kField)}; }};
}

template <class Section>
constexpr Row<Section> mark_row(const char* help) {
  return {"mark", help, [](Section& s, std::string_view t) { return take(read_mark(t), s.mark); },
          [](const Section& s) {
            return s.mark.value == 0 ? std::vector<std::string>() : std::vector{std::to_string(s.mark.value)};
          }};
}

constexpr Row<Config> at_start(Row<Config> row) {
  row.at_start = true;
  return row;
}

constexpr Duration::rep kTenth = 100, kSecond = 1000, kDay = 86'400'000, kMonth = 31 * kDay;

template <auto kField>
constexpr Row<Config> timeout(std::string_view key, const char* help) {
  return duration<kField, kSecond, kMonth, Zero::refused>(key, help);
}

constexpr Row<Config> kDirectorRows[] = {
    at_start(word<&Config::interface, read_interface>("interface",
                                                      "where clients are; VIPs are answered for here. Required")),
    at_start(word<&Config::inside, read_optional_interface>("inside",
                                                            "where real servers are, if elsewhere. Default: none")),
    at_start(word<&Config::control, read_path>("control", "path of the control socket. Default /run/rawvs.sock")),
    at_start(word<&Config::control_group, read_group_name>(
        "control_group", "user group that may use the control socket. Default: none, root's")),
    at_start({"guard", "how the host's kernel is kept out: auto, tcx, clsact, classic or off. Default auto",
              [](Config& c, std::string_view t) { return take(read_guard(t), c.guard); },
              [](const Config& c) { return std::vector<std::string>{name(c.guard)}; }}),
    at_start({"io", "how frames are read and sent: auto, ring, socket or xdp. Default auto",
              [](Config& c, std::string_view t) { return take(read_io(t), c.io); },
              [](const Config& c) { return std::vector<std::string>{name(c.io)}; }}),
    at_start(word<&Config::state, read_state_path>(
        "state", "file in RAM where connections survive a restart, such as /run/rawvs.state. Default: none")),
    at_start(duration<&Config::state_interval, kSecond, kDay, Zero::allowed>(
        "state_interval", "how often it is written, for a crash, 1s-24h; 0 = at the end only. Default 0s")),
    at_start(number<&Config::ring_frames, 64, 65536>("ring_frames",
                                                     "receive ring of each interface, frames, 64-65536. Default 1024")),
    at_start(number<&Settings::max_connections, 1, kMostConnections>(
        "max_connections", "entries of the connection table, 1-16777214. Default 262144")),
    at_start(number<&Settings::max_servers, 1, kNoServer - 1>("max_servers",
                                                              "real servers of all services, 1-65534. Default 1024")),
    at_start(number<&Settings::max_services, 1, kNoService - 1>("max_services", "services, 1-65534. Default 16384")),
    at_start(number<&Settings::max_fragmented, Reassembly::kLeast, Reassembly::kMost>(
        "max_fragmented", "fragmented datagrams being put together, 4-8192. Default 1024")),
    at_start(
        number<&Settings::max_ftp, 1, 65534>("max_ftp", "FTP control connections behind NAT, 1-65534. Default 1024")),
    on_off<&Settings::expire_nodest_conn>("expire_nodest_conn",
                                          "schedule anew when a connection's server was removed. Default 0"),
    on_off<&Settings::expire_quiescent_template>("expire_quiescent_template",
                                                 "weight 0 also ends persistence. Default 0"),
    on_off<&Settings::sloppy_tcp>("sloppy_tcp", "any TCP segment but RST may open a connection. Default 0"),
    number<&Settings::conn_reuse_mode, 0, 3>(
        "conn_reuse_mode",
        "a SYN on an old connection: 0 kept; 1 anew in TIME_WAIT, CLOSE; 2, 3 in FIN_WAIT, too. Default 1"),
    on_off<&Settings::sloppy_sctp>("sloppy_sctp", "any SCTP packet but ABORT may open a connection. Default 0"),
    on_off<&Settings::pmtu_disc>("pmtu_disc",
                                 "TUN: 1 what does not fit is refused if it has DF; 0 it is cut. Default 1"),
    on_off<&Settings::schedule_icmp>("schedule_icmp", "an ICMP error about no connection may begin one. Default 0"),
    timeout<&Settings::lblc_expiration>("lblc_expiration",
                                        "lblc: how long an unused destination is remembered, 1s-31d. Default 86400s"),
    timeout<&Settings::lblcr_expiration>("lblcr_expiration",
                                         "lblcr: the same, and when a set of servers shrinks, 1s-31d. Default 86400s"),
    timeout<&Timeouts::tcp>("timeout_tcp", "an established TCP connection that is silent, 1s-31d. Default 900s"),
    timeout<&Timeouts::tcpfin>("timeout_tcpfin", "after the client's FIN, 1s-31d. Default 120s"),
    timeout<&Timeouts::udp>("timeout_udp", "a UDP conversation that is silent, 1s-31d. Default 300s"),
    number<&Settings::garp_count, 0, 100>("garp_count",
                                          "announcements of a VIP that appears, one per second, 0-100. Default 3"),
    duration<&Settings::garp_interval, kTenth, kDay, Zero::allowed>(
        "garp_interval", "and again so often, 100ms-24h; 0 = never. Default 60s"),
    duration<&Settings::arp_timeout, kSecond, kDay, Zero::refused>(
        "arp_timeout", "how long a server's ARP answer is believed, 1s-24h. Default 60s"),
    number<&Settings::arp_hold, 0, 64>("arp_hold", "packets held per server while it is asked for, 0-64. Default 8"),
    duration<&Settings::arp_probe_interval, kTenth, kDay, Zero::allowed>(
        "arp_probe_interval", "looking for others who answer for a VIP, 100ms-24h; 0 = only listen. Default 60s"),
    number<&Settings::reply_rate, 0, 1'000'000>(
        "reply_rate", "pings answered, RSTs and ICMP errors sent, of each kind per second; 0 = none. Default 1000"),
    number<&Settings::reply_burst, 1, 1'000'000>("reply_burst", "the same, at once, 1-1000000. Default 100"),
};

constexpr Row<GroupConfig> kGroupRows[] = {
    mark_row<GroupConfig>("the number that virtuals name, 1-4294967295. Required"),
    {"match", "what carries the mark: VIP tcp/80,443 udp/5000-5010 [from 198.51.100.0/24]. Required, repeatable",
     [](GroupConfig& g, std::string_view t) -> std::optional<Error> {
       auto matches = read_match(t);
       if (!matches) return matches.error();
       for (GroupConfig::Match& match : *matches) g.matches.push_back(std::move(match));
       return std::nullopt;
     },
     [](const GroupConfig& g) {
       std::vector<std::string> all;
       for (const GroupConfig::Match& match : g.matches) all.push_back(text(match));
       return all;
     },
     [](const GroupConfig& g) { return g.matches.size(); },
     [](const GroupConfig& g, size_t n) { return text(g.matches[n]); }},
};

constexpr Row<VirtualConfig> kVirtualRows[] = {
    {"address", "VIP. Required, but for a virtual that balances a group's mark",
     [](VirtualConfig& v, std::string_view t) { return take(read_unicast(t), v.address); },
     [](const VirtualConfig& v) { return v.address ? std::vector{text(*v.address)} : std::vector<std::string>(); }},
    {"ports",
     "tcp/80,443, udp/53, sctp/9, tcp/10000-12000, tcp/*, *; several with blanks between. Required with address",
     [](VirtualConfig& v, std::string_view t) { return take(read_ports(t), v.ports); },
     [](const VirtualConfig& v) { return v.ports.empty() ? std::vector<std::string>() : std::vector{text(v.ports)}; }},
    mark_row<VirtualConfig>("without address: the group to balance; with it: the mark of its ports. Default: chosen"),
    {"scheduler", "rr, wrr, lc, wlc, sed, nq, dh, sh, mh, fo, ovf, lblc, lblcr or twos. Default wlc",
     [](VirtualConfig& v, std::string_view t) { return take(read_scheduler(t), v.scheduler); },
     [](const VirtualConfig& v) { return std::vector<std::string>{name(v.scheduler)}; }},
    {"scheduler_flags", "sh-port, sh-fallback or mh-port, mh-fallback, commas between. Default: none",
     [](VirtualConfig& v, std::string_view t) { return take(read_flags(t), v.flags); },
     [](const VirtualConfig& v) {
       return std::vector{v.flags.scheduler ? flags_text(*v.flags.scheduler, v.flags.bits) : std::string()};
     }},
    {"persistence", "a client stays with its server, and for so long after its last connection, 1s-31d. Default 0",
     [](VirtualConfig& v, std::string_view t) { return take(read_persistence(t), v.persistence); },
     [](const VirtualConfig& v) { return std::vector{text(v.persistence)}; }},
    {"netmask", "which clients persistence takes for one: 255.255.255.0 or /24. Default 255.255.255.255",
     [](VirtualConfig& v, std::string_view t) { return take(read_netmask(t), v.netmask); },
     [](const VirtualConfig& v) { return std::vector{text(v.netmask.bits)}; }},
    {"one_packet", "UDP, marks: every datagram is scheduled by itself. Default 0",
     [](VirtualConfig& v, std::string_view t) { return take(read_switch(t), v.one_packet); },
     [](const VirtualConfig& v) { return std::vector<std::string>{v.one_packet ? "1" : "0"}; }},
    {"server",
     "real server: IP[:PORT] [weight=N] [forward=dr|tun|nat] [mac=M] [upper=N] [lower=N] [tun_type=ipip|gue|gre] "
     "[tun_port=N] [tun_checksum=none|on|remote] [check=NAME]. Repeatable",
     [](VirtualConfig& v, std::string_view t) -> std::optional<Error> {
       const auto server = read_server(t);
       if (!server) return server.error();
       v.servers.push_back(*server);
       return std::nullopt;
     },
     [](const VirtualConfig& v) {
       std::vector<std::string> all;
       for (const ServerConfig& server : v.servers) all.push_back(text(server));
       return all;
     },
     [](const VirtualConfig& v) { return v.servers.size(); },
     [](const VirtualConfig& v, size_t n) { return text(v.servers[n]); }},
    {"check", "how its servers are asked: the name of a [check], or arp, icmp, tcp, tls, http; none. Default none",
     [](VirtualConfig& v, std::string_view t) {
       auto problem = take(read_check_name(t), v.check);
       if (v.check == "none") v.check.clear();
       return problem;
     },
     [](const VirtualConfig& v) { return v.check.empty() ? std::vector<std::string>() : std::vector{v.check}; }},
    {"on_down", "connections of a server that went: keep, drain (no new ones of its clients) or reset. Default keep",
     [](VirtualConfig& v, std::string_view t) { return take(read_on_down(t), v.health.on_down); },
     [](const VirtualConfig& v) { return std::vector<std::string>{name(v.health.on_down)}; }},
    {"inhibit", "1: a server that is down stays listed, with weight 0; 0: it is taken out. Default 1",
     [](VirtualConfig& v, std::string_view t) { return take(read_switch(t), v.health.inhibit); },
     [](const VirtualConfig& v) { return std::vector<std::string>{v.health.inhibit ? "1" : "0"}; }},
    {"slow_start", "how long a server that came (back) takes to its full weight, 1s-1h; 0 = at once. Default 0",
     [](VirtualConfig& v, std::string_view t) {
       return take(read_duration(t, 1s, 1h, Zero::allowed), v.health.slow_start);
     },
     [](const VirtualConfig& v) { return std::vector{text(v.health.slow_start)}; }},
    {"quorum", "least sum of the weights that are well, before sorry is used, 1-4294967295. Default 1",
     [](VirtualConfig& v, std::string_view t) { return take(read_number(t, 1, UINT32_MAX), v.health.quorum); },
     [](const VirtualConfig& v) { return std::vector{std::to_string(v.health.quorum)}; }},
    {"hysteresis", "so much more than quorum until sorry is left, 0-4294967295. Default 0",
     [](VirtualConfig& v, std::string_view t) { return take(read_number(t, 0, UINT32_MAX), v.health.hysteresis); },
     [](const VirtualConfig& v) { return std::vector{std::to_string(v.health.hysteresis)}; }},
    {"flaps_allowed", "how often a server may go in 10 minutes before its return is delayed, 0-15; 0 = any. Default 3",
     [](VirtualConfig& v, std::string_view t) {
       return take(read_number(t, 0, Health::kFlapsKept - 1), v.health.flaps_allowed);
     },
     [](const VirtualConfig& v) { return std::vector{std::to_string(v.health.flaps_allowed)}; }},
    {"sorry", "server that is used while too few are well: as server=. Default: none",
     [](VirtualConfig& v, std::string_view t) -> std::optional<Error> {
       const auto server = read_server(t);
       if (!server) return server.error();
       v.sorry = *server;
       return std::nullopt;
     },
     [](const VirtualConfig& v) { return v.sorry ? std::vector{text(*v.sorry)} : std::vector<std::string>(); }},
};

template <class Section>
void add_help(const char* section, std::span<const Row<Section>> rows, std::vector<KeyHelp>& all) {
  for (const Row<Section>& row : rows) all.push_back({section, std::string(row.key), row.help});
}

}  // namespace

std::span<const Row<Config>> director_rows() { return kDirectorRows; }
std::span<const Row<GroupConfig>> group_rows() { return kGroupRows; }
std::span<const Row<VirtualConfig>> virtual_rows() { return kVirtualRows; }

std::vector<KeyHelp> config_keys() {
  std::vector<KeyHelp> all;
  add_help("director", director_rows(), all);
  add_help("virtual", virtual_rows(), all);
  add_help("group", group_rows(), all);
  add_help("check", check_rows(), all);
  add_help("vrrp", vrrp_rows(), all);
  add_help("sync", sync_rows(), all);
  return all;
}

}  // namespace rawvs
