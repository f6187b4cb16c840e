// SPDX-License-Identifier: BSD-2-Clause
// flows_proxy.cpp: connections that began with a SYN cookie, until their server's half is open.
#include <array>

#include "director/flows.h"

namespace rawvs {

namespace {

// After the first SYN and each repetition: a client repeats its own after 1, 3, 7 and 15 seconds, too.
constexpr std::array<Duration, 5> kWaits = {1s, 2s, 4s, 8s, 16s};

}  // namespace

bool Flows::begin_proxy(const Arrival& syn, const SynProxy& proxy, Instant now) {
  Connection* const c = can_proxy() ? connections_.find(Side::client, syn.key, syn.hash) : nullptr;
  if (!c) return false;
  c->set_proxied(true);
  proxies_[connections_.id(*c)] = proxy;
  wait(*c, now);
  return true;
}

bool Flows::waits(const Connection& c) const {
  if (!c.is_proxied()) return false;
  const SynProxy& s = proxies_[connections_.id(c)];
  return s.stage == SynStage::waiting && s.asked < kWaits.size() && services_.server(c.server).in_service();
}

void Flows::wait(Connection& c, Instant now) {
  const uint8_t asked = proxies_[connections_.id(c)].asked;
  connections_.arm(c, now, kWaits[std::min<size_t>(asked, kWaits.size() - 1)]);
}

}  // namespace rawvs
