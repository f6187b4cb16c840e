// SPDX-License-Identifier: BSD-2-Clause
// control.cpp: the control protocol's grammar, and what each command does. The rows of replies are control_rows.cpp's.
// A request is read whole before anything is done, so that one with a mistake anywhere changes nothing.
#include "rawvs/control.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace rawvs {
namespace {

using Part = Conversation::Part;

constexpr uint64_t kMostSeconds = 31 * 86400;  // of a timeout: ipvsadm's limit

struct Fault {  // why a request is not carried out
  std::string code, text;
};
using Verdict = std::optional<Fault>;

Fault usage(std::string text) { return {"usage", std::move(text)}; }
Fault refused(Refusal why, std::string text) { return {name(why), std::move(text)}; }

std::string quoted(std::string_view found) {  // short, whatever was sent
  constexpr size_t kMost = 60;
  std::string out = "\"";
  out.append(found.substr(0, kMost));
  return out.append(found.size() > kMost ? "...\"" : "\"");
}

// The keys, and a request that has been taken apart.
// clang-format off
enum class Key : uint8_t {
  service, server, scheduler, persistence, netmask, flags, ops, pe, method, weight, upper, lower, mac, tcp, tcpfin, udp,
  count_
};
// clang-format on
constexpr size_t kKeys = static_cast<size_t>(Key::count_);
constexpr std::array<std::string_view, kKeys> kKeyNames = {
    "service", "server", "scheduler", "persistence", "netmask", "flags", "ops",    "pe",
    "method",  "weight", "upper",     "lower",       "mac",     "tcp",   "tcpfin", "udp"};

constexpr uint32_t bit(Key key) { return 1u << static_cast<size_t>(key); }
constexpr uint32_t kServiceKeys =
    bit(Key::scheduler) | bit(Key::persistence) | bit(Key::netmask) | bit(Key::flags) | bit(Key::ops) | bit(Key::pe);
constexpr uint32_t kServerKeys =
    bit(Key::method) | bit(Key::weight) | bit(Key::upper) | bit(Key::lower) | bit(Key::mac);

struct Values {  // what a request gives for each key
  std::array<std::optional<std::string_view>, kKeys> all{};
  const std::optional<std::string_view>& of(Key key) const { return all[static_cast<size_t>(key)]; }
  std::string_view text(Key key) const { return of(key).value_or(""); }
};

Fault bad_value(Key key, std::string_view found, std::string_view expected) {
  return usage(std::string(kKeyNames[static_cast<size_t>(key)]) + '=' + quoted(found) + ": expected " +
               std::string(expected));
}

Fault unsupported(Key key, std::string_view found) {
  return refused(Refusal::unsupported, std::string(kKeyNames[static_cast<size_t>(key)]) + '=' + quoted(found) +
                                           ": rawvs " + std::string(kVersion) + " cannot do that yet");
}

// Values. Each reader leaves its target alone when the key is not given.

Verdict read_number(const Values& values, Key key, uint64_t most, uint64_t& out) {
  const auto& found = values.of(key);
  if (!found) return std::nullopt;
  const auto number = parse_number(*found, most);
  if (!number) return bad_value(key, *found, "a number from 0 to " + std::to_string(most));
  out = *number;
  return std::nullopt;
}

Verdict read_service_key(const Values& values, ServiceKey& out) {
  const std::string_view found = values.text(Key::service);
  const size_t colon = std::min(found.find(':'), found.size());
  const std::string_view kind = found.substr(0, colon), rest = found.substr(std::min(colon + 1, found.size()));
  if (kind == "mark") {
    out.mark = Mark(static_cast<uint32_t>(parse_number(rest, UINT32_MAX).value_or(0)));
    if (out.mark.value != 0) return std::nullopt;
  }
  const auto vip = parse_endpoint(rest);
  for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    if (kind != name(protocol) || !vip || rest.find(':') == std::string_view::npos) continue;
    out.protocol = protocol;
    out.vip = *vip;
    return std::nullopt;
  }
  return bad_value(Key::service, found, "tcp:IP:PORT, udp:IP:PORT, sctp:IP:PORT or mark:N (N from 1)");
}

Verdict read_endpoint(const Values& values, Endpoint& out) {
  const std::string_view found = values.text(Key::server);
  const auto at = parse_endpoint(found);
  if (!at) return bad_value(Key::server, found, "IP:PORT");
  out = *at;
  return std::nullopt;
}

// Settings of services that IPVS has and this version lacks: their neutral values are fine, others are refused.
Verdict read_features(const Values& values) {
  struct Feature {
    Key key;
    uint64_t most, neutral;
  };
  for (const auto& [key, most, neutral] :
       {Feature{Key::persistence, kMostSeconds, 0}, Feature{Key::netmask, 32, 32}, Feature{Key::ops, 1, 0}}) {
    uint64_t number = neutral;
    if (auto fault = read_number(values, key, most, number)) return fault;
    if (number != neutral) return unsupported(key, values.text(key));
  }
  for (const Key key : {Key::flags, Key::pe}) {
    if (values.of(key)) return unsupported(key, values.text(key));
  }
  return std::nullopt;
}

Verdict read_server(const Values& values, ServiceKey& service, ServerSpec& out) {
  if (auto fault = read_service_key(values, service)) return fault;
  if (auto fault = read_endpoint(values, out.at)) return fault;
  uint64_t weight = 1, upper = 0, lower = 0;
  if (auto fault = read_number(values, Key::weight, INT32_MAX, weight)) return fault;
  if (auto fault = read_number(values, Key::upper, UINT32_MAX, upper)) return fault;
  if (auto fault = read_number(values, Key::lower, UINT32_MAX, lower)) return fault;
  out.weight = static_cast<int32_t>(weight);
  out.upper = static_cast<uint32_t>(upper);
  out.lower = static_cast<uint32_t>(lower);
  if (const auto& mac = values.of(Key::mac)) {
    out.mac = parse_mac(*mac);
    if (!out.mac || out.mac->zero() || out.mac->group()) {
      return bad_value(Key::mac, *mac, "the MAC address of one machine, like 02:00:00:00:00:01");
    }
  }
  const std::string_view method = values.of(Key::method).value_or("route");
  if (method == "tunnel" || method == "masq") return unsupported(Key::method, method);
  if (method != "route") return bad_value(Key::method, method, "route, tunnel or masq");
  // A DR server gets the packet as the client sent it, its port included (ipvsadm forces it in the same way). Behind a
  // mark there is no one port: 0 stands for the packet's own.
  if (service.mark.value == 0) out.at.port = service.vip.port;
  return std::nullopt;
}

// Commands. `call.values` holds only keys that the command takes, and all that it needs.

struct Call {
  const Values& values;
  Director& director;
  Instant now;
  Outbox& out;
  Conversation& reply;
};

// The director's refusal in words.
Verdict verdict(const Call& call, std::optional<Refusal> refusal) {
  if (!refusal) return std::nullopt;
  const std::string service = "service " + std::string(call.values.text(Key::service));
  const std::string server = "server " + std::string(call.values.text(Key::server));
  const bool about_server = call.values.of(Key::server).has_value();
  const auto text = [&]() -> std::string {
    switch (*refusal) {
      case Refusal::exists: return about_server ? service + " already has " + server : service + " is already there";
      case Refusal::no_service: return "there is no " + service;
      case Refusal::no_server: return service + " has no " + server;
      case Refusal::no_scheduler: return "scheduler " + quoted(call.values.text(Key::scheduler)) + " is not built in";
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

Verdict put_service(const Call& call, AddOrEdit action, bool adds) {
  ServiceSpec spec;
  if (auto fault = read_service_key(call.values, spec.key)) return fault;
  if (spec.key.protocol == Protocol::sctp) return unsupported(Key::service, call.values.text(Key::service));
  if (auto fault = read_features(call.values)) return fault;
  // As in IPVS, whether the service is there is asked before its scheduler is looked at.
  const bool there = call.director.services().find(spec.key) != nullptr;
  if (adds && there) return verdict(call, Refusal::exists);
  if (!adds && !there) return verdict(call, Refusal::no_service);
  if (const auto& word = call.values.of(Key::scheduler)) {
    const auto scheduler = parse_scheduler(*word);
    if (!scheduler) return verdict(call, Refusal::no_scheduler);
    spec.scheduler = *scheduler;
  }
  if (spec.key.mark.value == 0) {
    // IPVS takes any address here; a director that answers ARP for it must not.
    if (!spec.key.vip.addr.unicast()) return verdict(call, Refusal::invalid);
    if (spec.key.vip.port.value == 0) return unsupported(Key::service, call.values.text(Key::service));
  }
  return verdict(call, (call.director.*action)(spec, call.now, call.out));
}

Verdict add_service(const Call& call) { return put_service(call, &Director::add, true); }
Verdict edit_service(const Call& call) { return put_service(call, &Director::edit, false); }

Verdict delete_service(const Call& call) {
  ServiceKey key;
  if (auto fault = read_service_key(call.values, key)) return fault;
  return verdict(call, call.director.remove(key, call.now, call.out));
}

Verdict add_server(const Call& call) {
  ServiceKey key;
  ServerSpec spec;
  if (auto fault = read_server(call.values, key, spec)) return fault;
  if (!call.director.services().find(key)) return verdict(call, Refusal::no_service);
  if (spec.lower > spec.upper) return verdict(call, Refusal::range);
  if (!spec.at.addr.unicast()) return verdict(call, Refusal::invalid);
  return verdict(call, call.director.add_server(key, spec, call.now, call.out));
}

Verdict edit_server(const Call& call) {
  ServiceKey key;
  ServerSpec spec;
  if (auto fault = read_server(call.values, key, spec)) return fault;
  return verdict(call, call.director.edit_server(key, spec, call.now, call.out));
}

Verdict delete_server(const Call& call) {
  ServiceKey key;
  Endpoint server;
  if (auto fault = read_service_key(call.values, key)) return fault;
  if (auto fault = read_endpoint(call.values, server)) return fault;
  // A port that is given must be the server's, as with ipvsadm -d; one that is left out is the service's.
  if (server.port.value == 0) server.port = key.vip.port;
  return verdict(call, call.director.remove_server(key, server, call.now, call.out));
}

Verdict clear(const Call& call) { return call.director.clear(call.now, call.out), std::nullopt; }

Verdict zero(const Call& call) {
  if (!call.values.of(Key::service)) return call.director.zero_all(), std::nullopt;
  ServiceKey key;
  if (auto fault = read_service_key(call.values, key)) return fault;
  return verdict(call, call.director.zero(key));
}

Verdict set_timeouts(const Call& call) {
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

Verdict list(const Call& call) {
  call.reply.part = Part::daemon;
  if (!call.values.of(Key::service)) return std::nullopt;
  ServiceKey key;
  if (auto fault = read_service_key(call.values, key)) return fault;
  const Service* const service = call.director.services().find(key);
  if (!service) return verdict(call, Refusal::no_service);
  call.reply.next_service = static_cast<size_t>(service - call.director.services().services().data());
  call.reply.services_end = call.reply.next_service + 1;
  return std::nullopt;
}

template <Part kPart>
Verdict show(const Call& call) {
  return call.reply.part = kPart, std::nullopt;
}

struct Command {
  std::string_view word;
  uint32_t needs, takes;  // sets of keys; takes: besides those needed
  Verdict (*run)(const Call& call);
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
    {"connections", 0, 0, show<Part::connections>},
    {"timeouts", 0, 0, show<Part::timeouts>},
    {"exits", 0, 0, show<Part::exits>},
    {"arp", 0, 0, show<Part::vips>},
};

// Taking a request apart.

std::string names(uint32_t keys) {
  std::string out = keys == 0 ? " none" : "";
  for (size_t i = 0; i < kKeys; ++i) {
    if ((keys & 1u << i) != 0) (out += ' ') += kKeyNames[i];
  }
  return out;
}

Verdict read_word(const Command& command, std::string_view word, Values& values) {
  const size_t sign = word.find('=');
  if (sign == std::string_view::npos || sign == 0) return usage(quoted(word) + ": expected KEY=VALUE");
  const std::string_view key = word.substr(0, sign);
  const auto known = std::ranges::find(kKeyNames, key);
  const uint32_t allowed = command.needs | command.takes;
  const auto which = static_cast<size_t>(known - kKeyNames.begin());
  if (which == kKeys || (allowed & 1u << which) == 0) {
    return usage(quoted(key) + " is not a key of " + std::string(command.word) + ": expected" + names(allowed));
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
Verdict check_form(std::string_view request, std::string_view& rest) {
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

Verdict carry_out(std::string_view request, Director& director, Instant now, Outbox& out, Conversation& reply) {
  std::string_view rest;
  if (auto fault = check_form(request, rest)) return fault;
  const std::string_view word = take_word(rest);
  const auto* const command = std::ranges::find(kCommands, word, &Command::word);
  if (command == std::end(kCommands)) {
    return usage(quoted(word) + " is not a command: expected one of" + command_words());
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
  return command->run({values, director, now, out, reply});
}

}  // namespace

Conversation answer(std::string_view request, Director& director, Instant now, Outbox& out, Instant started) {
  Conversation reply;
  reply.started = started;
  const Verdict fault = carry_out(request, director, now, out, reply);
  if (fault) return {.ready = "error " + fault->code + ' ' + fault->text + "\nend\n"};
  reply.ready = reply.part == Part::nothing ? "ok\nend\n" : "ok\n";
  return reply;
}

}  // namespace rawvs
