// SPDX-License-Identifier: BSD-2-Clause
// director_admin.cpp: what changes around the packets: what an operator wants.
#include <algorithm>

#include "rawvs/director.h"

namespace rawvs {

Director::Director(const Settings& settings, HashKey secret, bool two_links, Instant now)
    : settings_(settings),
      two_links_(two_links),
      services_(settings.max_servers),
      connections_(settings.max_connections, secret, now),
      reassembly_(settings.max_fragmented, secret),
      ftp_(static_cast<uint16_t>(settings.max_ftp)),
      neighbors_(settings_, settings.max_servers),
      claims_(settings_),
      resets_(settings.reply_rate, settings.reply_burst),
      errors_(settings.reply_rate, settings.reply_burst),
      echoes_(settings.reply_rate, settings.reply_burst),
      next_estimate_(now + Rates::kInterval) {}

std::optional<Refusal> Director::add(const ServiceSpec& spec, Instant now, Outbox& out) {
  const auto refusal = services_.add(spec);
  if (!refusal) services_changed(now, out);
  return refusal;
}

std::optional<Refusal> Director::edit(const ServiceSpec& spec, Instant now, Outbox& out) {
  const auto refusal = services_.edit(spec);
  if (!refusal) services_changed(now, out);
  return refusal;
}

std::optional<Refusal> Director::remove(const ServiceKey& key, Instant now, Outbox& out) {
  const auto refusal = services_.remove(key, now);
  if (!refusal) services_changed(now, out);
  return refusal;
}

std::optional<Refusal> Director::add_server(const ServiceKey& key, const ServerSpec& spec, Instant now, Outbox& out) {
  const auto refusal = services_.add_server(key, spec, now);
  if (!refusal) services_changed(now, out);
  return refusal;
}

std::optional<Refusal> Director::edit_server(const ServiceKey& key, const ServerSpec& spec, Instant now, Outbox& out) {
  const auto refusal = services_.edit_server(key, spec);
  if (!refusal) services_changed(now, out);
  return refusal;
}

std::optional<Refusal> Director::remove_server(const ServiceKey& key, Endpoint server, Instant now, Outbox& out) {
  const auto refusal = services_.remove_server(key, server, now);
  if (!refusal) services_changed(now, out);
  return refusal;
}

void Director::clear(Instant now, Outbox& out) {
  services_.clear(now);
  services_changed(now, out);
}

void Director::set_groups(std::vector<GroupMatch> groups, Instant now, Outbox& out) {
  services_.set_groups(std::move(groups));
  services_changed(now, out);
}

void Director::set_settings(const Settings& settings, Instant now) {
  const Settings was = settings_;
  settings_ = settings;
  settings_.max_connections = was.max_connections;
  settings_.max_servers = was.max_servers;
  settings_.max_fragmented = was.max_fragmented;
  settings_.max_ftp = was.max_ftp;
  if (settings_.reply_rate != was.reply_rate || settings_.reply_burst != was.reply_burst) {
    resets_ = errors_ = echoes_ = Limit(settings_.reply_rate, settings_.reply_burst);
  }
  claims_.settings_changed(now);
}

// What was counted since the last call was counted in the interval that was running then: counting begins with this
// call. So nobody has to wake up when an interval ends.
void Director::estimate(Instant now) {
  if (now < next_estimate_) return;
  constexpr Duration::rep kForgotten = 1000;  // intervals after which no rate is left
  const auto intervals = 1 + (now - next_estimate_) / Rates::kInterval;
  services_.estimate(static_cast<uint32_t>(std::min<Duration::rep>(intervals, kForgotten)));
  next_estimate_ += intervals * Rates::kInterval;
}

Director::Reach Director::reach(const Server& server) const {
  const Route route = route_to(server.spec.at.addr);
  if (route.kind != Route::Kind::direct || server.neighbor == kNoNeighbor) return Reach::no_route;
  if (!links_[index(route.link)].usable()) return Reach::link_down;
  const Neighbors::Neighbor& next = neighbors_.at(server.neighbor);
  if (next.knows_mac()) return Reach::ready;
  return next.state == Neighbors::State::silent ? Reach::silent : Reach::asking;
}

// The side rooms follow the tables: VIPs are claimed and given up, servers' MAC addresses wanted and not wanted.
void Director::services_changed(Instant now, Outbox& out) {
  const std::vector<Ip> vips = services_.vips();
  for (const Ip vip : vips) {
    if (!claims_.answers_for(vip) && !claims_.stands_by(vip)) warn_if_own(vip, out);
  }
  claims_.share(claimable(vips), now);
  claims_.set(vips, now);
  for (size_t slot = 0; slot < services_.servers().size(); ++slot) place_server(static_cast<ServerSlot>(slot), now);
  for (const Link link : {Link::outside, Link::inside}) {
    if (!links_[index(link)].usable()) neighbors_.pause_link(link);
  }
  const auto orphaned = [](const Server& s) { return s.used && !s.in_service() && s.references() != 0; };
  if (settings_.expire_nodest_conn && std::ranges::any_of(services_.servers(), orphaned)) orphans_from_ = 1;
  refresh_watch();
  speak(now, out);
}

}  // namespace rawvs
