// SPDX-License-Identifier: BSD-2-Clause
// doctor_room.cpp: sizes that are decided in the configuration and turn out to be too small.
#include <algorithm>

#include "doctor.h"
#include "rawvs/addr.h"

namespace rawvs::adm {

std::string raised(const DaemonFacts& daemon, const char* setting, uint64_t usual, uint64_t most) {
  const auto told = daemon.settings.find(setting);
  const uint64_t now = told == daemon.settings.end() ? usual : parse_number(told->second, UINT32_MAX).value_or(usual);
  const std::string key(setting);
  if (now >= most) return key + " is at its most (" + std::to_string(most) + "): have another director share the load";
  const bool at_start = key.starts_with("max_") || key == "ring_frames" || key == "fast_flows";
  return "set " + key + " = " + std::to_string(std::min(2 * now, most)) + " in " + daemon.config + " (it is " +
         std::to_string(now) + "), and " + (at_start ? "restart rawvsd" : "type: rawvsadm reload");
}

// The last quarter is not for clients who have not been proven to exist.
std::string look_at_fast_path(const DoctorFacts& facts, Findings& findings) {
  const DaemonFacts& daemon = facts.daemon;
  if (daemon.fast_capacity == 0) return "";
  const std::string places = std::to_string(daemon.fast_flows) + " of " + std::to_string(daemon.fast_capacity);
  if (daemon.fast_no_room != 0 && daemon.fast_flows >= daemon.fast_capacity / 4 * 3) {
    findings.push_back({Urgency::note, "fast-path-full",
                        "the fast path fills: " + places + " connections, and it found no room for one " +
                            plural(daemon.fast_no_room, "time") + " since rawvsd's start",
                        "rawvsd itself forwards the packets of the others, which takes more time",
                        raised(daemon, "fast_flows", 16384, 4194304)});
  }
  return "the fast path has room: " + places + " connections";
}

}  // namespace rawvs::adm
