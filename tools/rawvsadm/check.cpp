// SPDX-License-Identifier: BSD-2-Clause
// check.cpp: which options a command allows and requires, and ipvsadm's messages about them.
#include <array>
#include <span>

#include "command.h"

namespace rawvs::adm {

const char* name(Verb verb) {
  switch (verb) {
    case Verb::add_service: return "add-service";
    case Verb::edit_service: return "edit-service";
    case Verb::delete_service: return "delete-service";
    case Verb::clear: return "flush";
    case Verb::restore: return "restore";
    case Verb::save: return "save";
    case Verb::add_server: return "add-server";
    case Verb::edit_server: return "edit-server";
    case Verb::delete_server: return "delete-server";
    case Verb::list: return "list";
    case Verb::zero: return "zero";
    case Verb::set_timeouts: return "set";
    case Verb::start_daemon: return "start-daemon";
    case Verb::stop_daemon: return "stop-daemon";
  }
  return "?";
}

const char* name(Option option) {
  switch (option) {
    case Option::numeric: return "numeric";
    case Option::connection: return "connection";
    case Option::service: return "service-address";
    case Option::scheduler: return "scheduler";
    case Option::persistent: return "persistent";
    case Option::netmask: return "netmask";
    case Option::server: return "real-server";
    case Option::method: return "forwarding-method";
    case Option::weight: return "weight";
    case Option::upper: return "u-threshold";
    case Option::lower: return "l-threshold";
    case Option::mcast_interface: return "mcast-interface";
    case Option::timeout: return "timeout";
    case Option::daemon: return "daemon";
    case Option::stats: return "stats";
    case Option::rate: return "rate";
    case Option::thresholds: return "thresholds";
    case Option::persistent_conn: return "persistent-conn";
    case Option::nosort: return "nosort";
    case Option::syncid: return "syncid";
    case Option::exact: return "exact";
    case Option::ops: return "ops";
    case Option::pe: return "pe";
    case Option::flags: return "sched-flags";
    case Option::mcast_group: return "mcast-group";
    case Option::mcast_port: return "mcast-port";
    case Option::mcast_ttl: return "mcast-ttl";
    case Option::sync_maxlen: return "sync-maxlen";
    case Option::tun_info: return "tun-info";
    case Option::tun_type: return "tun-type";
    case Option::tun_port: return "tun-port";
    case Option::tun_nocsum: return "tun-nocsum";
    case Option::tun_csum: return "tun-csum";
    case Option::tun_remcsum: return "tun-remcsum";
    case Option::count_: break;
  }
  return "?";
}

namespace {

using O = Option;

struct Rule {
  OptionSet needs, takes;
};

Rule rule(Verb verb) {
  constexpr OptionSet kServiceRecord{O::service, O::scheduler, O::persistent, O::netmask, O::ops, O::pe, O::flags};
  constexpr OptionSet kServerRecord{O::service,  O::server,   O::method,     O::weight,   O::upper,      O::lower,
                                    O::tun_type, O::tun_port, O::tun_nocsum, O::tun_csum, O::tun_remcsum};
  switch (verb) {
    case Verb::add_service:
    case Verb::edit_service: return {{O::service}, kServiceRecord};
    case Verb::delete_service: return {{O::service}, {O::service}};
    case Verb::add_server:
    case Verb::edit_server: return {{O::service, O::server}, kServerRecord};
    case Verb::delete_server: return {{O::service, O::server}, {O::service, O::server}};
    case Verb::list:
      return {{},
              {O::numeric, O::connection, O::service, O::timeout, O::daemon, O::stats, O::rate, O::thresholds,
               O::persistent_conn, O::nosort, O::syncid, O::exact, O::tun_info}};
    case Verb::zero: return {{}, {O::service}};
    case Verb::save: return {{}, {O::numeric}};
    case Verb::start_daemon:
      return {{}, {O::mcast_interface, O::syncid, O::sync_maxlen, O::mcast_group, O::mcast_port, O::mcast_ttl}};
    case Verb::stop_daemon: return {{}, {O::syncid}};
    case Verb::clear:
    case Verb::restore:
    case Verb::set_timeouts: break;
  }
  return {};
}

std::string quoted(const char* word) { return '\'' + std::string(word) + '\''; }

// Reports the first option, in ipvsadm's order, that is missing or not allowed. only: the options to consider.
std::optional<Ending> obey(const Rule& rule, const OptionSet& given, const OptionSet& only, const std::string& place) {
  for (size_t i = 0; i < static_cast<size_t>(O::count_); ++i) {
    const auto option = static_cast<O>(i);
    if (!only.has(option)) continue;
    if (rule.needs.has(option) && !given.has(option)) {
      return fail("You need to supply the " + quoted(name(option)) + " option for the " + place);
    }
    if (given.has(option) && !rule.takes.has(option)) {
      return fail("Illegal " + quoted(name(option)) + " option with the " + place);
    }
  }
  return std::nullopt;
}

std::optional<Ending> only_one_of(std::span<const O> options, const OptionSet& given, const std::string& place) {
  std::optional<O> first;
  for (const O option : options) {
    if (!given.has(option)) continue;
    if (first) {
      return fail("The option " + quoted(name(option)) + " conflicts with the " + quoted(name(*first)) +
                  " option in the " + place);
    }
    first = option;
  }
  return std::nullopt;
}

std::optional<Ending> check_list(const Command& c) {
  constexpr std::array kSubjects = {O::connection, O::service, O::timeout, O::daemon};
  if (auto wrong = only_one_of(kSubjects, c.given, "'list' command")) return wrong;
  const bool of_services = c.has(O::stats) || c.has(O::rate) || c.has(O::thresholds);
  const bool no_services = c.has(O::timeout) || c.has(O::daemon);
  if ((c.has(O::connection) && of_services) || (no_services && (of_services || c.has(O::persistent_conn)))) {
    return fail("options conflicts in the list command");
  }
  return std::nullopt;
}

std::optional<Ending> check_service(const Command& c) {
  if (c.mark == 0 && c.service.port.value_or(0) == 0 && !c.has(O::persistent)) {
    return fail("Zero port specified for non-persistent service");
  }
  if (c.has(O::ops) && c.mark == 0 && c.protocol != Protocol::udp) {
    return fail("One-Packet Scheduling is only for UDP virtual services");
  }
  return std::nullopt;
}

std::optional<Ending> check_tunnel(const Command& c) {
  constexpr OptionSet kTunnel{O::tun_type, O::tun_port, O::tun_nocsum, O::tun_csum, O::tun_remcsum};
  if (c.method != "tunnel") {
    for (const O option : {O::tun_type, O::tun_port, O::tun_nocsum, O::tun_csum, O::tun_remcsum}) {
      if (c.has(option)) return fail("Tunnel options conflict with forward method");
    }
    return std::nullopt;
  }
  Rule type{{}, {O::tun_type}};
  if (c.tunnel == "gue") {
    type = {{O::tun_port}, {O::tun_type, O::tun_port, O::tun_nocsum, O::tun_csum, O::tun_remcsum}};
  } else if (c.tunnel == "gre") {
    type = {{}, {O::tun_type, O::tun_nocsum, O::tun_csum}};
  }
  const std::string place = quoted(c.tunnel.c_str()) + " tunnel type";
  if (auto wrong = obey(type, c.given, kTunnel, place)) return wrong;
  constexpr std::array kSums = {O::tun_nocsum, O::tun_csum, O::tun_remcsum};
  return only_one_of(kSums, c.given, place);
}

std::optional<Ending> check_server(Command& c) {
  if (c.service.ipv6() != c.server.ipv6() && c.method != "tunnel" && c.method != "fullnat") {
    return fail("Different address family is allowed only for tunneling servers");
  }
  if (auto wrong = check_tunnel(c)) return wrong;
  if (c.proxy && c.method != "fullnat") return fail("--proxy-protocol is only for --fullnat");
  // Only NAT can change the port; the other methods send the client's packet unchanged.
  if (c.mark == 0 && c.method != "masq" && c.method != "fullnat") c.server.port = c.service.port.value_or(0);
  return std::nullopt;
}

// -b: a comma-separated list. Its words belong to a scheduler, except flag-1 to flag-3, which every scheduler may have.
std::optional<Ending> read_flags(Command& c, const std::string& text) {
  struct Flag {
    const char* word;
    const char* scheduler;
    unsigned bit;
  };
  constexpr Flag kFlags[] = {{"sh-fallback", "sh", 1}, {"sh-port", "sh", 2}, {"mh-fallback", "mh", 1},
                             {"mh-port", "mh", 2},     {"flag-1", "", 1},    {"flag-2", "", 2},
                             {"flag-3", "", 4}};
  unsigned bits = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, comma - at);
    at = comma + 1;
    if (word.empty()) continue;
    const Flag* found = nullptr;
    for (const Flag& flag : kFlags) found = word == flag.word ? &flag : found;
    if (!found) return fail("invalid scheduler flag `" + word + "'");
    if (*found->scheduler != '\0' && c.scheduler != found->scheduler) {
      return fail("incompatible scheduler flag `" + word + "'");
    }
    bits |= found->bit;
  }
  for (unsigned bit = 1; bit <= 4; bit <<= 1) {
    if ((bits & bit) == 0) continue;
    const char* word = "";
    for (const Flag& flag : kFlags) {  // the scheduler's own word has precedence
      const bool fits = flag.bit == bit && (c.scheduler == flag.scheduler || *flag.scheduler == '\0');
      if (fits && *word == '\0') word = flag.word;
    }
    c.flags.append(c.flags.empty() ? "" : ",").append(word);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Ending> check(Command& c, const std::string& flags) {
  if (auto wrong = read_flags(c, flags)) return wrong;
  OptionSet all;
  for (size_t i = 0; i < static_cast<size_t>(O::count_); ++i) all.add(static_cast<O>(i));
  if (auto wrong = obey(rule(c.verb), c.given, all, quoted(name(c.verb)) + " command")) return wrong;
  if (c.has(O::server) && !c.server.port) c.server.port = c.service.port.value_or(0);
  switch (c.verb) {
    case Verb::list: return check_list(c);
    case Verb::add_service:
    case Verb::edit_service: return check_service(c);
    case Verb::add_server:
    case Verb::edit_server: return check_server(c);
    default: return std::nullopt;
  }
}

}  // namespace rawvs::adm
