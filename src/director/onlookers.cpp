// SPDX-License-Identifier: BSD-2-Clause
// onlookers.cpp: selects the observers of a packet, and describes the packet for them.
#include "director/onlookers.h"

#include <algorithm>

namespace rawvs {

namespace {

Method used(const Server& server, Method method) { return server.local ? Method::local : method; }

}  // namespace

bool Onlookers::add(const std::shared_ptr<Observer>& observer) {
  std::erase_if(observers_, [](const auto& gone) { return gone.expired(); });
  if (observers_.size() == kMost) return false;
  if (!seen_) seen_ = std::make_unique_for_overwrite<uint8_t[]>(Observer::kMostSeen);
  observers_.push_back(observer);
  return true;
}

// False: no observer wants this packet.
bool Onlookers::before(Arrival& a, Instant now, PacketView& view, Caring& caring) {
  const Kind kind = a.ethernet.kind;  // neighbour discovery is as little a packet as ARP is
  const bool ip = kind == Kind::ipv4 || (kind == Kind::ipv6 && !is_discovery(a.packet));
  if (!ip || (a.exit && *a.exit != Exit::not_vip)) return false;
  view = {.at = now, .link = a.frame->link, .size = a.frame->size};
  describe(a, view);
  view.flow = view.server ? PacketView::Flow::known : PacketView::Flow::none;
  bool any = false;
  for (size_t i = 0; i < observers_.size(); ++i) {
    caring[i] = observers_[i].lock();
    if (caring[i] && !caring[i]->cares(view.protocol, view.client, view.vip, view.server)) caring[i].reset();
    any = any || caring[i];
  }
  if (!any) return false;
  const size_t shown = std::min<size_t>(a.frame->size, Observer::kMostSeen);
  std::copy_n(a.frame->data, shown, seen_.get());
  view.came = {seen_.get(), shown};
  return true;
}

// After one-packet scheduling there is no connection to look up; a completed datagram is described instead of its
// fragment.
void Onlookers::after(const Arrival& a, PacketView& view, const Caring& caring) const {
  const Arrival& it = a.whole ? *a.whole : a;
  describe(it, view);
  if (!view.server && it.served_by != kNoServer) {
    view.server = &services_.server(it.served_by);
    view.method = used(*view.server, view.server->spec.method);
  }
  if (it.opened) view.flow = PacketView::Flow::opened;  // perhaps replacing one that had ended
  for (const auto& observer : caring) {
    if (observer && observer->cares(view.protocol, view.client, view.vip, view.server)) observer->saw(view);
  }
}

// Fills in the packet's endpoints and server, from its connection if the table has one.
void Onlookers::describe(const Arrival& a, PacketView& view) const {
  const Packet& p = a.packet;
  const bool from_server = a.side() == Side::server || (a.role == Role::other && surroundings_.from_nat_server(p.src));
  view.protocol = a.role == Role::other ? p.protocol : a.key.protocol;
  view.client = from_server ? Endpoint{p.dst, p.dport} : Endpoint{p.src, p.sport};
  view.vip = from_server ? Endpoint{p.src, p.sport} : Endpoint{p.dst, p.dport};
  view.server = nullptr;
  view.from_server = from_server;
  if (a.role == Role::other) return;
  view.client = {a.client_address(), a.key.cport};
  view.vip = {a.key.vip, a.key.vport};
  const Connection* const c = flows_.find(a);
  if (!c) return;
  view.client = c->client();
  view.vip = c->vip();
  view.server = &services_.server(c->server);
  view.method = used(*view.server, c->method());
}

}  // namespace rawvs
