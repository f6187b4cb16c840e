// SPDX-License-Identifier: BSD-2-Clause
// netlink.h: what the kernel knows of interfaces, and when that changes. rtnetlink(7) through libmnl.
#pragma once

#include <memory>
#include <string>

#include "rawvs/link.h"
#include "rawvs/result.h"

namespace rawvs {

class Netlink {
 public:
  static Result<std::unique_ptr<Netlink>> open();
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  int fd() const;  // readable when links or IPv4 addresses may have changed
  bool changed();  // reads all pending notifications; true if there were any (a lost one counts)

  // The facts of an interface now; ifindex 0 when there is none of this name. Addresses: IPv4, primary ones first.
  LinkFacts query(const std::string& name);

 private:
  struct Impl;
  explicit Netlink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
