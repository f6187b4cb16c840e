// SPDX-License-Identifier: BSD-2-Clause
// spec_words.h: the words for properties of services and servers, the same in files, control requests and listings.
// In:  words.
// Out: values, and back. The words are ipvsadm's where it has any.
// Not: whole values and their error messages (config_values.h, control_values.h).
//
// For src/config and src/control only.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "core/service.h"
#include "rawvs/result.h"

namespace rawvs {

struct FlagWord {
  std::string_view word;
  std::optional<Scheduler> scheduler;  // the flag's scheduler; none: any scheduler
  uint8_t bit;                         // SchedulerFlags
};
inline constexpr std::array<FlagWord, 7> kFlagWords{{{"sh-fallback", Scheduler::sh, SchedulerFlags::fallback},
                                                     {"sh-port", Scheduler::sh, SchedulerFlags::port},
                                                     {"mh-fallback", Scheduler::mh, SchedulerFlags::fallback},
                                                     {"mh-port", Scheduler::mh, SchedulerFlags::port},
                                                     {"flag-1", std::nullopt, SchedulerFlags::fallback},
                                                     {"flag-2", std::nullopt, SchedulerFlags::port},
                                                     {"flag-3", std::nullopt, SchedulerFlags::third}}};
const FlagWord* find_flag(std::string_view word);            // null: no such flag
std::string flags_text(Scheduler scheduler, uint8_t flags);  // sh-fallback,sh-port; empty: none

inline constexpr std::array<std::string_view, 3> kTunnelTypes{"ipip", "gue", "gre"};        // in TunnelType's order
inline constexpr std::array<std::string_view, 3> kTunnelChecksums{"none", "on", "remote"};  // in TunnelChecksum's
// True of IP:PORT and [IPV6]:PORT; an IPv6 address without brackets has no port.
bool names_port(std::string_view endpoint);
std::string mask_word(const Netmask& mask, Family family);  // 255.255.255.0; of IPv6: 64
std::string mask_text(const Netmask& mask, Family family);  // the same; of IPv6: /64
std::string_view word(TunnelType type);
std::string_view word(TunnelChecksum checksum);
std::optional<TunnelType> parse_tunnel_type(std::string_view word);
std::optional<TunnelChecksum> parse_tunnel_checksum(std::string_view word);

// What is missing from a tunnel of this type, or not allowed. joint: the character inside keys: tun-port or tun_port.
std::optional<Error> tunnel_fault(const Tunnel& tunnel, char joint);

}  // namespace rawvs
