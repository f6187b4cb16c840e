// SPDX-License-Identifier: BSD-2-Clause
// netlink.cpp: RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE and their notifications.
#include "sys/net/netlink.h"

#include <linux/if.h>
#include <sys/socket.h>

#include <linux/ipv6.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/sort.h"
#include "sys/net/interface_kind.h"
#include "sys/net/rtnetlink.h"
#include "sys/net/socket_address.h"
#include "sys/sys.h"
#include "wire/ipv6_header.h"

namespace rawvs {
namespace {

// What /proc/sys/net/ipv6/conf/IF/mtu shows: the interface's, or less by router advertisement (RFC 4861 section 4.6.4).
uint32_t ipv6_mtu(const Attributes& link) {
  constexpr size_t kMtuAt = DEVCONF_MTU6 * sizeof(uint32_t);
  const Attributes families(link[IFLA_AF_SPEC]);
  const Attributes ipv6(families[AF_INET6]);
  const nlattr* const settings = ipv6[IFLA_INET6_CONF];
  if (settings == nullptr || mnl_attr_get_payload_len(settings) < kMtuAt + sizeof(uint32_t)) return UINT32_MAX;
  uint32_t mtu = 0;
  std::memcpy(&mtu, static_cast<const uint8_t*>(mnl_attr_get_payload(settings)) + kMtuAt, sizeof mtu);
  return std::max(mtu, kIpv6LeastMtu);
}

void read_link(const nlmsghdr* message, LinkFacts& facts) {
  if (message->nlmsg_type != RTM_NEWLINK) return;
  const auto* info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
  facts.ifindex = info->ifi_index;
  facts.up = (info->ifi_flags & IFF_UP) != 0;
  facts.carrier = (info->ifi_flags & IFF_LOWER_UP) != 0;
  InterfaceKind kind = kind_of(info->ifi_type, info->ifi_flags);
  facts.ethernet = kind.ethernet;
  facts.unfit = std::move(kind.unfit);
  const Attributes attributes(message, sizeof *info);
  auto& mac = facts.mac.bytes;
  if (const nlattr* a = attributes[IFLA_ADDRESS]; a != nullptr && mnl_attr_get_payload_len(a) == mac.size())
    std::memcpy(mac.data(), mnl_attr_get_payload(a), mac.size());  // another size: not Ethernet, no MAC address
  if (!facts.ethernet) facts.mac = kBareOwn;
  if (const nlattr* a = attributes[IFLA_MTU]; a != nullptr && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
    facts.mtu = static_cast<uint16_t>(std::min(mnl_attr_get_u32(a), uint32_t{65535}));
  if (const uint32_t mtu6 = ipv6_mtu(attributes); mtu6 < facts.mtu) facts.mtu6 = static_cast<uint16_t>(mtu6);
}

struct FoundAddress {
  LinkAddress address;
  int order = 0;
};

// The flags of an IPv6 address that is not (yet) the host's: duplicate address detection runs, or has found another
// host. A deprecated one is still valid (RFC 4862 section 5.5.4); an optimistic one may be used (RFC 4429).
bool not_ours(uint32_t flags) {
  return (flags & IFA_F_DADFAILED) != 0 || ((flags & IFA_F_TENTATIVE) != 0 && (flags & IFA_F_OPTIMISTIC) == 0);
}

std::optional<Ip> address_in(const nlattr* a, size_t size, size_t skip = 0) {
  if (a == nullptr || mnl_attr_get_payload_len(a) != skip + size) return std::nullopt;
  return address_of(Bytes(static_cast<const uint8_t*>(mnl_attr_get_payload(a)), skip + size).subspan(skip));
}

// ifindex 0: of any interface.
void read_address(const nlmsghdr* message, int ifindex, std::vector<FoundAddress>& found) {
  if (message->nlmsg_type != RTM_NEWADDR) return;
  const auto* info = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
  const bool v4 = info->ifa_family == AF_INET;
  if ((!v4 && info->ifa_family != AF_INET6) || (ifindex != 0 && static_cast<int>(info->ifa_index) != ifindex)) return;
  const Attributes attributes(message, sizeof *info);
  // IFA_ADDRESS is the peer's address on a point-to-point link. Of IPv6, IFA_LOCAL is there only with a peer.
  const nlattr* const local = attributes[IFA_LOCAL] != nullptr || v4 ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  const auto address = address_in(local, ip_bytes(v4 ? Family::ipv4 : Family::ipv6));
  if (!address || address->is_v4() != v4) return;
  uint32_t flags = info->ifa_flags;
  if (const nlattr* a = attributes[IFA_FLAGS]; a != nullptr && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
    flags = mnl_attr_get_u32(a);  // Linux 3.14
  if (!v4 && not_ours(flags)) return;
  const bool late = v4 ? (flags & IFA_F_SECONDARY) != 0 : address->link_local();
  found.push_back({{*address, info->ifa_prefixlen}, (v4 ? 0 : 2) + (late ? 1 : 0)});
}

Result<std::vector<FoundAddress>> found_addresses(Rtnetlink& rtnetlink, int ifindex) {
  std::vector<FoundAddress> found;
  constexpr int kTries = 3;  // EINTR: the addresses changed during the listing
  int problem = EINTR;
  for (int tries = 0; tries < kTries && problem == EINTR; ++tries) {
    found.clear();
    NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP);
    request.extra<ifaddrmsg>().ifa_family = AF_UNSPEC;
    problem = rtnetlink.ask(request, [&](const nlmsghdr* m) { read_address(m, ifindex, found); });
  }
  if (problem != 0) return Error{system_error("rtnetlink: addresses", problem)};
  return found;
}

Result<std::vector<LinkAddress>> addresses(Rtnetlink& rtnetlink, int ifindex) {
  auto found = found_addresses(rtnetlink, ifindex);
  if (!found) return found.error();
  sort_by<&FoundAddress::order>(*found);
  std::vector<LinkAddress> out;
  out.reserve(found->size());
  for (const FoundAddress& f : *found) out.push_back(f.address);
  return out;
}

uint16_t mtu_in(const nlattr* metrics) {
  const nlattr* const mtu = Attributes(metrics)[RTAX_MTU];
  if (mtu == nullptr || mnl_attr_validate(mtu, MNL_TYPE_U32) != 0) return 0;
  return static_cast<uint16_t>(std::min(mnl_attr_get_u32(mtu), uint32_t{65535}));
}

// The next hop of a route: the destination itself when it is on the link; else a gateway, which may be an IPv6 router
// for IPv4 destinations (RTA_VIA, RFC 5549): neighbour discovery resolves it.
std::optional<Ip> next_hop_in(const Attributes& attributes, Ip to) {
  if (const nlattr* const via = attributes[RTA_VIA]; via != nullptr) {
    constexpr size_t kFamily = sizeof(rtvia::rtvia_family);
    uint16_t family = AF_UNSPEC;
    if (mnl_attr_get_payload_len(via) >= kFamily) std::memcpy(&family, mnl_attr_get_payload(via), kFamily);
    if (family != AF_INET && family != AF_INET6) return std::nullopt;
    return address_in(via, ip_bytes(family == AF_INET ? Family::ipv4 : Family::ipv6), kFamily);
  }
  if (attributes[RTA_GATEWAY] == nullptr) return to;
  return address_in(attributes[RTA_GATEWAY], ip_bytes(to.family()));
}

void read_route(const nlmsghdr* message, std::span<const int> links, Route& route) {
  if (message->nlmsg_type != RTM_NEWROUTE) return;
  const auto* info = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  const Attributes attributes(message, sizeof *info);
  if (info->rtm_type == RTN_LOCAL) route.kind = Route::Kind::local;
  const nlattr* const oif = attributes[RTA_OIF];
  if (info->rtm_type != RTN_UNICAST || oif == nullptr || mnl_attr_validate(oif, MNL_TYPE_U32) != 0) return;
  const auto next_hop = next_hop_in(attributes, route.to);
  if (!next_hop) return;
  route.next_hop = *next_hop;
  route.source = address_in(attributes[RTA_PREFSRC], ip_bytes(route.to.family())).value_or(Ip::any(route.to.family()));
  route.mtu = mtu_in(attributes[RTA_METRICS]);
  route.kind = Route::Kind::elsewhere;
  const auto oif_index = static_cast<int>(mnl_attr_get_u32(oif));
  for (const Link link : first_links(links.size())) {
    if (links[index(link)] == 0 || links[index(link)] != oif_index) continue;
    route.kind = Route::Kind::direct;
    route.link = link;
    return;
  }
  route.interface = interface_name(oif_index);
}

}  // namespace

struct Netlink::Impl {
  MnlSocket events;
  std::optional<Rtnetlink> questions;
};

Netlink::Netlink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Netlink::~Netlink() = default;

Result<std::unique_ptr<Netlink>> Netlink::open() {
  constexpr unsigned kGroups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE |
                               RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE | 1u << (RTNLGRP_IPV6_RULE - 1);
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

Result<std::vector<std::string>> Netlink::interfaces() {
  std::vector<std::string> names;
  NetlinkRequest request(RTM_GETLINK, NLM_F_DUMP);
  request.extra<ifinfomsg>().ifi_family = AF_UNSPEC;
  const int problem = impl_->questions->ask(request, [&](const nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWLINK) return;
    const auto* info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    const nlattr* const name = Attributes(message, sizeof *info)[IFLA_IFNAME];
    if (name == nullptr || mnl_attr_validate(name, MNL_TYPE_NUL_STRING) != 0) return;
    if (kind_of(info->ifi_type, info->ifi_flags).unfit.empty()) names.emplace_back(mnl_attr_get_str(name));
  });
  if (problem != 0) return Error{system_error("rtnetlink: interfaces", problem)};
  return names;
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

Result<std::vector<Ip>> Netlink::host_addresses() {
  const auto found = found_addresses(*impl_->questions, 0);
  if (!found) return found.error();
  std::vector<Ip> out;
  out.reserve(found->size());
  for (const FoundAddress& f : *found) out.push_back(f.address.addr);
  sort_addresses(out);
  return out;
}

Result<Route> Netlink::route_to(Ip to, std::span<const int> links) {
  Route route;
  route.to = to;
  route.kind = Route::Kind::unreachable;
  NetlinkRequest request(RTM_GETROUTE, NLM_F_ACK);
  auto& wanted = request.extra<rtmsg>();
  wanted.rtm_family = static_cast<unsigned char>(kernel_family(to.family()));
  wanted.rtm_dst_len = address_bits(to.family());
  const WireAddress destination(to);
  mnl_attr_put(request.header(), RTA_DST, destination.size(), destination.data());
  const int problem = impl_->questions->ask(request, [&](const nlmsghdr* m) { read_route(m, links, route); });
  // Some errors are answers: no route, or one that refuses (blackhole: EINVAL).
  // EAFNOSUPPORT: this kernel has no IPv6.
  constexpr int kAnswers[] = {0, ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL, EAFNOSUPPORT, EOPNOTSUPP};
  if (std::ranges::find(kAnswers, problem) != std::end(kAnswers)) return route;
  return Error{system_error("rtnetlink: the route to " + text(to), problem)};
}

}  // namespace rawvs
