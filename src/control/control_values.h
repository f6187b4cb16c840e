// SPDX-License-Identifier: BSD-2-Clause
// control_values.h: reads the keys and values of a control request.
// In:  KEY=VALUE pairs.
// Out: specs for the director, or a Fault.
// Not: the director: a value is judged by itself and by the request's other values.
//
// For src/control only.
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
std::string shortly_quoted(std::string_view found);  // shortened to a limit

// clang-format off
enum class Key : uint8_t {
  service, server, scheduler, persistence, netmask, flags, ops, pe, method, weight, upper, lower, mac, tun_type,
  tun_port, tun_checksum, proxy, tcp, tcpfin, udp, protocol, client, vip, state, count, snap, reset, role, link, id,
  maxlen, group, ttl, secrets, after, order, was, plan, count_
};
inline constexpr size_t kKeys = static_cast<size_t>(Key::count_);
inline constexpr std::array<std::string_view, kKeys> kKeyNames = {
    "service", "server", "scheduler", "persistence", "netmask", "flags", "ops", "pe", "method", "weight", "upper",
    "lower", "mac", "tun-type", "tun-port", "tun-checksum", "proxy", "tcp", "tcpfin", "udp", "protocol", "client",
    "virtual", "state", "count", "snap", "reset", "role", "link", "id", "maxlen", "group", "ttl", "secrets",
    "after", "order", "was", "plan"};
// clang-format on

struct Values {  // the values of a request, by key
  std::array<std::optional<std::string_view>, kKeys> all{};
  const std::optional<std::string_view>& of(Key key) const { return all[static_cast<size_t>(key)]; }
  std::string_view text(Key key) const { return of(key).value_or(""); }
};

inline constexpr uint64_t kMostSeconds = 31 * 86400;  // of a timeout, as in ipvsadm

// Each reader leaves its target unchanged when the key is absent.
Objection read_number(const Values& values, Key key, uint64_t most, uint64_t& out);
Objection read_service_key(const Values& values, ServiceKey& out);
Objection read_endpoint(const Values& values, const ServiceKey& service, Endpoint& out);

// Reads a service's record. scheduler: looked up by the caller, since flags belong to one; none: an unknown name.
Objection read_service(const Values& values, std::optional<Scheduler> scheduler, ServiceSpec& out);

// Flow keys: protocol, client, virtual, server. exact: one flow, everything but its server, and no network.
Objection read_flow(const Values& values, bool exact, FlowFilter& out);

// Reads a server's service and its record.
Objection read_server(const Values& values, ServiceKey& service, ServerSpec& out);

}  // namespace rawvs
