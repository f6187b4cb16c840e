// SPDX-License-Identifier: BSD-2-Clause
// state_marks.cpp: hashes of marks, and marks found by them.
#include "core/state_marks.h"

#include <algorithm>

#include "core/siphash.h"

namespace rawvs::state {

namespace {

constexpr uint32_t kChosenMarks =
    0x52560000;  // config_tables.cpp chooses numbers from here on; people choose lower ones

uint64_t hash_of(const GroupMatch& match) {
  const Network clients = match.sources();
  const uint64_t rest = uint64_t{clients.prefix} << 8 | static_cast<uint8_t>(match.protocol);
  return siphash13(HashKey{}, match.vip, clients.base, rest);
}

uint64_t hash_of(Ip vip) {
  return vip.is_v4() ? siphash13(HashKey{}, uint64_t{vip.v4()}, 0) : siphash13(HashKey{}, vip.hi(), vip.lo());
}

}  // namespace

MarkPrint print_of(const Services& services, Mark mark, Family family) {
  MarkPrint sum;
  for (const uint32_t place : services.groups_of(mark)) {
    const GroupMatch& match = services.groups()[place];
    if (match.vip.family() != family) continue;
    uint64_t print = hash_of(match);
    for (const PortRange& range : match.ports) {
      print = siphash13(HashKey{}, print, uint64_t{range.first} << 16 | range.last);
    }
    sum.matches += print;
    sum.address = std::max(sum.address, hash_of(match.vip));
  }
  return sum;
}

MarkHere mark_here(const Services& services, Mark was, Family family, const MarkPrint& print) {
  const auto balanced = [&](Mark mark) { return services.find(mark_key(mark, family)) != nullptr; };
  const bool chosen = was.value >= kChosenMarks;
  if (balanced(was) && (!chosen || print_of(services, was, family).matches == print.matches)) return {was, false};
  MarkHere at_address;
  bool several = false;
  Mark last{};  // consecutive matches often have the same mark
  for (const GroupMatch& match : services.groups()) {
    if (match.vip.family() != family || match.mark == last || !balanced(match.mark)) continue;
    last = match.mark;
    const MarkPrint here = print_of(services, match.mark, family);
    if (here.matches == print.matches) return {match.mark, false};
    if (here.address != print.address || match.mark == at_address.mark) continue;
    several = at_address.mark.value != 0;
    at_address = {match.mark, true};
  }
  return chosen && !several ? at_address : MarkHere{};
}

}  // namespace rawvs::state
