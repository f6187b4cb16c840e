// SPDX-License-Identifier: BSD-2-Clause
// flows_adopt.cpp: makes connections from another director's messages (sync.h) and from an earlier process's state
// (state.h), as if their packets had come here.
#include "core/outbox.h"
#include "director/flows.h"

namespace rawvs {

namespace {

bool is_active(Protocol protocol, uint8_t state) {
  if (protocol == Protocol::tcp) return active(static_cast<TcpState>(state));
  return protocol == Protocol::sctp && active(static_cast<SctpState>(state));
}

}  // namespace

StateTables Flows::state_tables(bool renews) {
  return {services_,
          connections_,
          ftp_,
          [this, renews](const Restoration& entry, Turn turn) { return restore(entry, renews, turn); },
          &settings_.timeouts,
          &locals_,
          &proxies_};
}

SyncView Flows::sync_view() const { return {connections_, services_, &ftp_, settings_.timeouts}; }

bool Flows::adopt(const Adoption& heard, Turn turn) {
  Connection* c = connections_.at(heard.old);
  if (heard.what == Adoption::What::replace && c) {
    // One that controls others stays. A newer connection is found first; a template must not be found again.
    if (!controls(*c)) {
      end(*c, turn);
    } else if (c->is_template()) {
      retire(*c);
    }
    c = nullptr;
  }
  Connection* const parent = connections_.at(heard.parent);
  if (c) {
    if (c->is_fast()) slow(*c, turn.now);
    // The same real server may be in two services, or have been removed and added again: the entry's own one counts it.
    heard.update(*c, services_.server(c->server));
    if (!c->is_unproven()) connections_.beside()[connections_.id(*c)].next = {};  // its packets pass elsewhere
    recount(*c);
    const bool shown = c->is_template() ? c->state != 0 : !is_half_open(c->protocol, c->state);
    if (shown && c->is_unproven()) believe(*c);
    connections_.arm(*c, turn.now, heard.left);
    if (parent && parent->server == c->server && c->controller() == kNoConnection) control(*parent, *c);
  } else {
    const auto fill = [&](Connection& entry, Server& server) {
      heard.update(entry, server);
      return heard.left;
    };
    const Method method = services_.server(heard.server).spec.method;
    Exit why{};
    // Another director tells of a connection after several packets.
    const bool proven = !is_half_open(heard.key.protocol, heard.state);
    c = enter({heard.key, connections_.hash(heard.key), heard.server, heard.port, parent, method, proven}, turn, why,
              fill);
    if (!c) return false;
  }
  if (heard.shifts && !c->is_template()) take_over_ftp(*c, *heard.shifts);
  return true;
}

// Controller and controlled have the same server, and FTP controls only its own client's connections. Null: none fits.
Connection* Flows::controller_of(const Restoration& entry) {
  Connection* const c = connections_.at(entry.controller);
  if (!c || c->server != entry.server) return nullptr;
  if (c->is_template()) return c;
  const bool arranged = c->peer.ftp != 0 && entry.session.empty() && c->client().addr == entry.key.client;
  return arranged ? c : nullptr;
}

// Whether the entry is the one that an earlier state made, and not of a connection that ended meanwhile.
bool Flows::is_the_same(const Connection& there, const Restoration& entry) const {
  if (there.server != entry.server || there.method() != entry.method) return false;
  if (there.is_template()) return true;
  if (there.rport != entry.port || (there.peer.ftp != 0) != !entry.session.empty()) return false;
  if (!there.is_full()) return true;
  if (there.full().port != entry.local.port.value) return false;
  return there.full().port == 0 || locals_.at(there.full().local) == entry.local.addr;
}

// The entry that an earlier state made: what has changed since.
Restored Flows::renew(Connection& there, const Restoration& entry, Turn turn) {
  if (there.is_fast()) slow(there, turn.now);
  if (entry.proven && there.is_unproven()) believe(there);
  there.state = entry.state;
  there.packets = entry.packets;
  if (there.is_template()) {
    there.stay.seconds = entry.seconds;
  } else {
    there.peer.client_mac = entry.client_mac;
    there.set_link(entry.link);
    count_as(there, services_.server(there.server), is_active(there.protocol, there.state));
    recount(there);
  }
  if (there.is_full()) there.full().proxy = entry.proxy;
  if (entry.numbers && can_proxy()) {
    there.set_proxied(true);
    proxy(there) = *entry.numbers;
  }
  if (!there.is_template() && there.peer.ftp != 0 && !entry.session.empty() &&
      !rawvs::restore(session(there), entry.session)) {
    return {Untaken::malformed};
  }
  connections_.arm(there, turn.now, entry.left);
  return {std::nullopt, connections_.id(there), connections_.at(there.controller()) != nullptr};
}

Restored Flows::restore(const Restoration& entry, bool renews, Turn turn) {
  const bool is_template = entry.key.persistence;
  const uint64_t hash = connections_.hash(entry.key);
  const bool retired = is_template && entry.key.vport == kNoPort;  // many may have this key: it is never looked up
  Connection* there = retired ? nullptr : connections_.find(Side::client, entry.key, hash);
  if (there && renews) {
    if (is_the_same(*there, entry)) return renew(*there, entry, turn);
    if (!controls(*there)) {
      end(*there, turn);
    } else if (is_template) {
      retire(*there);
    }
    there = nullptr;  // a newer one is found first
  }
  if (there) {
    const bool stands_for_it = is_template && there->server == entry.server;
    return {Untaken::newer, stands_for_it ? connections_.id(*there) : kNoConnection};
  }
  uint16_t session = 0;
  if (!entry.session.empty()) {
    session = ftp_.take(services_.server(entry.server).spec.at.addr, entry.key.vip, entry.key.client);
    if (session == 0) return {Untaken::no_room};
    if (!rawvs::restore(*ftp_.at(session), entry.session)) return ftp_.release(session), Restored{Untaken::malformed};
  }
  Connection* const parent = controller_of(entry);
  Connection* first = nullptr;
  bool begun = false;
  Exit why{};
  // A server's edit does not change its existing connections.
  Connection* const c = enter({entry.key, hash, entry.server, entry.port, parent, entry.method, entry.proven}, turn,
                              why, [&](Connection& made, Server& server) {
                                begun = true;
                                made.set_method(entry.method);
                                if (made.is_full()) made.full().proxy = entry.proxy;
                                if (made.is_full() && entry.local.port.value != 0) {
                                  const uint16_t number = locals_.use(entry.local.addr);
                                  if (number != LocalAddresses::kNone && !try_local(made, number, entry.local.port))
                                    locals_.leave(number);
                                }
                                made.set_link(entry.link);
                                made.flags &= static_cast<uint8_t>(~Connection::no_output);
                                if (entry.no_output) made.flags |= Connection::no_output;
                                made.state = entry.state;
                                made.packets = entry.packets;
                                if (is_template) {
                                  made.stay = {0, entry.seconds};
                                } else {
                                  made.peer = {entry.client_mac, session};
                                  count_as(made, server, is_active(made.protocol, made.state));
                                }
                                const FlowKey reply = made.key(Side::server);
                                if (entry.behind)
                                  first = connections_.find(Side::server, reply, connections_.hash(reply));
                                return entry.left;
                              });
  if (!c) {
    if (!begun && session != 0) ftp_.release(session);
    return {Untaken::no_room};
  }
  // A look-up finds the newest entry, which is now this one; before the restart it was another.
  if (first && (c->flags & Connection::two_sided) != 0) connections_.rename(*first, first->key());
  if (entry.numbers && can_proxy()) {
    c->set_proxied(true);
    proxies_[connections_.id(*c)] = *entry.numbers;
  }
  services_.server(entry.server).was_nat |= translates(c->method()) && !is_template;
  return {std::nullopt, connections_.id(*c), parent != nullptr};
}

}  // namespace rawvs
