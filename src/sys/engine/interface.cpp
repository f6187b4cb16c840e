// SPDX-License-Identifier: BSD-2-Clause
// interface.cpp: opens, updates and closes an interface's socket and guard.
#include "sys/engine/interface.h"

#include <algorithm>
#include <utility>

#include "core/link.h"
#include "sys/io/tun_io.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr Duration kRewatchPause = 200ms;
constexpr Duration kRetry = 5s;  // what the kernel refused: the guard, the socket's filter, multicast groups

}  // namespace

LinkCounters Interface::counters() const {
  LinkCounters counters = past_;
  if (io_) counters += io_->counters(), counters.missing_groups = io_->missing().groups;
  counters.vips = told_.watch.all_vips();
  if (tun_) counters.guard = kNoGuardNeeded;
  if (guard_) counters.guard = guard_->way(), counters.guarded_vips = guard_->guarded_vips();
  return counters;
}

Result<Done> Interface::take(const LinkFacts& facts) {
  facts_ = facts;
  return context_.another_serves ? Result<Done>(Done{}) : lock();
}

Result<Done> Interface::lock() {
  const auto remark = lock_.take(name_, facts_.ifindex);
  if (!remark) return remark.error();
  if (*remark) context_.log.write(Severity::warning, **remark, Topic::interface);
  return Done{};
}

// The kernel has no copy of what it sends there.
Result<Done> Interface::open_tun() {
  io_ = std::make_unique<TunIo>(tun_->fd(), link_);
  context_.frames.set_io(link_, io_.get());
  context_.frames.set_guarded(link_, true);
  context_.log.write(Severity::info, formatted("{}: what this host sends to VIPs is read there", name_),
                     Topic::interface);
  return Done{};
}

Result<Done> Interface::open(Duration patience) {
  if (const auto locked = lock(); !locked) return locked;
  if (tun_) return open_tun();
  if (const auto opened = open_io(patience); !opened) return opened;
  fast_problem_.clear(), fast_refused_ = false;
  FastHook::remove_left(facts_.ifindex);  // of a killed rawvsd
  attach_guard();
  return Done{};
}

Result<Done> Interface::open_io(Duration patience) {
  auto opened = open_frame_io(context_.config.io,
                              {.ifindex = facts_.ifindex,
                               .name = name_,
                               .link = link_,
                               .ring_frames = context_.config.ring_frames,
                               .mtu = facts_.mtu,
                               .ethernet = facts_.ethernet,
                               .patience = patience,
                               .fast_taps = facts_.ethernet ? context_.fast.taps() : -1},
                              context_.frames.flows());
  if (!opened) return opened.error();
  io_ = std::move(opened->io);
  context_.frames.set_io(link_, io_.get());
  say_io(opened->skipped);
  return Done{};
}

void Interface::release() {
  static_cast<void>(lock_.take(name_, 0));
  if (!io_ || !io_->is_exclusive()) return;
  past_ += io_->counters();
  context_.frames.set_io(link_, nullptr);
  io_.reset();
}

// The other process may have replaced this one's guard, unless it is a link of its own.
Result<Done> Interface::take_back() {
  const auto locked = lock();
  if (!locked || !facts_.usable()) return locked;
  const bool reopens = !io_ && guard_;
  if (reopens) {
    if (const auto opened = open_io(Duration::zero()); !opened) return opened;
  }
  if (guard_ && guard_->link_fd() < 0) {
    kept_.release();
    former_guard_ = std::move(guard_);
    attach_guard();
  } else if (!reopens) {
    follow_fast();
    return Done{};
  }
  told_ = {};  // filter and guard get the present addresses
  return Done{};
}

void Interface::say_io(const std::string& skipped) const {
  context_.log.write(
      skipped.empty() ? Severity::info : Severity::warning,
      formatted("{}: frames are read by {}{}{}", name_, io_->name(), skipped.empty() ? "" : ": ", skipped),
      Topic::interface);
  if (const std::string remark = io_->remark(); !remark.empty()) {
    context_.log.write(Severity::warning, formatted("{}: {}", name_, remark), Topic::interface);
  }
}

// Not by a filter that failed: what the director does not get, nobody else would forward.
void Interface::follow_fast() {
  if (!io_ || !context_.fast.serves() || fast_refused_) return detach_fast();
  if (io_->leaves_out_fast()) {
    if (!fast_) attach_fast();
    return;
  }
  detach_fast();
  say_no_fast(io_->fast_problem());
}

void Interface::attach_fast() {
  const bool guard_by_tcx = guard_ && guard_->link_fd() >= 0;
  auto attached = context_.fast.attach(facts_.ifindex, guard_by_tcx ? FastWays::tcx : FastWays::both);
  fast_refused_ = !attached;
  if (!attached) return say_no_fast(attached.error().text);
  fast_ = std::move(*attached);
  fast_problem_.clear();
  context_.fast.link(link_, true);
  context_.log.write(Severity::info, formatted("{}: fast path attached ({})", name_, fast_->way()), Topic::interface);
}

void Interface::detach_fast() {
  if (!fast_) return;
  context_.fast.link(link_, false);
  fast_.reset();
}

void Interface::say_no_fast(const std::string& problem) {
  if (problem.empty() || std::exchange(fast_problem_, problem) == problem) return;
  const bool wanted = context_.config.fast_path == FastMode::on;
  context_.log.write(wanted ? Severity::warning : Severity::info, formatted("{}: no fast path: {}", name_, problem),
                     Topic::interface);
}

void Interface::attach_guard() {
  detach_fast();  // it comes before the guard if it is attached after it
  if (context_.config.guard == GuardMode::off) {
    Guard::remove_left(facts_.ifindex);
    context_.log.write(Severity::warning,
                       formatted("{}: guard = off: this host's kernel also handles the frames that rawvsd takes, "
                                 "unless a firewall rule drops them",
                                 name_),
                       Topic::interface);
    return;
  }
  auto guard = Guard::attach(name_, facts_.ifindex, context_.config.guard, context_.frames.flows(), facts_.ethernet);
  if (!guard) return context_.log.write(Severity::warning, guard.error().text, Topic::interface);
  guard_ = std::move(*guard);
  alone_ = false;
  context_.frames.set_guarded(link_, true);
  context_.log.write(Severity::info, formatted("{}: guard attached ({})", name_, guard_->way()), Topic::interface);
  if (guard_->link_fd() < 0 || !context_.helper) return;
  auto kept = KeptGuard::keep(context_.helper, guard_->link_fd());
  if (kept) {
    kept_ = std::move(*kept);
  } else {
    context_.log.write(Severity::warning,
                       formatted("{}: the guard ends with this process: {}", name_, kept.error().text),
                       Topic::interface);
  }
}

void Interface::leave_guard(bool stays) {
  if (!stays) return kept_.release();
  kept_ = {};
}

void Interface::end_former_guard() {
  if (std::exchange(alone_, true)) return;
  former_guard_.reset();
  if (guard_) guard_->end_former();
}

void Interface::close() {
  if (io_) past_ += io_->counters();
  detach_fast();
  kept_.release();
  former_guard_.reset();
  guard_.reset();
  context_.frames.set_guarded(link_, false);
  context_.frames.set_io(link_, nullptr);
  io_.reset();
  told_ = {};  // including its deadline, which would wake the loop for ever
}

// None on a link without Ethernet.
std::vector<Mac> Interface::own_macs() const {
  if (!facts_.ethernet) return {};
  std::vector<Mac> all{facts_.mac};
  const auto& more = context_.director.watch().macs[index(link_)];
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

// macs == own_macs() without a copy, for every turn of the loop.
bool Interface::has_macs(const std::vector<Mac>& macs) const {
  const auto& more = context_.director.watch().macs[index(link_)];
  if (!facts_.ethernet) return macs.empty();
  return !macs.empty() && macs[0] == facts_.mac && std::ranges::equal(std::span(macs).subspan(1), more);
}

void Interface::follow_watch(const std::vector<Ip>& hosts) {
  if (!io_) return;
  const uint32_t version = context_.director.watch_version();
  const bool same_place = told_.hosts == hosts && has_macs(told_.macs);
  const bool due = context_.now >= told_.again;
  if (told_.version == version && same_place && !due) return;
  const Watch& wanted = context_.director.watch();
  const Watch& known = told_.watch;
  const bool new_place = !told_.version || !same_place;
  const bool new_traffic = known.vips != wanted.vips || known.own != wanted.own ||
                           known.nat_servers != wanted.nat_servers || known.icmp_errors != wanted.icmp_errors;
  told_.version = version;
  if (new_place || due) return watch_all(hosts);
  told_.again = std::min(told_.again, context_.now + kRewatchPause);
  if (new_traffic) widen(hosts);
}

void Interface::protect(const std::vector<Ip>& hosts) {
  told_.watch = context_.director.watch();
  told_.macs = own_macs();
  told_.hosts = hosts;
  if (!guard_) return;
  // A classic guard may get new filters; follow_fast() attaches it again.
  if (fast_ && !fast_->stays_first() && !guard_->knows_flows()) detach_fast();
  const auto done = guard_->protect(told_.watch, told_.macs, hosts);
  if (!done) told_.again = std::min(told_.again, context_.now + kRetry);
  if (std::exchange(told_.partly, !done) == !done) return;
  const std::string how_many =
      formatted("{}: {} of {} VIPs guarded ({})", name_, guard_->guarded_vips(), told_.watch.all_vips(), guard_->way());
  if (done) {
    context_.log.write(Severity::info, how_many, Topic::interface);
  } else {
    context_.log.write(Severity::warning, formatted("{}: {}", how_many, done.error().text), Topic::interface);
  }
}

void Interface::widen(const std::vector<Ip>& hosts) {
  protect(hosts);
  if (const auto done = io_->widen(told_.watch, told_.macs); !done) {
    context_.log.write(Severity::error, done.error().text, Topic::interface);
  }
  follow_fast();
}

// Once, until it is mended: what is missing differs from change to change.
void Interface::say_groups() {
  const auto [groups, problem] = io_->missing();
  if (std::exchange(told_.ungrouped, groups != 0) == (groups != 0)) return;
  if (groups == 0) {
    context_.log.write(Severity::info, formatted("{}: the multicast groups of all IPv6 VIPs were joined", name_),
                       Topic::interface);
    return;
  }
  const std::string what = formatted("{}: {} multicast groups of IPv6 VIPs were not joined", name_, groups);
  context_.log.write(Severity::warning,
                     system_error(what, problem) +
                         ": the interface accepts all multicast frames instead, but a switch that snoops MLD may keep "
                         "the solicitations for these VIPs from it",
                     Topic::interface);
}

// The guard first: a frame that nobody handles is sent again, one that both handle is not undone.
void Interface::watch_all(const std::vector<Ip>& hosts) {
  told_.again = kNever;
  protect(hosts);
  const auto done = io_->watch(told_.watch, told_.macs);
  const std::string problem = done ? "" : done.error().text;
  if (std::exchange(told_.problem, problem) != problem && !done)
    context_.log.write(Severity::error, problem, Topic::interface);
  if (!done || io_->missing().groups != 0) told_.again = std::min(told_.again, context_.now + kRetry);
  if (done && io_->filter_is_wide() && !std::exchange(told_.wide, true)) {
    context_.log.write(Severity::info,
                       name_ + ": too many addresses for a socket filter: all IP and ARP frames are looked at",
                       Topic::interface);
  }
  say_groups();
  follow_fast();
}

}  // namespace rawvs
