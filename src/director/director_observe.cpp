// SPDX-License-Identifier: BSD-2-Clause
// director_observe.cpp: packets while somebody looks on (observer.h). The decision is the same; its circumstances are
// noted before and after.
#include <algorithm>

#include "rawvs/director.h"

namespace rawvs {

bool Director::observe(const std::shared_ptr<Observer>& observer) {
  std::erase_if(observers_, [](const auto& gone) { return gone.expired(); });
  if (observers_.size() == kObservers) return false;
  if (!seen_) seen_ = std::make_unique_for_overwrite<uint8_t[]>(Observer::kMostSeen);
  observers_.push_back(observer);
  return true;
}

Exit Director::decide_observed(Arrival& a, Turn turn) {
  const bool readable = a.ethernet.kind == Kind::ipv4 && (!a.exit || *a.exit == Exit::not_vip);
  const auto as_usual = [&] { return a.exit ? *a.exit : decide(a, turn); };
  if (!readable) return as_usual();

  Sight sight{.at = turn.now, .link = a.frame->link, .size = a.frame->size};
  describe(a, sight);
  sight.flow = sight.server ? Sight::Flow::known : Sight::Flow::none;
  std::array<std::shared_ptr<Observer>, kObservers> caring;
  bool any = false;
  for (size_t i = 0; i < observers_.size(); ++i) {
    caring[i] = observers_[i].lock();
    if (caring[i] && !caring[i]->cares(sight.protocol, sight.client, sight.vip, sight.server)) caring[i].reset();
    any = any || caring[i];
  }
  if (!any) return as_usual();

  const size_t shown = std::min<size_t>(a.frame->size, Observer::kMostSeen);
  std::copy_n(a.frame->data, shown, seen_.get());
  sight.came = {seen_.get(), shown};
  const size_t before = turn.out.departures().size();
  served_by_ = kNoServer;
  whole_arrived_ = opened_ = false;
  sight.exit = as_usual();
  sight.left = std::span(turn.out.departures()).subspan(before);
  // One-packet scheduling leaves no connection behind; a datagram in fragments is a packet of its own.
  describe(whole_arrived_ ? whole_ : a, sight);
  if (!sight.server && served_by_ != kNoServer) {
    sight.server = &services_.server(served_by_);
    sight.method = sight.server->spec.method;
  }
  if (opened_) sight.flow = Sight::Flow::opened;  // perhaps in the place of one that was over
  for (const auto& observer : caring) {
    if (observer && observer->cares(sight.protocol, sight.client, sight.vip, sight.server)) observer->saw(sight);
  }
  return sight.exit;
}

// Whose packet it is: its connection's, as the table has it now.
void Director::describe(const Arrival& a, Sight& sight) {
  const Packet& p = a.packet;
  const bool from_server = a.side() == Side::server || (a.role == Role::other && from_nat_server(p.src));
  sight.protocol = a.role == Role::other ? p.protocol : a.key.protocol;
  sight.client = from_server ? Endpoint{p.dst, p.dport} : Endpoint{p.src, p.sport};
  sight.vip = from_server ? Endpoint{p.src, p.sport} : Endpoint{p.dst, p.dport};
  sight.server = nullptr;
  sight.from_server = from_server;
  if (a.role == Role::other) return;
  sight.client = {a.key.client, a.key.cport};
  sight.vip = {a.key.vip, a.key.vport};
  const Connection* const c = connections_.find(a.side(), a.key, a.hash);
  if (!c) return;
  sight.client = c->client();
  sight.vip = c->vip();
  sight.server = &services_.server(c->server);
  sight.method = c->method();
}

}  // namespace rawvs
