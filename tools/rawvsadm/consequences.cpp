// SPDX-License-Identifier: BSD-2-Clause
// consequences.cpp: a configuration as sentences about what follows from it.
#include "consequences.h"

#include <algorithm>
#include <array>
#include <map>

#include "config/config_values.h"
#include "wire/formatted.h"

namespace rawvs::adm {

namespace {

constexpr size_t kMostShown = 20;  // of each kind; of the others their number
constexpr uint64_t kBase = 7 << 20, kFrame = 2048, kMega = 1 << 20;
constexpr uint64_t kEntry = 72, kNatEntry = 88, kWideEntry = 144;  // rawvs(7)

void add_shown(std::string& out, const std::vector<std::string>& lines, const char* what) {
  for (size_t i = 0; i < lines.size() && i < kMostShown; ++i) out += "  " + lines[i] + '\n';
  if (lines.size() > kMostShown) out += formatted("  and {} more {}\n", lines.size() - kMostShown, what);
}

std::string counted_servers(size_t n) { return formatted("{} server{}", n, n == 1 ? "" : "s"); }

// "2 servers by dr", "3 servers by dr and nat"
std::string methods_of(const VirtualConfig& v) {
  std::vector<std::string_view> words;
  for (const ServerConfig& server : v.servers) {
    const std::string_view word = forward_word(server.method);
    if (std::ranges::find(words, word) == words.end()) words.push_back(word);
  }
  std::string out = counted_servers(v.servers.size());
  for (size_t i = 0; i < words.size(); ++i) out.append(i == 0 ? " by " : ", ").append(words[i]);
  return out;
}

std::string service_line(const VirtualConfig& v) {
  std::string out =
      v.name + ": " + (v.address ? text(*v.address) + ' ' + text(v.ports) : formatted("mark {}", v.mark.value));
  if (v.servers.empty()) return out + "\n    no server: clients are refused";
  out += ": " + methods_of(v);
  const bool checked = std::ranges::any_of(v.servers, [&](const ServerConfig& server) {
    const std::string& check = server.check.empty() ? v.check : server.check;
    return !check.empty() && check != "none";
  });
  if (!checked) return out + "\n    no check: a server that fails gets clients still";
  return out + "\n    checked; when none is well, clients " +
         (v.sorry ? "get " + text(v.sorry->at.addr) : std::string("are refused"));
}

const char* needs_of(Method method) {
  switch (method) {
    case Method::route: return "dr: the VIP on lo, unanswered by ARP (rawvs-realserver(8))";
    case Method::tunnel: return "tun: a tunnel's end, with the VIP (rawvs-realserver(8))";
    case Method::masq: return "nat: this host as their gateway";
    default: return "fullnat: nothing";
  }
}

std::string needs_text(const Config& config) {
  std::map<const char*, std::vector<std::string>> servers;
  constexpr std::array kMethods{Method::route, Method::tunnel, Method::masq, Method::fullnat};
  for (const VirtualConfig& v : config.virtuals) {
    for (const ServerConfig& server : v.servers) {
      auto& known = servers[needs_of(server.method)];
      const std::string address = server.name.empty() ? text(server.at.addr) : std::string(server.name.text());
      if (known.size() <= kMostShown && std::ranges::find(known, address) == known.end()) known.push_back(address);
    }
  }
  std::string out;
  for (const Method method : kMethods) {
    const auto found = servers.find(needs_of(method));
    if (found == servers.end()) continue;
    out += std::string(out.empty() ? "The servers need\n" : "") + "  " + found->first + "\n   ";
    size_t shown = 0;
    for (const std::string& server : found->second) {
      if (shown++ == kMostShown) break;
      out += ' ' + server;
    }
    out += found->second.size() > kMostShown ? " ...\n" : "\n";
  }
  return out;
}

uint64_t entry_size(const Config& config) {
  uint64_t most = kEntry;
  for (const VirtualConfig& v : config.virtuals) {
    for (const ServerConfig& server : v.servers) {
      const bool wide = server.method == Method::fullnat || v.service_family() == Family::ipv6;
      most = std::max(most, wide ? kWideEntry : server.method == Method::masq ? kNatEntry : kEntry);
    }
  }
  return most;
}

size_t links_of(const Config& config) { return words(config.interface).size() + words(config.inside).size(); }

std::string who_answers(const Config& config) {
  if (config.vrrps.empty()) return "";
  std::string out = " while master (VRRP";
  for (size_t i = 0; i < config.vrrps.size() && i < kMostShown; ++i) out += ' ' + config.vrrps[i].name;
  return out + ")";
}

}  // namespace

std::vector<std::string> vips_of(const Config& config) {
  std::vector<std::string> out;
  std::map<std::string, bool> known;
  const auto add = [&](std::string vip) {
    if (known.emplace(vip, true).second) out.push_back(std::move(vip));
  };
  for (const VirtualConfig& v : config.virtuals) {
    if (v.address) add(text(*v.address));
  }
  for (const GroupConfig& group : config.groups) {
    for (const GroupConfig::Match& match : group.matches) add(text(match.vip));
  }
  return out;
}

uint64_t memory_of(const Config& config) {
  return kBase + entry_size(config) * config.settings.max_connections + links_of(config) * config.ring_frames * kFrame;
}

std::string consequences_text(const Config& config) {
  std::string out;
  const std::vector<std::string> vips = vips_of(config);
  if (!vips.empty()) {
    out += "VIPs, answered for on " + config.interface + who_answers(config) + "\n";
    add_shown(out, vips, "VIPs");
  }
  std::vector<std::string> services;
  for (const VirtualConfig& v : config.virtuals) {
    services.push_back(services.size() < kMostShown ? service_line(v) : "");
  }
  if (!services.empty()) out += "Services\n";
  add_shown(out, services, "services");
  out += needs_text(config);
  return out + formatted("Memory: {} MB at most, with {} connections\n", (memory_of(config) + kMega - 1) / kMega,
                         config.settings.max_connections);
}

}  // namespace rawvs::adm
