// SPDX-License-Identifier: BSD-2-Clause
// network_list.h: a list of networks, of both families: which of them is the smallest one that holds an address.
// In:  networks in any order (NetworkListBuilder).
// Out: the longest match.
//
// The networks lie sorted by address and length, and each knows the next larger one that encloses it. The last one that
// begins at or below an address is the longest match, or one of those that enclose it is: a binary search, and at most
// as many steps as networks enclose each other. A network takes 40 bytes; a list does not change, and is one piece of
// memory, so that it is freed at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rawvs/addr.h"

namespace rawvs {

class NetworkList {
 public:
  struct Entry {
    Network network{};
    uint32_t line = 0;             // of its file; 0: none
    uint32_t enclosing = kNobody;  // the smallest larger one that holds all of it
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  const Entry* find(Ip a) const;                     // null: no network holds it
  const std::string& name() const { return name_; }  // the path of its file, or the key that has its networks
  size_t size() const { return entries_.size(); }
  friend bool operator==(const NetworkList&, const NetworkList&) = default;

 private:
  friend class NetworkListBuilder;
  static constexpr uint32_t kNobody = UINT32_MAX;
  std::string name_;
  std::vector<Entry> entries_;
};

// Builds a list in portions of any size.
class NetworkListBuilder {
 public:
  static constexpr size_t kMost = 4'000'000;
  // A network that is there already is left out in the end. REQUIRES: size() < kMost.
  void add(const Network& network, uint32_t line = 0);
  void reserve(size_t networks) { list_.entries_.reserve(networks); }  // so that add() copies nothing
  size_t size() const { return list_.entries_.size(); }
  // About `work` networks; true when the list is ready. REQUIRES: add() is not called any more.
  bool step(size_t work);
  // REQUIRES: step() has returned true.
  std::shared_ptr<const NetworkList> take(std::string name);

 private:
  void link(const NetworkList::Entry& entry);

  NetworkList list_;
  bool begun_ = false;
  size_t unsorted_ = 0;           // entries of the heap that are not in their order yet
  size_t read_ = 0, linked_ = 0;  // in the second walk: entries looked at, and kept
};

}  // namespace rawvs
