// SPDX-License-Identifier: BSD-2-Clause
// spec_words.cpp: the words for properties of services and servers, and which of them go together.

#include "config/spec_words.h"

#include <algorithm>

#include "wire/formatted.h"

namespace rawvs {
namespace {

template <class Value, size_t kCount>
std::optional<Value> parsed(const std::array<std::string_view, kCount>& words, std::string_view word) {
  const auto* const found = std::find(words.begin(), words.end(), word);
  return found == words.end() ? std::nullopt : std::optional(static_cast<Value>(found - words.begin()));
}

}  // namespace

const FlagWord* find_flag(std::string_view word) {
  const auto* const found =
      std::find_if(kFlagWords.begin(), kFlagWords.end(), [&](const FlagWord& flag) { return flag.word == word; });
  return found == kFlagWords.end() ? nullptr : found;
}

std::string flags_text(Scheduler scheduler, uint8_t flags) {
  std::string all;
  for (uint8_t bit = SchedulerFlags::fallback; bit <= SchedulerFlags::third; bit = static_cast<uint8_t>(bit * 2)) {
    if ((flags & bit) == 0) continue;
    // The scheduler's own word has precedence over the general one.
    const auto* const flag = std::find_if(kFlagWords.begin(), kFlagWords.end(), [&](const FlagWord& f) {
      return f.bit == bit && f.scheduler.value_or(scheduler) == scheduler;
    });
    all.append(all.empty() ? "" : ",").append(flag->word);
  }
  return all;
}

bool names_port(std::string_view endpoint) {
  const size_t colon = endpoint.rfind(':');
  if (colon == std::string_view::npos) return false;
  return endpoint.starts_with('[') ? endpoint[colon - 1] == ']' : endpoint.find(':') == colon;
}

std::string mask_word(const Netmask& mask, Family family) {
  return family == Family::ipv4 ? text(mask.v4()) : std::to_string(mask.length(family).value_or(0));
}
std::string mask_text(const Netmask& mask, Family family) {
  return (family == Family::ipv4 ? "" : "/") + mask_word(mask, family);
}

std::string_view word(TunnelType type) { return kTunnelTypes[static_cast<size_t>(type)]; }
std::string_view word(TunnelChecksum checksum) { return kTunnelChecksums[static_cast<size_t>(checksum)]; }

std::optional<TunnelType> parse_tunnel_type(std::string_view word) { return parsed<TunnelType>(kTunnelTypes, word); }
std::optional<TunnelChecksum> parse_tunnel_checksum(std::string_view word) {
  return parsed<TunnelChecksum>(kTunnelChecksums, word);
}

std::optional<Error> tunnel_fault(const Tunnel& tunnel, char joint) {
  if (tunnel.type == TunnelType::gue && tunnel.port.value == 0) {
    return Error{formatted(
        "tun{}port is missing: a gue tunnel needs the UDP port that the server listens on, such as 6080", joint)};
  }
  if (tunnel.type != TunnelType::gue && tunnel.port.value != 0) {
    return Error{
        formatted("tun{}port is for tun{}type=gue; a tunnel of type {} has no port", joint, joint, word(tunnel.type))};
  }
  if (tunnel.type == TunnelType::ipip && tunnel.checksum != TunnelChecksum::none) {
    return Error{formatted("tun{}checksum is for tun{}type=gue or gre; ipip has no checksum of its own", joint, joint)};
  }
  if (tunnel.type == TunnelType::gre && tunnel.checksum == TunnelChecksum::remote) {
    return Error{formatted("tun{}checksum=remote is for tun{}type=gue; gre has none or on", joint, joint)};
  }
  return std::nullopt;
}

}  // namespace rawvs
