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

Result<int> FlowMap::open() {
  tried_ = true;
  if (!map_) {
    auto made = BpfMap::make(sizeof(ReplyKey), most_);
    if (!made) return at("NAT servers' flows", made.error());
    map_ = std::make_unique<BpfMap>(std::move(*made));
  }
  return map_->fd();
}

void FlowMap::change(std::span<const ReplyChange> changes) {
  if (changes.empty()) return;
  // Connections may begin without a guard: a missing interface may come back.
  if (!map_ && (tried_ || !open())) return;
  // In their order: a flow may end and begin again within one list.
  while (!changes.empty()) {
    std::array<ReplyKey, kAtOnce> keys;
    const bool expected = changes[0].expected;
    uint32_t count = 0;
    while (count < std::min(changes.size(), kAtOnce) && changes[count].expected == expected) {
      keys[count] = key_of(changes[count].flow);
      ++count;
    }
    changes = changes.subspan(count);
    const BpfMap::Refused refused = expected ? map_->put_all(keys.data(), count) : map_->remove_all(keys.data(), count);
    if (!expected || refused.keys == 0) continue;
    refused_ += refused.keys;
    problem_ = refused.problem;
  }
}

}  // namespace rawvs
