// SPDX-License-Identifier: BSD-2-Clause
// tc.h: the traffic control hook on an interface's ingress, and filters of rawvsd on it: a guard's, the fast path's.
//
// A filter has a fixed preference and name, and one of a few handles: a filter left by a killed rawvsd is recognised,
// and no other is touched. A classic guard may have several filters, with consecutive handles. A guard's handles are
// not those of a guard that is there already: both drop frames until the former one is removed. They also tell whether
// the qdisc was there before, and has to stay; so rawvsd's last filter of either use knows. Of filters with the same
// preference the kernel runs the newest one first; a replaced one keeps its place. tc(8), tc-bpf(8).
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "rawvs/result.h"
#include "sys/guard/filter_program.h"
#include "sys/net/rtnetlink.h"

namespace rawvs {

inline constexpr uint32_t kGuardSlots = 257;              // the most filters that one guard has
inline constexpr uint32_t kGuardsBeside = 4;              // guards of one hook at a time
inline constexpr const char* kGuardName = "rawvs_guard";  // shown by tc and bpftool
inline constexpr const char* kFastName = "rawvs_fast";

enum class HookUse : uint8_t { guard, fast };

class IngressHook {
 public:
  // Knows the filters of this use that are there: a killed rawvsd left them, or one from which this one takes over.
  static std::optional<IngressHook> open(int ifindex, HookUse use = HookUse::guard);  // empty: errno says why
  // The hook with one program, which put(hook) has put there; those of a killed rawvsd are gone. put: 0 or an errno.
  static Result<IngressHook> with(int ifindex, HookUse use, const std::function<int(IngressHook&)>& put);

  // All return 0 or an errno.
  int make();                       // the clsact or ingress qdisc, if there is none
  int put_program(int program_fd);  // eBPF; replaces what it put before
  int put_guard(std::span<const sock_filter> program, uint32_t slot = 0);  // classic; replaces the filter of this slot
  int remove_guard(uint32_t slot);
  int remove_former();     // the filters of this use that were there at open()
  int remove_own();        // what was put
  int remove_if_unused();  // removes the qdisc if it is ours and has no filter

 private:
  struct Found {
    std::vector<tcmsg> of_use;  // of any rawvsd
    bool others = false;        // of another use, or no rawvsd's
    bool ours = false;          // a rawvsd has made the qdisc
    bool direct = false;        // the program returns verdicts without tc actions
  };
  IngressHook(Rtnetlink rtnetlink, int ifindex, HookUse use)
      : rtnetlink_(std::move(rtnetlink)), ifindex_(ifindex), use_(use) {}
  bool is_own(const tcmsg& filter) const;
  void take_place(uint32_t number);  // among those of this use beside each other
  NetlinkRequest filter_request(uint16_t type, unsigned flags, uint32_t info, uint32_t handle) const;
  NetlinkRequest qdisc_request(uint16_t type, unsigned flags, const char* kind) const;
  template <class PutProgram>
  int put(uint32_t slot, PutProgram&& put_program);
  int remove(const tcmsg& filter);
  Found find(uint32_t parent);
  Rtnetlink rtnetlink_;
  int ifindex_;
  HookUse use_;
  uint32_t first_ = 0;         // handle of its first filter
  std::vector<tcmsg> former_;  // filters that are not its own
  bool direct_ = false;        // this kernel obeys a filter's verdict
  bool ours_ = false;          // the qdisc was made by this or a killed rawvsd
};

}  // namespace rawvs
