// SPDX-License-Identifier: BSD-2-Clause
// guard.cpp: chooses the way, and updates what is dropped. The ways: guard_bpf (eBPF, tcx), tc (clsact, classic).
#include "sys/guard/guard.h"

#include <linux/pkt_cls.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <span>

#include "core/sort.h"
#include "sys/guard/classic_guard.h"
#include "sys/guard/guard_bpf.h"
#include "sys/guard/tc.h"
#include "sys/sys.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

Error advice(const std::string& interface, const std::string& failures) {
  return {formatted(
      "interface {}: no guard: {}. Without one the host's kernel routes and answers the VIPs' packets, too. Type, for "
      "each VIP: iptables (ip6tables for IPv6) -t raw -I PREROUTING -i {} -d VIP -j DROP",
      interface, failures, interface)};
}

// A kind and an address: lists of tens of thousands are compared for each change.
struct Marked {
  Guarded what = Guarded::vip;
  Ip address{};
  friend constexpr auto operator<=>(const Marked&, const Marked&) = default;
};
constexpr Marked mark(Guarded what, Ip address) { return {what, address}; }
constexpr Guarded kind_of(const Marked& m) { return m.what; }
constexpr Ip address_of(const Marked& m) { return m.address; }

std::vector<Marked> marked(const Watch& watch, const std::vector<Ip>& hosts) {  // sorted
  std::vector<Marked> out;
  out.reserve(watch.vips.size() + watch.nat_servers.size() + hosts.size());
  for (const Ip vip : watch.vips) out.push_back(mark(Guarded::vip, vip));
  for (const Ip server : watch.nat_servers) out.push_back(mark(Guarded::nat_server, server));
  if (!watch.nat_servers.empty()) {
    for (const Ip host : hosts) out.push_back(mark(Guarded::host, host));
  }
  if (watch.own.empty()) return out;
  for (const VipPorts& ports : watch.own) {
    for (uint32_t port = ports.first; port <= ports.last; ++port)
      out.push_back(mark(guarded_port(ports.protocol, static_cast<uint16_t>(port)), ports.vip));
  }
  sort_with(out, std::less<>());
  return out;
}

std::vector<Marked> without(const std::vector<Marked>& all, const std::vector<Marked>& some) {  // both sorted
  std::vector<Marked> out;
  std::set_difference(all.begin(), all.end(), some.begin(), some.end(), std::back_inserter(out));
  return out;
}

class OnHook final : public FilterHook {
 public:
  explicit OnHook(IngressHook& hook) : hook_(hook) {}
  int put(uint32_t slot, std::span<const sock_filter> program) override { return hook_.put_guard(program, slot); }
  int remove(uint32_t slot) override { return hook_.remove_guard(slot); }

 private:
  IngressHook& hook_;
};
static_assert(ClassicGuard::kMostFilters < kGuardSlots);

}  // namespace

struct Guard::Impl {
  Impl(std::string name, int index, bool has_ethernet, FlowMap& map)
      : interface(std::move(name)), ifindex(index), ethernet(has_ethernet), flows(map) {}
  std::string interface;
  int ifindex = 0;
  bool ethernet = true;
  FlowMap& flows;
  const char* way = "";
  std::optional<GuardProgram> program;  // tcx, clsact
  Fd link;                              // tcx
  std::optional<IngressHook> hook;      // clsact, classic; and to remove what a killed rawvsd left
  std::vector<Marked> told;             // the addresses in the program's map, sorted
  ClassicGuard classic{};               // slots 1 and following; slot 0 has an empty program
  size_t guarded = 0;                   // of the VIPs of the last protect()

  Result<Done> attach(GuardMode mode);
  Result<Done> attach_by_tcx();
  Result<Done> attach_by_clsact();
  Result<Done> attach_by_classic();
  Result<Done> learn(std::array<bool, 2> flows_wanted, std::array<bool, 2> ports, std::span<const Mac> macs);
  Result<Done> protect_by_map(std::vector<Marked> wanted);
  Result<Done> protect_by_filters(const Watch& watch, std::span<const Mac> own, const std::vector<Ip>& hosts);
  size_t count_guarded(const Watch& watch) const;
  void detach();
};

Result<Done> Guard::Impl::attach_by_tcx() {
  auto loaded = GuardProgram::load(ethernet);
  if (!loaded) return loaded.error();
  auto attached = attach_tcx(loaded->fd(), ifindex);
  if (!attached) return attached.error();
  program = std::move(*loaded);
  link = std::move(*attached);
  return Done{};
}

Result<Done> Guard::Impl::attach_by_clsact() {
  if (!hook) return Error{"no rtnetlink socket"};
  auto loaded = GuardProgram::load(ethernet);
  if (!loaded) return loaded.error();
  if (const int problem = hook->make(); problem != 0) return Error{system_error("clsact qdisc", problem)};
  if (const int problem = hook->put_program(loaded->fd()); problem != 0)
    return Error{system_error("bpf filter at preference 1", problem)};
  program = std::move(*loaded);
  return Done{};
}

Result<Done> Guard::Impl::attach_by_classic() {
  if (!hook) return Error{"no rtnetlink socket"};
  static constexpr sock_filter kNothing[] = {{BPF_RET | BPF_K, 0, 0, static_cast<uint32_t>(TC_ACT_UNSPEC)}};
  if (const int problem = hook->make(); problem != 0) return Error{system_error("clsact or ingress qdisc", problem)};
  if (const int problem = hook->put_guard(kNothing); problem != 0)
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
  hook->remove_former();
  hook->remove_own();
  hook->remove_if_unused();
}

Guard::Guard(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Guard::~Guard() { impl_->detach(); }

Result<std::unique_ptr<Guard>> Guard::attach(const std::string& interface, int ifindex, GuardMode mode, FlowMap& flows,
                                             bool ethernet) {
  auto impl = std::make_unique<Impl>(interface, ifindex, ethernet, flows);
  if (const auto attached = impl->attach(mode); !attached) return attached.error();
  return std::unique_ptr<Guard>(new Guard(std::move(impl)));
}

// Replaces the program by one that looks up flows and knows these MAC addresses, between two frames.
Result<Done> Guard::Impl::learn(std::array<bool, 2> flows_wanted, std::array<bool, 2> ports,
                                std::span<const Mac> macs) {
  GuardProgram::Knowledge more{std::nullopt, {macs.begin(), macs.end()}, program->addresses6(), std::nullopt, ports,
                               ethernet};
  for (const Family family : kBothFamilies) {
    if (!flows_wanted[index(family)]) continue;
    const auto map = flows.open(family);
    if (!map) return map.error();
    (family == Family::ipv4 ? more.flow_map : more.flow_map6) = *map;
  }
  if (more == program->knows()) return Done{};
  auto learned = program->with(more);
  if (!learned) return learned.error();
  const int problem = link ? replace_program(link.get(), learned->get()) : hook->put_program(learned->get());
  if (problem != 0) return Error{system_error("bpf program for NAT or a virtual MAC address", problem)};
  program->take(std::move(*learned), std::move(more));
  return Done{};
}

Result<Done> Guard::Impl::protect_by_map(std::vector<Marked> wanted) {
  // An address that fails is reported, and tried again with the next call; the others are done.
  Result<Done> done = Done{};
  const auto failures = [&](const std::vector<Marked>& all, int (GuardProgram::*change)(Guarded, Ip)) {
    std::vector<Marked> failed;
    for (const Marked m : all) {
      const int problem = (*program.*change)(kind_of(m), address_of(m));
      if (problem == 0) continue;
      failed.push_back(m);
      if (!done) continue;
      const std::string full = problem == E2BIG ? formatted(" (it holds {})", GuardProgram::kMostAddresses) : "";
      done = Error{system_error(formatted("guard: {}{}", text(address_of(m)), full), problem)};
    }
    return failed;
  };
  // What is to be dropped from now on comes first: no packet passes while an address becomes one of the host's own. If
  // there is no room, once more when there is.
  std::vector<Marked> missing = failures(without(wanted, told), &GuardProgram::protect);
  const std::vector<Marked> gone = without(told, wanted);
  const bool again = !missing.empty() && !gone.empty();
  if (again) done = Done{};
  const std::vector<Marked> remaining = failures(gone, &GuardProgram::unprotect);
  if (again) missing = failures(missing, &GuardProgram::protect);
  told = missing.empty() ? std::move(wanted) : without(wanted, missing);
  for (const Marked m : remaining) told.insert(std::ranges::lower_bound(told, m), m);
  return done;
}

size_t Guard::Impl::count_guarded(const Watch& watch) const {  // by the map
  const auto is_told = [&](Guarded what, Ip vip) { return std::ranges::binary_search(told, mark(what, vip)); };
  const auto vips = std::ranges::count_if(watch.vips, [&](Ip vip) { return is_told(Guarded::vip, vip); });
  size_t unguarded = 0;  // addresses of the host with a port that is missing
  std::optional<Ip> last;
  for (const VipPorts& ports : watch.own) {
    uint32_t port = ports.first;
    while (port <= ports.last && is_told(guarded_port(ports.protocol, static_cast<uint16_t>(port)), ports.vip)) ++port;
    if (port <= ports.last) unguarded += std::exchange(last, ports.vip) != ports.vip;
  }
  return static_cast<size_t>(vips) + (watch.all_vips() - watch.vips.size()) - unguarded;
}

Result<Done> Guard::Impl::protect_by_filters(const Watch& watch, std::span<const Mac> own,
                                             const std::vector<Ip>& hosts) {
  OnHook on(*hook);
  const int problem = classic.follow(watch, own, hosts, on);
  guarded = classic.guarded_vips();
  if (problem == 0) return Done{};
  const bool full = problem == E2BIG;
  return Error{
      system_error(full ? formatted("guard: all {} filters are used", ClassicGuard::kMostFilters) : "guard", problem)};
}

Result<Done> Guard::protect(const Watch& watch, std::span<const Mac> own, const std::vector<Ip>& hosts) {
  Impl& g = *impl_;
  Result<Done> done = Done{};
  if (!g.program) {
    done = g.protect_by_filters(watch, own, hosts);
  } else {  // the program checks whether the frame was sent to this host, so it needs no MAC address
    done = g.protect_by_map(marked(watch, hosts));
    g.guarded = done ? watch.all_vips() : g.count_guarded(watch);
    const GuardProgram::Knowledge& knows = g.program->knows();
    const std::array flows_wanted{knows.flow_map || std::ranges::any_of(watch.nat_servers, &Ip::is_v4),
                                  knows.flow_map6 || std::ranges::any_of(watch.nat_servers, &Ip::is_v6)};
    const auto own_of = [&](Family family) {
      return knows.ports[index(family)] ||
             std::ranges::any_of(watch.own, [&](const VipPorts& ports) { return ports.vip.family() == family; });
    };
    const std::array ports{own_of(Family::ipv4), own_of(Family::ipv6) && g.program->addresses6()};
    if (done) done = g.learn(flows_wanted, ports, own.empty() ? own : own.subspan(1));
  }
  return done ? done : at("interface " + g.interface, done.error());
}

void Guard::end_former() {
  if (!impl_->hook) return;
  impl_->hook->remove_former();
  if (impl_->link) impl_->hook->remove_if_unused();  // nobody would know later that the qdisc is not another's
}

void Guard::remove_left(int ifindex) {
  auto hook = IngressHook::open(ifindex);
  if (!hook) return;
  hook->remove_former();
  hook->remove_if_unused();
}

size_t Guard::guarded_vips() const { return impl_->guarded; }
int Guard::link_fd() const { return impl_->link ? impl_->link.get() : -1; }
bool Guard::knows_flows() const { return impl_->program.has_value(); }
const char* Guard::way() const { return impl_->way; }

}  // namespace rawvs
