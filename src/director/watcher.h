// SPDX-License-Identifier: BSD-2-Clause
// watcher.h: keeps the lists of frames that the director needs (watch.h), and their version.
//
// Changes are collected, and merged with the lists when these are asked for: thousands of changes cost little more than
// one. The engine asks for the version after each change, so that no packet has to wait for it.
#pragma once

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "side/watch.h"

namespace rawvs {

class Watcher {
 public:
  const Watch& watch() const { return merged().watch_; }
  uint32_t version() const { return merged().version_; }  // changes with watch()

  void vip(Ip vip, bool came);                 // came = false: it was removed
  void own(const VipPorts& ports, bool came);  // of an address of the host; several may overlap
  void macs(std::array<std::vector<Mac>, kMostLinks> macs);
  // Replaces what one server has in a list: `was` becomes `is`. Several servers may have the same address.
  void neighbor(std::optional<Ip>& was, std::optional<Ip> is) { put(hops_, was, is); }
  void nat_server(std::optional<Ip>& was, std::optional<Ip> is) { put(nats_, was, is); }
  void tunnel(bool& was, bool is);

 private:
  template <class Item>
  struct Counted {  // a sorted list in the making
    struct Change {
      Item item{};
      bool came = false;
    };
    std::vector<uint32_t> counts;         // users of each item of the list
    std::vector<Change> changes;          // not in the list yet
    bool merge(std::vector<Item>& list);  // true: the list is another one
  };
  void put(Counted<Ip>& counted, std::optional<Ip>& was, std::optional<Ip> is);
  void merge();
  const Watcher& merged() const {
    if (stale_) const_cast<Watcher*>(this)->merge();
    return *this;
  }

  Watch watch_;
  uint32_t version_ = 0;
  uint32_t tunnels_ = 0;  // servers with tunnels
  bool stale_ = false;    // there are changes to merge
  Counted<Ip> vips_, hops_, nats_;
  Counted<VipPorts> owns_;
  std::vector<VipPorts> own_;  // sorted; may overlap
};

}  // namespace rawvs
