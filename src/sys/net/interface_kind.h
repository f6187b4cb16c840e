// SPDX-License-Identifier: BSD-2-Clause
// interface_kind.h: whether an interface has Ethernet: rawvsd serves on no other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "rawvs/config.h"

namespace rawvs {

// Why not, for its hardware type (ARPHRD_, net/if_arp.h): "it has no Ethernet: a PPP link". Empty: it has.
std::string lacks_ethernet(uint16_t hardware);

// The first of the configuration's interfaces that is there now and lacks it.
std::optional<Error> unfit_interface(const Config& config);

}  // namespace rawvs
