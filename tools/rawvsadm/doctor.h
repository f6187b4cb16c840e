// SPDX-License-Identifier: BSD-2-Clause
// doctor.h: rawvsadm doctor: looks for what goes wrong with LVS, and says what to type.
// In:  what rawvsd says of itself (its rows, control.h), what this host says of itself.
// Out: findings, and what was looked at and found right. Not: mending anything; what only the servers know.
// doctor.cpp asks and prints, doctor_facts.cpp and doctor_files.cpp look at this host, doctor_rows.cpp reads rawvsd's
// rows, doctor_host.cpp, doctor_servers.cpp and doctor_ha.cpp judge: pure functions, from facts to findings.
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
  uint32_t mtu = 0;             // bytes of an IP packet; 0: not known
  bool lro = false;             // large receive offload
  bool forwarding = false;      // the kernel routes what arrives here
  uint32_t rp_filter = 0;       // what is in effect: 1 is strict
  bool send_redirects = false;  // the kernel tells senders of shorter ways
  std::string unfit{};          // why rawvsd cannot serve there: it has no Ethernet
  std::vector<LinkAddress> addresses;
};

struct HostFacts {
  bool known = true;  // false: rawvsd runs in another network namespace, and nothing could be looked at
  std::vector<HostLink> links;
  const HostLink* link(std::string_view name) const;
  const HostLink* with(Ip address) const;         // whose own address it is
  const LinkAddress* network_of(Ip other) const;  // the narrowest one that it would be on
};

// Files that the configuration names.

enum class Runnable : uint8_t { yes, missing, not_executable, unreachable };  // by the user who is to run it
struct ProgramFacts {
  std::string path, user;
  std::string whose;  // check shop
  Runnable runnable = Runnable::yes;
};
struct StatePlace {                                      // where connections are kept
  bool there = false, writable = false, in_ram = false;  // its directory
  uint64_t free = 0;                                     // bytes
  bool strange = false;                                  // what is there already will not be believed
};
struct FileFacts {
  bool known = false;  // else nothing could be looked at
  std::vector<ProgramFacts> programs;
  StatePlace state;
};

// rawvsd.

struct ServiceFacts {
  std::string key;  // tcp:192.0.2.100:80, mark:10
  Protocol protocol = Protocol::any;
  std::optional<Endpoint> virtual_at;  // none: a mark's
};

struct ServerFacts {
  size_t service = 0;  // its place in services
  Endpoint at;
  std::string method, tunnel, checksum, tunnel_port;
  std::string reach;      // as server rows have it; empty: rawvsd did not tell
  std::optional<Ip> via;  // its next hop, if rawvsd told
  std::string mac;
  uint64_t weight = 0, upper = 0, lower = 0, active = 0, inactive = 0, in_packets = 0, out_packets = 0;
  uint64_t connections = 0;  // that it ever got
  bool overloaded = false;
  uint64_t syns = 0;   // connections in SYN_RECV
  uint64_t stuck = 0;  // of these, for more than a second
  uint64_t near = 0;   // of these, with a client in the server's own network
  std::string health;  // as its check says; empty: it has none
  std::string why;
  uint64_t seconds = 0, flaps = 0;  // of that condition; how often it went lately
  bool out() const { return weight == 0 && !health.empty() && health != "up"; }
  bool unreachable() const {  // it gets no connection, whatever its weight
    return reach == "no-route" || reach == "own-address" || reach == "other-interface";
  }
  bool takes_clients() const { return weight != 0 && !unreachable(); }
  // No client was ever answered: all connections that it ever got wait for its answer, and one of them for a while or
  // with its SYN repeated. (As IPVS counts, SYN_RECV is active.)
  bool never_answered() const {
    return syns != 0 && syns >= connections && syns >= active + inactive && (stuck != 0 || in_packets > connections);
  }
};

struct VipFacts {
  Ip address;
  bool retired = false;
  bool standby = false;  // another director is its master
};
struct RivalFacts {
  Ip vip;
  std::string mac;
  std::string server;  // empty: it is none
};
struct NeighborFacts {
  Ip address;
  std::string link, state, mac;
};
struct PortFacts {  // a link row
  std::string name;
  std::string guard;  // its way, or off; empty: rawvsd did not tell
  uint64_t received = 0, kernel_dropped = 0, cut = 0, sent = 0, send_failed = 0;
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
  std::string value(std::string_view key) const;  // the first; empty: it has none
};

struct DaemonFacts {
  uint64_t pid = 0, uptime = 0;
  std::string config = "rawvsd's file";
  std::string part;  // of its text: the beginning of the line that comes next
  std::vector<ServiceFacts> services;
  std::vector<ServerFacts> servers;
  std::vector<VipFacts> vips;
  std::vector<RivalFacts> rivals;
  std::vector<NeighborFacts> neighbors;
  std::vector<PortFacts> ports;  // the first one is where clients are
  std::map<std::string, uint64_t, std::less<>> exits;
  std::map<std::string, std::string, std::less<>> settings;  // of [director]
  std::vector<SectionFacts> sections;                        // the others
  std::vector<VrrpFacts> vrrps;
  std::vector<std::string> unwritable;  // why no file gives the table
  std::optional<SyncFacts> sync;
  std::string setting(std::string_view key) const;  // of [director]; empty: not told
};

struct DoctorFacts {
  HostFacts host;
  FileFacts files;
  DaemonFacts daemon;
};

const NeighborFacts* next_hop(const DaemonFacts& daemon, const ServerFacts& server);  // null: not known
std::string link_of(const DoctorFacts& facts, const ServerFacts& server);             // where it is; empty: not known
bool sendable(const DaemonFacts& daemon, const ServerFacts& server);  // false: silent, without a route, or link down

// Adds what a row says; rows of other kinds and keys that are not known are skipped.
// REQUIRES: rows of "list" come before those of "connections".
void note_row(const Row& row, DoctorFacts& facts);
bool wants_connections(const DoctorFacts& facts);  // whether "connections" could tell of something wrong

HostFacts host_facts(uint64_t daemon_pid);        // pid 0: not known
FileFacts file_facts(const DaemonFacts& daemon);  // as root only
std::string root_of(uint64_t pid);                // where rawvsd's files begin; empty: where ours do

// What is found.

enum class Urgency : uint8_t {
  note,     // works, but know it
  warning,  // goes wrong for some, or sometimes
  error     // clients go without
};
const char* name(Urgency urgency);

struct Finding {
  Urgency urgency = Urgency::note;
  std::string check;  // a word for programs: vip-on-host
  std::string what, why, type;
};
using Findings = std::vector<Finding>;

inline std::string plural(size_t count, const std::string& word) {
  return std::to_string(count) + ' ' + word + (count == 1 ? "" : "s");
}

// One look at something. What it finds wrong is added; what it says comes after "looked at and found right" when it has
// added nothing. Empty: there was nothing to look at.
using Look = std::string (*)(const DoctorFacts& facts, Findings& findings);

// doctor_host.cpp
std::string look_at_vips(const DoctorFacts& facts, Findings& findings);
std::string look_at_guards(const DoctorFacts& facts, Findings& findings);
std::string look_at_rp_filter(const DoctorFacts& facts, Findings& findings);
std::string look_at_redirects(const DoctorFacts& facts, Findings& findings);
std::string look_at_offloads(const DoctorFacts& facts, Findings& findings);
std::string look_at_interfaces(const DoctorFacts& facts, Findings& findings);
std::string look_at_rivals(const DoctorFacts& facts, Findings& findings);
std::string look_at_losses(const DoctorFacts& facts, Findings& findings);

// doctor_servers.cpp
std::string look_at_marks(const DoctorFacts& facts, Findings& findings);
std::string look_at_services(const DoctorFacts& facts, Findings& findings);
std::string look_at_ways(const DoctorFacts& facts, Findings& findings);
std::string look_at_neighbors(const DoctorFacts& facts, Findings& findings);
std::string look_at_nat_replies(const DoctorFacts& facts, Findings& findings);
std::string look_at_answers(const DoctorFacts& facts, Findings& findings);
std::string look_at_tunnels(const DoctorFacts& facts, Findings& findings);
std::string look_at_mtus(const DoctorFacts& facts, Findings& findings);

// doctor_ha.cpp
std::string look_at_checks(const DoctorFacts& facts, Findings& findings);
std::string look_at_vrrp(const DoctorFacts& facts, Findings& findings);
std::string look_at_vrrp_vips(const DoctorFacts& facts, Findings& findings);
std::string look_at_sync(const DoctorFacts& facts, Findings& findings);
std::string look_at_state(const DoctorFacts& facts, Findings& findings);

struct Diagnosis {
  Findings findings;               // the worst first
  std::vector<std::string> right;  // sentences
  std::vector<std::string> unseen;
  bool well() const;  // no error, no warning
};
Diagnosis diagnose(const DoctorFacts& facts);
std::string diagnosis_text(const Diagnosis& diagnosis);
std::string diagnosis_json(const Diagnosis& diagnosis);

}  // namespace rawvs::adm
