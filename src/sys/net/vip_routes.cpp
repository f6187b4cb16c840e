// SPDX-License-Identifier: BSD-2-Clause
// vip_routes.cpp: route requests.
#include "sys/net/vip_routes.h"

#include <sys/socket.h>

#include <cerrno>

#include "sys/net/interface_kind.h"
#include "sys/net/socket_address.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

std::optional<int> oif_of(const nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWROUTE) return std::nullopt;
  const nlattr* const oif = Attributes(message, sizeof(rtmsg))[RTA_OIF];
  if (oif == nullptr || mnl_attr_validate(oif, MNL_TYPE_U32) != 0) return std::nullopt;
  return static_cast<int>(mnl_attr_get_u32(oif));
}

}  // namespace

Result<VipRoutes> VipRoutes::open(int ifindex) {
  auto rtnetlink = Rtnetlink::open();
  if (!rtnetlink) return Error{system_error("rtnetlink", errno)};
  rtnetlink->filter_dumps();
  return VipRoutes(std::move(*rtnetlink), ifindex);
}

NetlinkRequest VipRoutes::request(uint16_t type, unsigned flags, Ip vip) const {
  NetlinkRequest request(type, flags | NLM_F_ACK);
  auto& route = request.extra<rtmsg>();
  const Family family = vip.family();
  route.rtm_family = static_cast<uint8_t>(kernel_family(family));
  route.rtm_dst_len = address_bits(family);
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = family == Family::ipv4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  route.rtm_type = RTN_UNICAST;
  request.put_address(RTA_DST, vip);
  mnl_attr_put_u32(request.header(), RTA_OIF, static_cast<uint32_t>(ifindex_));
  return request;
}

Result<Done> VipRoutes::put(Ip vip, Ip source, bool again) {
  const auto ask = [&](unsigned flags) {
    NetlinkRequest route = request(RTM_NEWROUTE, NLM_F_CREATE | flags, vip);
    route.put_address(RTA_PREFSRC, source);
    return rtnetlink_.ask(route);
  };
  int problem = ask(NLM_F_EXCL);
  if (problem == EEXIST) {
    const auto way = way_to(vip);
    if (way != ifindex_) {
      return Error{"another route to just this address" +
                   (way ? " leaves by " + interface_name(*way) : std::string(" exists"))};
    }
    problem = again ? 0 : ask(NLM_F_REPLACE);  // which would be notified as a change
  }
  if (problem != 0) return Error{system_error("route from " + text(source), problem)};
  return Done{};
}

void VipRoutes::remove(Ip vip) {
  NetlinkRequest route = request(RTM_DELROUTE, 0, vip);
  rtnetlink_.ask(route);
}

std::optional<int> VipRoutes::way_to(Ip vip) {
  NetlinkRequest request(RTM_GETROUTE, NLM_F_ACK);
  auto& wanted = request.extra<rtmsg>();
  wanted.rtm_family = static_cast<uint8_t>(kernel_family(vip.family()));
  wanted.rtm_dst_len = address_bits(vip.family());
  request.put_address(RTA_DST, vip);
  std::optional<int> way;
  rtnetlink_.ask(request, [&](const nlmsghdr* m) {
    if (const auto oif = oif_of(m)) way = oif;
  });
  return way;
}

Result<std::vector<Ip>> VipRoutes::present() {
  std::vector<Ip> out;
  for (const Family family : kBothFamilies) {
    NetlinkRequest request(RTM_GETROUTE, NLM_F_DUMP);
    auto& wanted = request.extra<rtmsg>();
    wanted.rtm_family = static_cast<uint8_t>(kernel_family(family));
    wanted.rtm_table = RT_TABLE_MAIN;
    mnl_attr_put_u32(request.header(), RTA_OIF, static_cast<uint32_t>(ifindex_));
    const int problem = rtnetlink_.ask(request, [&](const nlmsghdr* m) {
      const auto oif = oif_of(m);
      const auto* const route = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(m));
      const bool whole = route->rtm_dst_len == address_bits(family) && route->rtm_table == RT_TABLE_MAIN;
      if (oif != ifindex_ || !whole) return;
      const nlattr* const to = Attributes(m, sizeof *route)[RTA_DST];
      if (to == nullptr || mnl_attr_get_payload_len(to) != ip_bytes(family)) return;
      out.push_back(address_of(Bytes(static_cast<const uint8_t*>(mnl_attr_get_payload(to)), ip_bytes(family))));
    });
    // A kernel without IPv6, and one whose filtered answer is an empty table.
    const bool none = problem == EAFNOSUPPORT || problem == EOPNOTSUPP || problem == ENOENT;
    if (problem != 0 && !none) return Error{system_error("rtnetlink: routes", problem)};
  }
  return out;
}

}  // namespace rawvs
