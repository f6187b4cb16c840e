// SPDX-License-Identifier: BSD-2-Clause
// mark_table.h: finds the first of many matches of VIP, protocol, ports and clients that holds a packet.
// In:  matches, in their order of precedence; a packet's addresses and ports.
// Out: the match whose mark the packet gets.
//
// A range of ports is kept as blocks of 1, 2, 4, ... ports. Matches of one size of block and one length of client
// network have one shape; a packet is in one block and one network of each shape, which a binary search finds. So a
// look-up costs in proportion to the shapes at a VIP, of which most tables have one or two, not to its matches.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/flow.h"
#include "rawvs/addr.h"

namespace rawvs {

// Which packets carry a mark: replaces the rules of the host's firewall for IPVS.
struct PortRange {
  uint16_t first = 0, last = 0xffff;
  friend bool operator==(const PortRange&, const PortRange&) = default;
};
struct GroupMatch {
  Ip vip{};
  Protocol protocol = Protocol::tcp;
  std::vector<PortRange> ports;
  Mark mark{};
  // Packets from here only; 0.0.0.0/0: from anywhere, whatever the VIP's family. A network of the other family than the
  // VIP's holds no packet.
  Network clients = Network::all(Family::ipv4);
  Network sources() const { return clients.prefix == 0 && clients.base.is_v4() ? Network::all(vip.family()) : clients; }
};

class MarkTable {
 public:
  void fill(std::span<const GroupMatch> matches);
  // The index of the first match that holds the packet. Adds to `looked_at` how many entries were looked for.
  std::optional<uint32_t> find(const FlowKey& flow, uint64_t& looked_at) const;

 private:
  struct Shape {
    Ip vip{};
    Protocol protocol = Protocol::any;
    uint8_t port_bits = 0;  // a block has 2^port_bits ports
    uint8_t prefix = 0;     // of the clients' network
    friend auto operator<=>(const Shape&, const Shape&) = default;
  };
  struct Entry {
    Shape shape{};
    uint16_t block = 0;  // its first port
    Ip clients{};        // the network's first address
    uint32_t match = 0;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };
  void add(const GroupMatch& match, PortRange range, uint32_t place);

  std::vector<Entry> entries_;  // sorted; of those that differ in the match only, the first counts
};

}  // namespace rawvs
