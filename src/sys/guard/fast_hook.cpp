// SPDX-License-Identifier: BSD-2-Clause
// fast_hook.cpp: the two ways.
#include "sys/guard/fast_hook.h"

#include <string>
#include <utility>

#include "sys/guard/bpf.h"

namespace rawvs {

Result<std::unique_ptr<FastHook>> FastHook::attach(int ifindex, int program, FastWays ways) {
  std::unique_ptr<FastHook> made(new FastHook);
  std::string failures;
  if (ways != FastWays::clsact) {
    auto link = attach_tcx(program, ifindex);
    if (link) {
      made->link_ = std::move(*link);
      remove_left(ifindex);
      return made;
    }
    failures = at("tcx", link.error()).text;
  }
  if (ways != FastWays::tcx) {
    auto hook = IngressHook::with(ifindex, HookUse::fast, [&](IngressHook& h) { return h.put_program(program); });
    if (hook) {
      made->hook_ = std::move(*hook);
      return made;
    }
    failures += (failures.empty() ? "" : "; ") + at("clsact", hook.error()).text;
  }
  return Error{failures};
}

FastHook::~FastHook() {
  if (!hook_) return;
  hook_->remove_own();
  hook_->remove_if_unused();
}

void FastHook::remove_left(int ifindex) {
  auto hook = IngressHook::open(ifindex, HookUse::fast);
  if (!hook) return;
  hook->remove_former();
  hook->remove_if_unused();
}

}  // namespace rawvs
