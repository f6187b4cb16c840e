// SPDX-License-Identifier: BSD-2-Clause
// fast_connections.cpp: choosing connections; the program's rows about servers, next hops and links.
#include "director/fast_connections.h"

#include <algorithm>
#include <utility>

namespace rawvs {

namespace {

constexpr Duration kPatience = 20ms;      // for a moment in which no packet waits
constexpr uint32_t kLookedAtOnce = 8192;  // servers and neighbours: under a millisecond
constexpr uint32_t kLookedNow = 64;       // after each change
constexpr size_t kCountersRead = 32768;   // in one call: about a millisecond

bool is_ftp_control(const Connection& c) {
  return translates(c.method()) && c.protocol == Protocol::tcp && c.vport == kFtp;
}

uint8_t method_of(Method m) { return m == Method::masq ? FAST_NAT : m == Method::fullnat ? FAST_FULLNAT : FAST_ROUTE; }

uint16_t narrower_mtu(const LinkFacts& link) { return std::min(link.mtu_of(Family::ipv4), link.mtu_of(Family::ipv6)); }

}  // namespace

void FastConnections::use(const FastMemory& memory, HashKey secret) {
  fast_.emplace(memory, secret);
  flows_.use(*fast_);
  counted_.resize(memory.servers.size());
  counting_.resize(memory.servers.size());
  processors_ = std::max<size_t>(memory.counts.size() / std::max<size_t>(memory.servers.size(), 1), 1);
  owns_.reserve(FAST_OWNS);
  surroundings_.changes().everything();
}

void FastConnections::set_link(Link link, bool works) {
  if (links_.has(link) == works) return;
  works ? links_.add(link) : links_.remove(link);
  surroundings_.changes().everything();
}

// Whether the program forwards its packets as the director does.
bool FastConnections::fits(const Connection& c) const {
  if (c.is_template() || c.is_proxied() || c.is_mixed() || is_ftp_control(c) || c.method() == Method::tunnel)
    return false;
  if (c.is_full() && c.full().proxy.stage != Proxy::none && c.full().proxy.stage != Proxy::done) return false;
  if (c.server >= fast_->servers() || services_.server(c.server).local || flows_.proves_itself(c)) return false;
  if (c.protocol == Protocol::udp) return true;
  return c.protocol == Protocol::tcp && c.state == static_cast<uint8_t>(TcpState::established);
}

void FastConnections::choose(const Arrival& a, const Connection& c, bool replies, Instant now) {
  const Packet& p = a.packet;
  if (a.role != (replies ? Role::reply : Role::request) || p.largest_fragment != 0 || p.extended()) return;
  if (waiting_count_ == kMostWaiting || !links_.has(a.frame->link) || !fits(c)) return;
  const ConnectionId id = flows_.connections().id(c);
  const auto there = std::span(waiting_).first(waiting_count_);
  if (std::ranges::any_of(there, [&](const Waiting& w) { return w.id == id && w.replies == replies; })) return;
  // Clients who have not been proven to exist may not take all of the room.
  if (!replies && c.is_unproven() && fast_->size() >= fast_->capacity() / 4 * 3) return void(++use_.no_room);
  if (const auto own = own_for(a)) waiting_[waiting_count_++] = {id, c.key(), replies, *own, now};
}

void FastConnections::caught_up(bool all, Instant now) {
  size_t kept = 0;
  for (size_t i = 0; i < waiting_count_; ++i) {
    if (all || now - waiting_[i].since >= kPatience) {
      go_over(waiting_[i]);
    } else {
      waiting_[kept++] = waiting_[i];
    }
  }
  waiting_count_ = kept;
}

void FastConnections::go_over(const Waiting& waiting) {
  Connection* const c = flows_.at(waiting.id, waiting.key);
  if (!c || !on_ || !fits(*c)) return;
  if (waiting.replies) {
    if (c->is_fast() && !flows_.has_fast_replies(*c) && !flows_.replies_too(*c, waiting.own)) ++use_.no_room;
    return;
  }
  if (c->is_fast()) return;
  // Its deadline counts from the packet for which it was chosen.
  if (!flows_.hasten(*c, fast(*c), waiting.own, waiting.since)) return void(++use_.no_room);
  counting_[c->server] = 1;
  ++use_.chosen;
}

FastConnection FastConnections::fast(const Connection& c) const {
  const auto* const claimed = surroundings_.claimed(c.vip_address());
  return {.key = c.key(),
          .server = c.real_server(),
          .local = c.is_full() ? flows_.local(c) : c.client(),
          .method = method_of(c.method()),
          .slot = c.server,
          .link = static_cast<uint16_t>(index(c.link())),
          .client_mac = Mac{c.peer.client_mac},
          .from_one_mac = claimed && claimed->on_host};  // it may be another director that sends them (Local)
}

// The place of the MAC address to which the frame was sent. None: there is no room for another one.
std::optional<uint8_t> FastConnections::own_for(const Arrival& a) {
  const Mac mac = a.ethernet.dst;
  const Link link = a.frame->link;
  auto found = std::ranges::find_if(owns_, [&](const Own& own) { return own.mac == mac && own.link == link; });
  if (found == owns_.end()) {
    if (owns_.size() == FAST_OWNS) return std::nullopt;
    owns_.push_back({mac, link, true});
    found = owns_.end() - 1;
    fast_->set_own(static_cast<uint8_t>(found - owns_.begin()), mac, ifindex_of(*found));
  }
  return static_cast<uint8_t>(found - owns_.begin());
}

// 0: frames to this address are not the director's now, or the program is not there.
uint32_t FastConnections::ifindex_of(const Own& own) const {
  const LinkFacts& facts = surroundings_.link(own.link);
  if (!links_.has(own.link) || !facts.usable() || !facts.ethernet) return 0;
  return own.mac == facts.mac || surroundings_.our_mac(own.mac, own.link) ? static_cast<uint32_t>(facts.ifindex) : 0;
}

// Whether packets to a VIP of the service are another director's.
bool FastConnections::stands_by(const ServiceKey& key) {
  if (key.mark.value == 0) return surroundings_.stands_by(key.vip.addr);
  if (last_.known && last_.key == key) return last_.stands_by;
  const auto of_group = [&](uint32_t place) { return surroundings_.stands_by(services_.groups()[place].vip); };
  last_ = {key, std::ranges::any_of(services_.groups_of(key.mark), of_group), true};
  return last_.stands_by;
}

void FastConnections::look_at_server(ServerSlot slot) {
  if (slot >= fast_->servers()) return;
  const Server& server = services_.server(slot);
  fast_server row{};
  Hop hop;
  const bool ends =
      (settings_.expire_nodest_conn && !server.in_table()) || services_.standing(server) == Standing::resets;
  if (server.used && server.in_service() && !server.local && !ends && !stands_by(server.key) &&
      !surroundings_.hop_to(server, hop, now_) && hop_of(hop.neighbor) < fast_->hops()) {
    row = {.on = 1,
           .hop = static_cast<uint16_t>(hop_of(hop.neighbor)),
           .mtu = static_cast<uint16_t>(std::min<uint32_t>(hop.mtu, UINT16_MAX)),
           .zero = 0};
  }
  fast_->set_server(slot, row);
  if (row.on == 0) collect(slot);
}

void FastConnections::look_at_neighbor(uint16_t slot) {
  if (hop_of(slot) >= fast_->hops()) return;
  fast_hop row{};
  const Neighbors::Neighbor& to = surroundings_.neighbors().at(slot);
  const LinkFacts& link = surroundings_.link(to.link);
  if (to.wanted != 0 && to.knows_mac() && link.usable() && link.ethernet) {
    std::ranges::copy(to.mac.bytes, row.to);
    std::ranges::copy(link.mac.bytes, row.from);
    row.mtu = link.mtu;
    row.on = 1;
    row.ifindex = static_cast<uint32_t>(link.ifindex);
  }
  fast_->set_hop(static_cast<uint16_t>(hop_of(slot)), row);
}

void FastConnections::look_at_links() {
  for (const Link link : kEveryLink) {
    const LinkFacts& facts = surroundings_.link(link);
    fast_hop row{};
    if (facts.usable() && facts.ethernet) {
      std::ranges::copy(facts.mac.bytes, row.from);
      row.mtu = narrower_mtu(facts);
      row.on = 1;
      row.ifindex = static_cast<uint32_t>(facts.ifindex);
    }
    fast_->set_hop(static_cast<uint16_t>(index(link)), row);
  }
  for (size_t place = 0; place < owns_.size(); ++place) {
    Own& own = owns_[place];
    const uint32_t ifindex = ifindex_of(own);
    fast_->set_own(static_cast<uint8_t>(place), own.mac, ifindex);
    // Its connections may go on by another address.
    if (std::exchange(own.here, ifindex != 0) && ifindex == 0) begin_anew();
  }
}

uint32_t FastConnections::rows() const {
  return std::max<uint32_t>(services_.server_slots(), surroundings_.neighbors().slots());
}

void FastConnections::look_at_some() {
  const uint32_t end = rows(), until = std::min(at_ + kLookedAtOnce, end);
  for (; at_ < until; ++at_) {
    if (at_ < services_.server_slots()) look_at_server(static_cast<ServerSlot>(at_));
    if (at_ < surroundings_.neighbors().slots()) look_at_neighbor(static_cast<uint16_t>(at_));
  }
  if (at_ >= end) at_ = kDone;
}

void FastConnections::settle(Instant now, bool watched) {
  now_ = now;
  watched_ = watched;
  follow_changes();
  if (slowing_ != kNoConnection && flows_.slow_some(slowing_, now)) slowing_ = kNoConnection;
  if (at_ != kDone) look_at_some();
  switch_on();
}

// Of a large table the rest follows with the next call of settle(): it may change a thousand times before.
void FastConnections::settle_now() {
  if (!fast_) return surroundings_.changes().clear();
  follow_changes();
  if (at_ != kDone && rows() <= kLookedNow) look_at_some();
  switch_on();
}

void FastConnections::follow_changes() {
  Changes& changes = surroundings_.changes();
  if (!changes.any()) return;
  last_ = {};
  if (surroundings_.take_vips_left()) begin_anew();  // packets to them are nobody's
  if (changes.all()) {
    look_at_links();
    at_ = 0;
  } else {
    // In this order: a neighbor's place may be another one's now.
    for (const uint16_t slot : changes.servers()) look_at_server(slot);
    for (const uint16_t slot : changes.neighbors()) look_at_neighbor(slot);
  }
  changes.clear();
}

void FastConnections::switch_on() {
  on_ = !held_ && !watched_ && at_ == kDone && !links_.empty();
  fast_->set_on(on_);
}

void FastConnections::collect(ServerSlot slot) {
  if (slot >= counting_.size() || !counting_[slot]) return;
  const fast_counts now = fast_->counts(slot);
  const fast_counts before = std::exchange(counted_[slot], now);
  counting_[slot] = fast_->of_server(slot) != 0;
  Traffic more{};
  more.in_packets = now.in_packets - before.in_packets, more.in_bytes = now.in_bytes - before.in_bytes;
  more.out_packets = now.out_packets - before.out_packets, more.out_bytes = now.out_bytes - before.out_bytes;
  Server& server = services_.server(slot);
  server.traffic += more;
  if (server.in_service()) services_.service(server.service).traffic += more;
  exits_.count(Exit::forwarded, more.in_packets);
  exits_.count(Exit::answer_forwarded, more.out_packets);
  use_.packets += more.in_packets + more.out_packets;
  use_.bytes += more.in_bytes + more.out_bytes;
}

void FastConnections::collect() {
  if (!fast_) return;
  const auto end = std::min<size_t>(fast_->servers(), services_.server_slots());
  size_t slots = end, work = kCountersRead;
  for (; slots != 0 && work >= processors_; --slots) {
    if (collect_at_ >= end) collect_at_ = 0;
    if (counting_[collect_at_]) work -= processors_;
    collect(static_cast<ServerSlot>(collect_at_++));
  }
}

FastOff FastConnections::why_off() const {
  if (on_) return FastOff::none;
  if (held_) return FastOff::held;
  if (links_.empty()) return FastOff::no_link;
  return watched_ ? FastOff::watched : FastOff::changes;
}

FastUse FastConnections::use() const {
  FastUse all = use_;
  if (!fast_) return all;
  all.there = true, all.on = on_, all.off = why_off();
  all.flows = fast_->size(), all.capacity = fast_->capacity();
  return all;
}

}  // namespace rawvs
