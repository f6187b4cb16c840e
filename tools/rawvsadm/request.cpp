// SPDX-License-Identifier: BSD-2-Clause
// request.cpp: turns a Command into a control request, and a refusal into ipvsadm's message.
#include "request.h"

#include "rawvs/control.h"

namespace rawvs::adm {

namespace {

using O = Option;

void put(std::string& request, std::string_view key, std::string_view value) {
  request.append(1, ' ').append(key).append(1, '=').append(value);
}
void put(std::string& request, std::string_view key, uint32_t number) { put(request, key, std::to_string(number)); }

Endpoint endpoint(const Place& place) { return {place.addr, Port(place.port.value_or(0))}; }

void put_service(std::string& request, const Command& c) {
  const char* const mark = c.service.ipv6() ? "mark6:" : "mark:";
  put(request, "service",
      c.mark != 0 ? mark + std::to_string(c.mark) : std::string(name(c.protocol)) + ':' + text(endpoint(c.service)));
}

// A prefix length if the mask is one, else the mask.
std::string mask_word(const Netmask& mask, Family family) {
  const auto length = mask.length(family);
  return length ? std::to_string(*length) : text(mask.v4());
}

void put_service_record(std::string& request, const Command& c) {
  put(request, "scheduler", c.scheduler);
  if (c.persistence != 0) {
    put(request, "persistence", c.persistence);
    if (!c.netmask.full()) put(request, "netmask", mask_word(c.netmask, c.service.addr.family()));
  }
  if (!c.flags.empty()) put(request, "flags", c.flags);
  if (c.has(O::ops)) put(request, "ops", 1);
  if (!c.persistence_engine.empty()) put(request, "pe", c.persistence_engine);
}

void put_server_record(std::string& request, const Command& c) {
  put(request, "method", c.method);
  if (c.method == "tunnel") {
    put(request, "tun-type", c.tunnel);
    if (c.tunnel_port != 0) put(request, "tun-port", c.tunnel_port);
    if (c.tunnel != "ipip") put(request, "tun-checksum", c.tunnel_checksum);
  }
  if (c.proxy) put(request, "proxy", 2);
  put(request, "weight", c.weight);
  if (c.upper != 0) put(request, "upper", c.upper);
  if (c.lower != 0) put(request, "lower", c.lower);
}

// True for names that no scheduler or engine has, and that would not be one word of a request.
bool odd_name(const std::string& name) {
  constexpr size_t kMost = 15;  // as in the kernel's interface
  if (name.size() > kMost) return true;
  for (const char c : name) {
    if (c <= ' ' || c > '~') return true;
  }
  return false;
}

void put_daemon(std::string& request, const Command& c) {
  put(request, "role", c.daemon);
  put(request, "link", c.mcast_interface);
  if (c.has(O::syncid)) put(request, "id", c.syncid);
  if (c.has(O::sync_maxlen)) put(request, "maxlen", c.sync_maxlen);
  if (c.has(O::mcast_group) || c.has(O::mcast_port)) {
    put(request, "group", text(Endpoint{c.mcast_group, Port(static_cast<uint16_t>(c.mcast_port))}));
  }
  if (c.has(O::mcast_ttl)) put(request, "ttl", c.mcast_ttl);
}

std::string list_request(const Command& c) {
  if (c.has(O::connection)) return "connections";
  if (c.has(O::timeout)) return "timeouts";
  if (c.has(O::daemon)) return "sync";
  std::string request = "list";
  if (c.has(O::service)) put_service(request, c);
  return request;
}

const char* command_word(Verb verb) {  // where the protocol's word differs from ipvsadm's messages
  if (verb == Verb::clear) return "clear";
  if (verb == Verb::start_daemon) return "start-sync";
  if (verb == Verb::stop_daemon) return "stop-sync";
  return verb == Verb::set_timeouts ? "set-timeouts" : name(verb);
}

std::string body(const Command& c) {
  std::string request = command_word(c.verb);
  switch (c.verb) {
    case Verb::list: return list_request(c);
    case Verb::save: return "list";
    case Verb::zero:
      if (c.has(O::service)) put_service(request, c);
      return request;
    case Verb::set_timeouts:
      put(request, "tcp", c.tcp);
      put(request, "tcpfin", c.tcpfin);
      put(request, "udp", c.udp);
      return request;
    case Verb::add_service:
    case Verb::edit_service: put_service(request, c), put_service_record(request, c); return request;
    case Verb::delete_service: put_service(request, c); return request;
    case Verb::add_server:
    case Verb::edit_server:
    case Verb::delete_server:
      put_service(request, c);
      put(request, "server", text(endpoint(c.server)));
      if (c.verb != Verb::delete_server) put_server_record(request, c);
      return request;
    case Verb::start_daemon: put_daemon(request, c); return request;
    case Verb::stop_daemon: put(request, "role", c.daemon); return request;
    default: return request;
  }
}

// ipvsadm's messages, by operation.
std::string refusal_text(Verb verb, std::string_view code) {
  const bool server = verb == Verb::add_server || verb == Verb::edit_server || verb == Verb::delete_server;
  if (code == "no-link") return "No such device";
  if (code == "not-running") return "No daemon is running";
  if (code == "exists" && verb == Verb::start_daemon) return "Daemon has already run";
  if (code == "exists") return server ? "Destination already exists" : "Service already exists";
  if (code == "no-service") return server ? "Service not defined" : "No such service";
  if (code == "no-server") return "No such destination";
  if (code == "no-scheduler") return "Scheduler or persistence engine not found";
  if (code == "range") return "Numerical result out of range";
  if (code == "full") return "Memory allocation problem";
  if (code == "invalid") return "Invalid operation.  Possibly wrong module version, address not unicast, ...";
  return "";
}

Ending ended(Verb verb, const std::string& text) {  // a failed listing ends -R, other refusals do not
  const bool listing = verb == Verb::list || verb == Verb::save;
  return {listing ? 1 : kRefused, "", text + '\n', listing};
}

}  // namespace

std::variant<std::string, Ending> request(const Command& c) {
  if (c.verb == Verb::start_daemon && (c.mcast_interface.empty() || odd_name(c.mcast_interface))) {
    return refusal(c.verb, {"no-link", ""});
  }
  if (odd_name(c.scheduler) || odd_name(c.persistence_engine)) return refusal(c.verb, {"no-scheduler", ""});
  return std::string(kControlVersion) + ' ' + body(c);
}

Ending refusal(Verb verb, const Refused& refused) {
  const std::string text = refusal_text(verb, refused.code);
  return ended(verb, text.empty() ? "rawvsadm: " + refused.text : text);
}

Ending unsupported(Verb verb, const std::string& text) { return ended(verb, "rawvsadm: " + text); }

}  // namespace rawvs::adm
