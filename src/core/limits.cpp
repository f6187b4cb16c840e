// SPDX-License-Identifier: BSD-2-Clause
#include "core/limits.h"

#include <algorithm>

#include "wire/formatted.h"

namespace rawvs {

Access access_of(const AccessLists& lists, Ip client) {
  Access best{lists.allow.empty()};
  const auto search = [&](const NetworkLists& all, bool allowed) {
    for (const auto& list : all) {
      const NetworkList::Entry* const found = list->find(client);
      if (!found || (best.entry && found->network.prefix < best.entry->network.prefix)) continue;
      if (best.entry && allowed && found->network.prefix == best.entry->network.prefix) continue;
      best = {allowed, list.get(), found};
    }
  };
  search(lists.allow, true);
  search(lists.deny, false);
  return best;
}

std::string text(const Access& a) {
  if (!a.entry) return a.allowed ? "no network of deny holds it" : "no network of allow holds it";
  const std::string which = a.entry->line == 0 ? a.list->name() : formatted("{}:{}", a.list->name(), a.entry->line);
  return formatted("{} {} ({})", a.allowed ? "allow" : "deny", text(a.entry->network), which);
}

bool ServiceLimits::none() const {
  return max_connections == 0 && max_rate == 0 && client_connections == 0 && client_rate == 0 && access.empty();
}

bool alike(const ServiceLimits& a, const ServiceLimits& b) {
  const auto same = [](const NetworkLists& x, const NetworkLists& y) {
    constexpr size_t kOfKeys = 1024;  // larger ones are of files
    return std::ranges::equal(x, y, [](const auto& p, const auto& q) {
      return p == q || (p->size() <= kOfKeys && q->size() <= kOfKeys && *p == *q);
    });
  };
  return a.max_connections == b.max_connections && a.max_rate == b.max_rate &&
         a.client_connections == b.client_connections && a.client_rate == b.client_rate &&
         same(a.access.allow, b.access.allow) && same(a.access.deny, b.access.deny);
}

std::string refused_words(const LimitsUse& use) {
  std::string out;
  for (size_t i = 0; i < std::size(kRefusals); ++i) {
    if (use.refused[i] != 0)
      out += formatted("{}{}:{}", out.empty() ? "" : ",", words(kRefusals[i]).name, use.refused[i]);
  }
  return out.empty() ? "-" : out;
}

}  // namespace rawvs
