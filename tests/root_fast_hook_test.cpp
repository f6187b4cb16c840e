// SPDX-License-Identifier: BSD-2-Clause
// Tests fast_hook.h with the kernel, beside every guard: root_guard.h has the network. The program here sends all IPv4
// frames to the server as they are, so that one which the guard drops shows which of them came first.
#include "sys/guard/fast_hook.h"

#include <linux/pkt_cls.h>

#include "root_guard.h"
#include "sys/guard/bpf.h"
#include "sys/guard/bpf_insn.h"

namespace rawvs::test {
namespace {

constexpr const char *kFastVip = "203.0.113.100", *kSlowHost = "203.0.113.101";  // behind the server

Fd program_to(int ifindex) {
  using namespace ebpf;
  Assembler a;
  Assembler::Label other;
  a.put(copy(r6, r1));
  a.put(load_frame16(12));
  a.jump_unless_equal(r0, 0x0800, other);
  a.put(set(r1, ifindex));
  a.put(set(r2, 0));
  a.put(call(BPF_FUNC_redirect));
  a.put(leave());
  a.here(other);
  a.put(set(r0, TC_ACT_UNSPEC));
  a.put(leave());
  auto loaded = load_bpf_program(BPF_PROG_TYPE_SCHED_CLS, a.code(), "test");
  EXPECT_TRUE(loaded) << loaded.error().text;
  return loaded ? std::move(*loaded) : Fd();
}

struct HookBesideGuard {
  GuardMode guard;
  FastWays hook;
};

class FastHookTest : public GuardOnRouter, public testing::WithParamInterface<HookBesideGuard> {
 protected:
  void SetUp() override {
    GuardOnRouter::SetUp();
    if (IsSkipped()) return;
    if ((GetParam().guard == GuardMode::tcx || GetParam().hook == FastWays::tcx) && !kernel_has_tcx())
      GTEST_SKIP() << kNoTcx;
    program_ = program_to(ifindex_of("d1"));
  }
  std::unique_ptr<FastHook> hook(FastWays ways = GetParam().hook) const {
    auto attached = FastHook::attach(ifindex_of("d0"), program_.get(), ways);
    EXPECT_TRUE(attached) << attached.error().text;
    return attached ? std::move(*attached) : nullptr;
  }
  void expect_hook_first() {
    from_client(datagram(kFastVip));
    EXPECT_EQ(next_at_server(), tapped(kFastVip));
  }
  void expect_guard_alone() {
    from_client(datagram(kFastVip));
    from_client(datagram(kSlowHost));
    EXPECT_EQ(next_at_server(), routed(kSlowHost));
  }
  static std::string filters() { return output_of("tc filter show dev d0 ingress"); }
  static bool has_qdisc() { return output_of("tc qdisc show dev d0").find("clsact") != std::string::npos; }
  // A process that attaches both and ends without a destructor, as a killed rawvsd.
  void die() {
    const pid_t child = fork();
    if (child == 0) {
      auto guard = attach(GetParam().guard);
      if (guard) protect(*guard, {kFastVip}), guard->end_former();
      auto left = hook();
      _exit(guard && left ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
  Fd program_;
};

TEST_P(FastHookTest, ComesBeforeTheGuard) {
  auto guard = attach(GetParam().guard);
  ASSERT_TRUE(guard);
  protect(*guard, {kFastVip});
  auto attached = hook();
  ASSERT_TRUE(attached);
  EXPECT_STREQ(attached->way(), GetParam().hook == FastWays::tcx ? "tcx" : "clsact");
  EXPECT_EQ(attached->stays_first(), GetParam().hook == FastWays::tcx);
  expect_hook_first();
  attached.reset();
  expect_guard_alone();
}

TEST_P(FastHookTest, StaysBeforeAGuardThatLearns) {
  if (GetParam().guard == GuardMode::classic) return;  // each of its filters is another one
  auto guard = attach(GetParam().guard);
  ASSERT_TRUE(guard);
  auto attached = hook();
  Watch watch;
  watch.vips = {ip(kFastVip)};
  watch.nat_servers = {ip("198.51.100.10")};
  ASSERT_TRUE(guard->protect(watch, {&kOutsideMac, 1}, {}));  // replaces the program
  expect_hook_first();
}

TEST_P(FastHookTest, OnClsactHasToBeAttachedAgainAfterAClassicGuardsNewFilter) {
  if (GetParam().guard != GuardMode::classic) return;
  auto guard = attach(GetParam().guard);
  ASSERT_TRUE(guard);
  auto attached = hook();
  protect(*guard, {kFastVip});
  if (attached->stays_first()) return expect_hook_first();
  from_client(datagram(kFastVip));
  from_client(datagram(kSlowHost));
  EXPECT_EQ(next_at_server(), tapped(kSlowHost));
  attached.reset(), attached = hook();
  expect_hook_first();
}

TEST_P(FastHookTest, LeavesNothingWhicheverGoesFirst) {
  for (const bool hook_first : {true, false}) {
    auto guard = attach(GetParam().guard);
    auto attached = hook();
    ASSERT_TRUE(guard && attached);
    protect(*guard, {kFastVip});
    if (hook_first) attached.reset(), expect_guard_alone();
    guard.reset();
    attached.reset();
    EXPECT_EQ(filters(), "");
    EXPECT_FALSE(has_qdisc());
  }
}

TEST_P(FastHookTest, LeavesAnothersQdiscAndFilters) {
  shell("tc qdisc add dev d0 clsact");
  shell("tc filter add dev d0 ingress pref 100 protocol all u32 match u32 0 0 flowid 1:1");
  const std::string before = filters();
  auto guard = attach(GetParam().guard);
  auto attached = hook();
  ASSERT_TRUE(guard && attached);
  guard.reset(), attached.reset();
  EXPECT_EQ(filters(), before);
  die();
  FastHook::remove_left(ifindex_of("d0"));
  Guard::remove_left(ifindex_of("d0"));
  EXPECT_EQ(filters(), before);
  EXPECT_TRUE(has_qdisc());
}

TEST_P(FastHookTest, TakesThePlaceOfAKilledOnes) {
  for (const FastWays next : {FastWays::clsact, FastWays::tcx}) {
    if (next == FastWays::tcx && !kernel_has_tcx()) continue;
    die();
    EXPECT_EQ(filters().find(kFastName) != std::string::npos, GetParam().hook == FastWays::clsact);
    auto guard = attach(GetParam().guard);
    auto attached = hook(GetParam().guard == GuardMode::tcx ? FastWays::tcx : next);
    ASSERT_TRUE(guard && attached);
    protect(*guard, {kFastVip});
    guard->end_former();
    const std::string all = filters();
    const size_t one = all.find(kFastName);
    EXPECT_EQ(one != std::string::npos, std::string(attached->way()) == "clsact") << all;
    EXPECT_TRUE(one == std::string::npos || all.find(kFastName, one + 1) == std::string::npos) << all;
    attached.reset(), guard.reset();
    EXPECT_EQ(filters(), "");
    EXPECT_FALSE(has_qdisc());
  }
}

TEST_P(FastHookTest, AKilledOnesIsRemovedWhereThereIsToBeNone) {
  die();
  FastHook::remove_left(ifindex_of("d0"));
  EXPECT_EQ(filters().find(kFastName), std::string::npos);
  Guard::remove_left(ifindex_of("d0"));
  EXPECT_EQ(filters(), "");
  EXPECT_FALSE(has_qdisc());
}

std::string names_of_ways(const testing::TestParamInfo<HookBesideGuard>& both) {
  return way_name({both.param.guard, 0}) + (both.param.hook == FastWays::tcx ? "HookTcx" : "HookClsact");
}
INSTANTIATE_TEST_SUITE_P(Ways, FastHookTest,
                         testing::Values(HookBesideGuard{GuardMode::tcx, FastWays::tcx},
                                         HookBesideGuard{GuardMode::clsact, FastWays::tcx},
                                         HookBesideGuard{GuardMode::classic, FastWays::tcx},
                                         HookBesideGuard{GuardMode::clsact, FastWays::clsact},
                                         HookBesideGuard{GuardMode::classic, FastWays::clsact}),
                         names_of_ways);

}  // namespace
}  // namespace rawvs::test
