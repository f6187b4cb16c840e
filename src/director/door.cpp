// SPDX-License-Identifier: BSD-2-Clause
// door.cpp: the calls of rawvs/director.h, each passed to its part. Operators' commands: operators.cpp.
#include "director/explain.h"
#include "director/path.h"

namespace rawvs {

static_assert(Director::kObservers == Onlookers::kMost);

Director::Director(const Settings& settings, HashKey secret, Instant now)
    : path_(std::make_unique<Path>(settings, secret, now)) {}

Director::~Director() = default;

// Events.
void Director::frames_arrived(std::span<Frame> frames, Turn turn) { path_->frames_arrived(frames, turn); }
Exit Director::check_arrived(Frame& frame, const ServiceKey& service, Endpoint server, Turn turn) {
  path_->surroundings.recycle();
  Arrival a;
  a.frame = &frame;
  const Exit exit = path_->forwarder.check(a, path_->services.known(service, server), turn);
  path_->exits.count(exit);
  return exit;
}
void Director::time_passed(Turn turn) { path_->time_passed(turn); }
Instant Director::next_deadline() const { return path_->next_deadline(); }

void Director::link_changed(Link link, const LinkFacts& facts, Turn turn) {
  path_->surroundings.link_changed(link, facts, turn);
  path_->fast.settle_now();
}
void Director::share(std::vector<Shared> shared, const std::optional<Shared>& others, Turn turn) {
  path_->surroundings.share(std::move(shared), others, turn);
  path_->fast.settle_now();
}
void Director::announce(Ip vip, Turn turn) { path_->surroundings.announce(vip, turn); }
void Director::announce_others(Turn turn) { path_->surroundings.announce_others(turn); }
void Director::route_found(const Route& route, Turn turn) {
  path_->surroundings.route_found(route, turn);
  path_->fast.settle_now();
}
void Director::host_addresses(std::vector<Ip> all, Turn turn) {
  if (!path_->surroundings.host_addresses(std::move(all), turn)) return;
  path_->fast.begin_anew();  // whether a VIP is the host's, too, is part of an entry
  path_->changed();
}
std::vector<Ip> Director::take_unknown_ways(size_t most) { return path_->surroundings.take_unknown_ways(most); }
std::optional<Ip> Director::next_server_address(std::optional<Ip> after) const {
  return path_->surroundings.next_server_address(after);
}
void Director::guard_knows_flows(Link link, bool knows) { path_->surroundings.set_guard_knows_flows(link, knows); }
void Director::hold_arp(bool hold) { path_->surroundings.hold_arp(hold); }
void Director::link_counted(Link link, const LinkCounters& counters) { path_->counters[index(link)] = counters; }

// Connections from other directors and from an earlier process.
StateTables Director::state_tables(bool renews) {
  StateTables tables = path_->flows.state_tables(renews);
  tables.order = [this](const ServiceKey& key, Endpoint server, const Order& order) {
    static_cast<void>(set_order(key, server, order));
  };
  return tables;
}
void Director::tell(SyncSender* sender) { path_->flows.tell(sender); }
SyncView Director::sync_view() const { return path_->flows.sync_view(); }
bool Director::adopt(const Adoption& heard, Turn turn) { return path_->flows.adopt(heard, turn); }

// Reading.
bool Director::observe(const std::shared_ptr<Observer>& observer) {
  if (!path_->onlookers.add(observer)) return false;
  path_->fast.watch();
  return true;
}
void Director::use_fast_path(const FastMemory& memory, HashKey secret) { path_->fast.use(memory, secret); }
void Director::fast_on(Link link, bool on) {
  path_->fast.set_link(link, on);
  path_->fast.settle_now();
}
void Director::hold_fast_path(bool hold) {
  path_->fast.hold(hold);
  path_->changed();
}
void Director::caught_up(bool all, Instant now) { path_->fast.caught_up(all, now); }
bool Director::choosing() const { return path_->fast.choosing(); }
FastUse Director::fast_use() const { return path_->fast.use(); }
void Director::estimate(Instant now) {
  path_->fast.collect();
  path_->estimate(now);
}
Explanation Director::explain(const FlowKey& flow, Instant now) const {
  return rawvs::explain({path_->settings, path_->services, path_->flows, path_->surroundings, path_->handshakes}, flow,
                        now);
}
Director::Reach Director::reach(const Server& server) const { return path_->surroundings.reach(server); }
const Watch& Director::watch() const { return path_->surroundings.watch(); }
uint32_t Director::watch_version() const { return path_->surroundings.watch_version(); }
bool Director::touched() const { return !path_->touched.empty(); }
std::vector<Touched> Director::take_touched() { return path_->touched.take(); }
uint64_t Director::looked_at() const { return path_->services.looked_at() + path_->surroundings.placed(); }
const Settings& Director::settings() const { return path_->settings; }
const Services& Director::services() const { return path_->services; }
const ConnectionTable& Director::connections() const { return path_->flows.connections(); }
Endpoint Director::local(const Connection& c) const { return path_->flows.local(c); }
bool Director::counts_clients() const { return path_->flows.counts_clients(); }
Pressure Director::pressure() const {
  Pressure p = path_->flows.pressure();
  p.cookies = path_->handshakes.in_force();
  return p;
}
const Neighbors& Director::neighbors() const { return path_->surroundings.neighbors(); }
const Claims& Director::claims() const { return path_->surroundings.claims(); }
const Reassembly& Director::reassembly() const { return path_->reassembly; }
const ExitCounters& Director::exits() const { return path_->exits; }
size_t Director::links() const { return path_->surroundings.links(); }
const LinkFacts& Director::link(Link link) const { return path_->surroundings.link(link); }
const LinkCounters& Director::counters(Link link) const { return path_->counters[index(link)]; }
Mac Director::mac_of(Ip claimed) const {
  const Claims::Claim& claim = *path_->surroundings.claims().find(claimed);
  LinkSet links = claim.as.links;
  return path_->surroundings.mac_of(claim, links.empty() ? Link{} : links.take());
}

}  // namespace rawvs
