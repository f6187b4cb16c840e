// SPDX-License-Identifier: BSD-2-Clause
// fast_hook.cpp: the two ways.
#include "sys/guard/fast_hook.h"

#include <cerrno>
#include <string>
#include <utility>

#include "sys/guard/bpf.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

Result<IngressHook> attach_by_hook(int ifindex, int program) {
  auto hook = IngressHook::open(ifindex, HookUse::fast);
  if (!hook) return Error{system_error("rtnetlink", errno)};
  if (const int problem = hook->make(); problem != 0) return Error{system_error("clsact or ingress qdisc", problem)};
  if (const int problem = hook->put_program(program); problem != 0) {
    hook->remove_own();
    hook->remove_if_unused();
    return Error{system_error("bpf filter at preference 1", problem)};
  }
  hook->remove_former();
  return std::move(*hook);
}

}  // namespace

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
    auto hook = attach_by_hook(ifindex, program);
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
