// SPDX-License-Identifier: BSD-2-Clause
// kept_marks.h: which marks the virtuals of a new configuration get.
// In:  the Config in effect and its successor.
// Out: the marks of both; in the successor, each chosen mark as kept.
//
// A virtual of several ports without a given mark keeps its chosen mark, under which its connections' templates are. It
// is recognised by its name, or by its address and ports. No other virtual gets a mark that was another's.
#pragma once

#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "config/portions.h"
#include "core/slots.h"
#include "rawvs/config.h"

namespace rawvs {

class KeptMarks {
 public:
  KeptMarks(const Config& was, Config& next) : was_(was), next_(next) {}
  void add_to(Portions& walks);

  // REQUIRES: the walks are done.
  const std::vector<Mark>& old_marks() const { return old_; }
  const std::vector<Mark>& marks() const { return marks_; }
  const VirtualConfig* old_virtual(std::string_view name) const;  // null: there is none

 private:
  void know(size_t i);
  void keep(VirtualConfig& v, Slot old);
  void by_name(VirtualConfig& v);
  void by_place(VirtualConfig& v);
  void choose(size_t i);
  Slot named(std::string_view name) const;

  const Config& was_;
  Config& next_;
  std::vector<Mark> old_, marks_;
  std::optional<SlotHash> names_, places_;  // of the old virtuals; places_: of those with a chosen mark
  std::vector<bool> taken_;                 // old virtuals whose marks are kept
  std::set<uint32_t> used_;                 // marks that no other virtual may get
  uint32_t free_ = 0;                       // no mark from a chosen one up to this is free
};

}  // namespace rawvs
