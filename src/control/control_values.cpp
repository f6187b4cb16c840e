// SPDX-License-Identifier: BSD-2-Clause
// control_values.cpp: the grammar of each key of a control request.

#include "control/control_values.h"

#include <algorithm>

#include "config/spec_words.h"
#include "rawvs/control.h"

namespace rawvs {
namespace {

Fault bad_value(Key key, std::string_view found, const char* expected) {
  return usage(std::string(kKeyNames[static_cast<size_t>(key)]) + '=' + shortly_quoted(found) + ": expected " +
               expected);
}

// 24 or 255.255.255.0; of IPv6 a prefix length. As in IPVS, a mask of IPv4 need not be a prefix.
Objection read_netmask(const Values& values, Family family, Netmask& out) {
  const auto& found = values.of(Key::netmask);
  if (!found) return std::nullopt;
  if (const auto length = parse_number(*found, address_bits(family))) {
    out = Netmask(family, static_cast<uint8_t>(*length));
    return std::nullopt;
  }
  if (family == Family::ipv6) return bad_value(Key::netmask, *found, "a prefix length from 0 to 128");
  const auto mask = parse_ip(*found);
  if (!mask || mask->is_v6()) {
    return bad_value(Key::netmask, *found, "a prefix length from 0 to 32, or a mask like 255.255.255.0");
  }
  out = Netmask(*mask);
  return std::nullopt;
}

// An address, a network, or one of both with a port behind it: IP[/BITS][:PORT], IPV6[/BITS], [IPV6[/BITS]][:PORT].
struct NetworkText {
  std::string_view network;
  std::optional<std::string_view> port;
};
std::optional<NetworkText> split_network(std::string_view found) {
  if (found.starts_with('[')) {
    const size_t end = found.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view inner = found.substr(1, end - 1), behind = found.substr(end + 1);
    if (inner.find(':') == std::string_view::npos || (!behind.empty() && behind[0] != ':')) return std::nullopt;
    return NetworkText{inner, behind.empty() ? std::nullopt : std::optional(behind.substr(1))};
  }
  const size_t colon = found.find(':');
  if (colon == std::string_view::npos || found.find(':', colon + 1) != std::string_view::npos) {
    return NetworkText{found, std::nullopt};
  }
  return NetworkText{found.substr(0, colon), found.substr(colon + 1)};
}

Objection read_flags(const Values& values, std::optional<Scheduler> scheduler, uint8_t& out) {
  const auto& found = values.of(Key::flags);
  if (!found) return std::nullopt;
  for (std::string_view rest = *found;;) {
    const size_t comma = rest.find(',');
    const std::string_view word = rest.substr(0, comma);
    const FlagWord* const flag = find_flag(word);
    if (!flag) {
      return bad_value(Key::flags, *found,
                       "a list, commas between, of sh-fallback, sh-port, mh-fallback, mh-port, flag-1, flag-2, flag-3");
    }
    if (scheduler && flag->scheduler && *flag->scheduler != *scheduler) {
      return usage("flags=" + shortly_quoted(*found) + ": " + std::string(word) + " is a flag of scheduler " +
                   name(*flag->scheduler) + ", and this is " + name(*scheduler));
    }
    out |= flag->bit;
    if (comma == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(comma + 1);
  }
}

Objection read_mac(const Values& values, ServerSpec& out) {
  const auto& mac = values.of(Key::mac);
  if (!mac) return std::nullopt;
  out.mac = parse_mac(*mac);
  if (out.mac && !out.mac->zero() && !out.mac->group()) return std::nullopt;
  return bad_value(Key::mac, *mac, "the MAC address of one machine, like 02:00:00:00:00:01");
}

Objection read_method(const Values& values, Method& out) {
  const std::string_view found = values.of(Key::method).value_or("route");
  if (found == "route") return out = Method::route, std::nullopt;
  if (found == "tunnel") return out = Method::tunnel, std::nullopt;
  if (found == "masq") return out = Method::masq, std::nullopt;
  if (found == "fullnat") return out = Method::fullnat, std::nullopt;
  return bad_value(Key::method, found, "route, tunnel, masq or fullnat");
}

Objection read_tunnel(const Values& values, Method method, Tunnel& out) {
  for (const Key key : {Key::tun_type, Key::tun_port, Key::tun_checksum}) {
    if (method == Method::tunnel || !values.of(key)) continue;
    return usage(std::string(kKeyNames[static_cast<size_t>(key)]) + "=: expected only with method=tunnel");
  }
  if (const auto& type = values.of(Key::tun_type)) {
    const auto found = parse_tunnel_type(*type);
    if (!found) return bad_value(Key::tun_type, *type, "ipip, gue or gre");
    out.type = *found;
  }
  if (const auto& port = values.of(Key::tun_port)) {
    out.port = parse_port(*port).value_or(Port(0));
    if (out.port.value == 0) return bad_value(Key::tun_port, *port, "a port from 1 to 65535");
  }
  if (const auto& checksum = values.of(Key::tun_checksum)) {
    const auto found = parse_tunnel_checksum(*checksum);
    if (!found) return bad_value(Key::tun_checksum, *checksum, "none, on or remote");
    out.checksum = *found;
  }
  const auto fault = tunnel_fault(out, '-');
  return fault ? Objection(usage(fault->text)) : std::nullopt;
}

}  // namespace

Fault usage(std::string text) { return {"usage", std::move(text)}; }
Fault refused(Refusal why, std::string text) { return {name(why), std::move(text)}; }

std::string shortly_quoted(std::string_view found) {
  constexpr size_t kMost = 60;
  std::string out = "\"";
  out.append(found.substr(0, kMost));
  return out.append(found.size() > kMost ? "...\"" : "\"");
}

Objection read_number(const Values& values, Key key, uint64_t most, uint64_t& out) {
  const auto& found = values.of(key);
  if (!found) return std::nullopt;
  const auto number = parse_number(*found, most);
  if (!number) return bad_value(key, *found, ("a number from 0 to " + std::to_string(most)).c_str());
  out = *number;
  return std::nullopt;
}

Objection read_service_key(const Values& values, ServiceKey& out) {
  const std::string_view found = values.text(Key::service);
  const size_t colon = std::min(found.find(':'), found.size());
  const std::string_view kind = found.substr(0, colon), rest = found.substr(std::min(colon + 1, found.size()));
  if (kind == "mark" || kind == "mark6") {
    const Mark mark(static_cast<uint32_t>(parse_number(rest, UINT32_MAX).value_or(0)));
    out = mark_key(mark, kind == "mark" ? Family::ipv4 : Family::ipv6);
    if (out.mark.value != 0) return std::nullopt;
  }
  const auto vip = parse_endpoint(rest);
  for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    if (kind != name(protocol) || !vip || !names_port(rest)) continue;
    out.protocol = protocol;
    out.vip = *vip;
    return std::nullopt;
  }
  return bad_value(
      Key::service, found,
      "tcp:IP:PORT, udp:IP:PORT, sctp:IP:PORT, mark:N or mark6:N (N from 1); IP: 192.0.2.100 or [2001:db8::100]");
}

// A missing port is the service's; for a mark it is 0: the packet's own.
Objection read_endpoint(const Values& values, const ServiceKey& service, Endpoint& out) {
  const std::string_view found = values.text(Key::server);
  const auto at = parse_endpoint(found);
  if (!at) return bad_value(Key::server, found, "IP:PORT or [IPV6]:PORT");
  out = *at;
  if (!names_port(found)) out.port = service.vip.port;
  return std::nullopt;
}

Objection read_service(const Values& values, std::optional<Scheduler> scheduler, ServiceSpec& out) {
  uint64_t persistence = 0, ops = 0;
  if (auto fault = read_number(values, Key::persistence, kMostSeconds, persistence)) return fault;
  if (auto fault = read_number(values, Key::ops, 1, ops)) return fault;
  if (auto fault = read_netmask(values, out.key.family(), out.netmask)) return fault;
  if (auto fault = read_flags(values, scheduler, out.flags)) return fault;
  out.persistence = std::chrono::seconds(persistence);
  out.one_packet = ops != 0;
  if (scheduler) out.scheduler = *scheduler;
  return std::nullopt;
}

Objection read_flow(const Values& values, bool exact, FlowFilter& out) {
  if (const auto& found = values.of(Key::protocol)) {
    constexpr std::array kFlows{Protocol::tcp, Protocol::udp, Protocol::sctp};
    const auto* const known = std::ranges::find_if(kFlows, [&](Protocol p) { return *found == name(p); });
    if (known == kFlows.end()) return bad_value(Key::protocol, *found, "tcp, udp or sctp");
    out.protocol = *known;
  }
  if (const auto& found = values.of(Key::client)) {
    const char* const expected = exact ? "IP:PORT or [IPV6]:PORT"
                                       : "IP, IP:PORT, NETWORK/BITS or NETWORK/BITS:PORT; of IPv6: IP, [IP]:PORT, "
                                         "NETWORK/BITS or [NETWORK/BITS]:PORT";
    const auto parts = split_network(*found);
    const auto network = parts ? parse_network(parts->network) : std::nullopt;
    if (!network || (exact && *network != Network::host(network->base))) {
      return bad_value(Key::client, *found, expected);
    }
    out.client = *network;
    if (parts->port) {
      out.client_port = parse_port(*parts->port);
      if (!out.client_port) return bad_value(Key::client, *found, expected);
    }
    if (exact && !out.client_port) return bad_value(Key::client, *found, expected);
  }
  const auto read_end = [&](Key key, std::optional<Ip>& addr, std::optional<Port>& port) -> Objection {
    const auto& found = values.of(key);
    if (!found) return std::nullopt;
    const auto end = parse_endpoint(*found);
    const bool has_port = names_port(*found);
    if (!end || (exact && !has_port)) {
      return bad_value(key, *found, exact ? "IP:PORT or [IPV6]:PORT" : "IP, IP:PORT or [IPV6]:PORT");
    }
    addr = end->addr;
    if (has_port) port = end->port;
    return std::nullopt;
  };
  if (auto fault = read_end(Key::vip, out.vip, out.vip_port)) return fault;
  return read_end(Key::server, out.server, out.server_port);
}

Objection read_server(const Values& values, ServiceKey& service, ServerSpec& out) {
  if (auto fault = read_service_key(values, service)) return fault;
  if (auto fault = read_endpoint(values, service, out.at)) return fault;
  uint64_t weight = 1, upper = 0, lower = 0;
  if (auto fault = read_number(values, Key::weight, INT32_MAX, weight)) return fault;
  if (auto fault = read_number(values, Key::upper, UINT32_MAX, upper)) return fault;
  if (auto fault = read_number(values, Key::lower, UINT32_MAX, lower)) return fault;
  out.weight = static_cast<int32_t>(weight);
  out.upper = static_cast<uint32_t>(upper);
  out.lower = static_cast<uint32_t>(lower);
  if (auto fault = read_mac(values, out)) return fault;
  if (auto fault = read_method(values, out.method)) return fault;
  if (auto fault = read_tunnel(values, out.method, out.tunnel)) return fault;
  if (const auto& proxy = values.of(Key::proxy)) {
    if (*proxy != "2") return bad_value(Key::proxy, *proxy, "2, the version of the PROXY protocol");
    if (out.method != Method::fullnat) return usage("proxy=: expected only with method=fullnat");
    out.proxy = true;
  }
  // A DR or TUN server gets the packet unchanged, with its port (ipvsadm forces it, too).
  if (service.mark.value == 0 && !translates(out.method)) out.at.port = service.vip.port;
  return std::nullopt;
}

}  // namespace rawvs
