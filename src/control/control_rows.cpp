// SPDX-License-Identifier: BSD-2-Clause
// control_rows.cpp: the rows of control replies, one at a time.
//
// Between two pieces packets are handled and tables change: a row is true when it is written, and an entry that was
// there all the time is neither left out nor written twice.
#include "control/control_rows.h"

#include <algorithm>
#include <utility>

#include "config/spec_words.h"
#include "control/control_words.h"
#include "control/trace.h"
#include "core/connection.h"
#include "core/service.h"
#include "core/track.h"
#include "rawvs/exit.h"
#include "rawvs/settings.h"
#include "side/neighbor.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

using Next = RowSource::Next;

constexpr ConnectionId kConnectionsSeen = 512;  // entries examined per piece

void put_traffic(std::string& row, const Traffic& total, const Rates& rates) {
  put(row, "conns", total.connections);
  put(row, "inpkts", total.in_packets);
  put(row, "outpkts", total.out_packets);
  put(row, "inbytes", total.in_bytes);
  put(row, "outbytes", total.out_bytes);
  const Traffic now = rates.per_second();
  put(row, "cps", now.connections);
  put(row, "inpps", now.in_packets);
  put(row, "outpps", now.out_packets);
  put(row, "inbps", now.in_bytes);
  put(row, "outbps", now.out_bytes);
}

}  // namespace

const char* word(Method method) {
  switch (method) {
    case Method::masq: return "masq";
    case Method::local: return "local";
    case Method::tunnel: return "tunnel";
    case Method::route: return "route";
    case Method::fullnat: return "fullnat";
  }
  return "?";
}

const char* word(Director::Reach reach) {
  switch (reach) {
    case Director::Reach::ready: return "ready";
    case Director::Reach::asking: return "asking";
    case Director::Reach::silent: return "silent";
    case Director::Reach::no_route: return "no-route";
    case Director::Reach::link_down: return "link-down";
    case Director::Reach::own_address: return "own-address";
    case Director::Reach::other_interface: return "other-interface";
    case Director::Reach::vip_missing: return "vip-missing";
    case Director::Reach::local_nat: return "local-nat";
    case Director::Reach::no_ethernet: return "no-ethernet";
    case Director::Reach::no_flows: return "no-flows";
  }
  return "?";
}

const char* fate_word(Fate fate) {
  switch (fate) {
    case Fate::forwarded: return "forwarded";
    case Fate::answered: return "answered";
    case Fate::noted: return "noted";
    case Fate::passed: return "passed";
    case Fate::dropped: return "dropped";
  }
  return "?";
}

std::string word(const ServiceKey& key) {
  if (key.mark.value != 0) return (key.family() == Family::ipv4 ? "mark:" : "mark6:") + std::to_string(key.mark.value);
  return std::string(name(key.protocol)) + ':' + text(key.vip);
}

std::string word(const Director& director, Link link) {  // its interface; until that is known, outside or inside
  const std::string& interface = director.link(link).name;
  if (!interface.empty()) return interface;
  return index(link) == 0 ? "outside" : "inside";
}

std::string word(const Director& director, LinkSet links) {
  std::string names;
  while (!links.empty()) names += (names.empty() ? "" : ",") + word(director, links.take());
  return names;
}

namespace {

void write_service(std::string& row, const Service& service, const ControlContext& context) {
  const ServiceSpec& spec = service.spec;
  const std::string flags = flags_text(spec.scheduler, spec.flags);
  row = "service";
  put(row, "service", word(spec.key));
  if (!service.name.empty()) put(row, "name", service.name.text());
  put(row, "scheduler", name(spec.scheduler));
  put(row, "flags", flags.empty() ? "-" : flags);
  put(row, "persistence", spec.persistence);
  put(row, "netmask", mask_word(spec.netmask, spec.key.family()));
  put(row, "ops", spec.one_packet ? 1 : 0);
  put_traffic(row, service.traffic, service.rates);
  put_order(row, service.order);
  if (service.limits) put_limits(row, service);
  put_latencies(row, context, spec.key);
}

void write_server(std::string& row, const Server& server, const Director& director, const ControlContext& context,
                  Instant now) {
  row = "server";
  put(row, "service", word(server.key));
  put(row, "server", text(server.spec.at));
  if (!server.spec.name.empty()) put(row, "name", server.spec.name.text());
  put(row, "method", word(server.spec.method));
  if (server.spec.method == Method::tunnel) {
    put(row, "tun-type", word(server.spec.tunnel.type));
    put(row, "tun-port", server.spec.tunnel.port.value);
    put(row, "tun-checksum", word(server.spec.tunnel.checksum));
  }
  if (server.spec.proxy) put(row, "proxy", 2);
  put(row, "weight", static_cast<uint64_t>(server.listed_weight()));
  put(row, "upper", server.spec.upper);
  put(row, "lower", server.spec.lower);
  put(row, "active", server.active);
  put(row, "inactive", server.inactive);
  put(row, "persistent", server.persistent);
  put(row, "overloaded", server.overloaded ? 1 : 0);
  const bool has_way = server.neighbor != kNoNeighbor;
  const Neighbors::Neighbor* const next = has_way ? &director.neighbors().at(server.neighbor) : nullptr;
  put(row, "reach", word(director.reach(server)));
  put(row, "via", next ? text(next->addr) : "-");
  put(row, "mac", next && next->knows_mac() ? text(next->mac) : "-");
  put(row, "fixed", server.spec.mac ? 1 : 0);
  put(row, "local", server.local ? 1 : 0);
  put_traffic(row, server.traffic, server.rates);
  if (server.wanted_weight != server.listed_weight()) put(row, "wanted", static_cast<uint64_t>(server.wanted_weight));
  if (server.share != kFullShare) put(row, "slow-start", server.share * 100u / kFullShare);
  put_order(row, server.order);
  put_health(row, context, server, now);
}

// A service and its servers may need several pieces: the order of its servers is recorded with its row. A server that
// is removed before its turn is left out.
class ServiceRows final : public RowSource {
 public:
  ServiceRows(const ControlContext& context, size_t first, size_t end)
      : context_(context), next_service_(first), end_(end) {}

  Next next(std::string& row, Director& director, Instant now) override {
    const Services& services = director.services();
    while (next_server_ < servers_.size()) {
      const Server& server = services.server(servers_[next_server_++]);
      if (!server.used || !server.in_table() || server.key != service_) continue;
      write_server(row, server, director, context_, now);
      return Next::row;
    }
    for (const auto all = services.services(); next_service_ < std::min(end_, all.size());) {
      const Service& service = all[next_service_++];
      if (!service.used) continue;
      service_ = service.spec.key;
      servers_ = service.servers;
      next_server_ = 0;
      write_service(row, service, context_);
      return Next::row;
    }
    return Next::end;
  }

 private:
  const ControlContext& context_;
  size_t next_service_, end_;
  std::vector<ServerSlot> servers_{};  // of the service of the last row, in their order then
  size_t next_server_ = 0;
  ServiceKey service_{};  // the key of that service
};

// The names of a connection's service and server, where a file gives them.
void put_names(std::string& row, const Services& services, const Server& server) {
  const ShortName name = server.in_service() ? services.service(server.service).name : ShortName();
  if (!name.empty()) put(row, "virtual-name", name.text());
  if (!server.spec.name.empty()) put(row, "server-name", server.spec.name.text());
}

void write_connection(std::string& row, const Connection& connection, Duration left) {
  const FlowKey key = connection.key();
  row = "connection";
  put(row, "protocol", name(key.protocol));
  put(row, "expires", left);
  put(row, "state", state_name(connection));
  put(row, "client", text(Endpoint{key.client, key.cport}));
  put(row, "virtual", text(Endpoint{key.vip, key.vport}));
  put(row, "server", text(connection.real_server()));
  if (connection.is_fast()) put(row, "fast", 1);
}

class ConnectionRows final : public RowSource {
 public:
  ConnectionRows(const FlowFilter& filter, std::string_view state, std::optional<ServiceKey> service)
      : filter_(filter), state_(state), service_(service) {}

  Next next(std::string& row, Director& director, Instant now) override {
    const ConnectionTable& connections = director.connections();
    for (; seen_ < kConnectionsSeen; ++seen_) {
      if (next_ >= connections.id_limit()) return Next::end;
      const Connection* const connection = connections.at(next_++);
      if (!connection || connections.expired(*connection, now) || !fits(*connection, director)) continue;
      write_connection(row, *connection, connections.left(*connection, now));
      const Services& services = director.services();
      if (connection->server != kNoServer) put_names(row, services, services.server(connection->server));
      if (connection->is_full() && connection->full().port != 0) put(row, "local", text(director.local(*connection)));
      return Next::row;
    }
    seen_ = 0;
    return Next::pause;
  }

 private:
  bool fits(const Connection& c, const Director& director) const {
    if (service_ && (c.server == kNoServer || director.services().server(c.server).key != *service_)) return false;
    return filter_.fits(c.protocol, c.client(), c.vip()) && filter_.fits_server(c.real_server()) &&
           (state_.empty() || state_ == state_name(c));
  }
  const FlowFilter filter_;
  const std::string state_;                  // empty: any
  const std::optional<ServiceKey> service_;  // none: any
  ConnectionId next_ = 1, seen_ = 0;
};

class TraceRows final : public RowSource {
 public:
  explicit TraceRows(std::shared_ptr<Trace> trace) : trace_(std::move(trace)) {}
  Next next(std::string& row, Director&, Instant) override {
    return trace_->take(row) ? Next::row : trace_->over() ? Next::end : Next::pause;
  }
  size_t rows_per_piece() const override { return kTraceRows; }
  bool waiting() const override { return trace_->waiting(); }

 private:
  static constexpr size_t kTraceRows = 512;  // per piece: the rows exist already
  std::shared_ptr<Trace> trace_;
};

}  // namespace

std::unique_ptr<RowSource> service_rows(const ControlContext& context, size_t first, size_t end) {
  return std::make_unique<ServiceRows>(context, first, end);
}

std::unique_ptr<RowSource> connection_rows(const FlowFilter& filter, std::string_view state,
                                           std::optional<ServiceKey> service) {
  return std::make_unique<ConnectionRows>(filter, state, service);
}

std::unique_ptr<RowSource> timeout_row() {
  return rows_from([told = false](std::string& row, Director& director, Instant) mutable {
    if (std::exchange(told, true)) return Next::end;
    const Timeouts& timeouts = director.settings().timeouts;
    row = "timeouts";
    put(row, "tcp", timeouts.tcp);
    put(row, "tcpfin", timeouts.tcpfin);
    put(row, "udp", timeouts.udp);
    return Next::row;
  });
}

std::unique_ptr<RowSource> exit_rows() {
  return rows_from([at = size_t{0}](std::string& row, Director& director, Instant) mutable {
    if (at == kExits) return Next::end;
    const auto exit = static_cast<Exit>(at++);
    row = "exit";
    put(row, "name", words(exit).name);
    put(row, "fate", fate_word(words(exit).fate));
    put(row, "count", director.exits().of(exit));
    put(row, "meaning", words(exit).meaning);
    return Next::row;
  });
}

std::unique_ptr<RowSource> trace_rows(std::shared_ptr<Trace> trace) {
  return std::make_unique<TraceRows>(std::move(trace));
}

}  // namespace rawvs
