// SPDX-License-Identifier: BSD-2-Clause
// config_keys.cpp: the tables of keys: one row per key, with help, setter and text.
//
// To add a key: a field in settings.h or config.h, a row here, a paragraph in etc/rawvs.ini.

#include "config/config_forms.h"
#include "config/spec_words.h"
#include "core/connection.h"
#include "core/reassembly.h"
#include "side/flap_history.h"

namespace rawvs {
namespace {

const char* io_word(IoMode mode) { return name(mode); }
const char* scheduler_word(Scheduler scheduler) { return name(scheduler); }

constexpr auto kInterfaces = some_text(interfaces_fault);
constexpr auto kLocalPorts = kValue<LocalPorts, read_local_ports, local_ports_text>;
constexpr auto kOptionalInterfaces = some_text(optional_interfaces_fault);
constexpr auto kMss = kValue<uint16_t, read_mss, mss_word>;
constexpr auto kSocketPath = some_text(socket_path_fault);
constexpr auto kUserGroup = some_text(group_name_fault);
constexpr auto kUser = some_text(user_name_fault);
constexpr auto kStatePath = some_text(state_path_fault);
constexpr auto kProgramPath = text_or_none(path_fault);
constexpr auto kGuard = choice<GuardMode>(kGuardWords, " is not a guard: ");
constexpr auto kSeccomp = kValue<SeccompMode, read_seccomp, seccomp_word>;
constexpr auto kFast = choice<FastMode>(kFastWords);
constexpr auto kSynCookies = choice<SynCookieMode>(kSynCookieWords);
constexpr auto kOnDown = choice<OnDown>(kOnDownWords, " is not an action for connections: ");

constexpr Row<Config> kDirectorRows[] = {
    at_start(
        row<&Config::interface>("interface", kInterfaces,
                                "where clients are, blanks between, such as eth0 wan*; VIPs are answered for here. "
                                "Required")),
    at_start(row<&Config::inside>("inside", kOptionalInterfaces,
                                  "where real servers are, if elsewhere, blanks between. Default: none")),
    on_off<&Config::auto_interfaces>("auto_interfaces",
                                     "1: an interface by which the route to a server leaves is used, too. Default 1"),
    at_start(on_off<&Config::local_clients>("local_clients",
                                            "1: what this host sends to a VIP is balanced, too. Default 0")),
    at_start(
        row<&Config::control>("control", kSocketPath, "path of the control socket. Default /run/rawvs/control.sock")),
    at_start(row<&Config::control_group>("control_group", kUserGroup,
                                         "user group that may use the control socket. Default: none, root's")),
    at_start(row<&Config::read_group>("read_group", kUserGroup,
                                      "user group that may ask by it, and change nothing. Default: none")),
    at_start(row<&Config::user>("user", kUser,
                                "as whom rawvsd goes on when it has opened what needs root; root: as root. "
                                "Default rawvs")),
    at_start(row<&Config::seccomp>("seccomp", kSeccomp,
                                   "1: system calls that it does not need are refused (libseccomp); 0 not; log: logged "
                                   "alone; kill: they end it. Default 1")),
    at_start(row<&Config::guard>("guard", kGuard,
                                 "how the host's kernel is kept out: auto, tcx, clsact, classic or off. Default auto")),
    at_start(row<&Config::io>("io", kValue<IoMode, read_io, io_word>,
                              "how frames are read and sent: auto, ring, socket or xdp. Default auto")),
    at_start(row<&Config::fast_path>("fast_path", kFast,
                                     "a program in the kernel forwards packets of known connections: auto (where that "
                                     "works), on (else a warning) or off. Default auto")),
    number<&Settings::fast_after>("fast_after", {1, 255},
                                  "packets of a connection before it gets it, 1-255. Default 8"),
    at_start(row<&Config::state>(
        "state", kStatePath,
        "file in RAM where connections survive a restart, such as /run/rawvs/state. Default: none")),
    at_start(duration<&Config::state_interval>(
        "state_interval", {kSecond, kDay, true},
        "how often it is written, for a crash, 1s-24h; 0 = at the end only. Default 0s")),
    at_start(number<&Config::ring_frames>("ring_frames", {64, 65536},
                                          "receive ring of each interface, frames, 64-65536. Default 1024")),
    at_start(number<&Config::fast_flows>("fast_flows", {1, kMostFastFlows},
                                         "connections of the fast path, 144 bytes each, 1-4194304. Default 16384")),
    at_start(number<&Settings::max_connections>("max_connections", {1, kMostConnections},
                                                "entries of the connection table, 1-16777214. Default 262144")),
    at_start(number<&Settings::max_servers>("max_servers", {1, kNoServer - 1},
                                            "real servers of all services, 1-65534. Default 1024")),
    at_start(number<&Settings::max_services>("max_services", {1, kNoService - 1}, "services, 1-65534. Default 16384")),
    at_start(number<&Settings::max_fragmented>("max_fragmented", {Reassembly::kLeast, Reassembly::kMost},
                                               "fragmented datagrams being put together, 4-8192. Default 1024")),
    at_start(
        number<&Settings::max_ftp>("max_ftp", {1, 65534}, "FTP control connections behind NAT, 1-65534. Default 1024")),
    row<&Settings::local_addresses>("local_address", kAddresses,
                                    "forward=fullnat: this host's addresses that servers see as clients, blanks "
                                    "between; repeatable. Default: the host's own on the route to each server"),
    row<&Settings::local_ports>("local_ports", kLocalPorts,
                                "and the ports there, for each server, 1024-65535. Default 10000-32767"),
    on_off<&Settings::expire_nodest_conn>("expire_nodest_conn",
                                          "schedule anew when a connection's server was removed. Default 0"),
    on_off<&Settings::expire_quiescent_template>("expire_quiescent_template",
                                                 "weight 0 also ends persistence. Default 0"),
    on_off<&Settings::sloppy_tcp>("sloppy_tcp", "any TCP segment but RST may open a connection. Default 0"),
    number<&Settings::conn_reuse_mode>(
        "conn_reuse_mode", {0, 3},
        "a SYN on an old connection: 0 kept; 1 anew in TIME_WAIT, CLOSE; 2, 3 in FIN_WAIT, too. Default 1"),
    on_off<&Settings::sloppy_sctp>("sloppy_sctp", "any SCTP packet but ABORT may open a connection. Default 0"),
    on_off<&Settings::pmtu_disc>("pmtu_disc",
                                 "TUN: 1 what does not fit is refused if it has DF; 0 it is cut. Default 1"),
    row<&Settings::mss_clamp>("mss_clamp", kMss,
                              "TCP's segment size is lowered in SYNs: auto (where one way is narrower than the other), "
                              "off, or to 536-65495. Default auto"),
    on_off<&Settings::schedule_icmp>("schedule_icmp", "an ICMP error about no connection may begin one. Default 0"),
    duration<&Settings::lblc_expiration>("lblc_expiration", {kSecond, kMonth},
                                         "lblc: how long an unused destination is remembered, 1s-31d. Default 86400s"),
    duration<&Settings::lblcr_expiration>("lblcr_expiration", {kSecond, kMonth},
                                          "lblcr: the same, and when a set of servers shrinks, 1s-31d. Default 86400s"),
    number<&Settings::drop_entry>(
        "drop_entry", {0, 3},
        "unproven connections live shorter and give way: 0 off; 1, 2 as the table fills; 3 always. Default 1"),
    number<&Settings::drop_packet>("drop_packet", {0, 3},
                                   "one in so many new connections is dropped: 0 off; 1, 2 as the table fills; 3 one "
                                   "in ten. Default 0"),
    number<&Settings::secure_tcp>("secure_tcp", {0, 3},
                                  "NAT: only the server's answer establishes a TCP connection: 0 off; 1, 2 as the "
                                  "table fills; 3 always. Default 1"),
    row<&Settings::syn_cookies>("syn_cookies", kSynCookies,
                                "NAT, full NAT: SYNs are answered with cookies: auto (while half-open connections take "
                                "a quarter of the table), on or off. Default auto"),
    number<&Settings::protocol_share>("protocol_share", {1, 100},
                                      "most of the table for a protocol's unproven connections, percent. Default 75"),
    number<&Settings::service_share>("service_share", {1, 100}, "for those of a service, percent. Default 75"),
    number<&Settings::client_share>("client_share", {1, 100},
                                    "for those of a client's /24 or /64, percent. Default 10"),
    number<&Settings::half_open_server>("half_open_server", {0, kMostConnections},
                                        "DR, TUN: most half-open connections of a server; 0 = no limit. Default 0"),
    number<&Settings::half_open_service>("half_open_service", {0, kMostConnections},
                                         "DR, TUN: and of a service; 0 = no limit. Default 0"),
    duration<&Timeouts::tcp>("timeout_tcp", {kSecond, kMonth},
                             "an established TCP connection that is silent, 1s-31d. Default 900s"),
    duration<&Timeouts::tcpfin>("timeout_tcpfin", {kSecond, kMonth}, "after the client's FIN, 1s-31d. Default 120s"),
    duration<&Timeouts::udp>("timeout_udp", {kSecond, kMonth},
                             "a UDP conversation that is silent, 1s-31d. Default 300s"),
    number<&Settings::garp_count>("garp_count", {0, 100},
                                  "announcements of a VIP that appears, one per second, 0-100. Default 3"),
    duration<&Settings::garp_interval>("garp_interval", {kTenth, kDay, true},
                                       "and again so often, 100ms-24h; 0 = never. Default 60s"),
    duration<&Settings::arp_timeout>("arp_timeout", {kSecond, kDay},
                                     "how long a server's MAC address is believed, 1s-24h. Default 60s"),
    number<&Settings::arp_hold>("arp_hold", {0, 64}, "packets held per server while it is asked for, 0-64. Default 8"),
    duration<&Settings::arp_probe_interval>(
        "arp_probe_interval", {kTenth, kDay, true},
        "looking for others who answer for a VIP, 100ms-24h; 0 = only listen. Default 60s"),
    on_off<&Settings::arp_defend>("arp_defend",
                                  "repeat the claim on a VIP to those who ask while a real server answers, too: a "
                                  "stopgap. Default 0"),
    number<&Settings::reply_rate>(
        "reply_rate", {0, 1'000'000},
        "pings answered, RSTs and ICMP errors sent, of each kind per second; 0 = none. Default 1000"),
    number<&Settings::reply_burst>("reply_burst", {1, 1'000'000}, "the same, at once, 1-1000000. Default 100"),
};

std::optional<Error> read_matches(std::string_view text, std::vector<GroupConfig::Match>& all) {
  auto matches = read_match(text);
  if (!matches) return matches.error();
  for (GroupConfig::Match& match : *matches) all.push_back(std::move(match));
  return std::nullopt;
}

constexpr Row<GroupConfig> kGroupRows[] = {
    row<&GroupConfig::mark>("mark", kMark, "the number that virtuals name, 1-4294967295. Required"),
    row<&GroupConfig::matches>(
        "match", kList<GroupConfig::Match, read_matches>,
        "what carries the mark: VIP tcp/80,443 udp/5000-5010 [from 198.51.100.0/24], VIPs of one family. Required, "
        "repeatable"),
};

using MaybeVip = std::optional<VirtualAddress>;
constexpr FormFor<MaybeVip> kVip{
    {.read = [](const KeyRow&, std::string_view t,
                void* f) { return take(read_virtual_address(t), *static_cast<MaybeVip*>(f)); },
     .write = [](const KeyRow&, const void* f, size_t) { return text(**static_cast<const MaybeVip*>(f)); },
     .count = [](const void* f) { return size_t{static_cast<const MaybeVip*>(f)->has_value()}; }}};

using Ports = std::vector<PortMatch>;
constexpr FormFor<Ports> kPorts{
    {.read = [](const KeyRow&, std::string_view t, void* f) { return take(read_ports(t), *static_cast<Ports*>(f)); },
     .write = [](const KeyRow&, const void* f, size_t) { return text(*static_cast<const Ports*>(f)); },
     .count = [](const void* f) { return size_t{!static_cast<const Ports*>(f)->empty()}; }}};

using Sorry = std::optional<ServerSpec>;
constexpr FormFor<Sorry> kSorry{
    {.read = [](const KeyRow&, std::string_view t, void* f) { return take(read_server(t), *static_cast<Sorry*>(f)); },
     .write = [](const KeyRow&, const void* f, size_t) { return text(**static_cast<const Sorry*>(f)); },
     .count = [](const void* f) { return size_t{static_cast<const Sorry*>(f)->has_value()}; }}};

std::optional<Error> add_server(std::string_view text, std::vector<ServerConfig>& all) {
  const auto server = read_server(text);
  if (!server) return server.error();
  all.push_back(*server);
  return std::nullopt;
}

std::string flags_text(const VirtualConfig::Flags& flags) {
  return flags.scheduler ? flags_text(*flags.scheduler, flags.bits) : std::string();
}

std::string netmask_text(const ClientMask& mask) { return text(mask); }

std::string persistence_text(Duration persistence) { return text(persistence); }
constexpr FormFor<Duration> kPersistence = kValue<Duration, read_persistence, persistence_text>;

constexpr FormFor<std::string> kCheck{{.read =
                                           [](const KeyRow& row, std::string_view t, void* field) {
                                             auto problem = read_text(row, t, field);
                                             auto& check = *static_cast<std::string*>(field);
                                             if (check == "none") check.clear();
                                             return problem;
                                           },
                                       .write = write_text,
                                       .count = count_text,
                                       .fault = check_name_fault}};

constexpr uint32_t kMostRate = 1'000'000;
constexpr auto kNetworks = kList<Network, read_networks>;
using Paths = std::vector<std::string>;
constexpr FormFor<Paths> kListFiles{
    {.read = [](const KeyRow&, std::string_view t, void* f) -> std::optional<Error> {
       if (auto problem = list_path_fault(t)) return problem;
       static_cast<Paths*>(f)->emplace_back(t);
       return std::nullopt;
     },
     .write = [](const KeyRow&, const void* f, size_t n) { return (*static_cast<const Paths*>(f))[n]; },
     .count = [](const void* f) { return static_cast<const Paths*>(f)->size(); },
     .repeatable = true,
     .clear = [](void* f) { static_cast<Paths*>(f)->clear(); }}};

constexpr Row<VirtualConfig> kVirtualRows[] = {
    row<&VirtualConfig::address>("address", kVip,
                                 "VIP, or an interface, whose address it is. Required, but for a virtual that "
                                 "balances a group's mark"),
    row<&VirtualConfig::ports>(
        "ports", kPorts,
        "tcp/80,443, udp/53, sctp/9, tcp/10000-12000, tcp/*, *; several with blanks between. Required with address"),
    row<&VirtualConfig::mark>("mark", kMark,
                              "without address: the group to balance; with it: the mark of its ports. Default: chosen"),
    row<&VirtualConfig::family>("family", kFamily,
                                "of an interface's address, or with mark and without address of the group: ipv4 or "
                                "ipv6. Default: ipv4, unless only a group of IPv6 has the mark"),
    row<&VirtualConfig::scheduler>("scheduler", kValue<Scheduler, read_scheduler, scheduler_word>,
                                   "rr, wrr, lc, wlc, sed, nq, dh, sh, mh, fo, ovf, lblc, lblcr or twos. Default wlc"),
    row<&VirtualConfig::flags>("scheduler_flags", kValue<VirtualConfig::Flags, read_flags, flags_text>,
                               "sh-port, sh-fallback or mh-port, mh-fallback, commas between. Default: none"),
    row<&VirtualConfig::persistence>(
        "persistence", kPersistence,
        "a client stays with its server, and for so long after its last connection, 1s-31d. Default 0"),
    row<&VirtualConfig::netmask>(
        "netmask", kValue<ClientMask, read_netmask, netmask_text>,
        "which clients persistence takes for one: 255.255.255.0 or /24; IPv6: /64. Default 255.255.255.255, /128"),
    on_off<&VirtualConfig::one_packet>("one_packet", "UDP, marks: every datagram is scheduled by itself. Default 0"),
    row<&VirtualConfig::servers>(
        "server", kList<ServerConfig, add_server>,
        "real server: IP[:PORT] [weight=N] [forward=dr|tun|nat] [mac=M] [upper=N] [lower=N] [tun_type=ipip|gue|gre] "
        "[tun_port=N] [tun_checksum=none|on|remote] [check=NAME]. Repeatable"),
    row<&VirtualConfig::check>(
        "check", kCheck,
        "how its servers are asked: the name of a [check], or arp, icmp, tcp, tls, http; none. Default none"),
    row<&HealthPolicy::on_down>(
        "on_down", kOnDown,
        "connections of a server that went: keep, drain (no new ones of its clients) or reset. Default keep"),
    on_off<&HealthPolicy::inhibit>(
        "inhibit", "1: a server that is down stays listed, with weight 0; 0: it is taken out. Default 1"),
    duration<&HealthPolicy::slow_start>(
        "slow_start", {kSecond, kHour, true},
        "how long a server that came (back) takes to its full weight, 1s-1h; 0 = at once. Default 0"),
    number<&HealthPolicy::quorum>(
        "quorum", {1, UINT32_MAX},
        "least sum of the weights that are well, before sorry is used, 1-4294967295. Default 1"),
    number<&HealthPolicy::hysteresis>("hysteresis", {0, UINT32_MAX},
                                      "so much more than quorum until sorry is left, 0-4294967295. Default 0"),
    number<&HealthPolicy::flaps_allowed>(
        "flaps_allowed", {0, FlapHistory::kKept - 1},
        "how often a server may go in 10 minutes before its return is delayed, 0-15; 0 = any. Default 3"),
    row<&VirtualConfig::sorry>("sorry", kSorry,
                               "server that is used while too few are well: as server=. Default: none"),
    row<&VirtualConfig::notify>("notify", kProgramPath,
                                "program that is told: PROGRAM VIRTUAL EVENT SERVER. Default: none"),
    number<&LimitsConfig::max_connections>("max_connections", {0, kMostConnections},
                                           "most connections at a time, 0-16777214; 0 = no limit. Default 0"),
    number<&LimitsConfig::max_rate>("max_rate", {0, kMostRate},
                                    "most new connections per second, 0-1000000; 0 = no limit. Default 0"),
    number<&LimitsConfig::client_connections>(
        "client_connections", {0, kMostConnections},
        "most connections of a client's /24 or /64, 0-16777214; 0 = no limit. Default 0"),
    number<&LimitsConfig::client_rate>(
        "client_rate", {0, kMostRate},
        "most new connections per second of a client's /24 or /64, 0-1000000; 0 = no limit. Default 0"),
    row<&LimitsConfig::allow>("allow", kNetworks,
                              "networks whose clients are taken, and no others, blanks between; repeatable. "
                              "Default: all"),
    row<&LimitsConfig::deny>("deny", kNetworks,
                             "networks whose clients are dropped, blanks between; repeatable. The longest match of "
                             "allow and deny decides. Default: none"),
    row<&LimitsConfig::allow_files>("allow_file", kListFiles,
                                    "file with networks as of allow, one in a line; repeatable. Default: none"),
    row<&LimitsConfig::deny_files>("deny_file", kListFiles,
                                   "file with networks as of deny, one in a line; repeatable. Default: none"),
};

template <class Section>
void add_help(const char* section, std::span<const Row<Section>> rows, std::vector<KeyHelp>& all) {
  for (const Row<Section>& row : rows) all.push_back({section, row.key, row.help});
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
