// SPDX-License-Identifier: BSD-2-Clause
// doctor_rows.cpp: turns rawvsd's rows (control.h) into the doctor's facts.
#include <algorithm>
#include <utility>

#include "doctor.h"
#include "orders.h"

namespace rawvs::adm {
namespace {

constexpr uint64_t kSynReceived = 60;  // IPVS's timeout of SYN_RECV, seconds

std::string cell(const Row& row, std::string_view key) {
  const std::string_view value = row.get(key);
  return std::string(value == "-" ? std::string_view() : value);
}

ServiceFacts service(const Row& row) {
  ServiceFacts out;
  out.key = cell(row, "service");
  out.name = cell(row, "name");
  const size_t colon = out.key.find(':');
  const std::string protocol = out.key.substr(0, colon);
  for (const Protocol p : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    if (protocol == name(p)) out.protocol = p;
  }
  if (out.protocol != Protocol::any) out.virtual_at = parse_endpoint(std::string_view(out.key).substr(colon + 1));
  out.max_connections = row.number("max-connections");
  out.max_rate = row.number("max-rate");
  out.client_connections = row.number("client-connections");
  out.client_rate = row.number("client-rate");
  out.counted = row.number("counted");
  out.takes_nobody = row.number("allow-lists") != 0 && row.number("allow-networks") == 0;
  out.refused = cell(row, "refused-for");
  return out;
}

ServerFacts server(const Row& row, size_t service) {
  ServerFacts out;
  out.service = service;
  out.at = parse_endpoint(row.get("server")).value_or(Endpoint{});
  out.method = cell(row, "method");
  out.tunnel = cell(row, "tun-type");
  out.checksum = cell(row, "tun-checksum");
  out.tunnel_port = cell(row, "tun-port");
  out.reach = cell(row, "reach");
  out.via = parse_ip(row.get("via"));
  out.mac = cell(row, "mac");
  out.name = cell(row, "name");
  out.local = row.number("local") != 0;
  out.weight = row.number("weight");
  out.upper = row.number("upper");
  out.lower = row.number("lower");
  out.active = row.number("active");
  out.inactive = row.number("inactive");
  out.in_packets = row.number("inpkts");
  out.connections = row.number("conns");
  out.out_packets = row.number("outpkts");
  out.overloaded = row.number("overloaded") != 0;
  out.health = cell(row, "health");
  out.seconds = row.number("for");
  out.flaps = row.number("flaps");
  if (row.has("health")) out.why = row.tail("why");
  out.order = order_text(row);
  out.ordered_at = static_cast<int64_t>(row.number("order-at"));
  return out;
}

PortFacts port(const Row& row) {
  PortFacts out;
  out.name = cell(row, "name");
  out.guard = row.has("guard") && cell(row, "guard").empty() ? "off" : cell(row, "guard");
  out.role = cell(row, "role");
  out.vips = row.number("vips");
  out.guarded = row.number("guarded");
  out.unguarded = row.number("unguarded");
  out.missing_groups = row.number("missing-groups");
  out.received = row.number("received");
  out.kernel_dropped = row.number("kernel-dropped");
  out.cut = row.number("cut");
  out.sent = row.number("sent");
  out.send_failed = row.number("send-failed");
  return out;
}

VrrpFacts vrrp(const Row& row) {
  VrrpFacts out;
  out.name = cell(row, "name");
  out.link = cell(row, "link");
  out.state = cell(row, "state");
  out.master = cell(row, "master");
  out.other_addresses = row.number("other-addresses");
  out.other_interval = row.number("other-interval");
  out.woke_late = row.number("woke-late");
  out.refused = row.number("refused");
  out.refused_for = cell(row, "refused-for");
  out.why = row.tail("why");
  return out;
}

SyncFacts sync(const Row& row) {
  return {.refused = row.number("refused"),
          .strangers = row.number("strangers"),
          .refused_for = cell(row, "refused-for"),
          .refused_from = cell(row, "refused-from"),
          .hears = row.number("hears") != 0};
}

// A line of the INI file.
void note_line(std::string_view line, DaemonFacts& daemon) {
  if (line.starts_with('[')) {
    const std::string_view title = line.substr(1, line.find(']') - 1);
    const size_t blank = std::min(title.find(' '), title.size());
    if (title == "director") return;
    daemon.sections.push_back(
        {std::string(title.substr(0, blank)), std::string(title.substr(std::min(blank + 1, title.size()))), {}});
    return;
  }
  const size_t sign = line.find('=');
  if (sign == std::string_view::npos || line[0] == ';' || line[0] == '#') return;
  const auto bare = [](std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return std::string(text);
  };
  const std::string key = bare(line.substr(0, sign)), value = bare(line.substr(sign + 1, line.find(" ;") - sign - 1));
  if (daemon.sections.empty()) {
    daemon.settings.emplace(key, value);
    if (const auto local = key == "local_address" ? parse_ip(value) : std::nullopt) daemon.locals.push_back(*local);
  } else {
    daemon.sections.back().keys[key].push_back(value);
  }
}

void note_daemon(const Row& row, DaemonFacts& daemon) {
  daemon.pid = row.number("pid");
  daemon.calls = row.number("calls");
  daemon.uptime = row.number("uptime");
  daemon.gave_way = row.number("gave-way");
  daemon.gave_way_kinds = row.get("gave-way-kinds");
  if (!cell(row, "config").empty()) daemon.config = cell(row, "config");
}

bool belongs(const ServiceFacts& service, Endpoint virtual_at) {  // the service of a mark does not show its matches
  return !service.virtual_at || (service.virtual_at->addr == virtual_at.addr &&
                                 (service.virtual_at->port.value == 0 || service.virtual_at->port == virtual_at.port));
}

// Only connections without a reply from their server are needed.
void note_connection(const Row& row, DoctorFacts& facts) {
  if (row.get("state") != "SYN_RECV") return;
  const auto at = parse_endpoint(row.get("server")), client = parse_endpoint(row.get("client"));
  const auto virtual_at = parse_endpoint(row.get("virtual"));
  if (!at || !client || !virtual_at) return;
  const LinkAddress* const own = facts.host.network_of(at->addr);
  for (ServerFacts& server : facts.daemon.servers) {
    if (server.at.addr != at->addr || !belongs(facts.daemon.services[server.service], *virtual_at)) continue;
    ++server.syns;
    if (row.number("expires") + 2 > kSynReceived) return;
    ++server.stuck;
    if (own && own->network().holds(client->addr)) ++server.near;
    return;
  }
}

}  // namespace

namespace {

// ports: tcp/80,tcp/8000-8100
VipFacts vip(const Row& row, Ip address) {
  VipFacts out{address, row.number("retired") != 0, row.number("standby") != 0, row.number("own") != 0, {}};
  std::string_view rest = row.get("ports");
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const size_t slash = one.find('/'), dash = one.find('-');
    Protocol protocol = Protocol::any;
    for (const Protocol p : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
      if (one.substr(0, slash) == name(p)) protocol = p;
    }
    if (slash == std::string_view::npos || protocol == Protocol::any) continue;
    const auto first = parse_port(one.substr(slash + 1, dash == std::string_view::npos ? dash : dash - slash - 1));
    const auto last = dash == std::string_view::npos ? first : parse_port(one.substr(dash + 1));
    if (first && last) out.ports.push_back({protocol, first->value, last->value});
  }
  return out;
}

}  // namespace

void note_row(const Row& row, DoctorFacts& facts) {
  DaemonFacts& daemon = facts.daemon;
  const std::string_view word = row.word();
  if (word == "daemon") note_daemon(row, daemon);
  if (word == "fast") {
    daemon.fast_flows = row.number("flows");
    daemon.fast_capacity = row.number("capacity");
    daemon.fast_no_room = row.number("no-room");
  }
  if (word == "service") daemon.services.push_back(service(row));
  if (word == "server" && !daemon.services.empty()) daemon.servers.push_back(server(row, daemon.services.size() - 1));
  if (word == "connection") note_connection(row, facts);
  if (word == "exit") daemon.exits[cell(row, "name")] = row.number("count");
  if (word == "link" && row.get("guard") == kNoGuardNeeded) {
    daemon.host_port = cell(row, "name");
  } else if (word == "link") {
    daemon.ports.push_back(port(row));
  }
  if (word == "part") daemon.part += row.tail("text");
  if (word == "line") note_line(std::exchange(daemon.part, {}).append(row.tail("text")), daemon);
  if (word == "unwritable") daemon.unwritable.emplace_back(row.tail("text"));
  if (word == "vrrp") daemon.vrrps.push_back(vrrp(row));
  if (word == "sync") daemon.sync = sync(row);
  const auto address = parse_ip(row.get("address"));
  if (!address) return;
  if (word == "vip") daemon.vips.push_back(vip(row, *address));
  if (word == "rival") daemon.rivals.push_back({*address, cell(row, "mac"), cell(row, "server")});
  if (word == "neighbor")
    daemon.neighbors.push_back({*address, cell(row, "link"), cell(row, "state"), cell(row, "mac"),
                                row.number("disputed"), cell(row, "disputant")});
}

std::string called(const ServiceFacts& service) {
  return service.name.empty() ? service.key : service.name + " (" + service.key + ')';
}

std::string called(const DaemonFacts& daemon, const ServerFacts& server, bool host_only) {
  const std::string address = host_only ? text(server.at.addr) : text(server.at);
  if (server.name.empty()) return address;
  const std::string& service = daemon.services[server.service].name;
  return (service.empty() ? "" : service + '/') + server.name + " (" + address + ')';
}

std::string called_at(const DaemonFacts& daemon, const std::string& address) {
  const auto at = parse_ip(address);
  const auto found = std::ranges::find_if(daemon.servers, [&](const ServerFacts& s) { return at && s.at.addr == *at; });
  return found == daemon.servers.end() ? address : called(daemon, *found, true);
}

std::string SectionFacts::value(std::string_view key) const {
  const auto found = keys.find(key);
  return found == keys.end() || found->second.empty() ? std::string() : found->second[0];
}

std::string DaemonFacts::setting(std::string_view key) const {
  const auto found = settings.find(key);
  return found == settings.end() ? std::string() : found->second;
}

bool wants_connections(const DoctorFacts& facts) {  // as in IPVS, SYN_RECV counts as active
  return std::ranges::any_of(facts.daemon.servers, [](const ServerFacts& s) { return s.active != 0; });
}

const NeighborFacts* next_hop(const DaemonFacts& daemon, const ServerFacts& server) {
  const auto found = std::ranges::find(daemon.neighbors, server.via.value_or(server.at.addr), &NeighborFacts::address);
  return found != daemon.neighbors.end() ? &*found : nullptr;
}

std::string link_of(const DoctorFacts& facts, const ServerFacts& server) {
  if (const NeighborFacts* const hop = next_hop(facts.daemon, server)) return hop->link;
  const LinkAddress* const own = facts.host.network_of(server.at.addr);
  const HostLink* const link = own ? facts.host.with(own->addr) : nullptr;
  return link ? link->name : "";
}

bool sendable(const DaemonFacts& daemon, const ServerFacts& server) {
  if (!server.reach.empty()) return server.reach == "ready" || server.reach == "asking";
  const NeighborFacts* const hop = next_hop(daemon, server);
  return !hop || hop->state != "silent";
}

}  // namespace rawvs::adm
