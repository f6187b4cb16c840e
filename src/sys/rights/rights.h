// SPDX-License-Identifier: BSD-2-Clause
// rights.h: which user and which capabilities the director goes on with, and how it gives up all others.
// In:  the configuration, this process's rights.
// Out: the rights given up for good.
// Not: files that the user cannot open later (outside.h).
//
// A start as root goes on as the user that the configuration names. Without root (file capabilities, ambient ones, a
// container) the user stays, and of the capabilities all but the wanted ones are given up. user = root keeps
// everything.
//
// capabilities(7), prctl(2).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rawvs/config.h"
#include "rawvs/result.h"
#include "sys/rights/account.h"

namespace rawvs {

class Rights {
 public:
  // Finds the user and the group; changes nothing. Errors: none; what is missing is a warning, and then
  // - the user: nobody is used, whom every system has.
  static Rights find(const Config& config);

  const std::optional<User>& user() const { return user_; }  // none: this process keeps its own
  bool keeps_all() const { return keeps_all_; }              // root, as configured
  const std::vector<std::string>& warnings() const { return warnings_; }
  bool may_write(const std::string& folder) const;  // whether the user may create files there; true: it is not changed

  // From here on: the user, its group, and control_group; the wanted capabilities alone, also in the bounding set; no
  // new ones by exec(2); no core dumps, and no other process of the user reads this one's memory.
  Result<Done> give_up() const;

  // For the program that replaces this one: its capabilities survive exec(2). False: for exec(2) that failed.
  static void keep_over_exec(bool on);

 private:
  std::optional<User> user_;
  std::vector<gid_t> groups_;  // supplementary
  std::vector<unsigned> wanted_;
  bool keeps_all_ = false;
  std::vector<std::string> warnings_;
};

// rawvs-helper's: root's user id, and the capabilities to become another user, and to end its processes; what programs
// get that run as root: these, and those that change the network. Without root, no rights beyond the user's.
Result<Done> keep_for_programs();

bool loads_programs(const Config& config);  // eBPF programs and maps: of the guard, AF_XDP, the fast path

// "user rawvs; capabilities net_admin, net_raw": what this process holds.
std::string rights_held();

// Removes all environment variables but those that this program reads.
void clean_environment();
// Closes all descriptors but the standard ones and those that the environment names for this program.
void close_inherited();
// While root: what a user may not raise later.
void lift_memory_limit();

}  // namespace rawvs
