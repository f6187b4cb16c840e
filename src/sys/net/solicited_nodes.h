// SPDX-License-Identifier: BSD-2-Clause
// solicited_nodes.h: membership in the multicast groups of IPv6 VIPs, so that switches that snoop MLD (RFC 4541) pass
// the solicitations for them on, and the card accepts them. ipv6(7), RFC 4291 section 2.7.1.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "rawvs/addr.h"
#include "sys/fd.h"

namespace rawvs {

class SolicitedNodes {
 public:
  // Is a member of the groups of the IPv6 addresses among these, which are sorted, on this interface, and of no others.
  // Returns 0, or an errno: some groups were not joined, and the next call tries them again.
  int follow(int ifindex, const std::vector<Ip>& vips);

  // The groups that could not be joined.
  size_t missing() const { return missing_.size(); }

 private:
  struct Group {
    size_t vips = 0;               // with this group
    std::optional<size_t> socket;  // that is a member; none: it is missing
  };
  void forget(Ip group);
  int join(Ip group, Group& as);
  int join_missing();

  int ifindex_ = 0;
  std::vector<Fd> sockets_;  // each has room for some groups (net.core.optmem_max)
  std::map<Ip, Group> groups_;
  std::vector<Ip> missing_;
  std::vector<Ip> told_;  // the addresses of the last call
};

}  // namespace rawvs
