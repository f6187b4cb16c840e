// SPDX-License-Identifier: BSD-2-Clause
// state.cpp: writes the tables. Walks them three times: templates, FTP's control connections, the rest. A reader so
// gets controlling connections before those they control.
#include "core/state.h"

#include <algorithm>
#include <utility>

#include "core/state_marks.h"
#include "core/state_rows.h"
#include "core/track.h"
#include "wire/crc32c.h"
#include "wire/formatted.h"

namespace rawvs {

using namespace state;

namespace {

uint8_t saved_flags(const Connection& c) {
  const auto method = static_cast<uint32_t>(c.method()) & SavedFlags::method_bits;
  return static_cast<uint8_t>((c.flags & Connection::no_output ? SavedFlags::no_output : 0) |
                              (c.link() == Link{1} ? SavedFlags::inside : 0) |
                              (c.is_template() ? SavedFlags::persistence : 0) | method << SavedFlags::method_shift);
}

constexpr uint32_t kNoNumber = 0xffffffff;
constexpr Duration kTickSlack = 1s;  // more than a tick of the deadlines
constexpr ConnectionId kAhead = 8;   // entries whose index cells are fetched in advance: the look-up is the slow part

// Appends a row of this size, all zero.
MutableBytes append(std::vector<uint8_t>& rows, size_t size) {
  rows.resize(rows.size() + size);
  return MutableBytes(rows).last(size);
}

uint32_t left_units(Duration left) {
  return static_cast<uint32_t>(std::clamp<Duration::rep>(left / kLeftUnit, 0, kMostLeft));
}

// True if a look-up of this entry's key from that side finds another entry.
bool behind(const StateTables& tables, const Connection& c, Side side) {
  const FlowKey key = c.key(side);
  return tables.connections.find(side, key, tables.connections.hash(key)) != &c;
}

const FtpSession* session_of(const StateTables& tables, const Connection& c) {
  return c.is_template() ? nullptr : tables.ftp.at(c.peer.ftp);
}

bool controls(const StateTables& tables, const Connection& c) {
  if (c.is_template()) return c.stay.children != 0;
  const FtpSession* const session = session_of(tables, c);
  return session && session->children != 0;
}

}  // namespace

StateWriter::StateWriter(const StateClock& clock, Instant since) : clock_(clock), since_(since) {
  constexpr size_t kServer = row_size(wide_server_rows), kControl = row_size(full_control_rows);
  for (std::vector<uint8_t>* const rows : {&servers_, &wide_servers_}) rows->reserve(kRowsPerBlock * kServer);
  for (std::vector<uint8_t>* const rows : {&rows_, &wide_rows_, &full_rows_}) rows->reserve(kRowsPerBlock * kControl);
  proxied_.reserve(kRowsPerBlock * kProxiedSize);
  orders_.reserve(kRowsPerBlock * kOrderSize);
  portion_.reserve(kHeaderSize + 8 * kBlockSize + kRowsPerBlock * (kServer + kProxiedSize + kControl) + kEndSize);
}

Bytes StateWriter::next(const StateTables& tables, Instant now, uint32_t places) {
  portion_.clear();
  if (pass_ == Pass::header) put_header(tables), end_pass(tables);
  const Pass pass = pass_;
  if (pass == Pass::service_orders || pass == Pass::server_orders) put_orders(tables, places);
  if (pass == Pass::verdicts && !look_at_servers(tables, now, places)) end_pass(tables);
  size_t rows = 0;
  for (; places != 0 && rows < kRowsPerBlock && pass_ == pass && pass >= Pass::templates && pass <= Pass::others;
       --places) {
    if (at_ >= tables.connections.id_limit()) {
      end_pass(tables);
      break;
    }
    const uint32_t before = written_;
    look(tables, at_++, now);
    rows += written_ - before;
  }
  put_rows(order_rows, orders_, now);
  put_rows(server_rows, servers_, now);
  put_rows(wide_server_rows, wide_servers_, now);
  put_rows(proxied_rows, proxied_, now);
  put_rows(pass == Pass::controls ? control_rows : entry_rows, rows_, now);
  put_rows(pass == Pass::controls ? wide_control_rows : wide_entry_rows, wide_rows_, now);
  put_rows(pass == Pass::controls ? full_control_rows : full_entry_rows, full_rows_, now);
  if (pass_ == Pass::end) {
    if (tables.events) put_events(*tables.events, now);
    store_be32(append(rows_, kEndSize), 0, written_);
    put_rows(end_row, rows_, now);
    pass_ = Pass::over;
  }
  return portion_;
}

// A portion of the servers, those of which checks know something. False: there are no more. REQUIRES: tables.verdicts.
bool StateWriter::look_at_servers(const StateTables& tables, Instant now, uint32_t places) {
  const std::span<const Server> servers = tables.services.servers();
  const uint32_t before = servers_written_;
  for (; at_ - 1 < servers.size() && places != 0 && servers_written_ - before < kRowsPerBlock; ++at_, --places) {
    const auto slot = static_cast<ServerSlot>(at_ - 1);
    const Server& server = servers[slot];
    if (!server.used || !server.in_service()) continue;
    const auto verdict = tables.verdicts->found(server.key, server.spec.at);
    if (verdict && verdict->since >= since_) static_cast<void>(server_number(tables, slot, now));
  }
  return at_ - 1 < servers.size();
}

void StateWriter::put_events(const Events& events, Instant now) {
  const int64_t from = since_ == Instant{} ? 0 : clock_.wall - (clock_.now - since_).count();
  for (size_t at = 0; at < events.size(); ++at) {
    if (events[at].wall < from) continue;
    save(events[at], append(rows_, kEventSize));
    if (rows_.size() == kRowsPerBlock * kEventSize) put_rows(event_rows, rows_, now);
  }
  put_rows(event_rows, rows_, now);
}

// Skips a walk that would find nothing.
void StateWriter::end_pass(const StateTables& tables) {
  at_ = 1;
  pass_ = static_cast<Pass>(static_cast<uint8_t>(pass_) + 1);
  const auto has_templates = [](const Server& s) { return s.used && s.persistent != 0; };
  if (pass_ == Pass::service_orders && !tables.order) pass_ = Pass::verdicts;
  if (pass_ == Pass::verdicts && !tables.verdicts) pass_ = Pass::templates;
  if (pass_ == Pass::templates && std::ranges::none_of(tables.services.servers(), has_templates))
    pass_ = Pass::controls;
  if (pass_ == Pass::controls && tables.ftp.size() == 0) pass_ = Pass::others;
}

void StateWriter::put_header(const StateTables& tables) {
  const MutableBytes h = append(portion_, kHeaderSize);
  std::ranges::copy(kMagic, h.begin());
  store_be32(h, 8, kByteOrder);
  store_be16(h, 12, kVersion);
  store_be16(h, 14, kHeaderSize);
  store_be16(h, 16, kServerSize);
  store_be16(h, 18, kEntrySize);
  store_be16(h, 20, kControlSize);
  store_be32(h, 24, tables.connections.size());
  store_be32(h, 28, tables.connections.id_limit());
  store_be64(h, 32, static_cast<uint64_t>(clock_.now.time_since_epoch().count()));
  store_be64(h, 40, static_cast<uint64_t>(clock_.wall));
  std::ranges::copy(clock_.boot, h.begin() + kBootAt);
  store_be32(h, kHeaderCheckAt, crc32c(h.first(kHeaderCheckAt)));
}

void StateWriter::look(const StateTables& tables, ConnectionId id, Instant now) {
  const Connection* const soon = tables.connections.at(id + kAhead);
  if (soon && (soon->flags & Connection::two_sided) != 0) {  // for behind(), later
    tables.connections.prefetch_cell(Side::server, tables.connections.hash(soon->key(Side::server)));
  }
  const Connection* const c = tables.connections.at(id);
  if (!c) return;
  const bool control = session_of(tables, *c) != nullptr;
  const Pass its = c->is_template() ? Pass::templates : control ? Pass::controls : Pass::others;
  if (its != pass_) return;
  // An expired entry is written only if it controls others. A control connection that has a newer one with the same key
  // serves only the connections that it controls, and they work without it.
  if (tables.connections.expired(*c, now) && !controls(tables, *c)) return;
  if (control && behind(tables, *c, Side::client)) return;
  if (pass_ == Pass::others && is_old(tables, *c, now)) return;
  put(tables, *c, now);
}

// Whether its last packet came before since_. Each packet sets the deadline by the timeout of the state; an unproven
// entry's is shorter, so that it could seem older than it is: it is written.
bool StateWriter::is_old(const StateTables& tables, const Connection& c, Instant now) const {
  if (since_ == Instant{} || !tables.timeouts || c.is_unproven()) return false;
  const Duration timeout = timeout_of(c.protocol, c.state, *tables.timeouts);
  return now + tables.connections.left(c, now) < since_ + timeout - kTickSlack;
}

void StateWriter::put(const StateTables& tables, const Connection& c, Instant now) {
  const uint32_t server = server_number(tables, c.server, now);
  if (server == kNoNumber) return;
  const FtpSession* const session = session_of(tables, c);
  const FlowKey key = c.key();
  const bool full = c.is_full(), wide = full || key.client.is_v6();
  const size_t more = (wide ? kAddresses : 0) + (full ? kLocal : 0);
  const MutableBytes row = append(full   ? full_rows_
                                  : wide ? wide_rows_
                                         : rows_,
                                  (session ? kControlSize : kEntrySize) + more);
  const bool proxied = c.is_proxied() && tables.proxies;
  const bool is_behind = (c.flags & Connection::two_sided) != 0 && behind(tables, c, Side::server);
  if (wide) {
    store_ipv6(row, kEntrySize, key.client);
    store_ipv6(row, kEntrySize + 16, key.vip);
  } else {
    store_be32(row, 0, key.client.v4());
    store_be32(row, 4, key.vip.v4());
  }
  if (full && c.full().port != 0) {
    store_ipv6(row, kEntrySize + kAddresses, tables.locals->at(c.full().local));
    store_be16(row, kEntrySize + kAddresses + 16, c.full().port);
    row[kEntrySize + kAddresses + 18] = static_cast<uint8_t>(c.full().proxy.stage);
    store_be32(row, kEntrySize + kAddresses + 20, c.full().proxy.first);
  }
  store_be16(row, 8, c.cport.value);
  store_be16(row, 10, c.vport.value);
  store_be16(row, 12, c.rport.value);
  row[14] = static_cast<uint8_t>(c.protocol);
  row[15] = c.state;
  row[16] = saved_flags(c);
  row[17] = static_cast<uint8_t>((is_behind ? Notes::behind : 0) | (controls(tables, c) ? Notes::controls : 0) |
                                 (c.is_unproven() ? Notes::unproven : 0) | (proxied ? Notes::proxied : 0));
  row[18] = c.packets;
  row[19] = static_cast<uint8_t>(c.link());
  store_be32(row, 20, server);
  store_be32(row, 24, left_units(tables.connections.left(c, now)));
  store_be32(row, 28, tables.connections.id(c));
  store_be32(row, 32, c.controller());
  if (c.is_template()) {
    store_be32(row, 36, c.stay.seconds);
  } else {
    std::ranges::copy(c.peer.client_mac, row.begin() + 36);
  }
  if (session) save(*session, row.last(kFtpSessionSaved));
  if (proxied) {
    const MutableBytes numbers = append(proxied_, kProxiedSize);
    store_be32(numbers, 0, tables.connections.id(c));
    save((*tables.proxies)[tables.connections.id(c)], numbers.subspan(4));
  }
  ++written_;
}

// The number of the row that names this server. Writes the row first if there is none, or if the slot has another
// server since.
uint32_t StateWriter::server_number(const StateTables& tables, ServerSlot slot, Instant now) {
  if (slot >= tables.services.servers().size()) return kNoNumber;
  const Server& server = tables.services.server(slot);
  if (known_.empty()) known_.resize(tables.services.servers().size(), {.number = kNoNumber});
  Known& known = known_[slot];
  if (known.number != kNoNumber && known.key == server.key && known.at == server.spec.at) return known.number;
  if (servers_written_ == kMostServerRows) return kNoNumber;
  known = {servers_written_++, server.key, server.spec.at};
  const ServiceKey& key = server.key;
  const bool wide = key.family() == Family::ipv6 || known.at.addr.is_v6();
  const MutableBytes row = append(wide ? wide_servers_ : servers_, kServerSize + (wide ? kAddresses : 0));
  store_be32(row, 0, known.number);
  row[4] = static_cast<uint8_t>(key.protocol);
  row[5] = server.overloaded ? ServerNotes::overloaded : 0;
  store_be16(row, 6, key.vip.port.value);
  if (wide) {
    store_ipv6(row, kServerSize, key.vip.addr);
    store_ipv6(row, kServerSize + 16, known.at.addr);
  } else {
    store_be32(row, 8, key.vip.addr.v4());
    store_be32(row, 32, known.at.addr.v4());
  }
  store_be32(row, 12, key.mark.value);
  if (key.mark.value != 0) {
    const MarkPrint print = print_of(tables.services, key.mark, key.family());
    store_be64(row, 16, print.matches);
    store_be64(row, 24, print.address);
  }
  store_be16(row, 36, known.at.port.value);
  if (server.path_mtu != 0 && now < server.path_mtu_until) {
    store_be16(row, 38, server.path_mtu);
    store_be32(row, 40, left_units(server.path_mtu_until - now));
  }
  put_verdict(tables, server, row, now);
  return known.number;
}

void StateWriter::put_verdict(const StateTables& tables, const Server& server, MutableBytes row, Instant now) const {
  if (!tables.verdicts || !server.in_service()) return;
  const auto verdict = tables.verdicts->found(server.key, server.spec.at);
  if (!verdict) return;
  row[5] |= verdict->well ? ServerNotes::well : ServerNotes::unwell;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now - verdict->since).count();
  store_be32(row, 44, static_cast<uint32_t>(std::clamp<int64_t>(seconds, 0, UINT32_MAX)));
}

void StateWriter::put_rows(uint8_t kind, std::vector<uint8_t>& rows, Instant now) {
  if (rows.empty()) return;
  const MutableBytes h = append(portion_, kBlockSize);
  store_be32(h, 0, kBlockMark);
  h[4] = kind;
  store_be16(h, 6, static_cast<uint16_t>(rows.size() / row_size(kind)));
  store_be32(h, 8, static_cast<uint32_t>(rows.size()));
  store_be32(h, 12, blocks_++);
  store_be32(h, 16, static_cast<uint32_t>(std::max<Duration::rep>((now - clock_.now).count(), 0)));
  store_be32(h, 20, crc32c(rows));
  store_be32(h, 24, crc32c(h.first(24)));
  portion_.insert(portion_.end(), rows.begin(), rows.end());
  rows.clear();
}

// --- words --------------------------------------------------------------------------------------------------------

const char* name(StateFault fault) {
  switch (fault) {
    case StateFault::none: return "nothing";
    case StateFault::too_short: return "it is too short";
    case StateFault::not_a_state: return "it is no state of rawvsd";
    case StateFault::byte_order: return "its byte order is another";
    case StateFault::version: return "it is another version's";
    case StateFault::layout: return "its entries are another version's";
    case StateFault::damaged: return "its header is damaged";
  }
  return "?";
}

const char* name(Untaken why) {
  switch (why) {
    case Untaken::damaged: return "in damaged blocks";
    case Untaken::malformed: return "malformed";
    case Untaken::over: return "over meanwhile";
    case Untaken::no_service: return "without service";
    case Untaken::no_server: return "without server";
    case Untaken::lost_server: return "whose server's name is damaged";
    case Untaken::newer: return "begun anew";
    case Untaken::no_room: return "without room";
    case Untaken::count_: break;
  }
  return "?";
}

uint32_t StateReport::left_out() const {
  uint32_t sum = 0;
  for (const uint32_t n : untaken) sum += n;
  return sum;
}

std::string text(const StateReport& r) {
  const auto some = [](uint32_t n, const char* what) { return formatted("{} {}{}", n, what, n == 1 ? "" : "s"); };
  std::string line =
      formatted("{} and {} taken back", some(r.connections, "connection"), some(r.templates, "template"));
  if (const uint32_t out = r.left_out(); out != 0) {
    line += formatted(", {} not:", out);
    for (size_t i = 0; i < r.untaken.size(); ++i) {
      if (r.untaken[i] != 0) line += formatted(" {} {},", r.untaken[i], name(static_cast<Untaken>(i)));
    }
    line.pop_back();
  }
  if (r.shortened != 0) line += formatted("; {} cut to today's timeouts", some(r.shortened, "lifetime"));
  if (r.damaged_blocks != 0) line += formatted("; {} damaged", some(r.damaged_blocks, "block"));
  if (!r.complete) line += "; its end is missing";
  return line;
}

}  // namespace rawvs
