// SPDX-License-Identifier: BSD-2-Clause
// interface_kind.h: which interfaces rawvsd can use: Ethernet, and links of bare IP packets between two ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "rawvs/config.h"

namespace rawvs {

struct InterfaceKind {
  bool ethernet = true;  // false: frames are bare IP packets
  std::string unfit{};   // why it can never be used: "it has no Ethernet: the loopback interface"; empty: it can
};
// By hardware type (ARPHRD_, net/if_arp.h) and flags (IFF_). A tunnel without a remote address is unfit: its packets
// would need neighbours that are found in no usual way.
InterfaceKind kind_of(uint16_t hardware, unsigned flags);

std::string interface_name(int ifindex);  // empty: it is gone

// An error for the first of the configuration's interfaces that exists and cannot be used.
std::optional<Error> unfit_interface(const Config& config);

}  // namespace rawvs
