// SPDX-License-Identifier: BSD-2-Clause
// control_values.h: a control request's keys, and their values read: what was found, or why it is no request.
// Private to the control room. In:  KEY=VALUE pairs, taken apart.   Out: specs as the director takes them, or a Fault.
// Nothing here looks at a director: a value is right or wrong by itself, or beside the request's other values.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "control/control_reply.h"
#include "control/trace.h"
#include "core/service.h"

namespace rawvs {

using Objection = std::optional<Fault>;

Fault usage(std::string text);
Fault refused(Refusal why, std::string text);
std::string shortly_quoted(std::string_view found);  // short, whatever was sent

// clang-format off
enum class Key : uint8_t {
  service, server, scheduler, persistence, netmask, flags, ops, pe, method, weight, upper, lower, mac, tun_type,
  tun_port, tun_checksum, tcp, tcpfin, udp, protocol, client, vip, state, count, snap, reset, role, link, id,
  maxlen, group, ttl, secrets, count_
};
inline constexpr size_t kKeys = static_cast<size_t>(Key::count_);
inline constexpr std::array<std::string_view, kKeys> kKeyNames = {
    "service", "server", "scheduler", "persistence", "netmask", "flags", "ops", "pe", "method", "weight", "upper",
    "lower", "mac", "tun-type", "tun-port", "tun-checksum", "tcp", "tcpfin", "udp", "protocol", "client", "virtual",
    "state", "count", "snap", "reset", "role", "link", "id", "maxlen", "group", "ttl", "secrets"};
// clang-format on

struct Values {  // what a request gives for each key
  std::array<std::optional<std::string_view>, kKeys> all{};
  const std::optional<std::string_view>& of(Key key) const { return all[static_cast<size_t>(key)]; }
  std::string_view text(Key key) const { return of(key).value_or(""); }
};

inline constexpr uint64_t kMostSeconds = 31 * 86400;  // of a timeout: ipvsadm's limit

// Each reader leaves its target alone when the key is not given.
Objection read_number(const Values& values, Key key, uint64_t most, uint64_t& out);
Objection read_service_key(const Values& values, ServiceKey& out);
Objection read_endpoint(const Values& values, const ServiceKey& service, Endpoint& out);

// All of a service's record but its scheduler, whose name the caller has looked up already: flags belong to one. None:
// the name is no scheduler's.
Objection read_service(const Values& values, std::optional<Scheduler> scheduler, ServiceSpec& out);

// Flow keys: protocol, client, virtual, server. exact: one flow, all of it but its server, no network.
Objection read_flow(const Values& values, bool exact, FlowFilter& out);

// The service a server is in, and its record.
Objection read_server(const Values& values, ServiceKey& service, ServerSpec& out);

}  // namespace rawvs
