// SPDX-License-Identifier: BSD-2-Clause
// tc.cpp: RTM_*QDISC and RTM_*TFILTER.
#include "sys/guard/tc.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "rawvs/bytes.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

// linux/pkt_sched.h names these since 4.5. An ingress qdisc takes the same parent for its filters.
constexpr uint32_t kHookParent = 0xfffffff1, kHookHandle = 0xffff0000;
constexpr uint32_t kIngress = 0xfffffff2, kEgress = 0xfffffff3;

// First in line, so that a filter that accepts a frame does not keep it from the guard.
constexpr uint32_t kPreference = 1;
constexpr uint32_t kHandle = 0x72767367, kBetweenGuards = 0x200;  // the first guard's first handle, the next one's
constexpr uint32_t kPlaces = 2 * kGuardsBeside, kUses = 2;        // places of one use; those of the fast path follow
static_assert(kGuardSlots <= kBetweenGuards);

struct HookPlace {
  HookUse use = HookUse::guard;
  uint32_t number = 0;     // less than kGuardsBeside
  bool on_others = false;  // the qdisc was there before, and stays: only the handle tells it after a crash
  uint32_t first() const {
    const uint32_t place = static_cast<uint32_t>(use) * kPlaces + number + (on_others ? kGuardsBeside : 0);
    return kHandle + place * kBetweenGuards;
  }
  friend bool operator==(const HookPlace&, const HookPlace&) = default;
};

// Whose handle this is; none: no rawvsd's.
std::optional<HookPlace> place_of(uint32_t handle) {
  const uint32_t behind = handle - kHandle;  // wraps: a smaller handle is far behind
  const uint32_t place = behind / kBetweenGuards;
  if (place >= kUses * kPlaces || behind % kBetweenGuards >= kGuardSlots) return std::nullopt;
  return HookPlace{static_cast<HookUse>(place / kPlaces), place % kGuardsBeside, place % kPlaces >= kGuardsBeside};
}

const char* name_of(HookUse use) { return use == HookUse::guard ? kGuardName : kFastName; }

uint32_t filter_info() {  // preference, and the protocol in network order: every one
  std::array<uint8_t, 2> protocol{};
  store_be16(protocol, 0, ETH_P_ALL);
  return kPreference << 16 | std::bit_cast<uint16_t>(protocol);
}

bool attribute_is(const nlattr* a, const char* text) {
  return a != nullptr && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0 && std::strcmp(mnl_attr_get_str(a), text) == 0;
}

}  // namespace

std::optional<IngressHook> IngressHook::open(int ifindex, HookUse use) {
  auto rtnetlink = Rtnetlink::open();
  if (!rtnetlink) return std::nullopt;
  IngressHook hook(std::move(*rtnetlink), ifindex, use);
  Found there = hook.find(kIngress);
  hook.former_ = std::move(there.of_use);
  hook.ours_ = there.ours;
  // With all of them taken, which no rawvsd leaves, the last one's filters are replaced.
  const auto taken = [&](uint32_t one) {
    return std::ranges::any_of(hook.former_, [&](const tcmsg& f) { return place_of(f.tcm_handle)->number == one; });
  };
  uint32_t free = 0;
  while (free + 1 < kGuardsBeside && taken(free)) ++free;
  hook.take_place(free);
  std::erase_if(hook.former_, [&](const tcmsg& f) { return hook.is_own(f); });
  return hook;
}

Result<IngressHook> IngressHook::with(int ifindex, HookUse use, const std::function<int(IngressHook&)>& put) {
  auto hook = open(ifindex, use);
  if (!hook) return Error{system_error("rtnetlink", errno)};
  if (const int problem = hook->make(); problem != 0) return Error{system_error("clsact or ingress qdisc", problem)};
  if (const int problem = put(*hook); problem != 0) {
    hook->remove_own();
    hook->remove_if_unused();
    return Error{system_error("bpf filter at preference 1", problem)};
  }
  hook->remove_former();
  return std::move(*hook);
}

void IngressHook::take_place(uint32_t number) { first_ = HookPlace{use_, number, !ours_}.first(); }

bool IngressHook::is_own(const tcmsg& filter) const { return place_of(filter.tcm_handle) == place_of(first_); }

NetlinkRequest IngressHook::qdisc_request(uint16_t type, unsigned flags, const char* kind) const {
  NetlinkRequest request(type, flags | NLM_F_ACK);
  auto& tc = request.extra<tcmsg>();
  tc.tcm_ifindex = ifindex_;
  tc.tcm_handle = kHookHandle;
  tc.tcm_parent = kHookParent;
  if (kind != nullptr) mnl_attr_put_strz(request.header(), TCA_KIND, kind);
  return request;
}

int IngressHook::make() {
  int problem = 0;
  for (const char* kind : {"clsact", "ingress"}) {  // clsact: Linux 4.5
    NetlinkRequest request = qdisc_request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, kind);
    problem = rtnetlink_.ask(request);
    if (problem == 0) ours_ = true;
    if (problem == EEXIST) problem = 0;
    if (problem == 0 || problem == EPERM || problem == ENODEV) break;
  }
  take_place(place_of(first_)->number);
  return problem;
}

NetlinkRequest IngressHook::filter_request(uint16_t type, unsigned flags, uint32_t info, uint32_t handle) const {
  NetlinkRequest request(type, flags);
  auto& tc = request.extra<tcmsg>();
  tc.tcm_ifindex = ifindex_;
  tc.tcm_parent = kIngress;
  tc.tcm_info = info;
  tc.tcm_handle = handle;
  return request;
}

template <class PutProgram>
int IngressHook::put(uint32_t slot, PutProgram&& put_program) {
  NetlinkRequest request = filter_request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_ACK, filter_info(), first_ + slot);
  nlmsghdr* const h = request.header();
  mnl_attr_put_strz(h, TCA_KIND, "bpf");
  nlattr* const options = mnl_attr_nest_start(h, TCA_OPTIONS);
  put_program(h);
  mnl_attr_put_u32(h, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
  mnl_attr_nest_end(h, options);
  if (const int problem = rtnetlink_.ask(request); problem != 0) return problem;
  // A kernel before 4.4 takes the filter, but not its word.
  direct_ = direct_ || find(kIngress).direct;
  return direct_ ? 0 : EOPNOTSUPP;
}

int IngressHook::put_program(int program_fd) {
  return put(0, [&](nlmsghdr* h) {
    mnl_attr_put_u32(h, TCA_BPF_FD, static_cast<uint32_t>(program_fd));
    mnl_attr_put_strz(h, TCA_BPF_NAME, name_of(use_));
  });
}

int IngressHook::put_guard(std::span<const sock_filter> program, uint32_t slot) {
  return put(slot, [&](nlmsghdr* h) {
    mnl_attr_put_u16(h, TCA_BPF_OPS_LEN, static_cast<uint16_t>(program.size()));
    mnl_attr_put(h, TCA_BPF_OPS, program.size_bytes(), program.data());
  });
}

IngressHook::Found IngressHook::find(uint32_t parent) {
  Found found;
  NetlinkRequest request(RTM_GETTFILTER, NLM_F_DUMP);
  auto& tc = request.extra<tcmsg>();
  tc.tcm_ifindex = ifindex_;
  tc.tcm_parent = parent;
  const int problem = rtnetlink_.ask(request, [&](const nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWTFILTER) return;
    const auto* filter = static_cast<const tcmsg*>(mnl_nlmsg_get_payload(message));
    if (filter->tcm_handle == 0) return;  // the list's head, not a filter
    const Attributes attributes(message, sizeof *filter);
    const Attributes options(attributes[TCA_OPTIONS]);
    // A classic program has no name: the kernel keeps one with eBPF only. Its handle says "rvsg".
    const bool classic = options[TCA_BPF_OPS] != nullptr;
    const auto place = place_of(filter->tcm_handle);
    const bool ours =
        place && attribute_is(attributes[TCA_KIND], "bpf") &&
        (attribute_is(options[TCA_BPF_NAME], name_of(place->use)) || (classic && place->use == HookUse::guard));
    found.ours |= ours && !place->on_others;
    if (!ours || place->use != use_) {
      found.others = true;
      return;
    }
    found.of_use.push_back(*filter);
    const nlattr* const flags = options[TCA_BPF_FLAGS];
    if (flags != nullptr && (mnl_attr_get_u32(flags) & TCA_BPF_FLAG_ACT_DIRECT) != 0) found.direct = true;
  });
  if (problem != 0) found.others = true;  // not known, so nothing may be taken away from under them
  return found;
}

int IngressHook::remove(const tcmsg& filter) {
  NetlinkRequest request = filter_request(RTM_DELTFILTER, NLM_F_ACK, filter.tcm_info, filter.tcm_handle);
  mnl_attr_put_strz(request.header(), TCA_KIND, "bpf");
  const int problem = rtnetlink_.ask(request);
  return problem == ENOENT ? 0 : problem;
}

int IngressHook::remove_guard(uint32_t slot) {
  tcmsg guard{};
  guard.tcm_info = filter_info();
  guard.tcm_handle = first_ + slot;
  return remove(guard);
}

int IngressHook::remove_former() {
  int worst = 0;
  for (const tcmsg& filter : std::exchange(former_, {})) worst = std::max(worst, remove(filter));
  return worst;
}

int IngressHook::remove_own() {
  int worst = 0;
  for (const tcmsg& filter : find(kIngress).of_use) {
    if (is_own(filter)) worst = std::max(worst, remove(filter));
  }
  return worst;
}

int IngressHook::remove_if_unused() {
  if (!ours_) return 0;
  for (const uint32_t parent : {kIngress, kEgress}) {
    const Found found = find(parent);
    if (found.others || !found.of_use.empty()) return 0;
  }
  NetlinkRequest request = qdisc_request(RTM_DELQDISC, 0, nullptr);
  return rtnetlink_.ask(request);
}

}  // namespace rawvs
