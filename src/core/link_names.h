// SPDX-License-Identifier: BSD-2-Clause
// link_names.h: the interfaces that [director] names, one by one or by patterns, and their roles.
// In:  the values of interface and inside: words with blanks between; * in one stands for any characters.
// Out: the links known from the start, in their order; the role of an interface that appears.
// Not: which interfaces there are (sys/engine/ports.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/link.h"

namespace rawvs {

struct LinkName {
  std::string name;
  LinkRole role = LinkRole::clients;
};

class LinkNames {
 public:
  LinkNames(std::string_view interface, std::string_view inside);

  // Those that are no patterns: the first links, in this order. Those of `interface` come first.
  const std::vector<LinkName>& named() const { return named_; }
  bool patterns() const { return !patterns_.empty(); }
  // A name precedes all patterns, and `interface` precedes `inside`. None: it is not wanted.
  std::optional<LinkRole> role_of(std::string_view interface) const;
  // The link that `on` of [vrrp] or [sync] means: outside and inside are the first of their role. None: none is named.
  std::optional<Link> link_of(std::string_view on) const;

 private:
  void add(std::string_view words, LinkRole role);
  std::vector<LinkName> named_, patterns_;
};

inline bool is_pattern(std::string_view name) { return name.find('*') != std::string_view::npos; }
bool matches(std::string_view pattern, std::string_view name);

}  // namespace rawvs
