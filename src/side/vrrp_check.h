// SPDX-License-Identifier: BSD-2-Clause
// vrrp_check.h: instances of VRRP are checked one by one, as a file is read.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "side/vrrp.h"

namespace rawvs {

class VrrpCheck {
 public:
  // What makes it impossible beside those before it. Empty: nothing.
  std::string add(const VrrpSpec& spec);

 private:
  std::set<std::string> names_;
  std::map<std::pair<Link, uint8_t>, std::string> vrids_;  // to the name of the instance
  std::map<Ip, std::string> addresses_;                    // the same
  std::string of_others_{};                                // who has other_vips = yes
  std::array<size_t, kLinks> on_link_{};
};

}  // namespace rawvs
