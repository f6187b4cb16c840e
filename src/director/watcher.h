// SPDX-License-Identifier: BSD-2-Clause
// watcher.h: keeps the lists of frames that the director needs (watch.h), and their version.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "side/watch.h"

namespace rawvs {

class Watcher {
 public:
  const Watch& watch() const { return watch_; }
  uint32_t version() const { return version_; }  // changes with watch()

  void vip(Ip vip, bool came);  // came = false: it was removed
  void macs(std::array<std::vector<Mac>, kLinks> macs);
  void icmp_errors(bool wanted);
  // Replaces one server's entry of a list: `was` becomes `is`. Several servers may have the same address.
  void neighbor(std::optional<Ip>& was, std::optional<Ip> is) { put(hops_, watch_.neighbors, was, is); }
  void nat_server(std::optional<Ip>& was, std::optional<Ip> is) { put(nats_, watch_.nat_servers, was, is); }

 private:
  class Counted {  // counts the users of each address of a sorted list
   public:
    bool add(std::vector<Ip>& list, Ip a);     // true: it is new
    bool remove(std::vector<Ip>& list, Ip a);  // true: it was the last user
   private:
    std::vector<uint32_t> counts_;
  };
  void put(Counted& counted, std::vector<Ip>& list, std::optional<Ip>& was, std::optional<Ip> is);

  Watch watch_;
  uint32_t version_ = 0;
  Counted hops_, nats_;
};

}  // namespace rawvs
