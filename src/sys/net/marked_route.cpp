// SPDX-License-Identifier: BSD-2-Clause
// marked_route.cpp: RTM_*RULE and RTM_*ROUTE requests.
#include "sys/net/marked_route.h"

#include <linux/fib_rules.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>

#include "sys/net/socket_address.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr int kMostRemains = 16;  // rules that killed processes may have left

}  // namespace

NetlinkRequest MarkedRoute::rule_request(uint16_t type, unsigned flags) const {
  NetlinkRequest request(type, flags | NLM_F_ACK);
  auto& rule = request.extra<fib_rule_hdr>();
  rule.family = static_cast<uint8_t>(kernel_family(way_.family));
  rule.action = FR_ACT_TO_TBL;
  nlmsghdr* const h = request.header();
  mnl_attr_put_u32(h, FRA_PRIORITY, way_.priority);
  mnl_attr_put_u32(h, FRA_FWMARK, way_.mark);
  mnl_attr_put_u32(h, FRA_FWMASK, UINT32_MAX);
  mnl_attr_put_u32(h, FRA_TABLE, way_.table);
  return request;
}

NetlinkRequest MarkedRoute::route_request(uint16_t type, unsigned flags) const {
  NetlinkRequest request(type, flags | NLM_F_ACK);
  auto& route = request.extra<rtmsg>();
  route.rtm_family = static_cast<uint8_t>(kernel_family(way_.family));
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = RT_SCOPE_LINK;
  // The kernel turns other routes of IPv6 by lo into unreachable ones.
  route.rtm_type = way_.family == Family::ipv4 ? RTN_UNICAST : RTN_LOCAL;
  nlmsghdr* const h = request.header();
  mnl_attr_put_u32(h, RTA_TABLE, way_.table);
  mnl_attr_put_u32(h, RTA_OIF, loopback_);
  if (type == RTM_DELROUTE) return request;  // metrics would restrict it to routes with the same metrics
  nlattr* const metrics = mnl_attr_nest_start(h, RTA_METRICS);
  mnl_attr_put_u32(h, RTAX_MTU, way_.mtu);
  mnl_attr_nest_end(h, metrics);
  return request;
}

Result<std::unique_ptr<MarkedRoute>> MarkedRoute::open(const MarkedWay& way) {
  auto rtnetlink = Rtnetlink::open();
  if (!rtnetlink) return Error{system_error("rtnetlink", errno)};
  const unsigned loopback = if_nametoindex("lo");
  if (loopback == 0) return Error{system_error("interface lo", errno)};
  std::unique_ptr<MarkedRoute> route(new MarkedRoute(std::move(*rtnetlink), way, loopback));
  if (const auto done = route->put(); !done) return done.error();
  return route;
}

void MarkedRoute::remove() {
  for (int n = 0; n < kMostRemains; ++n) {  // one message removes one of several equal rules
    NetlinkRequest rule = rule_request(RTM_DELRULE, 0);
    if (rtnetlink_.ask(rule) != 0) break;
  }
  NetlinkRequest route = route_request(RTM_DELROUTE, 0);
  rtnetlink_.ask(route);
}

// The rule first: a kernel without policy routing refuses it, but would put the route into its only table, as the
// default route of this host.
Result<Done> MarkedRoute::put() {
  remove();
  NetlinkRequest rule = rule_request(RTM_NEWRULE, NLM_F_CREATE);
  if (const int problem = rtnetlink_.ask(rule); problem != 0) {
    const bool none = problem == EAFNOSUPPORT || problem == EOPNOTSUPP;
    return Error{system_error("policy routing rule", problem) +
                 (none ? " (this kernel is built without IP_MULTIPLE_TABLES)" : "")};
  }
  NetlinkRequest route = route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  if (const int problem = rtnetlink_.ask(route); problem != 0) {
    return Error{system_error("route to lo in table " + std::to_string(way_.table), problem)};
  }
  return Done{};
}

Result<MarkedRoute::Where> MarkedRoute::ask(Ip to, Ip from) {
  NetlinkRequest request(RTM_GETROUTE, NLM_F_ACK);
  auto& wanted = request.extra<rtmsg>();
  wanted.rtm_family = static_cast<uint8_t>(kernel_family(way_.family));
  wanted.rtm_dst_len = wanted.rtm_src_len = address_bits(way_.family);
  request.put_address(RTA_DST, to);
  request.put_address(RTA_SRC, from);
  mnl_attr_put_u32(request.header(), RTA_MARK, way_.mark);
  Where where = Where::elsewhere;
  const int problem = rtnetlink_.ask(request, [&](const nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWROUTE) return;
    const auto* const found = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    const Attributes attributes(message, sizeof *found);
    const auto number = [&](uint16_t type) -> uint32_t {
      const nlattr* const a = attributes[type];
      return a == nullptr || mnl_attr_validate(a, MNL_TYPE_U32) != 0 ? 0 : mnl_attr_get_u32(a);
    };
    if (found->rtm_type == RTN_LOCAL) where = Where::itself;
    const bool ours = way_.family == Family::ipv4 ? found->rtm_type == RTN_UNICAST
                                                  : found->rtm_type == RTN_LOCAL && number(RTA_TABLE) == way_.table;
    if (ours && number(RTA_OIF) == loopback_) where = Where::loopback;
  });
  if (problem == 0 || problem == ENETUNREACH || problem == EHOSTUNREACH) return where;
  return Error{system_error("the way from " + text(from) + " to " + text(to), problem)};
}

Result<Done> MarkedRoute::leads(Ip to, Ip from) {
  for (const bool again : {false, true}) {
    const auto found = ask(to, from);
    if (!found) return found.error();
    if (*found == Where::loopback) return Done{};
    if (*found == Where::itself) return Error{text(to) + " is an address of this host itself"};
    if (again) break;
    if (const auto done = put(); !done) return done.error();
  }
  return Error{"another rule (ip rule) sends what has the mark elsewhere"};
}

}  // namespace rawvs
