// SPDX-License-Identifier: BSD-2-Clause
// flow_map.cpp: adds and removes flows per batch of packets: one system call for many, where the kernel supports it.
#include <algorithm>
#include <array>

#include "sys/guard/guard.h"
#include "sys/guard/guard_bpf.h"

namespace rawvs {
namespace {

constexpr size_t kAtOnce = 64;

}  // namespace

FlowMap::FlowMap(uint32_t most) : most_(most) {}
FlowMap::~FlowMap() = default;

Result<int> FlowMap::open(Family family) {
  Map& m = maps_[index(family)];
  m.tried = true;
  if (!m.map) {
    auto made = BpfMap::make(family == Family::ipv4 ? sizeof(ReplyKey) : sizeof(ReplyKey6), most_);
    if (!made) return at("NAT servers' flows", made.error());
    m.map = std::make_unique<BpfMap>(std::move(*made));
  }
  return m.map->fd();
}

// In their order: a flow may end and begin again within one list.
void FlowMap::change(std::span<const ReplyChange> changes) {
  while (!changes.empty()) {
    const bool expected = changes[0].expected;
    const Family family = changes[0].flow.server.addr.family();
    size_t count = 1;
    const auto alike = [&](const ReplyChange& c) {
      return c.expected == expected && c.flow.server.addr.family() == family;
    };
    while (count < kAtOnce && count < changes.size() && alike(changes[count])) ++count;
    Map& m = maps_[index(family)];
    // Connections may begin without a guard: a missing interface may come back.
    if (m.map || (!m.tried && open(family))) {
      family == Family::ipv4 ? change(m, changes.first(count), key_of) : change(m, changes.first(count), key6_of);
    }
    changes = changes.subspan(count);
  }
}

template <class Key>
void FlowMap::change(Map& m, std::span<const ReplyChange> alike, Key (*key_of)(const ReplyFlow&)) {
  std::array<Key, kAtOnce> keys;
  std::ranges::transform(alike, keys.begin(), [&](const ReplyChange& c) { return key_of(c.flow); });
  const auto count = static_cast<uint32_t>(alike.size());
  const bool expected = alike[0].expected;
  const BpfMap::Refused refused = expected ? m.map->put_all(keys.data(), count) : m.map->remove_all(keys.data(), count);
  if (!expected || refused.keys == 0) return;
  refused_ += refused.keys;
  problem_ = refused.problem;
}

}  // namespace rawvs
