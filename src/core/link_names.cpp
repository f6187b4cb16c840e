// SPDX-License-Identifier: BSD-2-Clause
// link_names.cpp: reads the lists of interfaces, and matches patterns.
#include "core/link_names.h"

#include <algorithm>

namespace rawvs {

LinkNames::LinkNames(std::string_view interface, std::string_view inside) {
  add(interface, LinkRole::clients);
  add(inside, LinkRole::servers);
}

void LinkNames::add(std::string_view words, LinkRole role) {
  constexpr std::string_view kBlanks = " \t";
  for (size_t at = words.find_first_not_of(kBlanks); at < words.size(); at = words.find_first_not_of(kBlanks, at)) {
    const size_t end = std::min(words.find_first_of(kBlanks, at), words.size());
    const std::string_view word = words.substr(at, end - at);
    (is_pattern(word) ? patterns_ : named_).push_back({std::string(word), role});
    at = end;
  }
}

std::optional<LinkRole> LinkNames::role_of(std::string_view interface) const {
  const auto named = std::ranges::find(named_, interface, &LinkName::name);
  if (named != named_.end()) return named->role;
  const auto matching =
      std::ranges::find_if(patterns_, [&](const LinkName& pattern) { return matches(pattern.name, interface); });
  return matching != patterns_.end() ? std::optional(matching->role) : std::nullopt;
}

std::optional<Link> LinkNames::link_of(std::string_view on) const {
  const auto found = std::ranges::find_if(named_, [&](const LinkName& n) {
    if (on == "outside") return n.role == LinkRole::clients;
    return on == "inside" ? n.role == LinkRole::servers : n.name == on;
  });
  if (found == named_.end()) return std::nullopt;
  return static_cast<Link>(found - named_.begin());
}

// After a mismatch the last * takes one character more: at most pattern * name steps.
bool matches(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, taken = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1, n = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace rawvs
