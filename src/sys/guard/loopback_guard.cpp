// SPDX-License-Identifier: BSD-2-Clause
// loopback_guard.cpp: an eBPF program of seven instructions, or a classic one of four.
#include "sys/guard/loopback_guard.h"

#include <linux/filter.h>
#include <linux/pkt_cls.h>
#include <net/if.h>

#include <cerrno>

#include "sys/guard/bpf.h"
#include "sys/guard/bpf_insn.h"
#include "sys/guard/guard.h"
#include "sys/guard/tc.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr auto kAskNext = static_cast<uint32_t>(TC_ACT_UNSPEC);

Result<Fd> by_tcx(uint32_t mark, int ifindex) {
  using namespace ebpf;
  Assembler a;
  Assembler::Label next;
  a.put(load_word(r0, r1, offsetof(__sk_buff, mark)));
  a.jump_unless_equal(r0, static_cast<int32_t>(mark), next);
  a.put(set(r0, TC_ACT_SHOT));
  a.put(leave());
  a.here(next);
  a.put(set(r0, TC_ACT_UNSPEC));
  a.put(leave());
  const auto program = load_bpf_program(BPF_PROG_TYPE_SCHED_CLS, a.code(), kGuardName);
  if (!program) return program.error();
  return attach_tcx(program->get(), ifindex);
}

Result<std::unique_ptr<IngressHook>> by_hook(uint32_t mark, int ifindex) {
  constexpr auto kMarkAt = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_MARK);
  const sock_filter program[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, kMarkAt},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, mark},
      {BPF_RET | BPF_K, 0, 0, TC_ACT_SHOT},
      {BPF_RET | BPF_K, 0, 0, kAskNext},
  };
  auto hook = IngressHook::with(ifindex, HookUse::guard, [&](IngressHook& h) { return h.put_guard(program); });
  if (!hook) return hook.error();
  return std::make_unique<IngressHook>(std::move(*hook));
}

}  // namespace

LoopbackGuard::LoopbackGuard() = default;

LoopbackGuard::~LoopbackGuard() {
  if (!hook_) return;
  hook_->remove_own();
  hook_->remove_if_unused();
}

Result<std::unique_ptr<LoopbackGuard>> LoopbackGuard::attach(uint32_t mark, GuardMode mode) {
  const int ifindex = static_cast<int>(if_nametoindex("lo"));
  std::unique_ptr<LoopbackGuard> guard(new LoopbackGuard);
  std::string failures;
  if (mode == GuardMode::off) Guard::remove_left(ifindex), failures = "guard = off";
  if (mode == GuardMode::automatic || mode == GuardMode::tcx) {
    if (auto link = by_tcx(mark, ifindex)) {
      guard->link_ = std::move(*link);
      Guard::remove_left(ifindex);
      return guard;
    } else {
      failures = at("tcx", link.error()).text;
    }
  }
  if (mode == GuardMode::automatic || mode == GuardMode::clsact || mode == GuardMode::classic) {
    if (auto hook = by_hook(mark, ifindex)) {
      guard->hook_ = std::move(*hook);
      return guard;
    } else {
      failures += (failures.empty() ? "" : "; ") + at("classic", hook.error()).text;
    }
  }
  return Error{failures};
}

}  // namespace rawvs
