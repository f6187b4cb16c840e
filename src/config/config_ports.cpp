// SPDX-License-Identifier: BSD-2-Clause
// config_ports.cpp: the grammar of ports: "tcp/80,443 udp/5000-5010", or "*"; and the same after a VIP, with "from" and
// a client network.

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "config/config_values.h"
#include "core/sort.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

std::optional<uint16_t> port(std::string_view text) {
  const auto number = parse_port(text);
  return number && number->value != 0 ? std::optional(number->value) : std::nullopt;
}

Result<PortRange> read_range(std::string_view text) {
  const size_t dash = text.find('-');
  const auto first = port(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : port(text.substr(dash + 1));
  if (!first || !last) return Error{quoted(text) + " is not a port or a range of ports (1-65535)"};
  if (*first > *last) return Error{quoted(text) + ": the range runs backwards"};
  return PortRange{*first, *last};
}

constexpr std::array<Protocol, 3> kProtocols{Protocol::tcp, Protocol::udp, Protocol::sctp};

Result<PortMatch> read_port_match(std::string_view word) {
  constexpr std::string_view kExpected =
      "; expected tcp/, udp/ or sctp/ and ports, such as tcp/80,443 or udp/5000-5010";
  const size_t slash = word.find('/');
  if (slash == std::string_view::npos) return Error{quoted(word) + " has no \"/\"" + std::string(kExpected)};
  const std::string_view protocol = word.substr(0, slash), ports = word.substr(slash + 1);
  const auto* const known =
      std::find_if(kProtocols.begin(), kProtocols.end(), [&](Protocol p) { return protocol == name(p); });
  if (known == kProtocols.end()) {
    return Error{formatted("{}: {} is not a protocol{}", quoted(word), quoted(protocol), kExpected)};
  }
  if (ports == "*") return PortMatch{*known, {kEveryPort}};
  PortMatch match{*known, {}};
  for (const std::string_view piece : pieces(ports, ',')) {
    const auto range = read_range(piece);
    if (!range) return at(quoted(word), range.error());
    match.ports.push_back(*range);
  }
  return match;
}

// A port named twice in one value is a typing error: another one was meant.
std::optional<Error> named_twice(const std::vector<PortMatch>& matches) {
  for (const Protocol protocol : kProtocols) {
    std::vector<PortRange> all;
    for (const PortMatch& match : matches) {
      if (match.protocol == protocol) all.insert(all.end(), match.ports.begin(), match.ports.end());
    }
    sort_by<&PortRange::first>(all);
    for (size_t i = 1; i < all.size(); ++i) {
      if (all[i].first > all[i - 1].last) continue;
      const std::string port = all[i].first == 0 ? "*" : std::to_string(all[i].first);
      return Error{formatted("{}/{} is named twice", name(protocol), port)};
    }
  }
  return std::nullopt;
}

// "*" means every port of TCP and UDP, as people expect; SCTP has to be named.
Result<std::vector<PortMatch>> read_words(std::span<const std::string_view> all) {
  if (all.empty()) return Error{"no ports; expected such as tcp/80,443 or udp/5000-5010"};
  std::vector<PortMatch> matches;
  for (const std::string_view word : all) {
    if (word == "*") {
      matches.push_back({Protocol::tcp, {kEveryPort}});
      matches.push_back({Protocol::udp, {kEveryPort}});
      continue;
    }
    auto match = read_port_match(word);
    if (!match) return match.error();
    matches.push_back(std::move(*match));
  }
  if (auto twice = named_twice(matches)) return std::move(*twice);
  return matches;
}

// The client network after "from".
Result<Network> read_clients(std::span<const std::string_view> all, Ip vip) {
  const bool v4 = vip.is_v4();
  if (all.size() != 1) {
    return Error{std::string("expected one client network behind \"from\", at the end, such as from ") +
                 (v4 ? "198.51.100.0/24" : "2001:db8:1::/64")};
  }
  const auto network = parse_network(all[0]);
  if (!network) {
    return Error{quoted(all[0]) + " is not a network, such as " + (v4 ? "198.51.100.0/24" : "2001:db8:1::/64") +
                 " (bits behind the prefix are 0), or one address"};
  }
  if (network->base.family() == vip.family()) return *network;
  return Error{formatted("{} is {}, and the VIP {} is {}: no packet has addresses of both", rawvs::text(*network),
                         name(network->base.family()), rawvs::text(vip), name(vip.family()))};
}

}  // namespace

Result<std::vector<PortMatch>> read_ports(std::string_view text) {
  const auto all = words(text);
  if (std::find(all.begin(), all.end(), "from") != all.end()) {
    return Error{"\"from\" belongs in a group: [group NAME], mark = N, match = VIP PORTS from NETWORK"};
  }
  return read_words(all);
}

Result<std::vector<GroupConfig::Match>> read_match(std::string_view text) {
  const auto all = words(text);
  if (all.empty()) {
    return Error{"no value; expected a VIP and ports, such as 192.0.2.100 tcp/80,443 or 2001:db8::100 tcp/80,443"};
  }
  const auto vip = read_unicast(all[0]);
  if (!vip) return vip.error();
  const std::span behind = std::span(all).subspan(1);
  const auto from = static_cast<size_t>(std::find(behind.begin(), behind.end(), "from") - behind.begin());
  auto ports = read_words(behind.first(from));
  if (!ports) return ports.error();
  Network clients = Network::all(vip->family());
  if (from < behind.size()) {
    const auto network = read_clients(behind.subspan(from + 1), *vip);
    if (!network) return network.error();
    clients = *network;
  }
  std::vector<GroupConfig::Match> matches;
  for (PortMatch& match : *ports) matches.push_back({*vip, std::move(match), clients});
  return matches;
}

std::optional<Error> read_networks(std::string_view text, std::vector<Network>& all) {
  const auto found = words(text);
  if (found.empty()) return Error{"no value; expected networks, such as 198.51.100.0/24 2001:db8:1::/64"};
  for (const std::string_view word : found) {
    const auto network = parse_network(word);
    if (!network) return network_fault(word);
    if (all.size() == kMostNetworks) {
      return Error{formatted("more than {} networks; a file may have more: allow_file, deny_file", kMostNetworks)};
    }
    all.push_back(*network);
  }
  return std::nullopt;
}

Result<LocalPorts> read_local_ports(std::string_view text) {
  constexpr uint16_t kLeast = 1024;  // below are services' own
  const auto range = read_range(text);
  if (!range) return range.error();
  if (range->first < kLeast) return Error{quoted(text) + formatted(" begins below {}", kLeast)};
  return LocalPorts{range->first, range->last};
}

std::string local_ports_text(LocalPorts ports) { return text(PortRange{ports.first, ports.last}); }

std::string text(PortRange range) {
  if (range == kEveryPort) return "*";
  if (range.first == range.last) return std::to_string(range.first);
  return formatted("{}-{}", range.first, range.last);
}

std::string text(const PortMatch& match) {
  std::string all = name(match.protocol);
  for (size_t i = 0; i < match.ports.size(); ++i) all.append(i == 0 ? "/" : ",").append(text(match.ports[i]));
  return all;
}

std::string text(const GroupConfig::Match& match) {
  const std::string from = match.clients.prefix == 0 ? "" : " from " + text(match.clients);
  return text(match.vip) + ' ' + text(match.ports) + from;
}

std::string text(const std::vector<PortMatch>& ports) {
  std::string all;
  for (const PortMatch& match : ports) all.append(all.empty() ? "" : " ").append(text(match));
  return all;
}

}  // namespace rawvs
