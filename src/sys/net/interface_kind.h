// SPDX-License-Identifier: BSD-2-Clause
// interface_kind.h: checks that an interface is an Ethernet interface, the only kind that rawvsd uses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "rawvs/config.h"

namespace rawvs {

// The reason for a hardware type (ARPHRD_, net/if_arp.h): "it has no Ethernet: a PPP link". Empty: it is Ethernet.
std::string lacks_ethernet(uint16_t hardware);

std::string interface_name(int ifindex);  // empty: it is gone

// An error for the first of the configuration's interfaces that exists and is not Ethernet.
std::optional<Error> unfit_interface(const Config& config);

}  // namespace rawvs
