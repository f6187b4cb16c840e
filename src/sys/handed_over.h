// SPDX-License-Identifier: BSD-2-Clause
// handed_over.h: descriptors that a rawvsd leaves open for the program that replaces it, named by environment
// variables.
// In:  variables, texts.
// Out: numbers of descriptors.
// Not: whether a descriptor is what its variable says: who takes it looks.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rawvs {

inline constexpr const char* kPredecessorVariable = "RAWVS_PREDECESSOR_FD";  // its socket (engine/handover.h)
inline constexpr const char* kInterimVariable = "RAWVS_INTERIM";  // no descriptor: present for the interim process
// Of versions that executed the next one without a socket:
inline constexpr const char* kStateVariable = "RAWVS_STATE_FD";      // connections (ha/state_file.h)
inline constexpr const char* kGuardVariable = "RAWVS_GUARD_FDS";     // guards' links (guard/guard_links.h)
inline constexpr const char* kControlVariable = "RAWVS_CONTROL_FD";  // the control socket (engine/control_listener.h)
inline constexpr const char* kTunVariable = "RAWVS_TUN_FD";          // local_clients' interface (net/tun.h)
inline constexpr const char* kHelperVariable = "RAWVS_HELPER_FD";    // rawvs-helper's socket (helper/helper.h)
inline constexpr std::array kHandedOver = {kPredecessorVariable, kInterimVariable, kStateVariable, kGuardVariable,
                                           kControlVariable,     kTunVariable,     kHelperVariable};

std::optional<int> descriptor_in(std::string_view text);
std::vector<int> descriptors_in(std::string_view text);  // between commas; what is no number is left out

// The variable's value; removes it: child programs must not use it. None: there is no such variable.
std::optional<std::string> take_variable(const char* name);

}  // namespace rawvs
