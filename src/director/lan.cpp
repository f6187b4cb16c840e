// SPDX-License-Identifier: BSD-2-Clause
// lan.cpp: looks up addresses on the links.
#include "director/lan.h"

#include <algorithm>

namespace rawvs {

Lan::Lan(const Settings& settings, Changes& changes)
    : neighbors(settings, settings.max_servers, changes), claims(settings) {
  for (const Link link : kEveryLink) neighbors.pause_link(link);
}

void Lan::take(Link link, const LinkFacts& facts) {
  links[index(link)] = facts;
  count = std::max(count, index(link) + 1);
  facts.role == LinkRole::clients&& facts.ethernet ? clients.add(link) : clients.remove(link);
}

bool Lan::is_own(Ip addr) const {
  return std::ranges::any_of(used(), [&](const LinkFacts& link) {
    return std::ranges::find(link.addresses, addr, &LinkAddress::addr) != link.addresses.end();
  });
}

bool Lan::has(Mac mac) const {
  return std::ranges::any_of(used(), [&](const LinkFacts& link) { return link.ethernet && link.mac == mac; });
}

Ip Lan::own_address(Link link, Family family) const { return own_address(link, family, false); }

Ip Lan::asker(Link link, Family family) const { return own_address(link, family, family == Family::ipv6); }

Ip Lan::own_address(Link link, Family family, bool link_local) const {
  Ip second_best = Ip::any(family);
  for (const LinkAddress& a : links[index(link)].addresses) {
    if (a.addr.family() != family || claims.answers_for(a.addr)) continue;
    if (family == Family::ipv4 || a.addr.link_local() == link_local) return a.addr;
    if (second_best.unspecified()) second_best = a.addr;
  }
  return second_best;
}

Link Lan::link_towards(Ip addr) const {
  int best = -1;
  const auto inside = std::ranges::find(used(), LinkRole::servers, &LinkFacts::role);
  Link towards = inside == used().end() ? Link{} : static_cast<Link>(inside - used().begin());
  for (const Link link : first_links(count)) {
    for (const LinkAddress& a : links[index(link)].addresses) {
      if (a.network().holds(addr) && a.prefix > best) best = a.prefix, towards = link;
    }
  }
  return towards;
}

Mac Lan::mac_of(const Claims::Claim& claim, Link link) const {
  const Mac own = claim.as.mac_on(link);
  return own.zero() ? links[index(link)].mac : own;
}

}  // namespace rawvs
