// SPDX-License-Identifier: BSD-2-Clause
// local_clients.cpp: keeps the routes to the VIPs.
#include "sys/engine/local_clients.h"

#include <algorithm>
#include <utility>

#include "core/link.h"
#include "wire/formatted.h"
#include "wire/ipv6_header.h"

namespace rawvs {
namespace {

constexpr size_t kAtOnce = 128;  // routes per turn: about 2 ms
constexpr Duration kBetweenWalks = 30s;

}  // namespace

Result<Done> LocalClients::open(std::unique_ptr<Tun> opened) {
  Fd inherited = TunHandOver::inherited();  // ends with this function if it is not wanted any more
  if (!context_.config.local_clients) return Done{};
  auto tun = opened ? Result(std::move(opened)) : Tun::open(std::move(inherited));
  auto routes = tun ? VipRoutes::open((*tun)->ifindex()) : tun.error();
  if (!tun || !routes) {
    context_.log.write(
        Severity::error,
        "local_clients: what this host sends to a VIP is not balanced: " + (tun ? routes.error() : tun.error()).text,
        Topic::interface);
    return Done{};
  }
  tun_ = std::move(*tun);
  routes_.emplace(std::move(*routes));
  if (tun_->inherited()) {
    const auto present = routes_->present();
    if (!present) context_.log.write(Severity::warning, "local_clients: " + present.error().text, Topic::interface);
    for (const Ip vip : present ? *present : std::vector<Ip>()) routed_.emplace(vip, Ip());
  }
  ports_.serve_host(*tun_);
  step_ = Step::removing;
  return Done{};
}

// Not larger than any other link, so that what the kernel makes of a program's data fits all of them.
void LocalClients::follow_mtu() {
  uint32_t least = UINT32_MAX;
  for (const Link link : ports_.links()) {
    if (ports_.name(link) != tun_->name() && ports_.facts(link).usable())
      least = std::min<uint32_t>(least, ports_.facts(link).mtu);
  }
  if (least == UINT32_MAX) return;
  least = std::max(least, kIpv6LeastMtu);
  if (least != mtu_ && tun_->set_mtu(least)) mtu_ = least;
}

// Its routes end when it goes down. If somebody has deleted it, it is made again, which the kernel will notify.
void LocalClients::follow_interface(const LinkFacts& facts) {
  if (!facts.usable()) routed_.clear(), mtu_ = 0;
  if (facts.ifindex != 0) return;
  const auto made = tun_->renew();
  if (!made) return warnings_.warn("local_clients: " + made.error().text);
  routes_->set_interface(tun_->ifindex());
}

void LocalClients::link_changed(Link link) {
  if (!tun_) return;
  if (ports_.name(link) == tun_->name()) follow_interface(ports_.facts(link));
  step_ = Step::removing, last_.reset();
  follow_mtu();
}

void LocalClients::serve(Instant now) {
  if (!tun_) return;
  if (const uint32_t version = context_.director.claims().version(); version != version_ || now >= again_) {
    version_ = version;
    step_ = Step::removing, last_.reset();
  }
  if (step_ == Step::none) return;
  if (follow_some()) again_ = now + kBetweenWalks;
  ports_.note_host_vips(routed_.size());
}

Instant LocalClients::deadline() const {
  if (!tun_) return kNever;
  const bool now = step_ != Step::none || context_.director.claims().version() != version_;
  return now ? context_.now : again_;
}

// True: the walk is done.
bool LocalClients::follow_some() {
  const Claims& claims = context_.director.claims();
  size_t left = kAtOnce;
  for (; step_ == Step::removing && left != 0; --left) {
    const auto at = last_ ? routed_.upper_bound(*last_) : routed_.begin();
    if (at == routed_.end()) {
      step_ = Step::adding, last_.reset();
      break;
    }
    const Ip vip = at->first;
    last_ = vip;
    const Claims::Claim* const claim = claims.find(vip);
    if (!claim || !source_for(*claim)) remove(vip);
  }
  for (; step_ == Step::adding && left != 0; --left) {
    const Claims::Claim* const claim = claims.first_after(last_);
    if (!claim) {
      step_ = Step::none;
      return true;
    }
    last_ = claim->vip;
    if (const auto source = source_for(*claim)) put(claim->vip, *source);
  }
  return false;
}

// The address by which this host's programs ask this VIP: on the VIP's network, or else the clients' links' first one.
// None: there is no route.
std::optional<Ip> LocalClients::source_for(const Claims::Claim& claim) const {
  const Claims& claims = context_.director.claims();
  const Ip vip = claim.vip;
  if (claim.retired_until || claim.as.standby || claim.as.own || claims.on_host(vip)) return std::nullopt;
  std::optional<Ip> best;
  int length = -2;  // of the common network; -1: none
  for (const Link link : ports_.links()) {
    const LinkFacts& facts = ports_.facts(link);
    for (const LinkAddress& own : facts.addresses) {
      const bool fits = own.addr.family() == vip.family() && !(own.addr.is_v6() && own.addr.link_local());
      if (!fits || !facts.usable() || claims.takes(own.addr)) continue;
      const int common = own.network().holds(vip) ? own.prefix : facts.role == LinkRole::clients ? -1 : -2;
      if (common > length || !best) best = own.addr, length = common;
    }
  }
  return best;
}

void LocalClients::put(Ip vip, Ip source) {
  const auto known = routed_.find(vip);
  const auto done = routes_->put(vip, source, known != routed_.end() && known->second == source);
  if (done) {
    routed_[vip] = source;
    return;
  }
  routed_.erase(vip);
  warnings_.warn(
      formatted("local_clients: what this host sends to VIP {} is not balanced: {}", text(vip), done.error().text));
}

void LocalClients::remove(Ip vip) {
  routes_->remove(vip);
  routed_.erase(vip);
}

}  // namespace rawvs
