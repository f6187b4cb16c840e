// SPDX-License-Identifier: BSD-2-Clause
// flows_limits.cpp: a service's limits: which packets may not begin a connection, and what counts.
//
// Connections that exist go on, whatever a new file says of their clients. Those of other directors and of an earlier
// process count, and are never refused. A template is no connection, FTP's data connection belongs to its session, and
// a connection that is over does not count while its entry waits for late packets.
#include <algorithm>

#include "director/flows.h"

namespace rawvs {

std::optional<Exit> Flows::over_limit(const FlowKey& flow, const Service& service, Instant now) const {
  if (!service.limits || !decides(service.spec, flow)) return std::nullopt;
  const ServiceLimits& most = *service.limits;
  if (!access_of(most.access, flow.client).allowed) return Exit::denied;
  if (most.max_connections != 0 && service.use.connections >= most.max_connections) return Exit::service_full;
  if (most.client_connections != 0 || most.client_rate != 0) {
    const ClientTable::Id network = network_of(flow.client, service.spec.key);
    if (most.client_connections != 0 && client_table_.connections(network) >= most.client_connections)
      return Exit::client_full;
    if (most.client_rate != 0 && !client_table_.has_token(network, most.client_rate, now)) return Exit::client_rate;
  }
  if (most.max_rate != 0 && !service.use.rate.has({most.max_rate, most.max_rate}, now)) return Exit::service_rate;
  return std::nullopt;
}

std::optional<Exit> Flows::refuses(const FlowKey& flow, Service& service, Instant now) const {
  const auto exit = over_limit(flow, service, now);
  if (exit) ++service.use.refused[static_cast<size_t>(std::ranges::find(kRefusals, *exit) - std::begin(kRefusals))];
  return exit;
}

uint32_t Flows::connections_of(Ip client, const Service& service) const {
  return client_table_.connections(network_of(client, service.spec.key));
}

void Flows::count_in_rates(const FlowKey& flow, Service& service, Instant now) {
  const ServiceLimits& most = *service.limits;
  if (most.max_rate != 0) service.use.rate.take({most.max_rate, most.max_rate}, now);
  if (most.client_rate == 0) return;
  const ClientTable::Id network = network_of(flow.client, service.spec.key);
  client_table_.take_token(network, most.client_rate, now);
}

void Flows::recount(Connection& c) {
  const Connection* const parent = connections_.at(c.controller());
  const bool of_ftp = parent && !parent->is_template();
  const bool counts = !c.is_template() && !of_ftp && !ending(c);
  if (counts != c.is_counted()) counts ? count(c) : uncount(c);
}

// By the service's key, which a server keeps when it is removed: its connections go on, and so does their count.
void Flows::count(Connection& c) {
  Server& server = services_.server(c.server);
  bool of_client = false;
  ++server.counted;
  if (server.in_service()) {
    Service& service = services_.service(server.service);
    ++service.use.connections;
    of_client = service.limits && service.limits->client_connections != 0;
  }
  if (of_client) client_table_.joined(network_of(c.client_address(), server.key));
  c.set_counted(true, of_client);
}

void Flows::uncount(Connection& c) {
  Server& server = services_.server(c.server);
  --server.counted;
  if (server.in_service()) --services_.service(server.service).use.connections;
  if (c.is_client_counted()) client_table_.left(network_of(c.client_address(), server.key));
  c.set_counted(false, false);
}

}  // namespace rawvs
