// SPDX-License-Identifier: BSD-2-Clause
// guard.cpp: which way to guard, and what it guards. The ways themselves: guard_bpf (eBPF, tcx), tc (clsact, classic).
#include "rawvs/guard.h"

#include <linux/pkt_cls.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "filter_program.h"
#include "guard_bpf.h"
#include "rawvs/capture_filter.h"
#include "rawvs/sys.h"
#include "tc.h"

namespace rawvs {
namespace {

// The classic program: pcap's expression, with tc's verdicts in place of lengths, behind a look at the VLAN tag, which
// the kernel has taken out of the frame. Jumps are relative, so instructions may be put in front.
Result<FilterProgram> classic_program(const Watch& watch, Mac own) {
  constexpr auto kNext = static_cast<uint32_t>(TC_ACT_UNSPEC);
  const std::string expression = guard_filter(watch, own);
  const Error too_long{"the guard's classic program for " + std::to_string(watch.vips.size()) +
                       " VIPs is too long (at most 4096 instructions): use fewer VIPs, or VIPs that are neighbours"};
  if (expression.size() > kLongestExpression) return too_long;
  auto matching = compile_filter(expression, TC_ACT_SHOT);
  if (!matching) return matching.error();
  for (sock_filter& i : *matching) {
    if (i.code == (BPF_RET | BPF_K) && i.k == 0) i.k = kNext;
  }
  constexpr auto kTag = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG);
  FilterProgram out{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, kTag},     // 0 without a tag
      {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x0fff},  // without the id it is a priority only
      {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0},
      {BPF_RET | BPF_K, 0, 0, kNext},
  };
  out.insert(out.end(), matching->begin(), matching->end());
  if (out.size() > kMostInstructions) return too_long;
  return out;
}

Error advice(const std::string& interface, const std::string& failures) {
  return {"interface " + interface + ": no guard: " + failures +
          ". Without one the host's kernel routes and answers the VIPs' packets, too. Type, for each VIP: "
          "iptables -t raw -I PREROUTING -i " +
          interface + " -d VIP -j DROP"};
}

}  // namespace

struct Guard::Impl {
  std::string interface;
  int ifindex = 0;
  const char* way = "";
  std::optional<GuardProgram> program;  // tcx, clsact
  Fd link;                              // tcx
  std::optional<IngressHook> hook;      // clsact, classic; and to clear away what a killed rawvsd left
  Watch watch;
  Mac own{};

  Result<Done> attach(GuardMode mode);
  Result<Done> attach_by_tcx();
  Result<Done> attach_by_clsact();
  Result<Done> attach_by_classic();
  Result<Done> protect_by_map(const std::vector<Ip>& vips);
  void detach();
};

Result<Done> Guard::Impl::attach_by_tcx() {
  auto loaded = GuardProgram::load();
  if (!loaded) return loaded.error();
  auto attached = attach_tcx(*loaded, ifindex);
  if (!attached) return attached.error();
  program = std::move(*loaded);
  link = std::move(*attached);
  return Done{};
}

Result<Done> Guard::Impl::attach_by_clsact() {
  if (!hook) return Error{"no rtnetlink socket"};
  auto loaded = GuardProgram::load();
  if (!loaded) return loaded.error();
  if (const int problem = hook->make(); problem != 0) return Error{system_error("clsact qdisc", problem)};
  if (const int problem = hook->put_guard(loaded->fd()); problem != 0)
    return Error{system_error("bpf filter at preference 1", problem)};
  program = std::move(*loaded);
  return Done{};
}

Result<Done> Guard::Impl::attach_by_classic() {
  if (!hook) return Error{"no rtnetlink socket"};
  const auto nothing = classic_program({}, own);
  if (!nothing) return nothing.error();
  if (const int problem = hook->make(); problem != 0) return Error{system_error("clsact or ingress qdisc", problem)};
  if (const int problem = hook->put_guard(*nothing); problem != 0)
    return Error{system_error("bpf filter at preference 1", problem)};
  return Done{};
}

Result<Done> Guard::Impl::attach(GuardMode mode) {
  struct Way {
    GuardMode mode;
    const char* name;
    Result<Done> (Impl::*attach)();
  };
  static constexpr Way kWays[] = {
      {GuardMode::tcx, "tcx", &Impl::attach_by_tcx},
      {GuardMode::clsact, "clsact", &Impl::attach_by_clsact},
      {GuardMode::classic, "classic", &Impl::attach_by_classic},
  };
  hook = IngressHook::open(ifindex);
  if (hook) hook->take_over();
  std::string failures;
  for (const Way& candidate : kWays) {
    if (mode != GuardMode::automatic && mode != candidate.mode) continue;
    const auto attached = (this->*candidate.attach)();
    if (attached) {
      way = candidate.name;
      return Done{};
    }
    failures += (failures.empty() ? "" : "; ") + at(candidate.name, attached.error()).text;
  }
  detach();
  return advice(interface, failures.empty() ? "it is switched off" : failures);
}

void Guard::Impl::detach() {
  link.reset();
  if (!hook) return;
  hook->remove_guards();
  hook->remove_if_unused();
}

Guard::Guard(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Guard::~Guard() { impl_->detach(); }

Result<std::unique_ptr<Guard>> Guard::attach(const std::string& interface, int ifindex, GuardMode mode) {
  auto impl = std::make_unique<Impl>();
  impl->interface = interface;
  impl->ifindex = ifindex;
  if (const auto attached = impl->attach(mode); !attached) return attached.error();
  return std::unique_ptr<Guard>(new Guard(std::move(impl)));
}

Result<Done> Guard::Impl::protect_by_map(const std::vector<Ip>& vips) {
  std::vector<Ip> added, gone;
  std::set_difference(vips.begin(), vips.end(), watch.vips.begin(), watch.vips.end(), std::back_inserter(added));
  std::set_difference(watch.vips.begin(), watch.vips.end(), vips.begin(), vips.end(), std::back_inserter(gone));
  for (const Ip vip : gone) {
    if (const int problem = program->unprotect(vip); problem != 0)
      return Error{system_error("guard: " + text(vip), problem)};
  }
  for (const Ip vip : added) {
    if (const int problem = program->protect(vip); problem != 0)
      return Error{system_error(
          "guard: " + text(vip) + " (it holds " + std::to_string(GuardProgram::kMostEntries) + " VIPs)", problem)};
  }
  return Done{};
}

Result<Done> Guard::protect(const Watch& watch, Mac own) {
  Impl& g = *impl_;
  if (g.program) {
    // The program asks whether the frame was sent to this host, so the MAC address need not be told.
    if (const auto done = g.protect_by_map(watch.vips); !done) return at("interface " + g.interface, done.error());
  } else if (watch.vips != g.watch.vips || own != g.own) {
    const auto program = classic_program(watch, own);
    if (!program) return at("interface " + g.interface, program.error());
    if (const int problem = g.hook->put_guard(*program); problem != 0)
      return at("interface " + g.interface, {system_error("guard", problem)});
  }
  g.watch = watch;
  g.own = own;
  return Done{};
}

const char* Guard::way() const { return impl_->way; }

}  // namespace rawvs
