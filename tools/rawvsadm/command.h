// SPDX-License-Identifier: BSD-2-Clause
// command.h: one command line of ipvsadm, and the messages for wrong ones.
// In:  ipvsadm's arguments (options.cpp reads them).
// Out: a Command with every default filled in, or an Ending.
// Not: the control protocol's words (request.h), listings (listing.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "names.h"
#include "rawvs/addr.h"

namespace rawvs::adm {

enum class Verb : uint8_t {
  add_service,
  edit_service,
  delete_service,
  clear,
  restore,
  save,
  add_server,
  edit_server,
  delete_server,
  list,
  zero,
  set_timeouts,
  start_daemon,
  stop_daemon,
};
const char* name(Verb verb);  // as in ipvsadm's messages: add-service, flush, set

// In the order in which ipvsadm reports them.
enum class Option : uint8_t {
  numeric,
  connection,
  service,
  scheduler,
  persistent,
  netmask,
  server,
  method,
  weight,
  upper,
  lower,
  mcast_interface,
  timeout,
  daemon,
  stats,
  rate,
  thresholds,
  persistent_conn,
  nosort,
  syncid,
  exact,
  ops,
  pe,
  flags,
  mcast_group,
  mcast_port,
  mcast_ttl,
  sync_maxlen,
  tun_info,
  tun_type,
  tun_port,
  tun_nocsum,
  tun_csum,
  tun_remcsum,
  count_
};
const char* name(Option option);  // as in ipvsadm's messages: service-address, u-threshold

class OptionSet {
 public:
  constexpr OptionSet() = default;
  constexpr OptionSet(std::initializer_list<Option> options) {
    for (const Option o : options) add(o);
  }
  constexpr void add(Option o) { bits_ |= bit(o); }
  constexpr bool has(Option o) const { return (bits_ & bit(o)) != 0; }

 private:
  static constexpr uint64_t bit(Option o) { return uint64_t{1} << static_cast<unsigned>(o); }
  uint64_t bits_ = 0;
};

struct Place {  // HOST or HOST:PORT as read
  Ip addr{};
  std::optional<uint16_t> port;
  bool ipv6() const { return addr.is_v6(); }
};

struct Command {
  Verb verb = Verb::list;
  OptionSet given;

  // The virtual service. mark: not 0 for a service of a mark.
  Protocol protocol = Protocol::any;
  Place service;  // of a mark: its family
  uint32_t mark = 0;
  std::string scheduler = "wlc";
  uint32_t persistence = 0;  // seconds; 0 = none
  Netmask netmask;           // bits of clients' addresses that persistence compares
  std::string flags;         // sh-fallback,sh-port ... in ipvsadm's order
  std::string persistence_engine;

  // The real server.
  Place server;
  std::string method = "route";          // route, tunnel, masq, fullnat, as in the control protocol
  bool proxy = false;                    // of fullnat: the PROXY protocol, version 2
  std::string tunnel = "ipip";           // ipip, gue, gre
  std::string tunnel_checksum = "none";  // none, on, remote
  uint32_t tunnel_port = 0;              // of gue
  uint32_t weight = 1, upper = 0, lower = 0;

  // The sync daemon.
  std::string daemon;  // master or backup
  std::string mcast_interface;
  uint32_t syncid = 0, sync_maxlen = 0, mcast_port = 8848, mcast_ttl = 1;
  Ip mcast_group{0xe0000051};  // 224.0.0.81

  uint32_t tcp = 0, tcpfin = 0, udp = 0;  // --set: seconds, 0 = unchanged

  bool has(Option o) const { return given.has(o); }
};

// A command line that is not executed: help, or an error.
struct Ending {
  int status = 0;
  std::string out;           // for standard output
  std::string err;           // for standard error
  bool ends_restore = true;  // false: -R continues with its next line
  std::string wrong{};       // the word of the command line that is at fault, if err does not name it
};

using Parsed = std::variant<Command, Ending>;

inline constexpr int kWrong = 2;      // ipvsadm's status for a value or a combination that it refuses itself
inline constexpr int kRefused = 255;  // ipvsadm's status for what the kernel refuses, and for "Try ..."

// args: without the program's name. A name is looked up only where a number is not enough.
Parsed parse(const std::string& program, const std::vector<std::string>& args, const Names& names);

// The checks that need the whole command line (check.cpp). flags: the argument of -b.
std::optional<Ending> check(Command& command, const std::string& flags);

Ending fail(std::string text);  // status 2
Ending try_help(const std::string& program);
Ending usage(const std::string& program);    // -h
Ending version(const std::string& program);  // -v

// Values (values.cpp), as a user writes them; empty: wrong.
std::optional<uint32_t> read_number(const std::string& text, int64_t least, int64_t most);
std::optional<Ip> read_host(const std::string& text, const Names& names);  // dotted quad, inet_aton's forms, or a name
// HOST, HOST:PORT, IPV6, [IPV6]:PORT. A name is an IPv4 host's if it has such an address; between brackets it
// is an IPv6 host's.
std::optional<Place> read_place(const std::string& text, Protocol protocol, const Names& names);
std::optional<Ip> read_ipv6(const std::string& text);  // a number, without brackets

// -R (restore.cpp): one command line per line.
struct Outcome {
  int status = 0;
  bool ends_restore = false;
};
struct RestoreDoors {  // its connections to the outside
  std::function<std::optional<std::string>()> next_line;
  std::function<Outcome(const Command&)> obey;
  std::function<Outcome(const Ending&)> say;
  // Before each line is obeyed, which one it is: "stdin line 7: -A -t 192.0.2.1:80". Not needed by all.
  std::function<void(std::string place)> at{};
};
std::vector<std::string> split_line(std::string_view line);  // as arguments, without a leading "ipvsadm"
int restore(const std::string& program, const Names& names, const RestoreDoors& doors);  // the exit status

}  // namespace rawvs::adm
