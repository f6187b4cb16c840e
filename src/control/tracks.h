// SPDX-License-Identifier: BSD-2-Clause
// tracks.h: what VRRP instances track: virtuals that must have enough servers that are well.
// In:   the virtuals that have checks; which of them have enough servers, and when that changes.
// Out:  calls of Vrrp::track().
// Not:  what enough is (health.h), what a track does to its instance (vrrp.h).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "side/checked_servers.h"
#include "side/vrrp.h"

namespace rawvs {

class Tracks {
 public:
  // Checks or instances are others now: all tracks are looked at. To be called before anything else of vrrp's is, after
  // each Vrrp::configure().
  void follow(std::span<const WantedChecks> checks, const CheckedServers& servers, Vrrp& vrrp, VrrpTurn turn);
  // These services have enough servers now, or too few. Costs as many look-ups, and the tracks of virtuals that change.
  void changed(std::span<const CheckedServers::Quorum> quorums, Vrrp& vrrp, VrrpTurn turn);

  uint64_t looked_at() const {
    return looked_at_;
  }  // services and tracks so far: what they cost, whatever the clock says

 private:
  struct Virtual {
    uint32_t lacking = 0;                             // of its services: without enough servers
    std::vector<std::pair<size_t, size_t>> tracks{};  // instance, place in its tracks
  };
  struct OfService {
    Virtual* of = nullptr;
    bool enough = true;
  };
  void tell(const Virtual& one, Vrrp& vrrp, VrrpTurn turn);

  std::unordered_map<std::string, Virtual> virtuals_;  // that are tracked; nodes stay where they are
  std::map<ServiceKey, OfService> services_;           // theirs
  uint64_t looked_at_ = 0;
};

}  // namespace rawvs
