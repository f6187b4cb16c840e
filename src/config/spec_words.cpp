// SPDX-License-Identifier: BSD-2-Clause
// spec_words.cpp: the words for properties of services and servers, and which of them go together.

#include "config/spec_words.h"

#include <algorithm>

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

std::string_view word(TunnelType type) { return kTunnelTypes[static_cast<size_t>(type)]; }
std::string_view word(TunnelChecksum checksum) { return kTunnelChecksums[static_cast<size_t>(checksum)]; }

std::optional<TunnelType> parse_tunnel_type(std::string_view word) { return parsed<TunnelType>(kTunnelTypes, word); }
std::optional<TunnelChecksum> parse_tunnel_checksum(std::string_view word) {
  return parsed<TunnelChecksum>(kTunnelChecksums, word);
}

std::optional<Error> tunnel_fault(const Tunnel& tunnel, char joint) {
  const auto key = [&](const char* last) { return std::string("tun") + joint + last; };
  if (tunnel.type == TunnelType::gue && tunnel.port.value == 0) {
    return Error{key("port") + " is missing: a gue tunnel needs the UDP port that the server listens on, such as 6080"};
  }
  if (tunnel.type != TunnelType::gue && tunnel.port.value != 0) {
    return Error{key("port") + " is for " + key("type") + "=gue; a tunnel of type " + std::string(word(tunnel.type)) +
                 " has no port"};
  }
  if (tunnel.type == TunnelType::ipip && tunnel.checksum != TunnelChecksum::none) {
    return Error{key("checksum") + " is for " + key("type") + "=gue or gre; ipip has no checksum of its own"};
  }
  if (tunnel.type == TunnelType::gre && tunnel.checksum == TunnelChecksum::remote) {
    return Error{key("checksum") + "=remote is for " + key("type") + "=gue; gre has none or on"};
  }
  return std::nullopt;
}

}  // namespace rawvs
