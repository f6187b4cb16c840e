// SPDX-License-Identifier: BSD-2-Clause
// lan.cpp: looks up addresses on the links.
#include "director/lan.h"

#include <algorithm>

namespace rawvs {

Lan::Lan(const Settings& settings, bool two)
    : two_links(two), neighbors(settings, settings.max_servers), claims(settings) {
  for (const Link link : kBothLinks) neighbors.pause_link(link);
}

bool Lan::is_own(Ip addr) const {
  return std::ranges::any_of(links, [&](const LinkFacts& link) {
    return std::ranges::find(link.addresses, addr, &LinkAddress::addr) != link.addresses.end();
  });
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
  Link towards = two_links ? Link::inside : Link::outside;
  for (const Link link : kBothLinks) {
    for (const LinkAddress& a : links[index(link)].addresses) {
      if (a.network().holds(addr) && a.prefix > best) best = a.prefix, towards = link;
    }
  }
  return towards;
}

Mac Lan::mac_of(const Claims::Claim& claim) const {
  return claim.as.mac.zero() ? links[index(claim.as.link)].mac : claim.as.mac;
}

}  // namespace rawvs
