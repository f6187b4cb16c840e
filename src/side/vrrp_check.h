// SPDX-License-Identifier: BSD-2-Clause
// vrrp_check.h: checks VRRP instances one by one, as a file is read.
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
  // The fault of this instance, alone or with earlier ones; empty: none.
  std::string add(const VrrpSpec& spec);

 private:
  std::set<std::string> names_;
  std::map<std::pair<Link, uint8_t>, std::string> vrids_;  // the instance's name
  std::map<Ip, std::string> addresses_;                    // the instance's name
  std::string of_others_{};                                // the instance with other_vips = yes
  std::array<size_t, kLinks> on_link_{};
};

}  // namespace rawvs
