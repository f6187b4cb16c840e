// SPDX-License-Identifier: BSD-2-Clause
#include "core/mark_table.h"

#include <algorithm>
#include <functional>

#include "core/sort.h"

namespace rawvs {

namespace {

constexpr Ip kFirstAddress(0, 0), kLastAddress(~uint64_t{0}, ~uint64_t{0});  // in the order of all addresses

// The first port of the block that holds this one.
uint16_t block_of(uint32_t port, int bits) { return static_cast<uint16_t>(port >> bits << bits); }

}  // namespace

void MarkTable::fill(std::span<const GroupMatch> matches) {
  entries_.clear();
  for (uint32_t place = 0; place < matches.size(); ++place) {
    for (const PortRange range : matches[place].ports) add(matches[place], range, place);
  }
  sort_with(entries_, std::less<>());
}

// Adds the largest blocks that the range consists of.
void MarkTable::add(const GroupMatch& match, PortRange range, uint32_t place) {
  const Network sources = match.sources();
  if (sources.base.family() != match.vip.family()) return;
  const uint8_t prefix = sources.prefix;
  const Ip clients = sources.mask().of(sources.base);
  for (uint32_t from = range.first; from <= range.last;) {
    uint8_t bits = 0;
    while (bits < 16 && block_of(from, bits + 1) == from && from + (2u << bits) - 1 <= range.last) ++bits;
    entries_.push_back({{match.vip, match.protocol, bits, prefix}, static_cast<uint16_t>(from), clients, place});
    from += 1u << bits;
  }
}

std::optional<uint32_t> MarkTable::find(const FlowKey& flow, uint64_t& looked_at) const {
  std::optional<uint32_t> first;
  Entry wanted{{flow.vip, flow.protocol, 0, 0}, 0, kFirstAddress, 0};
  for (auto at = entries_.begin();;) {
    // The next shape, which its first entry tells.
    at = std::lower_bound(at, entries_.end(), wanted);
    if (at == entries_.end() || at->shape.vip != flow.vip || at->shape.protocol != flow.protocol) return first;
    const Shape shape = at->shape;
    const Ip clients = Netmask(flow.vip.family(), shape.prefix).of(flow.client);
    wanted = {shape, block_of(flow.vport.value, shape.port_bits), clients, 0};
    at = std::lower_bound(at, entries_.end(), wanted);
    looked_at += 2;
    if (at != entries_.end() && at->shape == shape && at->block == wanted.block && at->clients == clients) {
      first = std::min(first.value_or(at->match), at->match);
    }
    wanted = {shape, 0xffff, kLastAddress, 0xffffffff};
  }
}

}  // namespace rawvs
