// SPDX-License-Identifier: BSD-2-Clause
// flows_adopt.cpp: what is known from elsewhere becomes a connection of ours, as if its packets had come here: what
// another director has told (sync.h), what an earlier process has written (state.h).
#include "core/outbox.h"
#include "director/flows.h"

namespace rawvs {

StateTables Flows::state_tables() { return {services_, connections_, ftp_, unknown_ports_, &settings_.timeouts}; }

SyncView Flows::sync_view() const { return {connections_, services_, &ftp_, settings_.timeouts}; }

bool Flows::adopt(const Adoption& heard, Turn turn) {
  Connection* c = connections_.at(heard.old);
  if (heard.what == Adoption::What::replace && c) {
    // What controls others stays for them. A newer connection is found before it; a template must not come back.
    if (!controls(*c)) {
      end(*c, turn.out);
    } else if (c->is_template()) {
      retire(*c);
    }
    c = nullptr;
  }
  Connection* const parent = connections_.at(heard.parent);
  if (c) {
    heard.update(*c, services_.server(heard.server));
    connections_.arm(*c, turn.now, heard.left);
    if (parent && c->controlled_by == kNoConnection) control(*parent, *c);
  } else {
    const auto fill = [&](Connection& entry, Server& server) {
      heard.update(entry, server);
      return heard.left;
    };
    c = enter({heard.key, connections_.hash(heard.key), heard.server, heard.port, parent}, turn, fill);
    if (!c) return false;
  }
  if (heard.shifts && !c->is_template()) take_over_ftp(*c, *heard.shifts);
  return true;
}

}  // namespace rawvs
