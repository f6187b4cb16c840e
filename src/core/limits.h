// SPDX-License-Identifier: BSD-2-Clause
// limits.h: which clients a service takes, and how much of it they get. Such limits are in the INI file alone.
// In:  a service's limits, a client's address.
// Out: whether a network of its lists excludes the client.
// Not: counting (client_table.h), tests of new connections (director/flows_limits.cpp).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/network_list.h"
#include "core/token_bucket.h"
#include "rawvs/exit.h"

namespace rawvs {

using NetworkLists = std::vector<std::shared_ptr<const NetworkList>>;

// The longest match of all lists decides; of two that are equally long, deny. Without a match, a client is denied if
// there is an allow list, even an empty one.
struct AccessLists {
  NetworkLists allow, deny;
  bool empty() const { return allow.empty() && deny.empty(); }
};

struct Access {
  bool allowed = true;
  const NetworkList* list = nullptr;          // null: no network matches
  const NetworkList::Entry* entry = nullptr;  // of the list
};
Access access_of(const AccessLists& lists, Ip client);
std::string text(const Access& access);  // deny_file /etc/rawvs/bad, line 12: 192.0.2.0/24; none of allow's networks

struct ServiceLimits {                               // 0: none
  uint32_t max_connections = 0;                      // at a time
  uint32_t max_rate = 0;                             // new ones per second; as many at once after a pause
  uint32_t client_connections = 0, client_rate = 0;  // the same, for a client's network
  AccessLists access{};
  bool none() const;
};
// Whether they say the same. Lists of files are compared by identity: an unchanged file keeps its list.
bool alike(const ServiceLimits& a, const ServiceLimits& b);

// The exits of packets that these limits refuse.
inline constexpr Exit kRefusals[] = {Exit::denied, Exit::service_full, Exit::service_rate, Exit::client_full,
                                     Exit::client_rate};

// What counts against a service's limits.
struct LimitsUse {
  uint32_t connections = 0;  // of its servers: those that clients began
  TokenBucket rate{};
  std::array<uint64_t, std::size(kRefusals)> refused{};  // packets, by kRefusals
};
std::string refused_words(const LimitsUse& use);  // denied:12,service-full:3; -: none

}  // namespace rawvs
