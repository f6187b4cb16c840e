// SPDX-License-Identifier: BSD-2-Clause
// marked_route.h: a rule of policy routing and a table with one route: what of this host's own packets carries a mark
// leaves to lo. ip-rule(8), RTM_NEWRULE and RTM_NEWROUTE. Both go with the object; what a killed rawvsd left is
// replaced.
#pragma once

#include <linux/rtnetlink.h>

#include "rawvs/addr.h"
#include "rawvs/result.h"
#include "sys/net/rtnetlink.h"

namespace rawvs {

struct MarkedWay {
  uint32_t mark = 0, table = 0, priority = 0;
  uint32_t mtu = 0;  // of the route, bytes
};

class MarkedRoute {
 public:
  static Result<std::unique_ptr<MarkedRoute>> open(const MarkedWay& way);
  ~MarkedRoute() { remove(); }
  MarkedRoute(const MarkedRoute&) = delete;
  MarkedRoute& operator=(const MarkedRoute&) = delete;

  // Would a marked packet go to lo now? If not, the rule and the route are made again: firewalls and network scripts
  // flush what is not their own. An error says why it would not even so.
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
  uint32_t loopback_;  // its ifindex
};

}  // namespace rawvs
