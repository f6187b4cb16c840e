// SPDX-License-Identifier: BSD-2-Clause
// tracks.cpp: from services' quorums to instances' tracks.
#include "control/tracks.h"

namespace rawvs {

void Tracks::follow(std::span<const WantedChecks> checks, const CheckedServers& servers, Vrrp& vrrp, VrrpTurn turn) {
  services_.clear();
  virtuals_.clear();
  const auto& instances = vrrp.all();
  for (size_t i = 0; i < instances.size(); ++i) {
    for (size_t t = 0; t < instances[i].spec.tracks.size(); ++t) {
      virtuals_[instances[i].spec.tracks[t].name].tracks.emplace_back(i, t);
    }
  }
  for (const WantedChecks& checked : checks) {
    ++looked_at_;
    const auto tracked = virtuals_.find(checked.name);
    if (tracked == virtuals_.end()) continue;
    const ServiceHealth* const health = servers.find(checked.service);
    const bool enough = !health || health->enough;
    services_[checked.service] = {&tracked->second, enough};
    if (!enough) ++tracked->second.lacking;
  }
  for (const auto& [name, one] : virtuals_) tell(one, vrrp, turn);
}

void Tracks::changed(std::span<const CheckedServers::Quorum> quorums, Vrrp& vrrp, VrrpTurn turn) {
  for (const CheckedServers::Quorum& quorum : quorums) {
    ++looked_at_;
    const auto service = services_.find(quorum.service);
    if (service == services_.end() || service->second.enough == quorum.enough) continue;
    service->second.enough = quorum.enough;
    Virtual& of = *service->second.of;
    const bool was_well = of.lacking == 0;
    of.lacking = quorum.enough ? of.lacking - 1 : of.lacking + 1;
    if (was_well != (of.lacking == 0)) tell(of, vrrp, turn);
  }
}

void Tracks::tell(const Virtual& one, Vrrp& vrrp, VrrpTurn turn) {
  for (const auto& [instance, which] : one.tracks) {
    ++looked_at_;
    vrrp.track(instance, which, one.lacking == 0, turn);
  }
}

}  // namespace rawvs
