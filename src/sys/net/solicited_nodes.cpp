// SPDX-License-Identifier: BSD-2-Clause
// solicited_nodes.cpp: IPV6_JOIN_GROUP with as many sockets as the groups need.
#include "sys/net/solicited_nodes.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "sys/net/socket_address.h"
#include "wire/discovery.h"

namespace rawvs {
namespace {

constexpr size_t kMostSockets = 256;

int change(const Fd& socket, int option, Ip group, int ifindex) {
  const ipv6_mreq request{kernel_address6(group), static_cast<unsigned>(ifindex)};
  return setsockopt(socket.get(), IPPROTO_IPV6, option, &request, sizeof request) == 0 ? 0 : errno;
}

}  // namespace

int SolicitedNodes::follow(int ifindex, const std::vector<Ip>& vips) {
  if (ifindex != ifindex_) groups_.clear(), sockets_.clear(), missing_.clear(), told_.clear();
  ifindex_ = ifindex;
  std::vector<Ip> gone, added;
  std::ranges::set_difference(told_, vips, std::back_inserter(gone));
  std::ranges::set_difference(vips, told_, std::back_inserter(added));
  for (const Ip vip : gone) {
    if (vip.is_v6()) forget(solicited_node(vip));
  }
  for (const Ip vip : added) {
    if (vip.is_v4()) continue;
    const Ip group = solicited_node(vip);
    if (groups_[group].vips++ == 0) missing_.push_back(group);
  }
  if (!gone.empty() || !added.empty()) told_ = vips;
  return join_missing();
}

void SolicitedNodes::forget(Ip group) {
  const auto found = groups_.find(group);
  if (--found->second.vips != 0) return;
  if (found->second.socket) {
    change(sockets_[*found->second.socket], IPV6_DROP_MEMBERSHIP, group, ifindex_);
  } else {
    std::erase(missing_, group);
  }
  groups_.erase(found);
}

// What the kernel refuses for one group it refuses for the others: after a few they are left for the next call.
int SolicitedNodes::join_missing() {
  constexpr size_t kMostFailures = 16;
  int worst = 0;
  size_t failures = 0;
  std::erase_if(missing_, [&](Ip group) {
    if (failures == kMostFailures) return false;
    const int problem = join(group, groups_[group]);
    if (problem == 0) return true;
    worst = problem;
    ++failures;
    return false;
  });
  return worst;
}

// By the newest socket, whose predecessors are full; or by another one.
int SolicitedNodes::join(Ip group, Group& as) {
  int problem = ENOBUFS;
  for (const bool another : {false, true}) {
    if (another && sockets_.size() == kMostSockets) break;
    if (another || sockets_.empty()) {
      Fd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      if (!socket) return errno;
      sockets_.push_back(std::move(socket));
    }
    problem = change(sockets_.back(), IPV6_ADD_MEMBERSHIP, group, ifindex_);
    if (problem == 0 || problem == EADDRINUSE) {
      as.socket = sockets_.size() - 1;
      return 0;
    }
    if (problem != ENOMEM && problem != ENOBUFS) break;
  }
  return problem;
}

}  // namespace rawvs
