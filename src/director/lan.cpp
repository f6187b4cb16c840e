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

Ip Lan::own_address(Link link) const {
  for (const LinkAddress& a : links[index(link)].addresses) {
    if (!claims.answers_for(a.addr)) return a.addr;
  }
  return Ip();
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
