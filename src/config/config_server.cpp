// SPDX-License-Identifier: BSD-2-Clause
// config_server.cpp: the grammar of a real server: "IP[:PORT] [weight=N] [forward=dr|tun|nat|fullnat] [mac=M] [upper=N]
// [lower=N] [proxy_protocol=2] [name=NAME]", its tunnel: "[tun_type=ipip|gue|gre] [tun_port=N]
// [tun_checksum=none|on|remote]", and its health check:
// "[check=NAME]".

#include <array>
#include <optional>

#include "config/config_values.h"
#include "config/spec_words.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr uint64_t kWeightMost = INT32_MAX;

std::optional<Error> set_count(uint32_t& count, std::string_view text) {
  const auto number = read_number(text, 0, UINT32_MAX);
  if (!number) return number.error();
  count = static_cast<uint32_t>(*number);
  return std::nullopt;
}

std::optional<Error> set_weight(ServerConfig& server, std::string_view text) {
  const auto number = read_number(text, 0, kWeightMost);
  if (!number) return number.error();
  server.weight = static_cast<int32_t>(*number);
  return std::nullopt;
}

std::optional<Error> set_forward(ServerConfig& server, std::string_view text) {
  for (const Method method : {Method::route, Method::tunnel, Method::masq, Method::fullnat}) {
    if (text != forward_word(method)) continue;
    server.method = method;
    return std::nullopt;
  }
  return Error{quoted(text) + " is not a way to forward: dr, tun, nat, fullnat"};
}

std::optional<Error> set_tunnel_type(ServerConfig& server, std::string_view text) {
  const auto type = parse_tunnel_type(text);
  if (!type) {
    return Error{quoted(text) + " is not a type of tunnel: " + listed({kTunnelTypes.begin(), kTunnelTypes.end()})};
  }
  server.tunnel.type = *type;
  return std::nullopt;
}

std::optional<Error> set_tunnel_port(ServerConfig& server, std::string_view text) {
  const auto number = read_number(text, 1, UINT16_MAX);
  if (!number) return number.error();
  server.tunnel.port = Port(static_cast<uint16_t>(*number));
  return std::nullopt;
}

std::optional<Error> set_tunnel_checksum(ServerConfig& server, std::string_view text) {
  const auto checksum = parse_tunnel_checksum(text);
  if (!checksum) {
    return Error{quoted(text) +
                 " is not a checksum of a tunnel: " + listed({kTunnelChecksums.begin(), kTunnelChecksums.end()})};
  }
  server.tunnel.checksum = *checksum;
  return std::nullopt;
}

std::optional<Error> set_mac(ServerConfig& server, std::string_view text) {
  const auto mac = parse_mac(text);
  if (!mac) return Error{quoted(text) + " is not a MAC address, such as 02:00:00:00:00:01"};
  if (mac->group() || mac->zero()) return Error{quoted(text) + " is not the MAC address of one machine"};
  server.mac = *mac;
  return std::nullopt;
}

std::optional<Error> set_proxy(ServerConfig& server, std::string_view text) {
  if (text != "2") return Error{quoted(text) + " is not a version of the PROXY protocol that is spoken here: 2"};
  server.proxy = true;
  return std::nullopt;
}

std::optional<Error> set_name(ServerConfig& server, std::string_view text) {
  server.name = ShortName::of(text);
  if (server.name.empty()) return Error{formatted("{} is not a name: {}", quoted(text), ShortName::kWhat)};
  if (parse_ip(text)) return Error{quoted(text) + " is an address; a server without name is called by its own"};
  return std::nullopt;
}

std::optional<Error> set_check(ServerConfig& server, std::string_view text) {
  if (auto fault = check_name_fault(text)) return fault;
  server.check = text;
  return std::nullopt;
}

struct Option {
  std::string_view word;
  std::optional<Error> (*set)(ServerConfig& server, std::string_view text);
};
constexpr std::array<Option, 11> kOptions{{
    {"weight", set_weight},
    {"forward", set_forward},
    {"mac", set_mac},
    {"upper", [](ServerConfig& s, std::string_view t) { return set_count(s.upper, t); }},
    {"lower", [](ServerConfig& s, std::string_view t) { return set_count(s.lower, t); }},
    {"tun_type", set_tunnel_type},
    {"tun_port", set_tunnel_port},
    {"tun_checksum", set_tunnel_checksum},
    {"proxy_protocol", set_proxy},
    {"check", set_check},
    {"name", set_name},
}};

Result<Endpoint> read_endpoint(std::string_view text) {
  const auto endpoint = parse_endpoint(text);
  if (!endpoint || (names_port(text) && endpoint->port.value == 0)) {
    return Error{quoted(text) + " is not a server: expected IP or IP:PORT, such as 192.0.2.11 or [2001:db8::11]:80"};
  }
  if (endpoint->addr.loopback()) return *endpoint;  // the host itself
  if (auto fault = address_fault(text, endpoint->addr)) return std::move(*fault);
  if (auto fault = link_local_fault(text, endpoint->addr)) return std::move(*fault);
  return *endpoint;
}

std::optional<Error> set_option(ServerConfig& server, std::array<bool, kOptions.size()>& seen, std::string_view word) {
  const size_t equals = word.find('=');
  const std::string_view wanted = word.substr(0, equals);
  for (size_t i = 0; i < kOptions.size(); ++i) {
    if (kOptions[i].word != wanted) continue;
    if (equals == std::string_view::npos) return Error{quoted(word) + " has no value: " + std::string(wanted) + "=..."};
    if (seen[i]) return Error{std::string(wanted) + ": given twice"};
    seen[i] = true;
    const auto problem = kOptions[i].set(server, word.substr(equals + 1));
    return problem ? std::optional(at(wanted, *problem)) : std::nullopt;
  }
  std::vector<std::string_view> known;
  known.reserve(kOptions.size());
  for (const Option& option : kOptions) known.push_back(option.word);
  const std::string guess = did_you_mean(wanted, known);
  return Error{quoted(word) + ": no such option" + (guess.empty() ? ": " + listed(known) : guess)};
}

std::optional<Error> tunnel_without_tun(const ServerSpec& server, const std::array<bool, kOptions.size()>& seen) {
  if (server.method == Method::tunnel) return std::nullopt;
  for (size_t i = 0; i < kOptions.size(); ++i) {
    if (!seen[i] || !kOptions[i].word.starts_with("tun_")) continue;
    return Error{std::string(kOptions[i].word) +
                 " is for forward=tun; this server is forward=" + std::string(forward_word(server.method))};
  }
  return std::nullopt;
}

}  // namespace

Result<ServerConfig> read_server(std::string_view text) {
  const auto all = words(text);
  if (all.empty()) return Error{"no value; expected IP or IP:PORT, and options, such as 192.0.2.11 weight=1"};
  const auto endpoint = read_endpoint(all[0]);
  if (!endpoint) return endpoint.error();
  ServerConfig server;
  server.at = *endpoint;
  std::array<bool, kOptions.size()> seen{};
  for (size_t i = 1; i < all.size(); ++i) {
    if (auto problem = set_option(server, seen, all[i])) return std::move(*problem);
  }
  if (server.lower > server.upper) {
    return Error{formatted("lower={} exceeds upper={}; the lower threshold is at most the upper one", server.lower,
                           server.upper)};
  }
  if (auto problem = tunnel_without_tun(server, seen)) return std::move(*problem);
  if (auto problem = tunnel_fault(server.tunnel, '_')) return std::move(*problem);
  if (server.proxy && server.method != Method::fullnat) {
    return Error{"proxy_protocol is for forward=fullnat; this server is forward=" +
                 std::string(forward_word(server.method))};
  }
  return server;
}

std::string_view forward_word(Method method) {
  switch (method) {
    case Method::tunnel: return "tun";
    case Method::masq: return "nat";
    case Method::fullnat: return "fullnat";
    default: return "dr";
  }
}

std::string text(const ServerSpec& server) {
  std::string all = server.at.port.value == 0 ? text(server.at.addr) : text(server.at);
  if (!server.name.empty()) all += formatted(" name={}", server.name.text());
  all += formatted(" weight={} forward={}", server.weight, forward_word(server.method));
  if (server.method == Method::tunnel) all += formatted(" tun_type={}", word(server.tunnel.type));
  if (server.tunnel.port.value != 0) all += formatted(" tun_port={}", server.tunnel.port.value);
  if (server.tunnel.type != TunnelType::ipip) all += formatted(" tun_checksum={}", word(server.tunnel.checksum));
  if (server.proxy) all += " proxy_protocol=2";
  if (server.mac) all += formatted(" mac={}", text(*server.mac));
  if (server.upper != 0) all += formatted(" upper={}", server.upper);
  if (server.lower != 0) all += formatted(" lower={}", server.lower);
  return all;
}

std::string text(const ServerConfig& server) {
  const std::string all = text(static_cast<const ServerSpec&>(server));
  return server.check.empty() ? all : all + " check=" + server.check;
}

}  // namespace rawvs
