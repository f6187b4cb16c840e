// SPDX-License-Identifier: BSD-2-Clause
// lan.h: the links, the neighbours' MAC addresses, and the claimed addresses.
// Not: consequences for servers (server_places.h), changes (surroundings.h).
#pragma once

#include <array>
#include <span>

#include "core/link.h"
#include "rawvs/settings.h"
#include "side/claim.h"
#include "side/neighbor.h"

namespace rawvs {

struct Lan {
  Lan(const Settings& settings, Changes& changes);

  const LinkFacts& link(Link which) const { return links[index(which)]; }
  bool is_own(Ip addr) const;  // an address of this host on one of the links
  bool has(Mac mac) const;     // one of the links with Ethernet has it; what others have is invented
  // An address of this host on the link that is no VIP; unspecified: none. IPv6: a global one rather than a link-local
  // one; asker(): the other way, since a neighbour can always send to a link-local address (RFC 4861 section 7.2.2).
  Ip own_address(Link link, Family family) const;
  Ip asker(Link link, Family family) const;
  // A server's link: the one with the longest matching subnet; without a match, the first of the servers' links, or the
  // first of all.
  Link link_towards(Ip addr) const;
  Mac mac_of(const Claims::Claim& claim, Link link) const;  // in answers for it on that link
  std::span<const LinkFacts> used() const { return std::span(links).first(count); }
  void take(Link link, const LinkFacts& facts);

  std::array<LinkFacts, kMostLinks> links{};
  size_t count = 0;         // of links in use, the first ones
  LinkSet clients{Link{}};  // those on which VIPs are answered for: clients' links with Ethernet
  LinkSet guards_without_flows{};
  Neighbors neighbors;
  Claims claims;

 private:
  Ip own_address(Link link, Family family, bool link_local) const;
};

}  // namespace rawvs
