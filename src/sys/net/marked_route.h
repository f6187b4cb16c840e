// SPDX-License-Identifier: BSD-2-Clause
// marked_route.h: a policy routing rule and a table with one route: packets of this host with a mark go to lo.
//
// Both are removed with the object; what a killed rawvsd left is replaced. ip-rule(8), RTM_NEWRULE, RTM_NEWROUTE.
#pragma once

#include <linux/rtnetlink.h>

#include "rawvs/addr.h"
#include "rawvs/result.h"
#include "sys/net/rtnetlink.h"

namespace rawvs {

struct MarkedWay {
  uint32_t mark = 0, table = 0, priority = 0;
  uint32_t mtu = 0;  // of the route, bytes
  Family family = Family::ipv4;
};

class MarkedRoute {
 public:
  static Result<std::unique_ptr<MarkedRoute>> open(const MarkedWay& way);
  ~MarkedRoute() { remove(); }
  MarkedRoute(const MarkedRoute&) = delete;
  MarkedRoute& operator=(const MarkedRoute&) = delete;

  // REQUIRES: addresses of the family. Ensures that a marked packet goes to lo: if not, makes rule and route again,
  // since firewalls and network scripts remove foreign ones. An error says why that did not help.
  Result<Done> leads(Ip to, Ip from);

 private:
  enum class Where : uint8_t { loopback, itself, elsewhere };
  MarkedRoute(Rtnetlink rtnetlink, const MarkedWay& way, uint32_t loopback)
      : rtnetlink_(std::move(rtnetlink)), way_(way), loopback_(loopback) {}
  NetlinkRequest rule_request(uint16_t type, unsigned flags) const;
  NetlinkRequest route_request(uint16_t type, unsigned flags) const;
  Result<Done> put();
  void remove();
  Result<Where> ask(Ip to, Ip from);

  Rtnetlink rtnetlink_;
  MarkedWay way_;
  uint32_t loopback_;  // the ifindex of lo
};

}  // namespace rawvs
