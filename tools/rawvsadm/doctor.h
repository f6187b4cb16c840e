// SPDX-License-Identifier: BSD-2-Clause
// doctor.h: rawvsadm doctor: looks for common faults of LVS installations, and prints commands that help.
// In:  rawvsd's rows (control.h), facts about this host.
// Out: findings, and what was checked and found right.
// Not: changing anything; facts that only the servers know.
//
// doctor.cpp asks and prints, doctor_facts.cpp and doctor_files.cpp examine this host, doctor_rows.cpp reads rawvsd's
// rows; doctor_host.cpp, doctor_servers.cpp and doctor_ha.cpp judge: pure functions from facts to findings.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/link.h"
#include "request.h"

namespace rawvs::adm {

// This host.

struct HostLink {
  std::string name;
  bool up = false;
  bool carrier = false;
  uint32_t mtu = 0;             // bytes of an IP packet; 0: unknown
  bool lro = false;             // large receive offload
  bool forwarding = false;      // the kernel routes packets that arrive here
  uint32_t rp_filter = 0;       // in effect; 1 is strict
  bool send_redirects = false;  // the kernel sends ICMP redirects
  std::string unfit{};          // why rawvsd cannot use it: it has no Ethernet
  std::vector<LinkAddress> addresses;
};

struct Listener {  // a socket of a program of this host
  Protocol protocol = Protocol::any;
  Endpoint at{};  // unspecified: at every address
};

struct HostFacts {
  bool known = true;  // false: rawvsd runs in another network namespace
  int64_t now = 0;    // seconds since 1970
  std::vector<HostLink> links;
  std::vector<Listener> listeners{};
  uint16_t first_local_port = 0, last_local_port = 0;  // of this host's own connections; 0: unknown
  const HostLink* link(std::string_view name) const;
  const HostLink* with(Ip address) const;         // the link with this address
  const LinkAddress* network_of(Ip other) const;  // the narrowest network that contains it
};

// Files named in the configuration.

enum class Runnable : uint8_t { yes, missing, not_executable, unreachable };  // for the user that is to run it
struct ProgramFacts {
  std::string path, user;
  std::string whose;  // the section: check shop
  Runnable runnable = Runnable::yes;
};
struct StatePlace {                                      // the place of the state file
  bool there = false, writable = false, in_ram = false;  // about its directory
  uint64_t free = 0;                                     // bytes
  bool strange = false;                                  // the present file will be refused
};
struct FileFacts {
  bool known = false;  // else nothing could be examined
  std::vector<ProgramFacts> programs;
  StatePlace state;
};

// rawvsd.

struct ServiceFacts {
  std::string key;     // tcp:192.0.2.100:80, mark:10
  std::string name{};  // by the file; empty: none
  Protocol protocol = Protocol::any;
  std::optional<Endpoint> virtual_at;  // none: a mark's service
  // Its limits; 0: none. counted: its connections now. refused: packets, by exit (service-full:3).
  uint64_t max_connections = 0, max_rate = 0, client_connections = 0, client_rate = 0, counted = 0;
  bool takes_nobody = false;  // it has allow lists, and they are empty
  std::string refused;
};

struct ServerFacts {
  size_t service = 0;  // index into services
  Endpoint at;
  std::string method, tunnel, checksum, tunnel_port;
  std::string reach;      // as in server rows; empty: rawvsd did not report it
  std::optional<Ip> via;  // its next hop, if reported
  std::string mac;
  std::string name{};  // by the file; empty: none
  bool local = false;  // this host itself
  uint64_t weight = 0, upper = 0, lower = 0, active = 0, inactive = 0, in_packets = 0, out_packets = 0;
  uint64_t connections = 0;  // since its beginning
  bool overloaded = false;
  uint64_t syns = 0;   // connections in SYN_RECV
  uint64_t stuck = 0;  // of these, older than a second
  uint64_t near = 0;   // of these, with a client in the server's own network
  std::string health;  // by its check; empty: it has none
  std::string why;
  uint64_t seconds = 0, flaps = 0;  // in this condition; how often it went down recently
  std::string order;                // of an operator: "drained by root since ..."; empty: none
  int64_t ordered_at = 0;           // seconds since 1970
  std::string order_word() const { return order.substr(0, order.find(' ')); }
  bool out() const { return weight == 0 && !health.empty() && health != "up"; }
  static constexpr uint64_t kFirstCheck = 60;  // seconds by which the first check should have ended
  bool unjudged() const { return out() && health == "unknown" && seconds < kFirstCheck; }
  bool unreachable() const {  // it gets no connection, whatever its weight
    return reach == "no-route" || reach == "own-address" || reach == "other-interface" || reach == "vip-missing" ||
           reach == "local-nat" || reach == "no-ethernet" || reach == "no-flows";
  }
  bool takes_clients() const { return weight != 0 && !unreachable(); }
  // True if no client ever got a reply: all connections wait for one, and one of them for long or with a repeated SYN.
  // (As in IPVS, SYN_RECV counts as active.)
  bool never_answered() const {
    return syns != 0 && syns >= connections && syns >= active + inactive && (stuck != 0 || in_packets > connections);
  }
};

struct VipFacts {
  Ip address;
  bool retired = false;
  bool standby = false;  // another director is its master
  bool own = false;      // an address of the host itself: these ports are the director's
  struct Range {
    Protocol protocol = Protocol::any;
    uint16_t first = 0, last = 0;
  };
  std::vector<Range> ports{};
};
struct RivalFacts {
  Ip vip;
  std::string mac;
  std::string server;  // empty: it is no server
};
struct NeighborFacts {
  Ip address;
  std::string link, state, mac;
  uint64_t disputed = 0;  // how often another host said that it has the address
  std::string disputant;  // its MAC address
};
struct PortFacts {  // a link row
  std::string name;
  std::string guard;  // its way, or off; empty: not reported
  std::string role;   // clients or servers; empty: not reported
  uint64_t received = 0, kernel_dropped = 0, cut = 0, sent = 0, send_failed = 0;
  uint64_t vips = 0, guarded = 0;  // VIPs, and those that the guard has room for
  uint64_t unguarded = 0;          // NAT connections that it had no room for
  uint64_t missing_groups = 0;     // solicited-node groups of IPv6 VIPs that the kernel did not let rawvsd join
};

struct VrrpFacts {
  std::string name, link, state, master, why;
  uint64_t other_addresses = 0, other_interval = 0, woke_late = 0, refused = 0;
  std::string refused_for;  // password:12,ttl:1
};

struct SyncFacts {
  uint64_t refused = 0, strangers = 0;
  std::string refused_for, refused_from;  // bad-seal:5; an address, or -
  bool hears = false;
};

struct SectionFacts {  // of the configuration: [check shop]
  std::string kind, name;
  std::map<std::string, std::vector<std::string>, std::less<>> keys;
  std::string value(std::string_view key) const;  // the first value; empty: none
};

struct DaemonFacts {
  uint64_t pid = 0, uptime = 0;
  uint64_t calls = 0;          // system calls that its filter allows; 0: it has none, or does not say
  uint64_t gave_way = 0;       // unproven connections that made room for others
  std::string gave_way_kinds;  // half-open:12
  // Of the fast path: connections, and how often it had no room since the start; capacity 0: there is none.
  uint64_t fast_flows = 0, fast_capacity = 0, fast_no_room = 0;
  std::string config = "rawvsd's file";
  std::string part;  // of a long line: the beginning of the next line
  std::vector<ServiceFacts> services;
  std::vector<ServerFacts> servers;
  std::vector<VipFacts> vips;
  std::vector<RivalFacts> rivals;
  std::vector<NeighborFacts> neighbors;
  std::vector<PortFacts> ports;
  std::string host_port;  // the interface of this host's own packets (local_clients); empty: none
  bool of_clients(const PortFacts& port) const {  // without roles: the first one
    return port.role.empty() ? &port == ports.data() : port.role == "clients";
  }
  std::map<std::string, uint64_t, std::less<>> exits;
  std::map<std::string, std::string, std::less<>> settings;  // of [director]
  std::vector<Ip> locals;                                    // local addresses of full NAT, by [director]
  std::vector<SectionFacts> sections;                        // all but [director]
  std::vector<VrrpFacts> vrrps;
  std::vector<std::string> unwritable;  // why no file gives the present tables
  std::optional<SyncFacts> sync;
  std::string setting(std::string_view key) const;  // of [director]; empty: not reported
};

struct ProcessRights {
  std::string name;
  uint64_t parent = 0;
  uint32_t uid = 0;
  uint64_t capabilities = 0;  // effective
  bool no_new_privs = false;
  bool filtered = false;  // its system calls, by seccomp
};
struct RightsFacts {
  std::optional<ProcessRights> daemon, helper;  // none: unknown; it does not run
};

struct DoctorFacts {
  HostFacts host;
  FileFacts files;
  RightsFacts rights{};
  DaemonFacts daemon;
};

// What people call them: shop (tcp:192.0.2.100:80); shop/web2 (192.0.2.12:80), with host_only shop/web2 (192.0.2.12).
std::string called(const ServiceFacts& service);
std::string called(const DaemonFacts& daemon, const ServerFacts& server, bool host_only = false);
std::string called_at(const DaemonFacts& daemon, const std::string& address);  // the first server there

const NeighborFacts* next_hop(const DaemonFacts& daemon, const ServerFacts& server);  // null: unknown
std::string link_of(const DoctorFacts& facts, const ServerFacts& server);             // the link to it; empty: unknown
bool sendable(const DaemonFacts& daemon,
              const ServerFacts& server);  // false: silent, without a route, or its link is down

// Adds a row's facts; ignores unknown rows and keys.
// REQUIRES: rows of "list" come before those of "connections".
void note_row(const Row& row, DoctorFacts& facts);
bool wants_connections(const DoctorFacts& facts);  // false: "connections" would show no fault

void add_sockets(HostFacts& host);                                           // doctor_sockets.cpp
HostFacts host_facts(uint64_t daemon_pid);                                   // pid 0: unknown
FileFacts file_facts(const DaemonFacts& daemon, const RightsFacts& rights);  // as root only
ProcessRights rights_in(std::string_view status);                            // of /proc/PID/status
RightsFacts rights_facts(uint64_t daemon_pid);
std::string root_of(uint64_t pid);  // the root of rawvsd's files; empty: the same as ours

// Findings.

enum class Urgency : uint8_t {
  note,     // works, but is worth knowing
  warning,  // fails for some clients, or sometimes
  error     // clients get no service
};
const char* name(Urgency urgency);

struct Finding {
  Urgency urgency = Urgency::note;
  std::string check;  // an identifier for programs: vip-on-host
  std::string what, why, type;
};
using Findings = std::vector<Finding>;

inline std::string plural(size_t count, const std::string& word) {
  return std::to_string(count) + ' ' + word + (count == 1 ? "" : "s");
}

// One check. Adds its findings. Returns the text to print under "looked at and found right" if it added none; empty:
// nothing to check.
using Look = std::string (*)(const DoctorFacts& facts, Findings& findings);

// doctor_host.cpp
std::vector<Ip> live_vips(const DaemonFacts& daemon);   // those that rawvsd answers ARP or solicitations for
void join(std::string& list, const std::string& word);  // with a comma between words

std::string look_at_vips(const DoctorFacts& facts, Findings& findings);
std::string look_at_guards(const DoctorFacts& facts, Findings& findings);
std::string look_at_rp_filter(const DoctorFacts& facts, Findings& findings);
std::string look_at_redirects(const DoctorFacts& facts, Findings& findings);
std::string look_at_offloads(const DoctorFacts& facts, Findings& findings);
std::string look_at_interfaces(const DoctorFacts& facts, Findings& findings);
std::string look_at_rivals(const DoctorFacts& facts, Findings& findings);
std::string look_at_neighbors(const DoctorFacts& facts, Findings& findings);
std::string look_at_limits(const DoctorFacts& facts, Findings& findings);
std::string look_at_losses(const DoctorFacts& facts, Findings& findings);

// doctor_room.cpp
std::string look_at_fast_path(const DoctorFacts& facts, Findings& findings);
// What to do about a key of [director] that is too small; usual: its default.
std::string raised(const DaemonFacts& daemon, const char* setting, uint64_t usual, uint64_t most);

// doctor_forged.cpp
std::string look_at_disputes(const DoctorFacts& facts, Findings& findings);

// doctor_servers.cpp
std::string look_at_marks(const DoctorFacts& facts, Findings& findings);
std::string look_at_services(const DoctorFacts& facts, Findings& findings);
std::string look_at_ways(const DoctorFacts& facts, Findings& findings);
std::string look_at_nat_replies(const DoctorFacts& facts, Findings& findings);
std::string look_at_answers(const DoctorFacts& facts, Findings& findings);
std::string look_at_tunnels(const DoctorFacts& facts, Findings& findings);
std::string look_at_mtus(const DoctorFacts& facts, Findings& findings);

// doctor_orders.cpp
std::string look_at_orders(const DoctorFacts& facts, Findings& findings);

// doctor_own.cpp
std::string look_at_own_vips(const DoctorFacts& facts, Findings& findings);
std::string look_at_waiting(const DoctorFacts& facts, Findings& findings);
// The interface without the address that this [virtual] would have; empty: it does not wait.
std::string waits_for(const DoctorFacts& facts, const SectionFacts& section);
std::string look_at_locals(const DoctorFacts& facts, Findings& findings);
bool replies_lost(const DoctorFacts& facts, const ServerFacts& server);  // to a local address that the host lacks

// doctor_local.cpp
std::string look_at_local_clients(const DoctorFacts& facts, Findings& findings);

// doctor_ha.cpp
std::string look_at_checks(const DoctorFacts& facts, Findings& findings);
std::string look_at_vrrp(const DoctorFacts& facts, Findings& findings);
std::string look_at_vrrp_vips(const DoctorFacts& facts, Findings& findings);
std::string look_at_sync(const DoctorFacts& facts, Findings& findings);
std::string look_at_state(const DoctorFacts& facts, Findings& findings);

// doctor_rights.cpp
std::string look_at_rights(const DoctorFacts& facts, Findings& findings);

struct Diagnosis {
  Findings findings;               // the most urgent first
  std::vector<std::string> right;  // sentences
  std::vector<std::string> unseen;
  bool well() const;  // no error, no warning
};
Diagnosis diagnose(const DoctorFacts& facts);
std::string diagnosis_text(const Diagnosis& diagnosis);
std::string diagnosis_json(const Diagnosis& diagnosis);

}  // namespace rawvs::adm
