// SPDX-License-Identifier: BSD-2-Clause
// netlink.cpp: RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE and their notifications.
#include "sys/net/netlink.h"

#include <linux/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/sort.h"
#include "sys/net/interface_kind.h"
#include "sys/net/rtnetlink.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

void read_link(const nlmsghdr* message, LinkFacts& facts) {
  if (message->nlmsg_type != RTM_NEWLINK) return;
  const auto* info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
  facts.ifindex = info->ifi_index;
  facts.up = (info->ifi_flags & IFF_UP) != 0;
  facts.carrier = (info->ifi_flags & IFF_LOWER_UP) != 0;
  facts.unfit = lacks_ethernet(info->ifi_type);
  const Attributes attributes(message, sizeof *info);
  auto& mac = facts.mac.bytes;
  if (const nlattr* a = attributes[IFLA_ADDRESS]; a != nullptr && mnl_attr_get_payload_len(a) == mac.size())
    std::memcpy(mac.data(), mnl_attr_get_payload(a), mac.size());  // another size: not Ethernet, no MAC address
  if (const nlattr* a = attributes[IFLA_MTU]; a != nullptr && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
    facts.mtu = static_cast<uint16_t>(std::min(mnl_attr_get_u32(a), uint32_t{65535}));
}

struct FoundAddress {
  LinkAddress address;
  bool secondary = false;
};

void read_address(const nlmsghdr* message, int ifindex, std::vector<FoundAddress>& found) {
  if (message->nlmsg_type != RTM_NEWADDR) return;
  const auto* info = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
  if (info->ifa_family != AF_INET || static_cast<int>(info->ifa_index) != ifindex) return;
  // IFA_ADDRESS is the peer's address on a point-to-point link.
  const nlattr* const local = Attributes(message, sizeof *info)[IFA_LOCAL];
  if (local == nullptr || mnl_attr_get_payload_len(local) != 4) return;
  const Bytes bytes(static_cast<const uint8_t*>(mnl_attr_get_payload(local)), 4);
  found.push_back({{Ip(load_be32(bytes, 0)), info->ifa_prefixlen}, (info->ifa_flags & IFA_F_SECONDARY) != 0});
}

Result<std::vector<LinkAddress>> addresses(Rtnetlink& rtnetlink, int ifindex) {
  std::vector<FoundAddress> found;
  constexpr int kTries = 3;  // EINTR: the addresses changed during the listing
  int problem = EINTR;
  for (int tries = 0; tries < kTries && problem == EINTR; ++tries) {
    found.clear();
    NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP);
    request.extra<ifaddrmsg>().ifa_family = AF_INET;
    problem = rtnetlink.ask(request, [&](const nlmsghdr* m) { read_address(m, ifindex, found); });
  }
  if (problem != 0) return Error{system_error("rtnetlink: addresses", problem)};
  sort_by<&FoundAddress::secondary>(found);
  std::vector<LinkAddress> out;
  out.reserve(found.size());
  for (const FoundAddress& f : found) out.push_back(f.address);
  return out;
}

std::optional<Ip> address_in(const nlattr* a, size_t skip = 0) {
  if (a == nullptr || mnl_attr_get_payload_len(a) != skip + 4) return std::nullopt;
  return Ip(load_be32(Bytes(static_cast<const uint8_t*>(mnl_attr_get_payload(a)), skip + 4), skip));
}

uint16_t mtu_in(const nlattr* metrics) {
  const nlattr* const mtu = Attributes(metrics)[RTAX_MTU];
  if (mtu == nullptr || mnl_attr_validate(mtu, MNL_TYPE_U32) != 0) return 0;
  return static_cast<uint16_t>(std::min(mnl_attr_get_u32(mtu), uint32_t{65535}));
}

// The next hop of a route: the destination itself when it is on the link. None: a gateway of another family (RTA_VIA,
// RFC 5549), which ARP cannot resolve.
std::optional<Ip> next_hop_in(const Attributes& attributes, Ip to) {
  if (const nlattr* const via = attributes[RTA_VIA]; via != nullptr) {
    constexpr size_t kFamily = sizeof(rtvia::rtvia_family);
    uint16_t family = AF_UNSPEC;
    if (mnl_attr_get_payload_len(via) >= kFamily) std::memcpy(&family, mnl_attr_get_payload(via), kFamily);
    return family == AF_INET ? address_in(via, kFamily) : std::nullopt;
  }
  return attributes[RTA_GATEWAY] == nullptr ? to : address_in(attributes[RTA_GATEWAY]);
}

void read_route(const nlmsghdr* message, const std::array<int, kLinks>& links, Route& route) {
  if (message->nlmsg_type != RTM_NEWROUTE) return;
  const auto* info = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  const Attributes attributes(message, sizeof *info);
  if (info->rtm_type == RTN_LOCAL) route.kind = Route::Kind::local;
  const nlattr* const oif = attributes[RTA_OIF];
  if (info->rtm_type != RTN_UNICAST || oif == nullptr || mnl_attr_validate(oif, MNL_TYPE_U32) != 0) return;
  const auto next_hop = next_hop_in(attributes, route.to);
  if (!next_hop) return;
  route.next_hop = *next_hop;
  route.source = address_in(attributes[RTA_PREFSRC]).value_or(Ip());
  route.mtu = mtu_in(attributes[RTA_METRICS]);
  route.kind = Route::Kind::elsewhere;
  for (const Link link : kBothLinks) {
    if (links[index(link)] == 0 || links[index(link)] != static_cast<int>(mnl_attr_get_u32(oif))) continue;
    route.kind = Route::Kind::direct;
    route.link = link;
    return;
  }
}

}  // namespace

struct Netlink::Impl {
  MnlSocket events;
  std::optional<Rtnetlink> questions;
};

Netlink::Netlink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Netlink::~Netlink() = default;

Result<std::unique_ptr<Netlink>> Netlink::open() {
  constexpr unsigned kGroups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE;
  auto impl = std::make_unique<Impl>();
  impl->events.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!impl->events || mnl_socket_bind(impl->events.get(), kGroups, MNL_SOCKET_AUTOPID) != 0)
    return Error{system_error("rtnetlink: notifications", errno)};
  impl->questions = Rtnetlink::open();
  if (!impl->questions) return Error{system_error("rtnetlink", errno)};
  return std::unique_ptr<Netlink>(new Netlink(std::move(impl)));
}

int Netlink::fd() const { return mnl_socket_get_fd(impl_->events.get()); }

KernelNews Netlink::changed() {
  KernelNews news;
  nlmsghdr head{};  // only the header is read: what changed is queried again
  constexpr int kMostReads = 4096;
  for (int i = 0; i < kMostReads; ++i) {
    const ssize_t got = recv(fd(), &head, sizeof head, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != ENOBUFS) break;  // ENOBUFS: notifications were lost
    if (got < static_cast<ssize_t>(sizeof head)) {
      news = {true, true};
      continue;
    }
    constexpr uint16_t kOthers[] = {RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWRULE, RTM_DELRULE};
    const bool link = std::ranges::find(kOthers, head.nlmsg_type) == std::end(kOthers);
    (link ? news.links : news.routes) = true;
  }
  return news;
}

Result<LinkFacts> Netlink::query(const std::string& name) {
  LinkFacts none;
  none.name = name;
  LinkFacts facts = none;
  if (name.empty() || name.size() >= IFNAMSIZ) return facts;
  NetlinkRequest request(RTM_GETLINK, NLM_F_ACK);
  request.extra<ifinfomsg>().ifi_family = AF_UNSPEC;
  mnl_attr_put_strz(request.header(), IFLA_IFNAME, name.c_str());
  const int problem = impl_->questions->ask(request, [&](const nlmsghdr* m) { read_link(m, facts); });
  if (problem == ENODEV) return none;
  if (problem != 0) return Error{system_error("rtnetlink: interface " + name, problem)};
  auto own = addresses(*impl_->questions, facts.ifindex);
  if (!own) return at("interface " + name, own.error());
  facts.addresses = std::move(*own);
  return facts;
}

Result<Route> Netlink::route_to(Ip to, const std::array<int, kLinks>& links) {
  Route route;
  route.to = to;
  route.kind = Route::Kind::unreachable;
  NetlinkRequest request(RTM_GETROUTE, NLM_F_ACK);
  auto& wanted = request.extra<rtmsg>();
  wanted.rtm_family = AF_INET;
  wanted.rtm_dst_len = 32;
  std::array<uint8_t, 4> bytes{};
  store_be32(bytes, 0, to.v4());
  mnl_attr_put(request.header(), RTA_DST, bytes.size(), bytes.data());
  const int problem = impl_->questions->ask(request, [&](const nlmsghdr* m) { read_route(m, links, route); });
  // Some errors are answers: no route, or one that refuses (blackhole: EINVAL).
  constexpr int kAnswers[] = {0, ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL};
  if (std::ranges::find(kAnswers, problem) != std::end(kAnswers)) return route;
  return Error{system_error("rtnetlink: the route to " + text(to), problem)};
}

}  // namespace rawvs
