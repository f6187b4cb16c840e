// SPDX-License-Identifier: BSD-2-Clause
// onlookers.cpp: selects the observers of a packet, and describes the packet for them.
#include "director/onlookers.h"

#include <algorithm>

namespace rawvs {

bool Onlookers::add(const std::shared_ptr<Observer>& observer) {
  std::erase_if(observers_, [](const auto& gone) { return gone.expired(); });
  if (observers_.size() == kMost) return false;
  if (!seen_) seen_ = std::make_unique_for_overwrite<uint8_t[]>(Observer::kMostSeen);
  observers_.push_back(observer);
  return true;
}

// False: no observer wants this packet.
bool Onlookers::before(Arrival& a, Instant now, Sight& sight, Caring& caring) {
  const bool readable = a.ethernet.kind == Kind::ipv4 && (!a.exit || *a.exit == Exit::not_vip);
  if (!readable) return false;
  sight = {.at = now, .link = a.frame->link, .size = a.frame->size};
  describe(a, sight);
  sight.flow = sight.server ? Sight::Flow::known : Sight::Flow::none;
  bool any = false;
  for (size_t i = 0; i < observers_.size(); ++i) {
    caring[i] = observers_[i].lock();
    if (caring[i] && !caring[i]->cares(sight.protocol, sight.client, sight.vip, sight.server)) caring[i].reset();
    any = any || caring[i];
  }
  if (!any) return false;
  const size_t shown = std::min<size_t>(a.frame->size, Observer::kMostSeen);
  std::copy_n(a.frame->data, shown, seen_.get());
  sight.came = {seen_.get(), shown};
  return true;
}

// After one-packet scheduling there is no connection to look up; a completed datagram is described instead of its
// fragment.
void Onlookers::after(const Arrival& a, Sight& sight, const Caring& caring) const {
  const Arrival& it = a.whole ? *a.whole : a;
  describe(it, sight);
  if (!sight.server && it.served_by != kNoServer) {
    sight.server = &services_.server(it.served_by);
    sight.method = sight.server->spec.method;
  }
  if (it.opened) sight.flow = Sight::Flow::opened;  // perhaps replacing one that had ended
  for (const auto& observer : caring) {
    if (observer && observer->cares(sight.protocol, sight.client, sight.vip, sight.server)) observer->saw(sight);
  }
}

// Fills in the packet's endpoints and server, from its connection if the table has one.
void Onlookers::describe(const Arrival& a, Sight& sight) const {
  const Packet& p = a.packet;
  const bool from_server = a.side() == Side::server || (a.role == Role::other && surroundings_.from_nat_server(p.src));
  sight.protocol = a.role == Role::other ? p.protocol : a.key.protocol;
  sight.client = from_server ? Endpoint{p.dst, p.dport} : Endpoint{p.src, p.sport};
  sight.vip = from_server ? Endpoint{p.src, p.sport} : Endpoint{p.dst, p.dport};
  sight.server = nullptr;
  sight.from_server = from_server;
  if (a.role == Role::other) return;
  sight.client = {a.key.client, a.key.cport};
  sight.vip = {a.key.vip, a.key.vport};
  const Connection* const c = flows_.find(a);
  if (!c) return;
  sight.client = c->client();
  sight.vip = c->vip();
  sight.server = &services_.server(c->server);
  sight.method = c->method();
}

}  // namespace rawvs
