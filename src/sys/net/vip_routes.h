// SPDX-License-Identifier: BSD-2-Clause
// vip_routes.h: the kernel's routes of single addresses by one interface: what this host sends to a VIP leaves by it.
// In:  an interface; a VIP, and the source address that this host's programs get.
// Out: routes in the main table, which end with the interface.
// Not: which VIPs (engine/local_clients.h). RTM_NEWROUTE, RTM_DELROUTE, ip-route(8).
#pragma once

#include <optional>
#include <vector>

#include "rawvs/addr.h"
#include "rawvs/result.h"
#include "sys/net/rtnetlink.h"

namespace rawvs {

class VipRoutes {
 public:
  static Result<VipRoutes> open(int ifindex);
  void set_interface(int ifindex) { ifindex_ = ifindex; }  // another one took its place: it has no route yet

  // Adds the route, or gives the present one this source, which it has already if `again`. An error: the kernel refused
  // it, or there is a route to just this address by another interface, which stays.
  Result<Done> put(Ip vip, Ip source, bool again = false);
  void remove(Ip vip);  // if it is there
  // The addresses that are routed by the interface now: those that a program before has set.
  Result<std::vector<Ip>> present();

 private:
  VipRoutes(Rtnetlink rtnetlink, int ifindex) : rtnetlink_(std::move(rtnetlink)), ifindex_(ifindex) {}
  NetlinkRequest request(uint16_t type, unsigned flags, Ip vip) const;
  std::optional<int> way_to(Ip vip);  // the interface of the present route; none: there is no such route

  Rtnetlink rtnetlink_;
  int ifindex_;
};

}  // namespace rawvs
