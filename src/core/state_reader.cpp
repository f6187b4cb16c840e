// SPDX-License-Identifier: BSD-2-Clause
// state_reader.cpp: reads entries, and has the director's flows restore them with the saved state, flags, deadline
// and controller.
#include "core/state.h"

#include <algorithm>
#include <utility>

#include "core/state_marks.h"
#include "core/state_orders.h"
#include "core/state_rows.h"
#include "core/track.h"
#include "wire/crc32c.h"
#include "wire/ip_header.h"

namespace rawvs {

using namespace state;

namespace {

constexpr size_t kRowsAhead = 8;          // rows
constexpr size_t kSearched = 65536;       // bytes searched for a block's beginning by one call
constexpr Duration kStillControls = 60s;  // as in flows.cpp: for an expired entry that controls others
constexpr Duration kOldestBelieved = 400 * 24h;
constexpr Duration kVerdictStands = 60s;  // of a state that is older, checks say anew what is true

FlowKey key_of(Bytes row, bool wide) {
  return {wide ? load_ipv6(row, kEntrySize) : Ip(load_be32(row, 0)),
          wide ? load_ipv6(row, kEntrySize + 16) : Ip(load_be32(row, 4)),
          Port(load_be16(row, 8)),
          Port(load_be16(row, 10)),
          static_cast<Protocol>(row[14]),
          (row[16] & SavedFlags::persistence) != 0};
}

}  // namespace

struct StateReader::Block {
  uint8_t kind = 0;
  uint32_t number = 0;
  Duration at{};  // time after the header
  Bytes rows{};
  bool sound = false;
};

struct StateReader::Entry {
  Entry(Bytes row, uint8_t kind);
  bool is_template() const { return key.persistence; }
  Method method() const { return static_cast<Method>(flags >> SavedFlags::method_shift & SavedFlags::method_bits); }
  bool makes_sense() const;

  bool wide, full;
  FlowKey key{};
  Port rport{};
  uint8_t state, flags, notes, packets, link;
  uint32_t server, seconds;
  Duration left{};
  ConnectionId id, controller;
  std::array<uint8_t, 6> client_mac{};
  Endpoint local{};  // of full NAT
  ProxyState proxy{};
  Bytes session{};                 // of a control connection
  const Origin* origin = nullptr;  // when the server exists
};

StateReader::Entry::Entry(Bytes row, uint8_t kind)
    : wide(is_wide(kind)),
      full(state::is_full(kind)),
      key(key_of(row, wide)),
      rport(load_be16(row, 12)),
      state(row[15]),
      flags(row[16]),
      notes(row[17]),
      packets(row[18]),
      link(row[19] != 0                          ? row[19]
           : (row[16] & SavedFlags::inside) != 0 ? 1
                                                 : 0),
      server(load_be32(row, 20)),
      seconds(load_be32(row, 36)),
      left(load_be32(row, 24) * kLeftUnit),
      id(load_be32(row, 28)),
      controller(load_be32(row, 32)),
      session(row.subspan(kEntrySize + (wide ? kAddresses : 0) + (full ? kLocal : 0))) {
  std::ranges::copy(row.subspan(36, client_mac.size()), client_mac.begin());
  constexpr size_t kLocalAt = kEntrySize + kAddresses;
  if (!full) return;
  local = {load_ipv6(row, kLocalAt), Port(load_be16(row, kLocalAt + 16))};
  proxy = {load_be32(row, kLocalAt + 20), static_cast<Proxy>(row[kLocalAt + 18])};
}

bool StateReader::Entry::makes_sense() const {
  const Family family = full ? key.vip.family() : wide ? Family::ipv6 : Family::ipv4;
  if (key.client.family() != family || key.vip.family() != family) return false;
  if ((flags & ~SavedFlags::kAll) != 0 || (method() > Method::route && method() != Method::fullnat)) return false;
  if (left > kMostLeft * kLeftUnit || link >= kMostLinks) return false;
  if (is_template()) {
    return session.empty() && state <= 1 && key.cport.value == 0 && seconds != 0 && seconds <= kMostSeconds;
  }
  const bool tcp = key.protocol == Protocol::tcp, nat = translates(method());
  if (full != (method() == Method::fullnat)) return false;
  if (full && proxy.stage > Proxy::done) return false;
  if (full && (local.port.value == 0) != (key.cport.value == 0)) return false;
  // A client port is unknown only for data connections that FTP announced.
  if (key.cport.value == 0 && !(tcp && nat && session.empty())) return false;
  if (!session.empty()) {
    FtpSession like{Ip::any(family), Ip::any(family), Ip::any(family)};
    if (!tcp || !nat || key.vport != kFtp || !restore(like, session)) return false;
  }
  switch (key.protocol) {
    case Protocol::tcp: return state < static_cast<uint8_t>(TcpState::count_);
    case Protocol::sctp: return state < static_cast<uint8_t>(SctpState::count_);
    case Protocol::udp: return state == 0;
    default: return false;
  }
}

StateReader::StateReader(Bytes state, const StateClock& clock) : state_(state) {
  fault_ = read_header(clock);
  finished_ = fault_ != StateFault::none;
}

StateFault StateReader::read_header(const StateClock& clock) {
  if (state_.size() < kHeaderSize) return StateFault::too_short;
  if (!std::ranges::equal(kMagic, state_.first(kMagic.size()))) return StateFault::not_a_state;
  if (load_be32(state_, 8) != kByteOrder) return StateFault::byte_order;
  if (load_be16(state_, 12) != kVersion) return StateFault::version;
  if (load_be32(state_, kHeaderCheckAt) != crc32c(state_.first(kHeaderCheckAt))) return StateFault::damaged;
  if (load_be16(state_, 14) != kHeaderSize || load_be16(state_, 16) != kServerSize ||
      load_be16(state_, 18) != kEntrySize || load_be16(state_, 20) != kControlSize) {
    return StateFault::layout;
  }
  entries_written_ = load_be32(state_, 24);
  id_limit_ = std::min(load_be32(state_, 28), ConnectionTable::last_id(kMostConnections) + 1);
  // Within the same boot, the clock that never steps tells the age; else the wall clock does.
  const bool same_boot = std::ranges::equal(clock.boot, state_.subspan(kBootAt, clock.boot.size())) &&
                         std::ranges::any_of(clock.boot, [](uint8_t b) { return b != 0; });
  const uint64_t then = load_be64(state_, same_boot ? 32 : 40);
  const auto now = static_cast<uint64_t>(same_boot ? clock.now.time_since_epoch().count() : clock.wall);
  const uint64_t most = static_cast<uint64_t>(kOldestBelieved.count());
  age_known_ = same_boot || then <= now;  // else the clock was set back, or this boot has not set it yet
  const uint64_t ago = then >= now ? 0 : std::min(now - then, most);
  written_ = clock.now - Duration(static_cast<Duration::rep>(ago));
  at_ = kHeaderSize;
  return StateFault::none;
}

// The next block with a valid header. A damaged header's length is not usable: the next beginning is searched for, byte
// by byte.
bool StateReader::find_block(Block& block) {
  for (size_t searched = 0; searched < kSearched; ++searched, ++at_) {
    const Bytes rest = state_.subspan(at_);
    if (rest.size() < kBlockSize) return at_ = state_.size(), false;
    if (load_be32(rest, 0) != kBlockMark || load_be32(rest, 24) != crc32c(rest.first(24))) continue;
    const size_t size = load_be32(rest, 8), there = rest.size() - kBlockSize;
    const size_t rows = load_be16(rest, 6);
    block = {.kind = rest[4],
             .number = load_be32(rest, 12),
             .at = Duration(load_be32(rest, 16)),
             .rows = rest.subspan(kBlockSize, std::min(size, there))};
    block.sound = rows != 0 && rows <= kRowsPerBlock && size == rows * row_size(block.kind) && size <= there &&
                  crc32c(block.rows) == load_be32(rest, 20);
    at_ += kBlockSize + block.rows.size();
    return true;
  }
  return false;
}

bool StateReader::read(const StateTables& tables, Turn turn) {
  if (finished_) return false;
  Block block;
  if (find_block(block)) {
    report_.damaged_blocks += block.number > next_block_ ? block.number - next_block_ : 0;
    if (block.sound && block.number >= next_block_) {
      read_block(block, tables, turn);
    } else {
      ++report_.damaged_blocks;
    }
    next_block_ = std::max(next_block_, block.number + 1);
  }
  if (at_ < state_.size() && !report_.complete) return true;
  finish(tables);
  return false;
}

void StateReader::read_block(const Block& block, const StateTables& tables, Turn turn) {
  const Duration passed = std::max<Duration>(turn.now - (written_ + block.at), Duration::zero());
  const size_t size = row_size(block.kind);
  const bool wide = is_wide(block.kind);
  if (block.kind == proxied_rows) return read_proxied(block.rows);
  for (Bytes rest = block.rows; !rest.empty(); rest = rest.subspan(size)) {
    const Bytes row = rest.first(size);
    if (block.kind == server_rows || block.kind == wide_server_rows) {
      read_server(row, wide, passed, tables, turn.now);
    } else if (block.kind == event_rows) {
      const auto event = read_event(row);
      if (event && tables.events) tables.events->restore(*event);
    } else if (block.kind == order_rows) {
      // One row voids all orders, and each service has one at most: a state with more is not this director's.
      if (tables.order && ordered_ <= 2 * tables.services.servers().size())
        ordered_ += read_order(row, tables.services, tables.verdicts, tables.order);
    } else if (block.kind == end_row) {
      entries_written_ = load_be32(row, 0);
      report_.complete = true;
    } else {
      ++entries_seen_;
      if (rest.size() > kRowsAhead * size) {  // fetch index cells some rows in advance: the look-up is the slow part
        const FlowKey soon = key_of(rest.subspan(kRowsAhead * size, size), wide);
        tables.connections.prefetch_cell(Side::client, tables.connections.hash(soon));
      }
      if (const auto why = read_entry(Entry(row, block.kind), passed, tables, turn)) count(*why);
    }
  }
}

void StateReader::read_proxied(Bytes rows) {
  proxied_.clear();
  for (; !rows.empty(); rows = rows.subspan(kProxiedSize)) {
    Proxied p{load_be32(rows, 0), {}};
    const bool in_order = proxied_.empty() || proxied_.back().id < p.id;
    if (restore(p.numbers, rows.subspan(4, kSynProxySaved)) && in_order) proxied_.push_back(p);
  }
}

// The numbers of an entry that began with a SYN cookie; false: they are missing.
bool StateReader::find_numbers(const Entry& e, std::optional<SynProxy>& numbers) const {
  if ((e.notes & Notes::proxied) == 0) return true;
  const auto at = std::ranges::lower_bound(proxied_, e.id, {}, &Proxied::id);
  if (at == proxied_.end() || at->id != e.id) return false;
  numbers = at->numbers;
  return e.key.protocol == Protocol::tcp && !e.is_template() && translates(e.method());
}

void StateReader::read_server(Bytes row, bool wide, Duration passed, const StateTables& tables, Instant now) {
  const uint32_t number = load_be32(row, 0);
  if (number >= kMostServerRows) return;
  if (number >= origins_.size()) origins_.resize(number + 1);
  Origin& o = origins_[number];
  o = {};
  o.known = true;
  o.overloaded = (row[5] & ServerNotes::overloaded) != 0;
  const Ip vip = wide ? load_ipv6(row, kServerSize) : Ip(load_be32(row, 8));
  o.was = {static_cast<Protocol>(row[4]), {vip, Port(load_be16(row, 6))}, Mark(load_be32(row, 12))};
  o.at = {wide ? load_ipv6(row, kServerSize + 16) : Ip(load_be32(row, 32)), Port(load_be16(row, 36))};
  o.is = o.was;
  o.why = Untaken::no_service;
  if (o.was.mark.value != 0) {
    const Family family = o.was.family();
    const MarkHere here = mark_here(tables.services, o.was.mark, family, {load_be64(row, 16), load_be64(row, 24)});
    if (here.mark.value == 0) return;
    o.is = mark_key(here.mark, family);
    o.by_address_alone = here.by_address_alone;
  }
  const Service* const service = tables.services.find(o.is);
  if (!service) return;
  recall_verdict(o, row, passed, tables, now);
  o.why = Untaken::no_server;
  o.slot = tables.services.slot_of(o.is, o.at);
  if (o.slot == kNoServer) return;
  Server& server = tables.services.server(o.slot);
  const uint16_t path_mtu = load_be16(row, 38);
  const Duration believed = std::min(load_be32(row, 40), kMostLeft) * kLeftUnit - passed;
  if (path_mtu < least_mtu(o.at.addr.family()) || believed <= Duration::zero() || server.path_mtu != 0) return;
  server.path_mtu = path_mtu;
  server.path_mtu_until = now + believed;
}

void StateReader::recall_verdict(const Origin& o, Bytes row, Duration passed, const StateTables& tables,
                                 Instant now) const {
  const uint8_t said = row[5] & (ServerNotes::well | ServerNotes::unwell);
  const bool one = said == ServerNotes::well || said == ServerNotes::unwell;
  if (!one || !tables.verdicts || !age_known_ || passed > kVerdictStands) return;
  const Duration age = std::min<Duration>(std::chrono::seconds(load_be32(row, 44)), kOldestBelieved) + passed;
  const Duration most = now - Instant{};
  tables.verdicts->recall(o.is, o.at, {said == ServerNotes::well, now - std::min(age, most)});
}

std::optional<Untaken> StateReader::read_entry(const Entry& read, Duration passed, const StateTables& tables,
                                               Turn turn) {
  Entry e = read;
  if (!e.makes_sense()) return Untaken::malformed;
  if (const auto why = fit(e, tables)) return why;
  cap(e, tables);
  e.left -= passed;
  if (e.left <= Duration::zero()) {
    if ((e.notes & Notes::controls) == 0) return Untaken::over;
    e.left = kStillControls;
    if (e.is_template()) e.seconds = static_cast<uint32_t>(kStillControls / 1s);
  }
  return take(e, tables, turn);
}

// Limits the entry's lifetime to what it would be here: a peer may have set it to a month (sync.h).
void StateReader::cap(Entry& e, const StateTables& tables) {
  if (!tables.timeouts) return;
  const Service* const service = tables.services.find(e.origin->is);
  Duration longest = e.is_template() ? Duration(std::chrono::seconds(e.seconds))
                                     : timeout_of(e.key.protocol, e.state, *tables.timeouts);
  if (e.is_template() && service && service->spec.persistence != Duration::zero()) {
    longest = std::min(longest, service->spec.persistence);
  }
  if ((e.notes & Notes::controls) != 0) longest = std::max(longest, kStillControls);
  const Duration rounded_up = longest + kLeftUnit;  // the table's deadlines are at the end of a tick
  if (e.left > rounded_up || (e.is_template() && std::chrono::seconds(e.seconds) > longest)) ++report_.shortened;
  e.left = std::min(e.left, longest);
  if (e.is_template()) e.seconds = std::min(e.seconds, static_cast<uint32_t>((longest + 999ms) / 1s));
}

// Finds the entry's service and server here. A template's mark becomes the present one.
std::optional<Untaken> StateReader::fit(Entry& e, const StateTables& tables) const {
  if (e.server >= origins_.size() || !origins_[e.server].known) return Untaken::lost_server;
  const Origin& o = origins_[e.server];
  if (o.slot == kNoServer) return o.why;
  const Server& server = tables.services.server(o.slot);  // the server may have been removed since its row was read
  if (!server.in_service() || server.key != o.is || server.spec.at != o.at) return Untaken::no_server;
  const Family family = o.was.family();
  if (e.key.vip.family() != family) return Untaken::malformed;
  const bool carries = e.method() == Method::tunnel || e.method() == Method::fullnat;
  if (o.at.addr.family() != family && !carries) return Untaken::malformed;
  if (o.was.mark.value == 0) {
    if (e.key.protocol != o.was.protocol || e.key.vip != o.was.vip.addr) return Untaken::malformed;
  } else if (e.is_template()) {
    if (e.key.protocol != Protocol::any || e.key.vip != mark_address(o.was.mark, family)) return Untaken::malformed;
    e.key.vip = mark_address(o.is.mark, family);
  } else if (o.by_address_alone && tables.services.classify(e.key) != tables.services.find(o.is)) {
    return Untaken::no_service;
  }
  e.origin = &o;
  return std::nullopt;
}

std::optional<Untaken> StateReader::take(const Entry& e, const StateTables& tables, Turn turn) {
  Restoration entry{.key = e.key,
                    .server = e.origin->slot,
                    .port = e.rport,
                    .method = e.method(),
                    .link = Link{e.link},
                    .no_output = (e.flags & SavedFlags::no_output) != 0,
                    .state = e.state,
                    .packets = e.packets,
                    .behind = (e.notes & Notes::behind) != 0,
                    .proven = (e.notes & Notes::unproven) == 0,
                    .left = e.left,
                    .seconds = e.seconds,
                    .client_mac = e.client_mac,
                    .session = e.session,
                    .local = e.local,
                    .proxy = e.proxy};
  if (!find_numbers(e, entry.numbers)) return Untaken::malformed;
  const bool controlled = e.controller != kNoConnection && !e.is_template();
  if (controlled && e.controller < controllers_.size()) entry.controller = controllers_[e.controller];
  const Restored restored = tables.restore(entry, turn);
  if (restored.id != kNoConnection && (e.is_template() || !e.session.empty())) remember(e, restored.id);
  if (restored.why) return restored.why;
  if (controlled && !restored.controlled) ++report_.uncontrolled;
  ++(e.is_template() ? report_.templates : report_.connections);
  if (!e.session.empty()) ++report_.ftp_sessions;
  return std::nullopt;
}

// Maps the former id of an entry that may control others to its present one.
void StateReader::remember(const Entry& e, ConnectionId now) {
  if (controllers_.empty()) controllers_.resize(id_limit_);
  if (e.id < controllers_.size()) controllers_[e.id] = now;
}

// After the last entry: a server that was overloaded stays so while it is between its thresholds.
void StateReader::finish(const StateTables& tables) {
  finished_ = true;
  if (entries_written_ > entries_seen_) count(Untaken::damaged, entries_written_ - entries_seen_);
  for (const Origin& o : origins_) {
    if (!o.overloaded || o.slot == kNoServer) continue;
    Server& server = tables.services.server(o.slot);
    const uint64_t total = uint64_t{server.active} + server.inactive;
    const ServerSpec& s = server.spec;
    if (server.in_service() && s.upper != 0 && (s.lower != 0 ? total >= s.lower : total * 4 >= uint64_t{s.upper} * 3)) {
      server.overloaded = true;
    }
  }
  origins_ = {};
  controllers_ = {};
}

}  // namespace rawvs
