// SPDX-License-Identifier: BSD-2-Clause
// guard.cpp: chooses the way, and updates what is dropped. The ways: guard_bpf (eBPF, tcx), tc (clsact, classic).
#include "sys/guard/guard.h"

#include <linux/pkt_cls.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <span>

#include "side/capture_filter.h"
#include "sys/guard/filter_program.h"
#include "sys/guard/guard_bpf.h"
#include "sys/guard/tc.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

// libpcap's optimizer takes 0.6 ms for 50 addresses, 175 ms for 400: it gets them in pieces.
constexpr size_t kAddressesAtOnce = 64;

std::vector<std::string> expressions(const Watch& watch, std::span<const Mac> own, const std::vector<Ip>& hosts) {
  std::vector<std::string> out;
  for (const auto list : {&Watch::vips, &Watch::nat_servers}) {
    for (auto rest = std::span(watch.*list); !rest.empty();) {
      const auto some = rest.first(std::min(rest.size(), kAddressesAtOnce));
      Watch part;
      (part.*list).assign(some.begin(), some.end());
      out.push_back(guard_filter(part, own, hosts));
      rest = rest.subspan(some.size());
    }
  }
  return out;
}

// The classic program: a check of the VLAN tag, which the kernel has removed from the frame; then pcap's programs one
// after the other, with tc's verdicts instead of lengths. Jumps are relative, so programs can be concatenated.
Result<FilterProgram> classic_program(const std::vector<std::string>& expressions, size_t addresses) {
  constexpr auto kNext = static_cast<uint32_t>(TC_ACT_UNSPEC);
  const Error too_long{"the guard's classic program for " + std::to_string(addresses) +
                       " VIPs and NAT servers is too long (at most 4096 instructions): use fewer, or addresses that "
                       "are neighbours"};
  constexpr auto kTag = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG);
  FilterProgram out{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, kTag},     // 0 without a tag
      {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x0fff},  // without the id it is only a priority
      {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0},
      {BPF_RET | BPF_K, 0, 0, kNext},
  };
  for (const std::string& expression : expressions) {
    auto matching = compile_filter(expression, TC_ACT_SHOT);
    if (!matching) return matching.error();
    auto behind = static_cast<uint32_t>(matching->size());
    for (sock_filter& i : *matching) {  // no match: continue after the last instruction
      --behind;
      if (i.code == (BPF_RET | BPF_K) && i.k == 0) i = {BPF_JMP | BPF_JA, 0, 0, behind};
    }
    out.insert(out.end(), matching->begin(), matching->end());
    if (out.size() >= kMostInstructions) return too_long;
  }
  out.push_back({BPF_RET | BPF_K, 0, 0, kNext});
  return out;
}

Error advice(const std::string& interface, const std::string& failures) {
  return {"interface " + interface + ": no guard: " + failures +
          ". Without one the host's kernel routes and answers the VIPs' packets, too. Type, for each VIP: "
          "iptables -t raw -I PREROUTING -i " +
          interface + " -d VIP -j DROP"};
}

struct Marked {
  Guarded what{};
  Ip address{};
  friend auto operator<=>(const Marked&, const Marked&) = default;
};
std::vector<Marked> marked(const Watch& watch, const std::vector<Ip>& hosts) {  // sorted
  std::vector<Marked> out;
  for (const Ip vip : watch.vips) out.push_back({Guarded::vip, vip});
  for (const Ip server : watch.nat_servers) out.push_back({Guarded::nat_server, server});
  if (watch.nat_servers.empty()) return out;
  for (const Ip host : hosts) out.push_back({Guarded::host, host});
  return out;
}

}  // namespace

struct Guard::Impl {
  Impl(std::string name, int index, FlowMap& map) : interface(std::move(name)), ifindex(index), flows(map) {}
  std::string interface;
  int ifindex = 0;
  FlowMap& flows;
  const char* way = "";
  std::optional<GuardProgram> program;  // tcx, clsact
  Fd link;                              // tcx
  std::optional<IngressHook> hook;      // clsact, classic; and to remove what a killed rawvsd left
  std::vector<Marked> told;             // the addresses in the program's map, sorted
  std::vector<std::string> classic;     // the expressions of the classic program

  Result<Done> attach(GuardMode mode);
  Result<Done> attach_by_tcx();
  Result<Done> attach_by_clsact();
  Result<Done> attach_by_classic();
  Result<Done> learn(bool flows_wanted, std::span<const Mac> macs);
  Result<Done> protect_by_map(const std::vector<Marked>& wanted);
  Result<Done> protect_by_expression(const Watch& watch, std::span<const Mac> own, const std::vector<Ip>& hosts);
  void detach();
};

Result<Done> Guard::Impl::attach_by_tcx() {
  auto loaded = GuardProgram::load();
  if (!loaded) return loaded.error();
  auto attached = attach_tcx(loaded->fd(), ifindex);
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
  const auto nothing = classic_program({}, 0);
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

Result<std::unique_ptr<Guard>> Guard::attach(const std::string& interface, int ifindex, GuardMode mode,
                                             FlowMap& flows) {
  auto impl = std::make_unique<Impl>(interface, ifindex, flows);
  if (const auto attached = impl->attach(mode); !attached) return attached.error();
  return std::unique_ptr<Guard>(new Guard(std::move(impl)));
}

// Replaces the program by one that looks up flows and knows these MAC addresses, between two frames.
Result<Done> Guard::Impl::learn(bool flows_wanted, std::span<const Mac> macs) {
  GuardProgram::Knowledge more{std::nullopt, {macs.begin(), macs.end()}};
  if (flows_wanted) {
    const auto map = flows.open();
    if (!map) return map.error();
    more.flow_map = *map;
  }
  if (more == program->knows()) return Done{};
  auto learned = program->with(more);
  if (!learned) return learned.error();
  const int problem = link ? replace_program(link.get(), learned->get()) : hook->put_guard(learned->get());
  if (problem != 0) return Error{system_error("bpf program for NAT or a virtual MAC address", problem)};
  program->take(std::move(*learned), std::move(more));
  return Done{};
}

Result<Done> Guard::Impl::protect_by_map(const std::vector<Marked>& wanted) {
  std::vector<Marked> added, gone;
  std::set_difference(wanted.begin(), wanted.end(), told.begin(), told.end(), std::back_inserter(added));
  std::set_difference(told.begin(), told.end(), wanted.begin(), wanted.end(), std::back_inserter(gone));
  // An address that fails is reported, and tried again with the next change; the others are done.
  Result<Done> done = Done{};
  const auto note = [&](Ip address, int problem) {
    if (!done) return;
    const std::string full = problem == E2BIG ? " (it holds " + std::to_string(GuardProgram::kMostAddresses) + ")" : "";
    done = Error{system_error("guard: " + text(address) + full, problem)};
  };
  for (const Marked& m : gone) {
    if (const int problem = program->unprotect(m.what, m.address); problem != 0) {
      note(m.address, problem);
    } else {
      told.erase(std::ranges::lower_bound(told, m));
    }
  }
  for (const Marked& m : added) {
    if (const int problem = program->protect(m.what, m.address); problem != 0) {
      note(m.address, problem);
    } else {
      told.insert(std::ranges::lower_bound(told, m), m);
    }
  }
  return done;
}

Result<Done> Guard::Impl::protect_by_expression(const Watch& watch, std::span<const Mac> own,
                                                const std::vector<Ip>& hosts) {
  std::vector<std::string> wanted = expressions(watch, own, hosts);
  if (wanted == classic) return Done{};
  const auto compiled = classic_program(wanted, watch.vips.size() + watch.nat_servers.size());
  if (!compiled) return compiled.error();
  if (const int problem = hook->put_guard(*compiled); problem != 0) return Error{system_error("guard", problem)};
  classic = std::move(wanted);
  return Done{};
}

Result<Done> Guard::protect(const Watch& watch, std::span<const Mac> own, const std::vector<Ip>& hosts) {
  Impl& g = *impl_;
  Result<Done> done = Done{};
  if (!g.program) {
    done = g.protect_by_expression(watch, own, hosts);
  } else {  // the program checks whether the frame was sent to this host, so it needs no MAC address
    done = g.protect_by_map(marked(watch, hosts));
    const bool flows_wanted = !watch.nat_servers.empty() || g.program->knows().flow_map;
    if (done) done = g.learn(flows_wanted, own.subspan(1));
  }
  return done ? done : at("interface " + g.interface, done.error());
}

int Guard::link_fd() const { return impl_->link ? impl_->link.get() : -1; }
bool Guard::knows_flows() const { return impl_->program.has_value(); }
const char* Guard::way() const { return impl_->way; }

}  // namespace rawvs
