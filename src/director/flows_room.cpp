// SPDX-License-Identifier: BSD-2-Clause
// flows_room.cpp: a table that fills: which entries are unproven, how long they live, and which give way.
//
// Who gives way, when a new connection finds no place, is unproven.h's largest share: this costs the same however large
// the table is. A connection that has proven itself never does, nor does an entry that controls others.
#include <algorithm>

#include "core/outbox.h"
#include "director/flows.h"

namespace rawvs {

namespace {

// With drop_entry in force, unproven connections that are silent live so long: when the table is three quarters full,
// and when it is full. IPVS drops half-open ones after half a minute on average. Quiet ones: as IPVS, a minute.
constexpr Duration kLongLife = 30s, kShortLife = 3s, kQuietLife = 60s;
constexpr uint32_t kPairsTried = 64;  // a wide entry needs two neighbouring places
constexpr uint32_t kDropRate = 10;    // IPVS's am_droprate: drop_packet = 3 drops one in so many
constexpr uint32_t kTurn = 1u << 16;  // one_of() counts in parts of this

}  // namespace

uint32_t Flows::part(uint32_t percent) const {
  return static_cast<uint32_t>((uint64_t{connections_.capacity()} * percent + 99) / 100);
}

// From three quarters to five eighths, so that one entry more or less does not matter.
void Flows::look_at_room() {
  const uint64_t eighths = uint64_t{connections_.places()} * 8, all = connections_.capacity();
  pressed_ = eighths >= all * (pressed_ ? 5 : 6);
}

Pressure Flows::pressure() const {
  Pressure p{pressed_, connections_.places(), connections_.capacity(), {}, gave_way_, without_, implausible_};
  for (size_t k = 0; k < kUnprovenKinds; ++k) p.unproven[k] = unproven_.count(static_cast<Unproven>(k));
  return p;
}

void Flows::count_unproven(const Connection& c, Unproven kind, bool more) {
  Server& server = services_.server(c.server);
  const uint32_t places = c.is_wide() ? 2 : 1, half_open = kind == Unproven::half_open ? 1 : 0;
  const auto change = [&](uint32_t& n, uint32_t by) { n = more ? n + by : n - by; };
  change(server.unproven, places), change(server.half_open, half_open);
  if (!server.in_service()) return;
  Service& service = services_.service(server.service);
  change(service.unproven, places), change(service.half_open, half_open);
}

// From now on it may give way. A client's network that has more than its share gives way first.
void Flows::doubt(Connection& c) {
  const Unproven kind = kind_of(c);
  bool beyond = false;
  if (!c.is_template()) beyond = ++clients_.of(c.client_address()) > part(settings_.client_share);
  unproven_.add(c, kind, beyond);
  count_unproven(c, kind, true);
}

void Flows::believe(Connection& c) {
  count_unproven(c, unproven_.kind(c), false);
  if (!c.is_template()) --clients_.of(c.client_address());
  unproven_.remove(c);
}

// What this packet, which advanced the unproven connection, shows. Returns how long it lives now.
Duration Flows::judge(Connection& c, const Packet& p, Direction direction, Duration timeout, Instant now) {
  const Unproven kind = kind_of(c);
  if (kind != unproven_.kind(c)) believe(c), doubt(c);
  bool proven = false;
  switch (evidence(c, p, direction)) {
    case Evidence::none: break;
    case Evidence::answer:
      if (c.is_fast()) slow(c, now);  // its conversation is to be seen
      unproven_.set_answered(c);
      break;
    case Evidence::after_answer: proven = unproven_.take_answered(c) && unproven_.step(c, trace_of(p, now)); break;
    case Evidence::step: proven = unproven_.step(c, trace_of(p, now)); break;
    case Evidence::proof: proven = true; break;
  }
  if (!proven) return std::min(timeout, longest_life(kind));
  believe(c);
  return timeout;
}

Duration Flows::longest_life(Unproven kind) const {
  if (!active(settings_.drop_entry)) return Duration::max();
  if (kind == Unproven::quiet) return kQuietLife;
  const uint32_t all = connections_.capacity(), from = all - all / 4;
  const uint32_t over = connections_.places() - std::min(connections_.places(), from);
  return kLongLife - (kLongLife - kShortLife) * over / std::max(all / 4, 1u);
}

// Ends an unproven entry before its time, and its template with it if that is unproven, too.
void Flows::give_way(Connection& c, Turn turn) {
  ++gave_way_[static_cast<size_t>(unproven_.kind(c))];
  Connection* const parent = connections_.at(c.controller());
  end(c, turn);
  if (!parent || !parent->is_unproven()) return;
  ++gave_way_[static_cast<size_t>(Unproven::unassured)];
  end(*parent, turn);
}

// False: no unproven entry can make room. For a wide entry two neighbouring places are needed: of entries whose
// neighbour has a proven connection, the next ones are tried instead.
bool Flows::make_room(bool wide, Turn turn) {
  if (settings_.drop_entry == 0) return false;
  Connection* c = unproven_.oldest(UnprovenKinds::all());
  if (!wide) return c && (give_way(*c, turn), true);
  for (uint32_t tries = kPairsTried; c && tries != 0; --tries, c = unproven_.after(*c)) {
    const ConnectionId id = connections_.id(*c);
    if (id == 1) continue;  // it has no neighbour
    Connection* const neighbour = c->is_wide() ? nullptr : connections_.at(id ^ 1);
    if (neighbour && !neighbour->is_unproven()) continue;
    if (neighbour) give_way(*neighbour, turn);
    // The neighbour's template may have been in the same pair.
    if (Connection* const still = connections_.at(id); still && still->is_unproven()) give_way(*still, turn);
    return connections_.has_room(true);
  }
  return false;
}

// Before a packet begins a connection: where its protocol or its service has taken its share of the table, an older
// unproven connection of the same gives way.
void Flows::keep_shares(const Entry& entry, Turn turn) {
  if (settings_.drop_entry == 0) return;
  if (entry.parent) hold(*entry.parent);
  const UnprovenKinds kinds = UnprovenKinds::of(entry.key.protocol);
  if (unproven_.places(kinds) >= part(settings_.protocol_share)) {
    if (Connection* const c = unproven_.oldest(kinds)) give_way(*c, turn);
  }
  const Server& server = services_.server(entry.server);
  if (server.in_service() && services_.service(server.service).unproven >= part(settings_.service_share)) {
    for (size_t k = 0; k < kUnprovenKinds; ++k) {
      Connection* const c = unproven_.oldest(entry.server, static_cast<Unproven>(k));
      if (!c) continue;
      give_way(*c, turn);
      break;
    }
  }
  if (entry.parent) let_go(*entry.parent);
}

// True for `part` of `whole` calls, evenly.
bool Flows::one_of(uint64_t part, uint64_t whole) {
  shed_turn_ += static_cast<uint32_t>(std::min<uint64_t>((part * kTurn + whole - 1) / whole, kTurn));
  if (shed_turn_ < kTurn) return false;
  shed_turn_ -= kTurn;
  return true;
}

// So many new connections are dropped: the fewer places are left of the last quarter, the more of them, as IPVS's
// drop_packet does by the host's memory. Unproven entries count as room, since they give way.
std::optional<Exit> Flows::sheds(const Arrival& a, ServerSlot slot) {
  const Server& server = services_.server(slot);
  if (!translates(server.spec.method) && begins(a.packet) && server.in_service()) {
    const auto early = [&](uint64_t now, uint64_t limit) {  // from three quarters of the limit on
      const uint64_t from = limit - limit / 4;
      return limit != 0 && now >= from && one_of(now - from + 1, limit - from + 1);
    };
    if (early(server.half_open, settings_.half_open_server) ||
        early(services_.service(server.service).half_open, settings_.half_open_service)) {
      return Exit::half_open_full;
    }
  }
  if (settings_.drop_packet == 0) return std::nullopt;
  if (settings_.drop_packet == 3) return one_of(1, kDropRate) ? std::optional(Exit::shed) : std::nullopt;
  const uint64_t quarter = std::max(connections_.capacity() / 4, 1u);
  const uint64_t room = connections_.capacity() - connections_.places() + unproven_.places(UnprovenKinds::all());
  if (room >= quarter || !one_of(quarter - room, quarter)) return std::nullopt;
  return Exit::shed;
}

}  // namespace rawvs
