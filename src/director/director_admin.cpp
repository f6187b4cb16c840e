// SPDX-License-Identifier: BSD-2-Clause
// director_admin.cpp: what changes around the packets: what an operator wants.
#include <algorithm>
#include <utility>

#include "rawvs/director.h"

namespace rawvs {

namespace {

constexpr size_t kWork = 512;                // servers, and services, in one portion of a change of very many
constexpr uint32_t kEstimatedAtOnce = 4096;  // slots: some hundred microseconds

}  // namespace

Director::Director(const Settings& settings, HashKey secret, bool two_links, Instant now)
    : settings_(settings),
      two_links_(two_links),
      services_(settings.max_servers, settings.max_services),
      connections_(settings.max_connections, secret, now),
      reassembly_(settings.max_fragmented, secret),
      ftp_(static_cast<uint16_t>(settings.max_ftp)),
      neighbors_(settings_, settings.max_servers),
      claims_(settings_),
      places_(std::min<uint32_t>(settings.max_servers, kNoServer)),
      to_place_(settings.max_servers),
      once_nat_(settings.max_servers),
      resets_(settings.reply_rate, settings.reply_burst),
      errors_(settings.reply_rate, settings.reply_burst),
      too_bigs_(settings.reply_rate, settings.reply_burst),
      echoes_(settings.reply_rate, settings.reply_burst),
      next_estimate_(now + Rates::kInterval),
      large_answer_(std::make_unique_for_overwrite<uint8_t[]>(kLargestAnswer)) {
  for (const Link link : {Link::outside, Link::inside}) neighbors_.pause_link(link);
}

std::optional<Refusal> Director::add(const ServiceSpec& spec, Turn turn) {
  const auto refusal = services_.add(spec);
  if (refusal) return refusal;
  for (const Ip vip : services_.vips_of(spec.key)) use_vip(vip, turn);
  touch(spec.key);
  changed(turn);
  return std::nullopt;
}

std::optional<Refusal> Director::edit(const ServiceSpec& spec, Turn turn) {
  const auto refusal = services_.edit(spec);
  if (refusal) return refusal;
  touch(spec.key);
  changed(turn);
  return std::nullopt;
}

std::optional<Refusal> Director::remove(const ServiceKey& key, Turn turn) {
  const Service* const service = services_.find(key);
  if (!service) return Refusal::no_service;
  std::vector<ServerSlot> servers = service->servers;
  servers.insert(servers.end(), service->taken_out.begin(), service->taken_out.end());
  static_cast<void>(services_.remove(key, turn.now));
  touch(key);
  for (const Ip vip : services_.vips_of(key)) leave_vip(vip, turn.now);
  for (const ServerSlot slot : servers) {
    note_orphan(services_.server(slot));
    place_later(slot);
  }
  changed(turn);
  return std::nullopt;
}

std::optional<Refusal> Director::add_server(const ServiceKey& key, const ServerSpec& spec, Turn turn) {
  const auto refusal = services_.add_server(key, spec);
  if (refusal) return refusal;
  place_server(services_.slot_of(key, spec.at), turn.now);
  touch(key, spec.at);
  changed(turn);
  return std::nullopt;
}

std::optional<Refusal> Director::edit_server(const ServiceKey& key, const ServerSpec& spec, Turn turn) {
  const auto refusal = services_.edit_server(key, spec);
  if (refusal) return refusal;
  place_server(services_.slot_of(key, spec.at), turn.now);
  touch(key, spec.at);
  changed(turn);
  return std::nullopt;
}

std::optional<Refusal> Director::remove_server(const ServiceKey& key, Endpoint server, Turn turn) {
  const ServerSlot slot = services_.slot_of(key, server);
  const auto refusal = services_.remove_server(key, server, turn.now);
  if (refusal) return refusal;
  note_orphan(services_.server(slot));
  place_server(slot, turn.now);
  touch(key);
  changed(turn);
  return std::nullopt;
}

bool Director::clear_some(size_t& at, Turn turn) {
  size_t work = kWork;
  for (; at < services_.services().size() && work > 0; ++at, --work) {
    const Service& service = services_.services()[at];
    if (!service.used) continue;
    work -= std::min(work - 1, service.servers.size());
    remove(ServiceKey(service.spec.key), turn);
  }
  return at >= services_.services().size();
}

std::optional<Refusal> Director::take_out(const ServiceKey& key, Endpoint server) {
  const auto refusal = services_.take_out(key, server);
  if (!refusal && settings_.expire_nodest_conn) orphans_from_ = 1;
  return refusal;
}

void Director::clear(Turn turn) {
  for (size_t at = 0; !clear_some(at, turn);) {
  }
}

bool Director::zero_some(size_t& at) {
  size_t work = kWork;
  for (; at < services_.services().size() && work > 0; ++at, --work) {
    const Service& service = services_.services()[at];
    if (!service.used) continue;
    work -= std::min(work - 1, service.servers.size());
    static_cast<void>(services_.zero(service.spec.key));
  }
  return at >= services_.services().size();
}

void Director::zero_all() {
  for (size_t at = 0; !zero_some(at);) {
  }
}

// Those that are new come first, so that an address that both have is never given up.
void Director::set_groups(std::vector<GroupMatch> groups, Turn turn) {
  const std::vector<Ip> before = marked_vips();
  services_.set_groups(std::move(groups));
  for (const Ip vip : marked_vips()) use_vip(vip, turn);
  for (const Ip vip : before) leave_vip(vip, turn.now);
  changed(turn);
}

// Of all services of marks; as often as there are services.
std::vector<Ip> Director::marked_vips() const {
  std::vector<Ip> all;
  Mark last{};
  for (const uint32_t place : services_.groups_by_mark()) {
    const Mark mark = services_.groups()[place].mark;
    const ServiceKey key{.protocol = Protocol::any, .vip = {}, .mark = mark};
    if (std::exchange(last, mark) == mark || !services_.find(key)) continue;
    const std::vector<Ip> its = services_.vips_of(key);
    all.insert(all.end(), its.begin(), its.end());
  }
  return all;
}

void Director::set_settings(const Settings& settings, Instant now) {
  const Settings was = settings_;
  settings_ = settings;
  settings_.max_connections = was.max_connections;
  settings_.max_servers = was.max_servers;
  settings_.max_services = was.max_services;
  settings_.max_fragmented = was.max_fragmented;
  settings_.max_ftp = was.max_ftp;
  if (settings_.reply_rate != was.reply_rate || settings_.reply_burst != was.reply_burst) {
    resets_ = errors_ = too_bigs_ = echoes_ = Limit(settings_.reply_rate, settings_.reply_burst);
  }
  claims_.settings_changed(now);
}

// What was counted since the last call was counted in the interval that was running then: counting begins with this
// call. So nobody has to wake up when an interval ends. A large table takes several calls.
void Director::estimate(Instant now) {
  constexpr Duration::rep kForgotten = 1000;  // intervals after which no rate is left
  if (now >= next_estimate_) {
    const auto over = 1 + (now - next_estimate_) / Rates::kInterval;
    intervals_ = static_cast<uint32_t>(std::min<Duration::rep>(intervals_ + over, kForgotten));
    next_estimate_ += over * Rates::kInterval;
  }
  if (estimated_to_ == kAllEstimated) {
    if (intervals_ == 0) return;
    estimating_ = std::exchange(intervals_, 0);
    estimated_to_ = 0;
  }
  const bool all = services_.estimate(estimating_, estimated_to_, kEstimatedAtOnce);
  estimated_to_ = all ? kAllEstimated : estimated_to_ + kEstimatedAtOnce;
}

Director::Reach Director::reach(const Server& server) const {
  const Route route = route_to(server.spec.at.addr);
  switch (kind_of(route)) {
    case Route::Kind::direct: break;
    case Route::Kind::elsewhere: return Reach::other_interface;
    case Route::Kind::local: return Reach::own_address;
    case Route::Kind::unreachable: return Reach::no_route;
  }
  if (server.neighbor == kNoNeighbor) return Reach::no_route;
  if (!links_[index(route.link)].usable()) return Reach::link_down;
  const Neighbors::Neighbor& next = neighbors_.at(server.neighbor);
  if (next.knows_mac()) return Reach::ready;
  return next.state == Neighbors::State::silent ? Reach::silent : Reach::asking;
}

void Director::touch(const ServiceKey& key, std::optional<Endpoint> server) {
  const Touched now{key, server};
  if (touched_.empty() || touched_.back() != now) touched_.push_back(now);
}

// After every change: what packets and the LAN need to know of it.
void Director::changed(Turn turn) {
  place_some(turn.now);
  note_claims();
  speak(turn);
}

void Director::note_orphan(const Server& server) {
  if (settings_.expire_nodest_conn && server.references() != 0) orphans_from_ = 1;
}

// Servers may have got connections of theirs before an edit, or before they were removed.
void Director::state_restored(Turn turn) {
  for (const Server& server : services_.servers()) {
    if (server.used && !server.in_table()) note_orphan(server);
  }
  place_all_later();
  changed(turn);
}

}  // namespace rawvs
