// SPDX-License-Identifier: BSD-2-Clause
// tc.h: the traffic control hook on an interface's ingress, and the guard's filter on it.
//
// The filter has a fixed preference and name, and one of a few handles: a filter left by a killed rawvsd is recognised,
// and no other is touched. A classic guard may have several filters, with consecutive handles. A guard's handles are
// not those of a guard that is there already: both drop frames until the former one is removed. They also tell whether
// the qdisc was there before, and has to stay. tc(8), tc-bpf(8).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "sys/guard/filter_program.h"
#include "sys/net/rtnetlink.h"

namespace rawvs {

inline constexpr uint32_t kGuardSlots = 257;              // the most filters that one guard has
inline constexpr uint32_t kGuardsBeside = 4;              // guards of one hook at a time
inline constexpr const char* kGuardName = "rawvs_guard";  // shown by tc and bpftool

class IngressHook {
 public:
  // Knows the guards that are there: a killed rawvsd left them, or one from which this one takes over.
  static std::optional<IngressHook> open(int ifindex);  // empty: errno says why

  // All return 0 or an errno.
  int make();                     // the clsact or ingress qdisc, if there is none
  int put_guard(int program_fd);  // eBPF; replaces what it put before
  int put_guard(std::span<const sock_filter> program, uint32_t slot = 0);  // classic; replaces the filter of this slot
  int remove_guard(uint32_t slot);
  int remove_former();     // the guards that were there at open()
  int remove_own();        // what put_guard() has put
  int remove_if_unused();  // removes the qdisc if it is ours and has no other filter

 private:
  struct Found {
    std::vector<tcmsg> guards;  // of any rawvsd
    bool others = false;
    bool direct = false;  // the guard's program returns verdicts without tc actions
  };
  IngressHook(Rtnetlink rtnetlink, int ifindex) : rtnetlink_(std::move(rtnetlink)), ifindex_(ifindex) {}
  bool is_own(const tcmsg& guard) const;
  void take_place(uint32_t number);  // among the guards beside each other
  NetlinkRequest filter_request(uint16_t type, unsigned flags, uint32_t info, uint32_t handle) const;
  NetlinkRequest qdisc_request(uint16_t type, unsigned flags, const char* kind) const;
  template <class PutProgram>
  int put(uint32_t slot, PutProgram&& put_program);
  int remove(const tcmsg& guard);
  Found find(uint32_t parent);
  Rtnetlink rtnetlink_;
  int ifindex_;
  uint32_t first_ = 0;         // handle of its first filter
  std::vector<tcmsg> former_;  // guards that are not its own
  bool direct_ = false;        // this kernel obeys a filter's verdict
  bool ours_ = false;          // the qdisc was made by this or a killed rawvsd
};

}  // namespace rawvs
