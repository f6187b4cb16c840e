// SPDX-License-Identifier: BSD-2-Clause
// start_check.cpp: loads the tables into a temporary director, and checks the control socket's place without changing
// it.
#include "sys/engine/start_check.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "core/connection.h"
#include "core/local_addresses.h"
#include "core/reassembly.h"
#include "core/service.h"
#include "rawvs/settings.h"
#include "sys/engine/control_socket.h"
#include "sys/net/netlink.h"
#include "sys/rights/call_filter.h"
#include "sys/sys.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

void check_tables(const Config& config, std::vector<Error>& faults) {
  const Instant now = clock_now();
  Outbox out;
  Director director(config.settings, random_hash_key(), now);
  if (const auto memory = has_memory(director, config.settings); !memory) return faults.push_back(memory.error());
  const WantedTables tables = wanted_tables(config);
  director.set_groups(tables.groups, {now, out});
  out.clear();
  for (const WantedService& wanted : tables.services) {
    const std::string place = formatted("service {}: ", text(wanted.spec.key));
    director.set_from_file(wanted.spec.key, wanted.said);
    const auto refused = director.add(wanted.spec, {now, out});
    out.clear();
    if (refused) faults.push_back({place + name(*refused)});
    for (const ServerSpec& server : wanted.servers) {
      const auto refusal = refused ? std::nullopt : director.add_server(wanted.spec.key, server, {now, out});
      out.clear();
      if (refusal) faults.push_back({formatted("{}server {}: {}", place, text(server.at), name(*refusal))});
    }
  }
}

bool is_vip(const Config& config, Ip addr) {
  const auto serves = [&](const VirtualConfig& v) { return v.address && v.address->now == addr; };
  const auto matches = [&](const GroupConfig& group) {
    return std::ranges::find(group.matches, addr, &GroupConfig::Match::vip) != group.matches.end();
  };
  return std::ranges::any_of(config.virtuals, serves) || std::ranges::any_of(config.groups, matches);
}

}  // namespace

Result<Done> has_memory(const Director& director, const Settings& settings) {
  if (director.connections().capacity() == 0) {
    return Error{formatted("no memory for {} connections: set a smaller max_connections", settings.max_connections)};
  }
  if (!director.counts_clients()) {
    return Error{formatted("no memory for the clients of {} connections", settings.max_connections)};
  }
  if (director.reassembly().capacity() == 0) {
    return Error{formatted("no memory for fragmented datagrams ({} MB)", Reassembly::kMemory >> 20)};
  }
  return Done{};
}

std::vector<Error> start_faults(const Config& config) {
  std::vector<Error> faults;
  if (const auto place = ControlSocket::could_listen(config.control, config.control_group, config.read_group); !place)
    faults.push_back(place.error());
  check_tables(config, faults);
  return faults;
}

std::vector<std::string> start_warnings(const Config& config) {
  std::vector<std::string> warnings;
  if (!kHasCallFilter && config.seccomp != SeccompMode::off) {
    warnings.emplace_back("seccomp has no effect: rawvsd was built without libseccomp, and may make every system call");
  }
  const std::vector<Ip>& locals = config.settings.local_addresses;
  auto netlink = locals.empty() ? Result<std::unique_ptr<Netlink>>(std::unique_ptr<Netlink>()) : Netlink::open();
  if (locals.empty() || !netlink) return warnings;
  const auto hosts = (*netlink)->host_addresses();
  if (!hosts) return warnings;
  for (const Ip addr : locals) {
    if (std::ranges::binary_search(*hosts, addr) || is_vip(config, addr)) continue;
    warnings.push_back(LocalAddresses::missing_words(addr));
  }
  return warnings;
}

}  // namespace rawvs
