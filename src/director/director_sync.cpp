// SPDX-License-Identifier: BSD-2-Clause
// director_sync.cpp: what another director has told becomes a connection of ours, as if its packets had come here.
#include "core/track.h"
#include "rawvs/director.h"

namespace rawvs {

bool Director::adopt(const Adoption& heard, Turn turn) {
  Connection* c = connections_.at(heard.old);
  if (heard.what == Adoption::What::replace && c) {
    // What controls others stays for them. A newer connection is found before it; a template must not come back.
    const uint32_t* const controlled = children(*c);
    if (!controlled || *controlled == 0) {
      end(*c, turn.out);
    } else if (c->is_template()) {
      retire(*c);
    }
    c = nullptr;
  }
  Server& server = services_.server(heard.server);
  if (c) {
    heard.update(*c, server);
    connections_.arm(*c, turn.now, heard.left);
  } else {
    c = connections_.create(heard.key, connections_.hash(heard.key));
    if (!c) return false;
    heard.begin(*c, server);
    connections_.arm(*c, turn.now, heard.left);
    if (!c->is_template() && !expect_replies(*c, turn.out)) return end(*c, turn.out), false;
  }
  if (heard.shifts && !c->is_template()) take_over_ftp(*c, *heard.shifts);
  Connection* const parent = connections_.at(heard.parent);
  if (parent && c->controlled_by == kNoConnection) {
    c->controlled_by = heard.parent;
    ++*children(*parent);
  }
  return true;
}

// FTP behind NAT, whose server's numbers are shifted by what was edited there. (The client's never are: what it says is
// not edited.) Without room for a session the connection will break, as it would without the other director.
void Director::take_over_ftp(Connection& control, const SyncShifts& shifts) {
  if (control.method() != Method::masq || control.protocol != Protocol::tcp || control.vport != kFtp) return;
  if (control.peer.ftp == 0) {
    if (ftp_.size() >= ftp_.capacity()) return;
    control.peer.ftp = ftp_.take(control.real_server().addr, control.vip().addr, control.client().addr);
  }
  FtpSession& session = *ftp_.at(control.peer.ftp);
  if (session.edits.take_over(shifts.server.shift) || session.children != 0) return;
  ftp_.release(control.peer.ftp);
  control.peer.ftp = 0;
}

}  // namespace rawvs
