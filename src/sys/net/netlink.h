// SPDX-License-Identifier: BSD-2-Clause
// netlink.h: the kernel's interfaces and routes, and notifications of their changes. rtnetlink(7) with libmnl.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "core/link.h"
#include "core/route.h"
#include "rawvs/result.h"

namespace rawvs {

struct KernelNews {     // what may have changed
  bool links = false;   // interfaces, addresses, and routes that depend on them without a notification
  bool routes = false;  // routes and rules
  explicit operator bool() const { return links || routes; }
};

class Netlink {
 public:
  static Result<std::unique_ptr<Netlink>> open();
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  int fd() const;        // readable when something changed
  KernelNews changed();  // reads all pending notifications; a lost one counts as both kinds

  // The names of the interfaces that can be used, by the kernel's indexes. An error means that the kernel did not
  // answer, or that they changed meanwhile: ask again.
  Result<std::vector<std::string>> interfaces();

  // The present facts of an interface; ifindex 0: no such name. Addresses as LinkFacts says, without IPv6
  // addresses that are tentative or duplicate. An error means that the kernel did not answer: ask again.
  Result<LinkFacts> query(const std::string& name);

  // The host's addresses of both families on all its interfaces, sorted; not what Result<LinkFacts> leaves out. An
  // error means that the kernel did not answer: ask again.
  Result<std::vector<Ip>> host_addresses();

  // The present route to an address. links: the ifindexes of our links, 0 = absent. The look-up is by destination
  // alone: rules for sources or marks do not apply. Of several routes the kernel's choice for its own packets. An error
  // means that the kernel did not answer: ask again.
  Result<Route> route_to(Ip to, std::span<const int> links);

 private:
  struct Impl;
  explicit Netlink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
