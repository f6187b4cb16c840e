// SPDX-License-Identifier: BSD-2-Clause
// netlink.cpp: RTM_GETLINK, RTM_GETADDR, and the notifications of both.
#include "rawvs/netlink.h"

#include <linux/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "rawvs/sys.h"
#include "rtnetlink.h"

namespace rawvs {
namespace {

void read_link(const nlmsghdr* message, LinkFacts& facts) {
  if (message->nlmsg_type != RTM_NEWLINK) return;
  const auto* info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
  facts.ifindex = info->ifi_index;
  facts.up = (info->ifi_flags & IFF_UP) != 0;
  facts.carrier = (info->ifi_flags & IFF_LOWER_UP) != 0;
  const Attributes attributes(message, sizeof *info);
  auto& mac = facts.mac.bytes;
  if (const nlattr* a = attributes[IFLA_ADDRESS]; a != nullptr && mnl_attr_get_payload_len(a) == mac.size())
    std::memcpy(mac.data(), mnl_attr_get_payload(a), mac.size());  // other sizes: no Ethernet, so no MAC
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
  // IFA_ADDRESS would be the other end's on a point-to-point link.
  const nlattr* const local = Attributes(message, sizeof *info)[IFA_LOCAL];
  if (local == nullptr || mnl_attr_get_payload_len(local) != 4) return;
  const Bytes bytes(static_cast<const uint8_t*>(mnl_attr_get_payload(local)), 4);
  found.push_back({{Ip(load_be32(bytes, 0)), info->ifa_prefixlen}, (info->ifa_flags & IFA_F_SECONDARY) != 0});
}

std::vector<LinkAddress> addresses(Rtnetlink& rtnetlink, int ifindex) {
  std::vector<FoundAddress> found;
  constexpr int kTries = 3;  // EINTR: the addresses changed while they were being listed
  int problem = EINTR;
  for (int tries = 0; tries < kTries && problem == EINTR; ++tries) {
    found.clear();
    Request request(RTM_GETADDR, NLM_F_DUMP);
    request.extra<ifaddrmsg>().ifa_family = AF_INET;
    problem = rtnetlink.ask(request, [&](const nlmsghdr* m) { read_address(m, ifindex, found); });
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const FoundAddress& a, const FoundAddress& b) { return a.secondary < b.secondary; });
  std::vector<LinkAddress> out;
  out.reserve(found.size());
  for (const FoundAddress& f : found) out.push_back(f.address);
  return out;
}

}  // namespace

struct Netlink::Impl {
  MnlSocket events;
  std::optional<Rtnetlink> questions;
};

Netlink::Netlink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Netlink::~Netlink() = default;

Result<std::unique_ptr<Netlink>> Netlink::open() {
  auto impl = std::make_unique<Impl>();
  impl->events.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!impl->events || mnl_socket_bind(impl->events.get(), RTMGRP_LINK | RTMGRP_IPV4_IFADDR, MNL_SOCKET_AUTOPID) != 0)
    return Error{system_error("rtnetlink: notifications", errno)};
  impl->questions = Rtnetlink::open();
  if (!impl->questions) return Error{system_error("rtnetlink", errno)};
  return std::unique_ptr<Netlink>(new Netlink(std::move(impl)));
}

int Netlink::fd() const { return mnl_socket_get_fd(impl_->events.get()); }

bool Netlink::changed() {
  bool any = false;
  std::array<uint8_t, 1> rest{};  // what changed is asked for by query(), so the messages are thrown away unread
  constexpr int kMostReads = 4096;
  for (int i = 0; i < kMostReads; ++i) {
    if (recv(fd(), rest.data(), rest.size(), MSG_DONTWAIT) < 0) {
      if (errno == ENOBUFS) any = true;  // notifications were lost
      if (errno == ENOBUFS || errno == EINTR) continue;
      break;
    }
    any = true;
  }
  return any;
}

LinkFacts Netlink::query(const std::string& name) {
  LinkFacts facts;
  facts.name = name;
  if (name.empty() || name.size() >= IFNAMSIZ) return facts;
  Request request(RTM_GETLINK, NLM_F_ACK);
  request.extra<ifinfomsg>().ifi_family = AF_UNSPEC;
  mnl_attr_put_strz(request.header(), IFLA_IFNAME, name.c_str());
  const int problem = impl_->questions->ask(request, [&](const nlmsghdr* m) { read_link(m, facts); });
  if (problem != 0) {  // ENODEV: there is none
    facts = LinkFacts{};
    facts.name = name;
    return facts;
  }
  facts.addresses = addresses(*impl_->questions, facts.ifindex);
  return facts;
}

}  // namespace rawvs
