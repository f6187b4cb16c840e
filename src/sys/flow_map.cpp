// SPDX-License-Identifier: BSD-2-Clause
// flow_map.cpp: one system call per flow that begins or ends: a fraction of what its first packet costs.
#include <cerrno>

#include "guard_bpf.h"
#include "rawvs/guard.h"

namespace rawvs {

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
  // Connections may begin while there is no guard: an interface is missing that comes back later.
  if (!map_ && (tried_ || !open())) return;
  for (const ReplyChange& change : changes) {
    const ReplyKey key = key_of(change.flow);
    if (!change.expected) {
      map_->remove(&key);
    } else if (const int problem = map_->put(&key); problem != 0) {
      ++refused_;
      problem_ = problem;
    }
  }
}

}  // namespace rawvs
