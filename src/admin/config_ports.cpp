// SPDX-License-Identifier: BSD-2-Clause
// config_ports.cpp: which ports: "tcp/80,443 udp/5000-5010", and the same behind a VIP.

#include <algorithm>
#include <optional>

#include "config_values.h"

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

Result<PortMatch> read_port_match(std::string_view word) {
  constexpr std::string_view kExpected = "; expected tcp/ or udp/ and ports, such as tcp/80,443 or udp/5000-5010";
  if (word == "*" || word.ends_with("/*")) return not_yet(word);
  const size_t slash = word.find('/');
  if (slash == std::string_view::npos) return Error{quoted(word) + " has no \"/\"" + std::string(kExpected)};
  const std::string_view protocol = word.substr(0, slash);
  if (protocol == "sctp") return not_yet(protocol);
  if (protocol != "tcp" && protocol != "udp") {
    return Error{quoted(word) + ": " + quoted(protocol) + " is not a protocol" + std::string(kExpected)};
  }
  PortMatch match{protocol == "tcp" ? Protocol::tcp : Protocol::udp, {}};
  for (const std::string_view piece : pieces(word.substr(slash + 1), ',')) {
    const auto range = read_range(piece);
    if (!range) return at(quoted(word), range.error());
    match.ports.push_back(*range);
  }
  return match;
}

// A port named twice in one value is a slip of the pen: one of the two was meant to be another.
std::optional<Error> named_twice(const std::vector<PortMatch>& matches) {
  for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
    std::vector<PortRange> all;
    for (const PortMatch& match : matches) {
      if (match.protocol == protocol) all.insert(all.end(), match.ports.begin(), match.ports.end());
    }
    std::sort(all.begin(), all.end(), [](PortRange a, PortRange b) { return a.first < b.first; });
    for (size_t i = 1; i < all.size(); ++i) {
      if (all[i].first > all[i - 1].last) continue;
      return Error{std::string(name(protocol)) + '/' + std::to_string(all[i].first) + " is named twice"};
    }
  }
  return std::nullopt;
}

Result<std::vector<PortMatch>> read_words(const std::vector<std::string_view>& all, size_t from) {
  if (from >= all.size()) return Error{"no ports; expected such as tcp/80,443 or udp/5000-5010"};
  std::vector<PortMatch> matches;
  for (size_t i = from; i < all.size(); ++i) {
    auto match = read_port_match(all[i]);
    if (!match) return match.error();
    matches.push_back(std::move(*match));
  }
  if (auto twice = named_twice(matches)) return std::move(*twice);
  return matches;
}

}  // namespace

Result<std::vector<PortMatch>> read_ports(std::string_view text) { return read_words(words(text), 0); }

Result<std::vector<GroupConfig::Match>> read_match(std::string_view text) {
  const auto all = words(text);
  if (all.empty()) return Error{"no value; expected a VIP and ports, such as 192.0.2.100 tcp/80,443"};
  const auto vip = read_unicast(all[0]);
  if (!vip) return vip.error();
  auto ports = read_words(all, 1);
  if (!ports) return ports.error();
  std::vector<GroupConfig::Match> matches;
  for (PortMatch& match : *ports) matches.push_back({*vip, std::move(match)});
  return matches;
}

std::string text(PortRange range) {
  return range.first == range.last ? std::to_string(range.first)
                                   : std::to_string(range.first) + '-' + std::to_string(range.last);
}

std::string text(const PortMatch& match) {
  std::string all = name(match.protocol);
  for (size_t i = 0; i < match.ports.size(); ++i) all.append(i == 0 ? "/" : ",").append(text(match.ports[i]));
  return all;
}

std::string text(const std::vector<PortMatch>& ports) {
  std::string all;
  for (const PortMatch& match : ports) all.append(all.empty() ? "" : " ").append(text(match));
  return all;
}

}  // namespace rawvs
