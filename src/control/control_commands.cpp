// SPDX-License-Identifier: BSD-2-Clause
// control_commands.cpp: the commands of the control protocol, and the table of them.
#include "control/control_commands.h"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <utility>

#include "config/config_values.h"
#include "control/control_changes.h"
#include "control/control_rows.h"
#include "control/control_sync.h"
#include "control/control_warnings.h"
#include "control/control_words.h"
#include "core/called.h"
#include "core/service.h"
#include "core/track.h"
#include "director/explain.h"
#include "director/observer.h"
#include "rawvs/settings.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr uint64_t bit(Key key) { return uint64_t{1} << static_cast<size_t>(key); }
constexpr uint64_t kServiceKeys =
    bit(Key::scheduler) | bit(Key::persistence) | bit(Key::netmask) | bit(Key::flags) | bit(Key::ops) | bit(Key::pe);
constexpr uint64_t kFlow = bit(Key::protocol) | bit(Key::client) | bit(Key::vip) | bit(Key::server);
constexpr uint64_t kServerKeys = bit(Key::method) | bit(Key::weight) | bit(Key::upper) | bit(Key::lower) |
                                 bit(Key::mac) | bit(Key::tun_type) | bit(Key::tun_port) | bit(Key::tun_checksum) |
                                 bit(Key::proxy);

std::string counted(size_t n, const char* what) { return formatted("{} {}{}", n, what, n == 1 ? "" : "s"); }

using AddOrEdit = std::optional<Refusal> (Director::*)(const ServiceSpec&, Turn);

// Checks that IPVS leaves to ipvsadm, and addresses for which a director must not answer ARP.
Objection check_service(const ServiceSpec& spec) {
  if (spec.key.mark.value != 0) return std::nullopt;
  const auto invalid = [&](const char* text) {
    return refused(Refusal::invalid, formatted("{}: {}", rawvs::text(spec.key), text));
  };
  if (!spec.key.vip.addr.unicast()) return invalid("expected a unicast address");
  if (const auto fault = link_local_fault(rawvs::text(spec.key.vip.addr), spec.key.vip.addr)) {
    return invalid(fault->text.c_str());
  }
  if (spec.key.vip.port.value == 0 && spec.persistence == Duration::zero()) {
    return invalid("a service of every port (port 0) needs persistence=SECONDS");
  }
  if (spec.one_packet && spec.key.protocol != Protocol::udp) {
    return invalid("ops=1 is for UDP services and marks");
  }
  return std::nullopt;
}

// As IPVS, but for link-local addresses.
Objection check_address(const Call& call, const ServerSpec& spec) {
  if (!spec.at.addr.unicast() && !spec.at.addr.loopback()) return verdict(call, Refusal::invalid);
  const auto invalid = [&](const std::string& why) {
    return refused(Refusal::invalid, formatted("server {}: {}", text(spec.at), why));
  };
  if (const auto fault = link_local_fault(text(spec.at.addr), spec.at.addr)) return invalid(fault->text);
  return std::nullopt;
}

// A tunnel's packet can be of another family than the client's packet in it, and full NAT writes another header.
Objection check_family(const ServiceKey& key, const ServerSpec& spec) {
  if (spec.at.addr.family() == key.family() || spec.method == Method::tunnel || spec.method == Method::fullnat) {
    return std::nullopt;
  }
  return refused(Refusal::invalid,
                 formatted("server {} is {}, service {} is {}: expected one family, or method=tunnel or fullnat",
                           text(spec.at), name(spec.at.addr.family()), text(key), name(key.family())));
}

Objection put_service(const Call& call, AddOrEdit action, bool adds) {
  ServiceSpec spec;
  if (auto fault = read_service_key(call.values, spec.key)) return fault;
  const auto& word = call.values.of(Key::scheduler);
  const auto scheduler = word ? parse_scheduler(*word) : std::optional(spec.scheduler);
  if (auto fault = read_service(call.values, scheduler, spec)) return fault;
  // As in IPVS, an existing service is reported before an unknown scheduler or persistence engine.
  const Service* const there = call.director.services().find(spec.key);
  if (adds && there) return verdict(call, Refusal::exists);
  if (!adds && !there) return verdict(call, Refusal::no_service);
  if (!scheduler) return verdict(call, Refusal::no_scheduler);
  if (const auto& engine = call.values.of(Key::pe)) {
    return refused(Refusal::no_scheduler, formatted("persistence engine {} is not built in", shortly_quoted(*engine)));
  }
  if (auto fault = check_service(spec)) return fault;
  const ServiceSpec was = there ? there->spec : spec;
  if (auto fault = verdict(call, (call.director.*action)(spec, call.turn))) return fault;
  const std::string what = adds ? "added: " + record(spec) : difference(was, spec);
  if (!what.empty()) call.changed(formatted("{}: {}", called_service(call.director.services(), spec.key), what));
  if (adds) warn_of_mark(call, spec.key);
  return std::nullopt;
}

Objection add_service(const Call& call) { return put_service(call, &Director::add, true); }
Objection edit_service(const Call& call) { return put_service(call, &Director::edit, false); }

Objection delete_service(const Call& call) {
  ServiceKey key;
  if (auto fault = read_service_key(call.values, key)) return fault;
  const Service* const there = call.director.services().find(key);
  const size_t servers = there ? there->servers.size() : 0;
  const std::string name = called_service(call.director.services(), key);
  if (auto fault = verdict(call, call.director.remove(key, call.turn))) return fault;
  call.changed(formatted("{}: removed, with {}", name, counted(servers, "server")));
  return std::nullopt;
}

Objection add_server(const Call& call) {
  ServiceKey key;
  ServerSpec spec;
  if (auto fault = read_server(call.values, key, spec)) return fault;
  if (!call.director.services().find(key)) return verdict(call, Refusal::no_service);
  if (spec.lower > spec.upper) return verdict(call, Refusal::range);
  if (auto fault = check_address(call, spec)) return fault;
  if (auto fault = check_family(key, spec)) return fault;
  if (auto fault = verdict(call, call.director.add_server(key, spec, call.turn))) return fault;
  call.changed(formatted("{}: server {}: added", called_service(call.director.services(), key), text(spec)));
  warn_of_server(call, key, spec);
  return std::nullopt;
}

Objection edit_server(const Call& call) {
  ServiceKey key;
  ServerSpec spec;
  if (auto fault = read_server(call.values, key, spec)) return fault;
  const Services& services = call.director.services();
  const Server* const there = services.find(key, spec.at);
  const ServerSpec was = there ? there->wanted() : spec;
  if (services.find(key)) {  // also of a server that its check has taken out
    if (auto fault = check_family(key, spec)) return fault;
  }
  if (auto fault = verdict(call, call.director.edit_server(key, spec, call.turn))) return fault;
  const Server* const now = services.find(key, spec.at);  // values that were not given may have been kept
  const std::string what = now ? difference(was, now->wanted()) : "";
  if (!what.empty())
    call.changed(
        formatted("{}: server {}: {}", called_service(services, key), called(now->spec.name, text(spec.at)), what));
  warn_of_server(call, key, spec);
  return std::nullopt;
}

Objection delete_server(const Call& call) {
  ServiceKey key;
  Endpoint server;
  if (auto fault = read_service_key(call.values, key)) return fault;
  // As with ipvsadm -d, a given port must be the server's, whatever the method.
  if (auto fault = read_endpoint(call.values, key, server)) return fault;
  const Server* const there = call.director.services().find(key, server);
  const std::string was = there ? with_name_first(there->wanted()) : text(server);
  if (auto fault = verdict(call, call.director.remove_server(key, server, call.turn))) return fault;
  call.changed(formatted("{}: server {}: removed", called_service(call.director.services(), key), was));
  return std::nullopt;
}

Objection clear(const Call& call) {
  size_t services = 0, servers = 0;
  for (const Service& service : call.director.services().services()) {
    if (service.used) ++services, servers += service.servers.size();
  }
  if (services != 0) {
    call.changed(formatted("everything removed: {}, {}", counted(services, "service"), counted(servers, "server")));
  }
  return in_portions(
      call, [&director = call.director, at = size_t{0}](Turn turn) mutable { return director.clear_some(at, turn); });
}

Objection zero(const Call& call) {
  if (!call.values.of(Key::service)) {
    call.changed("the counters of all services set to zero");
    return in_portions(call,
                       [&director = call.director, at = size_t{0}](Turn) mutable { return director.zero_some(at); });
  }
  ServiceKey key;
  if (auto fault = read_service_key(call.values, key)) return fault;
  if (auto fault = verdict(call, call.director.zero(key))) return fault;
  call.changed(called_service(call.director.services(), key) + ": counters set to zero");
  return std::nullopt;
}

Objection set_timeouts(const Call& call) {
  const Timeouts was = call.director.settings().timeouts;
  Timeouts timeouts = was;
  for (const auto& [key, field] : {std::pair{Key::tcp, &Timeouts::tcp}, std::pair{Key::tcpfin, &Timeouts::tcpfin},
                                   std::pair{Key::udp, &Timeouts::udp}}) {
    uint64_t seconds = 0;
    if (auto fault = read_number(call.values, key, kMostSeconds, seconds)) return fault;
    if (seconds != 0) timeouts.*field = std::chrono::seconds(seconds);
  }
  call.director.set_timeouts(timeouts);
  if (const std::string what = difference(was, timeouts); !what.empty()) call.changed("timeouts: " + what);
  return std::nullopt;
}

Objection list(const Call& call) {
  call.rows.push_back(daemon_row(call.context));
  call.rows.push_back(fast_row());
  if (!call.values.of(Key::service)) return call.rows.push_back(service_rows(call.context)), std::nullopt;
  ServiceKey key;
  if (auto fault = read_service_key(call.values, key)) return fault;
  const Service* const service = call.director.services().find(key);
  if (!service) return verdict(call, Refusal::no_service);
  const auto slot = static_cast<size_t>(service - call.director.services().services().data());
  return call.rows.push_back(service_rows(call.context, slot, slot + 1)), std::nullopt;
}

Objection connections(const Call& call) {
  FlowFilter filter;
  if (auto fault = read_flow(call.values, false, filter)) return fault;
  std::string state(call.values.text(Key::state));
  for (char& c : state) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  const std::vector<std::string_view> known = state_names();
  if (!state.empty() && std::ranges::find(known, state) == known.end()) {
    return usage(formatted("state={}: no connection has such a state{}; there are {}", shortly_quoted(state),
                           did_you_mean(state, known), listed(known)));
  }
  std::optional<ServiceKey> service;
  if (call.values.of(Key::service)) {
    if (auto fault = read_service_key(call.values, service.emplace())) return fault;
  }
  return call.rows.push_back(connection_rows(filter, state, service)), std::nullopt;
}

Objection explain(const Call& call) {
  FlowFilter flow;
  if (auto fault = read_flow(call.values, true, flow)) return fault;
  const Ip client = flow.client->base;
  if (client.family() != flow.vip->family()) {
    return usage(
        formatted("client={} is {}, virtual={} is {}: expected one family, such as client=[2001:db8::1]:1024 "
                  "virtual=[2001:db8::100]:80",
                  text(client), name(client.family()), text(*flow.vip), name(flow.vip->family())));
  }
  const FlowKey key{client, *flow.vip, *flow.client_port, *flow.vip_port, flow.protocol, false};
  Explanation e = call.director.explain(key, call.turn.now);
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

Objection events(const Call& call) {
  uint64_t after = 0;
  if (auto fault = read_number(call.values, Key::after, UINT64_MAX, after)) return fault;
  if (call.context.events) call.rows.push_back(event_rows(*call.context.events, after));
  return std::nullopt;
}

Objection trace(const Call& call) {
  FlowFilter filter;
  uint64_t count = 0, snap = 0;
  if (auto fault = read_flow(call.values, false, filter)) return fault;
  if (auto fault = read_number(call.values, Key::count, UINT32_MAX, count)) return fault;
  if (auto fault = read_number(call.values, Key::snap, Observer::kMostSeen, snap)) return fault;
  const Director& d = call.director;
  std::vector<std::string> links;
  for (const Link link : first_links(d.links())) links.push_back(word(d, link));
  const std::shared_ptr<Trace> trace(new Trace(filter, count, snap, std::move(links), call.context.wall));
  if (!call.director.observe(trace)) {
    return refused(Refusal::full, formatted("{} traces are running: expected no more", Director::kObservers));
  }
  return call.rows.push_back(trace_rows(trace)), std::nullopt;
}

Objection reload(const Call& call) {
  uint64_t reset = 0, plan = 0;
  for (const auto& [key, value] : {std::pair{Key::reset, &reset}, std::pair{Key::plan, &plan}}) {
    if (auto fault = read_number(call.values, key, 1, *value)) return fault;
  }
  if (!call.context.reload) return refused(Refusal::unsupported, "there is no file to reload");
  if (plan == 0) call.changed(formatted("reload{} of {}", reset != 0 ? " --reset" : "", call.context.file));
  const std::shared_ptr<const ReloadTask> task = call.context.reload(reset != 0, plan != 0);
  call.later = {[task] { return task->done; },
                [task] {
                  if (!task->outcome) return Conversation(Fault{"file", task->outcome.error().text});
                  RowSources rows;
                  rows.push_back(text_rows("change", task->outcome->changes));
                  rows.push_back(text_rows("pending", task->outcome->pending));
                  return Conversation(std::move(rows));
                }};
  return std::nullopt;
}

Objection ini(const Call& call) {
  if (!call.context.config) return refused(Refusal::unsupported, "there is no configuration");
  uint64_t secrets = 0;
  if (auto fault = read_number(call.values, Key::secrets, 1, secrets)) return fault;
  return call.rows.push_back(ini_rows(call.context, secrets != 0 ? Secrets::shown : Secrets::hidden)), std::nullopt;
}

Objection begin_sync(const Call& call) {
  if (auto fault = start_sync(call.values, call.context, call.director)) return fault;
  call.changed(formatted("sync: {} started on {}", call.values.text(Key::role), call.values.text(Key::link)));
  return std::nullopt;
}

Objection end_sync(const Call& call) {
  if (auto fault = stop_sync(call.values, call.context)) return fault;
  call.changed(formatted("sync: {} stopped", call.values.text(Key::role)));
  return std::nullopt;
}

Objection timeouts(const Call& call) { return call.rows.push_back(timeout_row()), std::nullopt; }
Objection vrrp(const Call& call) { return call.rows.push_back(vrrp_rows(call.context)), std::nullopt; }
Objection sync(const Call& call) { return call.rows.push_back(sync_row(call.context)), std::nullopt; }
Objection exits(const Call& call) {
  return call.rows.push_back(exit_rows()), call.rows.push_back(link_rows()), std::nullopt;
}
Objection arp(const Call& call) {
  return call.rows.push_back(vip_rows()), call.rows.push_back(neighbor_rows()), std::nullopt;
}

constexpr uint64_t kService = bit(Key::service), kBoth = kService | bit(Key::server);
constexpr auto kReads = Command::Kind::reads;
constexpr Command kCommands[] = {
    {"add-service", kService, kServiceKeys, add_service},
    {"edit-service", kService, kServiceKeys, edit_service},
    {"delete-service", kService, 0, delete_service},
    {"add-server", kBoth, kServerKeys, add_server},
    {"edit-server", kBoth, kServerKeys, edit_server},
    {"delete-server", kBoth, 0, delete_server},
    {"set-order", kService | bit(Key::order), bit(Key::server) | bit(Key::was), set_order},
    {"clear", 0, 0, clear},
    {"zero", 0, kService, zero},
    {"set-timeouts", 0, bit(Key::tcp) | bit(Key::tcpfin) | bit(Key::udp), set_timeouts},
    {"list", 0, kService, list, kReads},
    {"connections", 0, kFlow | bit(Key::state) | kService, connections, kReads},
    {"timeouts", 0, 0, timeouts, kReads},
    {"exits", 0, 0, exits, kReads},
    {"arp", 0, 0, arp, kReads},
    {"vrrp", 0, 0, vrrp, kReads},
    {"sync", 0, 0, sync, kReads},
    {"start-sync", bit(Key::role) | bit(Key::link), bit(Key::id) | bit(Key::maxlen) | bit(Key::group) | bit(Key::ttl),
     begin_sync},
    {"stop-sync", bit(Key::role), 0, end_sync},
    {"explain", bit(Key::protocol) | bit(Key::client) | bit(Key::vip), 0, explain, kReads},
    {"events", 0, bit(Key::after), events, kReads},
    {"trace", 0, kFlow | bit(Key::count) | bit(Key::snap), trace, kReads},
    {"reload", 0, bit(Key::reset) | bit(Key::plan), reload},
    {"ini", 0, bit(Key::secrets), ini, Command::Kind::waits},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace rawvs
