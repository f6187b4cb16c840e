// SPDX-License-Identifier: BSD-2-Clause
// lan.h: the links, the neighbours' MAC addresses, and the claimed addresses.
// Not: consequences for servers (server_places.h), changes (surroundings.h).
#pragma once

#include <array>

#include "core/link.h"
#include "rawvs/settings.h"
#include "side/claim.h"
#include "side/neighbor.h"

namespace rawvs {

struct Lan {
  Lan(const Settings& settings, bool two_links);

  const LinkFacts& link(Link which) const { return links[index(which)]; }
  bool is_own(Ip addr) const;  // an address of this host on one of the links
  // The sender address of the director's ARP requests: an address of the link that is no VIP; unspecified: none.
  Ip own_address(Link link) const;
  // A server's link: the one with the longest matching subnet; without a match, the inside link if there is one.
  Link link_towards(Ip addr) const;
  Mac mac_of(const Claims::Claim& claim) const;

  bool two_links;
  std::array<LinkFacts, kLinks> links{};
  Neighbors neighbors;
  Claims claims;
};

}  // namespace rawvs
