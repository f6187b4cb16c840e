// SPDX-License-Identifier: BSD-2-Clause
// watcher.h: keeps the lists of what the outside must deliver to the director (watch.h), and says when they change.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "side/watch.h"

namespace rawvs {

class Watcher {
 public:
  const Watch& watch() const { return watch_; }
  uint32_t version() const { return version_; }  // another number whenever watch() is another

  void vip(Ip vip, bool came);  // false: it went
  void macs(std::array<std::vector<Mac>, kLinks> macs);
  void icmp_errors(bool wanted);
  // One server's part of a list: what it was, and is from now on. Several may want the same address.
  void neighbor(std::optional<Ip>& was, std::optional<Ip> is) { put(hops_, watch_.neighbors, was, is); }
  void nat_server(std::optional<Ip>& was, std::optional<Ip> is) { put(nats_, watch_.nat_servers, was, is); }

 private:
  class Counted {  // a sorted list of addresses, each as often as somebody wants it
   public:
    bool add(std::vector<Ip>& list, Ip a);     // true: it came
    bool remove(std::vector<Ip>& list, Ip a);  // true: it went
   private:
    std::vector<uint32_t> counts_;
  };
  void put(Counted& counted, std::vector<Ip>& list, std::optional<Ip>& was, std::optional<Ip> is);

  Watch watch_;
  uint32_t version_ = 0;
  Counted hops_, nats_;
};

}  // namespace rawvs
