// SPDX-License-Identifier: BSD-2-Clause
// flows.h: finds, begins, adopts, restores and ends connections, also before their time; no other code does.
// In:  packets (Arrival), connections of other directors and of an earlier process, the time.
// Out: entries of the table; flows of NAT that the guard must know (Outbox::change_reply).
// Not: classifying packets (director.cpp), forwarding them (forwarder.h).
#pragma once

#include <optional>

#include "core/client_counts.h"
#include "core/client_table.h"
#include "core/connection.h"
#include "core/ftp.h"
#include "core/local_addresses.h"
#include "core/pressure.h"
#include "core/proof.h"
#include "core/state.h"
#include "core/syn_proxy.h"
#include "core/sync.h"
#include "core/tcp_state.h"
#include "core/track.h"
#include "core/turn.h"
#include "core/unproven.h"
#include "director/arrival.h"
#include "rawvs/settings.h"

namespace rawvs {

struct Choice {  // what a new connection gets
  ServerSlot server = kNoServer;
  Port port{};                   // the server's
  Connection* parent = nullptr;  // its template
};

class Flows {
 public:
  Flows(const Settings& settings, Services& services, HashKey secret, Instant now);

  // For each packet of a batch, before the look-ups: prefetches memory.
  uint64_t hash(const FlowKey& key) const { return connections_.hash(key); }
  void prefetch_cell(const Arrival& a) const { connections_.prefetch_cell(a.side(), a.hash); }
  void prefetch_entry(const Arrival& a) const {
    connections_.prefetch_entry(a.side(), a.hash, a.key.client.is_v6() || !locals_.empty());
  }
  bool expects_replies() const { return connections_.two_sided() != 0; }

  // The packet's live connection, or null. A connection that this packet ends (reused client port, removed server,
  // expired deadline) is removed; one that controls others stays, but is not returned.
  Connection* track(const Arrival& a, Turn turn);
  Connection* track_reply(const Arrival& a, Turn turn);
  // As in the table, expired or not.
  const Connection* find(const Arrival& a) const { return connections_.find(a.side(), a.key, a.hash); }
  const Connection* find(const FlowKey& key) const { return connections_.find(Side::client, key, hash(key)); }

  // A new connection. schedulable(): the service that may begin one with this packet. choose(): its server, or why
  // there is none. begin(): the connection, or why not.
  Service* schedulable(const Arrival& a, Instant now);
  // An exit: this packet begins no connection, because too many are half-open or the table fills (drop_packet).
  std::optional<Exit> sheds(const Arrival& a, ServerSlot server);
  // Limits of the service (flows_limits.cpp). An exit: this packet may not begin a connection. over_limit() changes
  // nothing; refuses() counts the packet that is dropped.
  std::optional<Exit> over_limit(const FlowKey& flow, const Service& service, Instant now) const;
  std::optional<Exit> refuses(const FlowKey& flow, Service& service, Instant now) const;
  std::optional<Choice> choose(const FlowKey& flow, Service& service, Turn turn, Exit& why);
  Connection* begin(Arrival& a, Service& service, const Choice& choice, Turn turn, Exit& why);
  // One-packet scheduling: a connection for one packet, outside the table.
  LooseConnection begin_once(Arrival& a, Service& service, const Choice& choice, Instant now);
  void end_once(const Connection& c);
  // begin() found no room: whether the packet can be forwarded by begin_once() nevertheless, because the scheduler
  // finds the same server for each packet of the client and no reply is to be translated.
  bool can_do_without(const Service& service, ServerSlot server) const;
  void does_without(Instant now);  // it is

  // For a packet of the connection. False, or an exit: drop the packet, because there is no room for what it needs.
  bool follow_ftp(const Packet& p, Connection& c, Direction direction);
  std::optional<Exit> know_client_port(Connection& c, Port port, Turn turn);
  // An RST, a FIN or a segment without flags whose number cannot be its sender's changes nothing (next_numbers.h).
  void age(const Packet& p, Connection& c, Server& server, Direction direction, Instant now);
  bool can_be_clients(const Connection& c, uint32_t number) const;  // the TCP sequence number of a quoted packet
  uint64_t implausible() const { return implausible_; }             // segments that changed nothing
  void came_from_client(const Arrival& a, Connection& c, Instant now);
  // The FTP session that follow_ftp() began. REQUIRES: c.peer.ftp != 0.
  FtpSession& session(const Connection& c) { return *ftp_.at(c.peer.ftp); }
  // Creates the data connections that the control connection has just negotiated. False: no room; the session is set
  // back to `before`, without this segment, which is read again when its sender repeats it.
  bool arrange(Connection& control, const FtpSession& before, const FtpFound& found, Turn turn);

  // Connections of other directors and of an earlier process.
  void tell(SyncSender* sender) { told_ = sender; }
  bool adopt(const Adoption& heard, Turn turn);  // false: there is no room for it
  Restored restore(const Restoration& entry, bool renews, Turn turn);
  StateTables state_tables(bool renews = false);
  SyncView sync_view() const;

  // SYN cookies (flows_proxy.cpp): connections whose halves begin one after the other. begin_proxy(): the one that this
  // SYN has begun, in the client's name. end_proxy(): both halves have the same numbers again, because a new connection
  // begins in the entry, or it ends. wait(): until the SYN is to be repeated. half_open(): places of the table.
  bool can_proxy() const { return proxies_.reserved(); }
  SynProxy& proxy(const Connection& c) { return proxies_[connections_.id(c)]; }  // REQUIRES: c.is_proxied()
  bool begin_proxy(const Arrival& syn, const SynProxy& proxy, Instant now);      // false: there is no such connection
  void end_proxy(Connection& c) { c.set_proxied(false); }
  void wait(Connection& c, Instant now);
  uint32_t half_open() const { return unproven_.places(UnprovenKinds::one(Unproven::half_open)); }

  // Time. again(c): for a connection that waits for its server's SYN-ACK: repeats the SYN, and calls wait().
  template <class Again>
  void expire_due(Turn turn, Again&& again);
  // expire_nodest_conn: one step of the search for connections of removed servers.
  void end_orphans(Turn turn);
  void search_orphans() {
    if (settings_.expire_nodest_conn) orphans_from_ = 1;
  }
  void note_orphan(const Server& server) {
    if (server.references() != 0) search_orphans();
  }
  bool searching() const { return orphans_from_ != kNoConnection; }
  Instant next_deadline() const { return connections_.next_deadline(); }

  // Full NAT (flows_local.cpp). local(): the address and port from which its server sees the connection; port 0: none
  // yet. REQUIRES: c.is_full(). is_local(): a connection uses this address. reply_key(): the key of a reply, or of a
  // packet that a server's side quotes, by its addresses.
  Endpoint local(const Connection& c) const { return {locals_.at(c.full().local), Port(c.full().port)}; }
  bool is_local(Ip addr) const { return locals_.find(addr) != LocalAddresses::kNone; }
  bool expects(Endpoint local, Endpoint server, Protocol protocol) const {  // replies to it, on a connection
    if (!is_local(local.addr)) return false;
    const FlowKey key = reply_key(local, server, protocol);
    return connections_.find(Side::server, key, hash(key)) != nullptr;
  }
  FlowKey reply_key(Endpoint client, Endpoint server, Protocol protocol) const;

  // The program in the kernel that forwards packets of some connections (flows_fast.cpp). hasten(): from now on it
  // forwards the client's of this one; replies_too(): also its server's. False: it has no room. own: to which of our
  // MAC addresses they are sent (FastFlows). slow(): none any more; what it has seen is known here.
  void use(FastFlows& fast) { fast_ = &fast, connections_.use(&fast); }
  Connection* at(ConnectionId id, const FlowKey& key) {  // null: the entry is another one's now
    Connection* const c = connections_.at(id);
    return c && c->key() == key ? c : nullptr;
  }
  bool hasten(Connection& c, const FastConnection& as, uint8_t own, Instant now);
  bool replies_too(const Connection& c, uint8_t own) { return fast_->begin(connections_.fast_id(c), true, own); }
  bool has_fast_replies(const Connection& c) const { return fast_->has_replies(connections_.fast_id(c)); }
  void slow(Connection& c, Instant now);
  // Whether each of its packets may bring its proof nearer (proof.h).
  bool proves_itself(const Connection& c) const;
  // Of all connections a portion from this one on. True: these were the last ones.
  bool slow_some(ConnectionId& from, Instant now);

  // A table that fills (flows_room.cpp).
  Pressure pressure() const;
  bool has_room(bool wide) const {  // or makes it
    return connections_.has_room(wide) || (settings_.drop_entry != 0 && unproven_.count() != 0);
  }

  // For explanations and listings.
  uint32_t connections_of(Ip client, const Service& service) const;  // of the client's network, with client_connections
  bool counts_clients() const { return client_table_.reserved(); }
  const ConnectionTable& connections() const { return connections_; }
  bool has_unknown_ports() const { return unknown_ports_ != 0; }
  bool keeps(const Connection& client_template) const;  // whether the template's server is still usable
  std::optional<size_t> schedule(const FlowKey& flow, Service& service, Instant now) const;

 private:
  friend struct FlowsPeer;  // of the tests

  struct Entry {  // the parts that every entry of the table has
    FlowKey key{};
    uint64_t hash = 0;
    ServerSlot server = kNoServer;
    Port port{};                   // the server's
    Connection* parent = nullptr;  // the connection that controls it
    Method method = Method::masq;  // the server's; or fill() sets another, as it was when the connection began
    bool proven = false;           // unproven.h
  };
  template <class Fill>
  Connection* enter(const Entry& entry, Turn turn, Exit& why, Fill&& fill);
  std::optional<Exit> expect_replies(Connection& c, Turn turn);
  ReplyFlow reply_flow(const Connection& c) const;
  bool take_local(Connection& c);
  bool try_local(Connection& c, uint16_t number, Port port);
  void hold(Connection& parent);
  void let_go(Connection& parent);
  void control(Connection& parent, Connection& c);
  void began(Arrival& a, Service& service, ServerSlot server, Instant now);
  ClientTable::Id network_of(Ip client, const ServiceKey& service) const {
    return client_table_.id(Services::hash(service), client);
  }
  void count_in_rates(const FlowKey& flow, Service& service, Instant now);
  void recount(Connection& c);  // when it begins, and when its state or its controller changes
  void count(Connection& c);
  void uncount(Connection& c);
  void doubt(Connection& c);
  void believe(Connection& c);
  void count_unproven(const Connection& c, Unproven kind, bool more);
  Duration judge(Connection& c, const Packet& p, Direction direction, Duration timeout, Instant now);
  Duration longest_life(Unproven kind) const;
  uint32_t* next_of(const Connection& c, Direction direction) const;
  uint32_t part(uint32_t percent) const;  // of the table, places
  bool active(uint8_t mode) const { return mode == 3 || (mode != 0 && pressed_); }
  void look_at_room();
  bool make_room(bool wide, Turn turn);
  void keep_shares(const Entry& entry, Turn turn);
  void give_way(Connection& c, Turn turn);
  bool one_of(uint64_t part, uint64_t whole);
  uint32_t* children(Connection& c);
  bool controls(Connection& c);
  bool waits(const Connection& c) const;
  void expire(Connection& c, Turn turn);
  void end(Connection& c, Turn turn);

  bool over(const Arrival& a, const Connection& c) const;
  std::optional<Choice> stay(const FlowKey& flow, Service& service, Turn turn, Exit& why);
  bool is_the_same(const Connection& there, const Restoration& entry) const;
  Restored renew(Connection& there, const Restoration& entry, Turn turn);
  void retire(Connection& client_template);
  bool expect_data(Connection& control, const FtpFound& found, Turn turn);
  void release_ftp(Connection& control);
  void take_over_ftp(Connection& control, const SyncShifts& shifts);
  Connection* controller_of(const Restoration& entry);

  const Settings& settings_;
  Services& services_;
  ConnectionTable connections_;
  UnprovenEntries unproven_;
  ClientCounts clients_;
  ClientTable client_table_;
  FtpSessions ftp_;
  SynProxies proxies_;
  LocalAddresses locals_;
  std::vector<uint32_t> local_turns_;          // by server slot: which of its local addresses and ports was tried last
  SyncSender* told_ = nullptr;                 // null: no sync
  FastFlows* fast_ = nullptr;                  // null: no program in the kernel
  uint32_t unknown_ports_ = 0;                 // connections whose client port is not known yet
  ConnectionId orphans_from_ = kNoConnection;  // none: no search for connections of removed servers is under way
  bool pressed_ = false;
  std::array<uint64_t, kUnprovenKinds> gave_way_{};
  uint64_t implausible_ = 0;
  uint64_t without_ = 0;     // packets that were forwarded without an entry
  Instant without_until_{};  // until then their connections may go on
  uint32_t shed_turn_ = 0;   // drop_packet, half-open limits: when the next new connection is dropped
};

template <class Again>
void Flows::expire_due(Turn turn, Again&& again) {
  // Wheel entries per call, however many are due. With NAT, each also costs a system call that removes it from the
  // guard's map: about 200 microseconds in all, for which packets wait.
  constexpr uint32_t kExpireWork = 128;
  uint32_t work = kExpireWork;
  while (Connection* const c = connections_.due(turn.now, work)) waits(*c) ? again(*c) : expire(*c, turn);
}

// The one place where an entry comes into the table. Of each entry in it is true, whoever began it: it counts at its
// server; it has a deadline; its parent counts it; unless it is FTP's data connection, it counts in its service's
// limits; it is listed as unproven unless it is not; while its client's port is not known, unknown_ports_ counts it;
// and else, under NAT, its server's answers are expected. end() takes all of that back. fill(c, server) makes of the
// entry what it is beyond that and returns its timeout. Null: there is no room for it, `why` says of which kind, and
// nothing is left of it.
template <class Fill>
Connection* Flows::enter(const Entry& entry, Turn turn, Exit& why, Fill&& fill) {
  Server& server = services_.server(entry.server);
  if (entry.parent) hold(*entry.parent);  // it does not give way to its own connection
  const bool wide = needs_wide(entry.key, server.spec.at.addr, entry.method);
  if (!connections_.has_room(wide)) make_room(wide, turn);
  Connection* const c = connections_.create(entry.key, entry.hash, server.spec.at.addr, entry.method);
  if (!c) {
    if (entry.parent) let_go(*entry.parent);
    return why = Exit::table_full, nullptr;
  }
  join(*c, entry.server, server, entry.port);
  connections_.arm(*c, turn.now, fill(*c, server));
  if (entry.parent) c->set_controller(connections_.id(*entry.parent));
  const bool of_ftp = entry.parent && !entry.parent->is_template();  // its control connection shows the client
  recount(*c);
  if (c->is_template() ? c->state == 0 : !entry.proven && !of_ftp) doubt(*c);
  look_at_room();
  if (c->is_template()) return c;
  if (c->cport.value == 0) {
    ++unknown_ports_;
    return c;
  }
  const auto refused = expect_replies(*c, turn);
  if (!refused) return c;
  end(*c, turn);
  return why = *refused, nullptr;
}

}  // namespace rawvs
