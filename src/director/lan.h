// SPDX-License-Identifier: BSD-2-Clause
// lan.h: the links, and who is on them: the servers' MAC addresses, the addresses that are claimed.
// What follows from it for servers is server_places.h, what changes it surroundings.h.
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
  bool is_own(Ip addr) const;  // this host's, on one of the links
  // The address that asks in the director's name: one of the link that is no VIP, or none.
  Ip own_address(Link link) const;
  // Where a server is: on the link whose subnet holds it, the narrower one if both do; else inside, where servers are.
  Link link_towards(Ip addr) const;
  Mac mac_of(const Claims::Claim& claim) const;

  bool two_links;
  std::array<LinkFacts, kLinks> links{};
  Neighbors neighbors;
  Claims claims;
};

}  // namespace rawvs
