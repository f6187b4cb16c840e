// SPDX-License-Identifier: BSD-2-Clause
// vrrp_check.h: checks VRRP instances one by one, as a file is read.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "side/vrrp.h"

namespace rawvs {

struct VrrpFamilyFault {
  const char* key;  // address, peer, source, version
  size_t n;         // which of them
  std::string text;
};
// What is not of this family, the instance's: it has one (RFC 9568 section 1).
std::vector<VrrpFamilyFault> family_faults(const VrrpSpec& spec, Family family);

class VrrpCheck {
 public:
  // The fault of this instance, alone or with earlier ones; empty: none.
  std::string add(const VrrpSpec& spec);

 private:
  std::set<std::string> names_;
  std::map<std::tuple<Link, Family, uint8_t>, std::string> vrids_;  // the instance's name
  std::map<Ip, std::string> addresses_;                             // the instance's name
  std::string of_others_{};                                         // the instance with other_vips = yes
  std::array<std::array<size_t, 2>, kMostLinks> on_link_{};         // by family
};

}  // namespace rawvs
