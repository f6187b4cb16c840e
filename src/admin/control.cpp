// SPDX-License-Identifier: BSD-2-Clause
// control.cpp: the control protocol's grammar, and what each command does. The rows of replies are control_rows.cpp's.
// A request is read whole before anything is done, so that one with a mistake anywhere changes nothing.
#include "rawvs/control.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "control_rows.h"
#include "control_sync.h"
#include "control_values.h"
#include "control_words.h"

namespace rawvs {
namespace {

constexpr uint32_t bit(Key key) { return 1u << static_cast<size_t>(key); }
constexpr uint32_t kServiceKeys =
    bit(Key::scheduler) | bit(Key::persistence) | bit(Key::netmask) | bit(Key::flags) | bit(Key::ops) | bit(Key::pe);
constexpr uint32_t kFlow = bit(Key::protocol) | bit(Key::client) | bit(Key::vip) | bit(Key::server);
constexpr uint32_t kServerKeys = bit(Key::method) | bit(Key::weight) | bit(Key::upper) | bit(Key::lower) |
                                 bit(Key::mac) | bit(Key::tun_type) | bit(Key::tun_port) | bit(Key::tun_checksum);

// Commands. `call.values` holds only keys that the command takes, and all that it needs.

struct Call {
  const Values& values;
  Director& director;
  Instant now;
  Outbox& out;
  const Desk& desk;
  RowSources& rows;  // of the reply
};

// The director's refusal in words.
Objection verdict(const Call& call, std::optional<Refusal> refusal) {
  if (!refusal) return std::nullopt;
  const std::string service = "service " + std::string(call.values.text(Key::service));
  const std::string server = "server " + std::string(call.values.text(Key::server));
  const bool about_server = call.values.of(Key::server).has_value();
  const auto text = [&]() -> std::string {
    switch (*refusal) {
      case Refusal::exists: return about_server ? service + " already has " + server : service + " is already there";
      case Refusal::no_service: return "there is no " + service;
      case Refusal::no_server: return service + " has no " + server;
      case Refusal::no_scheduler:
        return "scheduler " + shortly_quoted(call.values.text(Key::scheduler)) + " is not built in";
      case Refusal::range: return "lower must not be greater than upper";
      case Refusal::invalid: return (about_server ? server : service) + ": expected a unicast address";
      case Refusal::full: return about_server ? "no room for another server: see max_servers" : "too many services";
      case Refusal::unsupported: return "rawvs " + std::string(kVersion) + " cannot do that yet";
    }
    return "?";
  };
  return refused(*refusal, text());
}

using AddOrEdit = std::optional<Refusal> (Director::*)(const ServiceSpec&, Instant, Outbox&);

// What IPVS leaves to ipvsadm, and what a director that answers ARP for the address must not take.
Objection check_service(const ServiceSpec& spec) {
  if (spec.key.mark.value != 0) return std::nullopt;
  const auto invalid = [&](const char* text) { return refused(Refusal::invalid, rawvs::text(spec.key) + ": " + text); };
  if (!spec.key.vip.addr.unicast()) return invalid("expected a unicast address");
  if (spec.key.vip.port.value == 0 && spec.persistence == Duration::zero()) {
    return invalid("a service of every port (port 0) needs persistence=SECONDS");
  }
  if (spec.one_packet && spec.key.protocol != Protocol::udp) {
    return invalid("ops=1 is for UDP services and marks");
  }
  return std::nullopt;
}

Objection put_service(const Call& call, AddOrEdit action, bool adds) {
  ServiceSpec spec;
  if (auto fault = read_service_key(call.values, spec.key)) return fault;
  const auto& word = call.values.of(Key::scheduler);
  const auto scheduler = word ? parse_scheduler(*word) : std::optional(spec.scheduler);
  if (auto fault = read_service(call.values, scheduler, spec)) return fault;
  // As in IPVS, whether the service is there is asked before its scheduler and persistence engine are looked for.
  const bool there = call.director.services().find(spec.key) != nullptr;
  if (adds && there) return verdict(call, Refusal::exists);
  if (!adds && !there) return verdict(call, Refusal::no_service);
  if (!scheduler) return verdict(call, Refusal::no_scheduler);
  if (const auto& engine = call.values.of(Key::pe)) {
    return refused(Refusal::no_scheduler, "persistence engine " + shortly_quoted(*engine) + " is not built in");
  }
  if (auto fault = check_service(spec)) return fault;
  return verdict(call, (call.director.*action)(spec, call.now, call.out));
}

Objection add_service(const Call& call) { return put_service(call, &Director::add, true); }
Objection edit_service(const Call& call) { return put_service(call, &Director::edit, false); }

Objection delete_service(const Call& call) {
  ServiceKey key;
  if (auto fault = read_service_key(call.values, key)) return fault;
  return verdict(call, call.director.remove(key, call.now, call.out));
}

Objection add_server(const Call& call) {
  ServiceKey key;
  ServerSpec spec;
  if (auto fault = read_server(call.values, key, spec)) return fault;
  if (!call.director.services().find(key)) return verdict(call, Refusal::no_service);
  if (spec.lower > spec.upper) return verdict(call, Refusal::range);
  if (!spec.at.addr.unicast()) return verdict(call, Refusal::invalid);
  return verdict(call, call.director.add_server(key, spec, call.now, call.out));
}

Objection edit_server(const Call& call) {
  ServiceKey key;
  ServerSpec spec;
  if (auto fault = read_server(call.values, key, spec)) return fault;
  return verdict(call, call.director.edit_server(key, spec, call.now, call.out));
}

Objection delete_server(const Call& call) {
  ServiceKey key;
  Endpoint server;
  if (auto fault = read_service_key(call.values, key)) return fault;
  // A port that is given must be the server's, as with ipvsadm -d, whatever the method.
  if (auto fault = read_endpoint(call.values, key, server)) return fault;
  return verdict(call, call.director.remove_server(key, server, call.now, call.out));
}

Objection clear(const Call& call) { return call.director.clear(call.now, call.out), std::nullopt; }

Objection zero(const Call& call) {
  if (!call.values.of(Key::service)) return call.director.zero_all(), std::nullopt;
  ServiceKey key;
  if (auto fault = read_service_key(call.values, key)) return fault;
  return verdict(call, call.director.zero(key));
}

Objection set_timeouts(const Call& call) {
  Timeouts timeouts = call.director.settings().timeouts;
  for (const auto& [key, field] : {std::pair{Key::tcp, &Timeouts::tcp}, std::pair{Key::tcpfin, &Timeouts::tcpfin},
                                   std::pair{Key::udp, &Timeouts::udp}}) {
    uint64_t seconds = 0;
    if (auto fault = read_number(call.values, key, kMostSeconds, seconds)) return fault;
    if (seconds != 0) timeouts.*field = std::chrono::seconds(seconds);
  }
  call.director.set_timeouts(timeouts);
  return std::nullopt;
}

Objection list(const Call& call) {
  call.rows.push_back(daemon_row(call.desk));
  if (!call.values.of(Key::service)) return call.rows.push_back(service_rows(call.desk)), std::nullopt;
  ServiceKey key;
  if (auto fault = read_service_key(call.values, key)) return fault;
  const Service* const service = call.director.services().find(key);
  if (!service) return verdict(call, Refusal::no_service);
  const auto slot = static_cast<size_t>(service - call.director.services().services().data());
  return call.rows.push_back(service_rows(call.desk, slot, slot + 1)), std::nullopt;
}

Objection connections(const Call& call) {
  FlowFilter filter;
  if (auto fault = read_flow(call.values, false, filter)) return fault;
  return call.rows.push_back(connection_rows(filter, call.values.text(Key::state))), std::nullopt;
}

Objection explain(const Call& call) {
  FlowFilter flow;
  if (auto fault = read_flow(call.values, true, flow)) return fault;
  const FlowKey key{flow.client.base, *flow.vip, *flow.client_port, *flow.vip_port, flow.protocol, false};
  Explanation e = call.director.explain(key, call.now);
  std::string verdict = "verdict";
  put(verdict, "exit", words(e.exit).name);
  put(verdict, "fate", fate_word(words(e.exit).fate));
  put(verdict, "server", e.server ? text(*e.server) : "-");
  put(verdict, "method", e.server ? word(e.method) : "-");
  put(verdict, "text", e.text);
  call.rows.push_back(text_rows("step", std::move(e.steps)));
  call.rows.push_back(rows_from([verdict = std::move(verdict)](std::string& row, Director&, Instant) mutable {
    row = std::exchange(verdict, {});
    return row.empty() ? RowSource::Next::end : RowSource::Next::row;
  }));
  return std::nullopt;
}

Objection trace(const Call& call) {
  FlowFilter filter;
  uint64_t count = 0, snap = 0;
  if (auto fault = read_flow(call.values, false, filter)) return fault;
  if (auto fault = read_number(call.values, Key::count, UINT32_MAX, count)) return fault;
  if (auto fault = read_number(call.values, Key::snap, Observer::kMostSeen, snap)) return fault;
  const Director& d = call.director;
  const std::shared_ptr<Trace> trace(
      new Trace(filter, count, snap, std::array{word(d, Link::outside), word(d, Link::inside)}, call.desk.wall));
  if (!call.director.observe(trace)) {
    return refused(Refusal::full, std::to_string(Director::kObservers) + " traces are running: expected no more");
  }
  return call.rows.push_back(trace_rows(trace)), std::nullopt;
}

Objection reload(const Call& call) {
  uint64_t reset = 0;
  if (auto fault = read_number(call.values, Key::reset, 1, reset)) return fault;
  if (!call.desk.reload) return refused(Refusal::unsupported, "there is no file to reload");
  auto done = call.desk.reload(reset != 0);
  if (!done) return Fault{"file", done.error().text};
  call.rows.push_back(text_rows("change", std::move(done->changes)));
  call.rows.push_back(text_rows("pending", std::move(done->pending)));
  return std::nullopt;
}

Objection ini(const Call& call) {
  if (!call.desk.config) return refused(Refusal::unsupported, "there is no configuration");
  return call.rows.push_back(line_rows(ini_text(*call.desk.config, call.director))), std::nullopt;
}

Objection begin_sync(const Call& call) { return start_sync(call.values, call.desk, call.director); }
Objection end_sync(const Call& call) { return stop_sync(call.values, call.desk); }

Objection timeouts(const Call& call) { return call.rows.push_back(timeout_row()), std::nullopt; }
Objection vrrp(const Call& call) { return call.rows.push_back(vrrp_rows(call.desk)), std::nullopt; }
Objection sync(const Call& call) { return call.rows.push_back(sync_row(call.desk)), std::nullopt; }
Objection exits(const Call& call) {
  call.rows.push_back(exit_rows());
  return call.rows.push_back(link_rows()), std::nullopt;
}
Objection arp(const Call& call) {
  call.rows.push_back(vip_rows());
  return call.rows.push_back(neighbor_rows()), std::nullopt;
}

struct Command {
  std::string_view word;
  uint32_t needs, takes;  // sets of keys; takes: besides those needed
  Objection (*run)(const Call& call);
};
constexpr uint32_t kService = bit(Key::service), kBoth = kService | bit(Key::server);
constexpr Command kCommands[] = {
    {"add-service", kService, kServiceKeys, add_service},
    {"edit-service", kService, kServiceKeys, edit_service},
    {"delete-service", kService, 0, delete_service},
    {"add-server", kBoth, kServerKeys, add_server},
    {"edit-server", kBoth, kServerKeys, edit_server},
    {"delete-server", kBoth, 0, delete_server},
    {"clear", 0, 0, clear},
    {"zero", 0, kService, zero},
    {"set-timeouts", 0, bit(Key::tcp) | bit(Key::tcpfin) | bit(Key::udp), set_timeouts},
    {"list", 0, kService, list},
    {"connections", 0, kFlow | bit(Key::state), connections},
    {"timeouts", 0, 0, timeouts},
    {"exits", 0, 0, exits},
    {"arp", 0, 0, arp},
    {"vrrp", 0, 0, vrrp},
    {"sync", 0, 0, sync},
    {"start-sync", bit(Key::role) | bit(Key::link), bit(Key::id) | bit(Key::maxlen) | bit(Key::group) | bit(Key::ttl),
     begin_sync},
    {"stop-sync", bit(Key::role), 0, end_sync},
    {"explain", bit(Key::protocol) | bit(Key::client) | bit(Key::vip), 0, explain},
    {"trace", 0, kFlow | bit(Key::count) | bit(Key::snap), trace},
    {"reload", 0, bit(Key::reset), reload},
    {"ini", 0, 0, ini},
};

// Taking a request apart.

std::string names(uint32_t keys) {
  std::string out = keys == 0 ? " none" : "";
  for (size_t i = 0; i < kKeys; ++i) {
    if ((keys & 1u << i) != 0) (out += ' ') += kKeyNames[i];
  }
  return out;
}

Objection read_word(const Command& command, std::string_view word, Values& values) {
  const size_t sign = word.find('=');
  if (sign == std::string_view::npos || sign == 0) return usage(shortly_quoted(word) + ": expected KEY=VALUE");
  const std::string_view key = word.substr(0, sign);
  const auto known = std::ranges::find(kKeyNames, key);
  const uint32_t allowed = command.needs | command.takes;
  const auto which = static_cast<size_t>(known - kKeyNames.begin());
  if (which == kKeys || (allowed & 1u << which) == 0) {
    return usage(shortly_quoted(key) + " is not a key of " + std::string(command.word) + ": expected" + names(allowed));
  }
  auto& value = values.all[which];
  if (value) return usage(std::string(key) + " is given twice: expected once");
  if (sign + 1 == word.size()) return usage(std::string(key) + "= without a value");
  value = word.substr(sign + 1);
  return std::nullopt;
}

std::string command_words() {
  std::string out;
  for (const Command& command : kCommands) (out += ' ') += command.word;
  return out;
}

std::string_view take_word(std::string_view& rest) {  // up to the next blank, which goes, too
  const size_t blank = rest.find(' ');
  const std::string_view word = rest.substr(0, blank);
  rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
  return word;
}

bool strange(char c) { return c < ' ' || c > '~'; }

// The letters of a request, and its version; what follows the version is left in rest.
Objection check_form(std::string_view request, std::string_view& rest) {
  if (request.size() > kRequestMost) {
    return usage("a request of more than " + std::to_string(kRequestMost) + " bytes: expected at most that");
  }
  rest = request;
  const std::string_view version = take_word(rest);
  if (!version.empty() && version != kControlVersion && std::ranges::none_of(version, strange)) {
    return Fault{"version", "this is " + std::string(kControlVersion)};
  }
  const auto bad = std::ranges::find_if(request, strange);
  if (bad != request.end()) {
    return usage("byte " + std::to_string(static_cast<unsigned char>(*bad)) + " at place " +
                 std::to_string(bad - request.begin()) + ": expected ASCII text");
  }
  if (request.empty() || request.front() == ' ' || request.back() == ' ' || request.find("  ") != request.npos) {
    return usage("an empty word: expected rawvs/1 COMMAND [KEY=VALUE ...], one blank between");
  }
  return std::nullopt;
}

Objection carry_out(std::string_view request, Director& director, Instant now, Outbox& out, const Desk& desk,
                    RowSources& rows) {
  std::string_view rest;
  if (auto fault = check_form(request, rest)) return fault;
  const std::string_view word = take_word(rest);
  const auto* const command = std::ranges::find(kCommands, word, &Command::word);
  if (command == std::end(kCommands)) {
    return usage(shortly_quoted(word) + " is not a command: expected one of" + command_words());
  }
  Values values;
  while (!rest.empty()) {
    if (auto fault = read_word(*command, take_word(rest), values)) return fault;
  }
  for (size_t i = 0; i < kKeys; ++i) {
    if ((command->needs & 1u << i) != 0 && !values.all[i]) {
      return usage(std::string(word) + ": expected " + std::string(kKeyNames[i]) + "=, which is missing");
    }
  }
  return command->run({values, director, now, out, desk, rows});
}

}  // namespace

Conversation answer(std::string_view request, Director& director, Instant now, Outbox& out, const Desk& desk) {
  RowSources rows;
  const Objection fault = carry_out(request, director, now, out, desk, rows);
  return fault ? Conversation(*fault) : Conversation(std::move(rows));
}

}  // namespace rawvs
