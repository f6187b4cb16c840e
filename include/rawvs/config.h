// SPDX-License-Identifier: BSD-2-Clause
// config.h: the INI file as a struct, checked, with every default filled in.
// In:  the text of a file.
// Out: a Config, or an Error that names file, line, section, key, what was found and what is allowed.
//
// A file is accepted as a whole or not at all. One key = one field = one row of the tables in config_keys.cpp; the
// loader, rawvsd -t and the test that etc/rawvs.ini mentions every key read the same rows.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/service.h"
#include "core/sync.h"
#include "rawvs/result.h"
#include "rawvs/settings.h"
#include "side/check.h"
#include "side/health.h"
#include "side/vrrp.h"
#include "side/wanted_checks.h"

namespace rawvs {

enum class GuardMode : uint8_t { automatic, tcx, clsact, classic, off };
enum class IoMode : uint8_t { automatic, ring, socket, xdp };
enum class FastMode : uint8_t { automatic, on, off };  // automatic: as on, where it works; elsewhere only a remark
inline constexpr uint32_t kMostFastFlows = 1u << 22;
enum class SeccompMode : uint8_t { off, on, log, kill };  // what becomes of system calls that are not on the list

struct PortMatch {  // "tcp/80,443", "udp/5000-5010"; "tcp/*" is the range 0-65535
  Protocol protocol = Protocol::tcp;
  std::vector<PortRange> ports;
  friend bool operator==(const PortMatch&, const PortMatch&) = default;
};

struct ServerConfig : ServerSpec {
  std::string check{};  // name of a [check], or a kind of check; empty: the virtual's
};

struct ClientMask : Netmask {
  constexpr ClientMask() = default;
  constexpr ClientMask(Netmask mask, Family family)
      : Netmask(mask), prefix(family == Family::ipv6 ? mask.length(family) : std::nullopt) {}
  constexpr explicit ClientMask(uint8_t length)  // of a family that is not known yet
      : Netmask(length <= 32 ? Family::ipv4 : Family::ipv6, length), prefix(length) {}
  std::optional<uint8_t> prefix{};  // of IPv6; in a Config that was not checked yet: of either family
};

struct VirtualAddress {      // VIP: a fixed one, or whichever address an interface has
  std::string interface {};  // empty: it is fixed
  Family family = Family::ipv4;
  std::optional<Ip> now{};  // none: the interface has none, or it is not known yet
  VirtualAddress() = default;
  VirtualAddress(Ip fixed) : family(fixed.family()), now(fixed) {}
  explicit VirtualAddress(std::string of) : interface(std::move(of)) {}
  bool fixed() const { return interface.empty(); }
  friend bool operator==(const VirtualAddress&, const VirtualAddress&) = default;
};

struct LimitsConfig {                                // of a virtual's clients (core/limits.h); 0: no limit
  uint32_t max_connections = 0, max_rate = 0;        // at a time; new ones per second
  uint32_t client_connections = 0, client_rate = 0;  // the same, for a client's /24 or /64
  std::vector<Network> allow, deny;
  std::vector<std::string> allow_files, deny_files;  // their paths; what is in them is in Config::lists
  friend bool operator==(const LimitsConfig&, const LimitsConfig&) = default;
};

struct VirtualConfig {  // [virtual NAME]
  std::string name;
  int line = 0;                           // of the section's header, for messages
  std::optional<VirtualAddress> address;  // none for a virtual with a mark
  std::vector<PortMatch> ports;
  Mark mark{};                   // 0: not given
  Mark kept{};                   // 0: none; else the mark that was chosen before a reload
  Family family = Family::ipv4;  // of its group, or of the interface's address; for a virtual without fixed address
  Scheduler scheduler = Scheduler::wlc;
  struct Flags {
    std::optional<Scheduler> scheduler;  // whose flags were given; none: no flags
    uint8_t bits = 0;                    // SchedulerFlags
    friend bool operator==(const Flags&, const Flags&) = default;
  } flags;
  Duration persistence{};  // 0: none
  ClientMask netmask{};    // of clients, for persistence
  bool one_packet = false;
  std::vector<ServerConfig> servers;  // port 0: the virtual's
  std::string check;                  // for its servers; empty, or none: no check, all servers are well
  HealthPolicy health;
  std::optional<ServerSpec> sorry;  // in use while too few servers are well
  LimitsConfig limits;
  std::string notify;  // program; empty: none
  Family service_family() const { return address ? address->family : family; }
  std::optional<Ip> vip() const { return address ? address->now : std::nullopt; }  // the present one
};

struct CheckConfig {  // [check NAME]
  std::string name;
  int line = 0;
  CheckSpec spec;
};

struct GroupConfig {  // [group NAME]
  std::string name;
  int line = 0;
  Mark mark{};
  struct Match {
    Ip vip{};
    PortMatch ports;
    Network clients = Network::all(Family::ipv4);  // packets from here only; of the VIP's family
    friend bool operator==(const Match&, const Match&) = default;
  };
  std::vector<Match> matches;  // all of one family; another section may have the same mark for the other one
  Family family() const { return matches.empty() ? Family::ipv4 : matches[0].vip.family(); }
};

struct VrrpConfig {  // [vrrp NAME]
  std::string name;
  int line = 0;
  std::string on = "outside";    // its link: outside, inside, or an interface that [director] names
  VrrpSpec spec;                 // without addresses: the VIPs of all virtuals, of its family
  Family family = Family::ipv4;  // of those VIPs; for an instance without addresses
  Family instance_family() const { return spec.addresses.empty() ? family : spec.addresses[0].family(); }
  std::string notify;  // program; empty: none
};

// Whether connections are sent to and received from other directors. automatic: both; with VRRP, only a master sends.
enum class SyncRole : uint8_t { automatic, master, backup, both };

struct SyncConfig {  // [sync]
  SyncRole role = SyncRole::automatic;
  std::string on = "outside";  // as in [vrrp]
  Link link{};
  Ip group{0xe0000051};   // 224.0.0.81
  uint16_t port = 8848;   // UDP
  uint8_t ttl = 1;        // for multicast
  std::vector<Ip> peers;  // none: multicast
  std::string key;        // shared secret; empty: messages are not sealed, and seals are not checked
  SyncSettings settings;
  friend bool operator==(const SyncConfig&, const SyncConfig&) = default;
};
const char* name(SyncRole role);  // auto, master, backup, both

// The folder for sockets and files, which a start as root makes, and gives to the user it goes on as.
inline constexpr char kRunFolder[] = "/run/rawvs";

struct Config {
  std::string interface;        // on the clients' side; ARP for VIPs is answered here (core/link_names.h)
  std::string inside;           // on the real servers' side, if others
  bool auto_interfaces = true;  // an interface by which a server's route leaves is used, too
  bool local_clients = false;   // what this host sends to a VIP is balanced, too
  std::string control = "/run/rawvs/control.sock";  // control socket
  std::string control_group;                        // group that may use it (mode 0660); empty: root only
  std::string read_group;                 // group that may ask by it, and change nothing (mode 0666); empty: none
  std::string user = "rawvs";             // as whom a start as root goes on; empty or root: as root, with every right
  SeccompMode seccomp = SeccompMode::on;  // has no effect where root keeps every right
  GuardMode guard = GuardMode::automatic;
  IoMode io = IoMode::automatic;             // how frames are read and sent
  std::string state;                         // file in RAM that keeps connections across a restart; empty: none
  Duration state_interval{};                 // how often it is written; 0: only at the end
  FastMode fast_path = FastMode::automatic;  // a program in the kernel forwards known connections
  uint32_t fast_flows = 16384;               // that it has room for
  uint32_t ring_frames = 1024;               // receive ring of each interface, frames of 2 KB (more with a large MTU)
  Settings settings;
  std::vector<GroupConfig> groups;
  std::vector<CheckConfig> checks;
  std::vector<VirtualConfig> virtuals;
  NetworkLists lists;  // of the files that virtuals name: each once, under its path
  std::vector<VrrpConfig> vrrps;
  std::optional<SyncConfig> sync;  // none: connections are neither sent nor received
};

Result<Config> parse_config(std::string_view text, std::string_view file_name);
std::string print_config(const Config& config);  // as INI text with every key; parsing it gives the same Config

// The tables that a Config asks for, in the order of ipvsadm's calls: groups, services, their servers. A virtual of
// every port is one service per protocol. Among groups the first match applies: fewer ports precede more, and among
// equals smaller client networks precede larger ones.
struct WantedService {
  ServiceSpec spec;
  std::vector<ServerSpec> servers;
  std::vector<bool> waits{};  // of each server: it gets no connections before its check's first success
  FromFile said{};
};
struct WantedTables {
  std::vector<GroupMatch> groups;
  std::vector<WantedService> services;
};
WantedTables wanted_tables(const Config& config);

// The checks of the servers of those services, and the policy.
std::vector<WantedChecks> wanted_checks(const Config& config);

std::vector<VrrpSpec> wanted_vrrp(const Config& config);  // as many as config.vrrps, in their order

struct KeyHelp {             // for tests and for printing help
  std::string_view section;  // "director", "check", "virtual", "group", "vrrp", "sync"
  std::string_view key;
  std::string_view help;
};
std::vector<KeyHelp> config_keys();

}  // namespace rawvs
