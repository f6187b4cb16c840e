// SPDX-License-Identifier: BSD-2-Clause
// netlink.h: what the kernel knows of interfaces and of ways, and when that changes. rtnetlink(7) through libmnl.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "core/link.h"
#include "core/route.h"
#include "rawvs/result.h"

namespace rawvs {

struct KernelNews {    // what may be another now
  bool links = false;  // interfaces, IPv4 addresses; routes that depend on them, too, of which the kernel does not tell
  bool routes = false;  // IPv4 routes and rules
  explicit operator bool() const { return links || routes; }
};

class Netlink {
 public:
  static Result<std::unique_ptr<Netlink>> open();
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  int fd() const;        // readable when there is news
  KernelNews changed();  // reads all pending notifications; a lost one may have been of either kind

  // The facts of an interface now; ifindex 0 when there is none of this name. Addresses: IPv4, primary ones first.
  // An error is no answer: the kernel was asked in vain, ask again.
  Result<LinkFacts> query(const std::string& name);

  // The way to an address now; links: the ifindexes of our two links, 0 = there is none. Asked for by destination
  // alone: rules that look at sources or marks do not apply. Of several ways the one that the kernel takes for a packet
  // of its own. An error is no answer, as above.
  Result<Route> route_to(Ip to, const std::array<int, kLinks>& links);

 private:
  struct Impl;
  explicit Netlink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
