// SPDX-License-Identifier: BSD-2-Clause
// flows_ftp.cpp: FTP under NAT: sessions of control connections, and the data connections that they arrange.
#include <span>

#include "director/flows.h"

namespace rawvs {

namespace {

// FTP's control connection, whose payload NAT has to look into.
bool reads_ftp(Method method, const FlowKey& flow) {
  return method == Method::masq && flow.protocol == Protocol::tcp && flow.vport == kFtp;
}

}  // namespace

// FTP behind NAT: a session for the connection that this packet belongs to, as soon as it needs one: with the first
// payload. Half of them are for those alone whose server has spoken: clients that do not exist cannot make it do so.
// False: there is none left.
bool Flows::follow_ftp(const Packet& p, Connection& c, Direction direction) {
  if (c.peer.ftp != 0 || p.tcp_payload == 0 || (p.tcp_flags & TcpFlags::rst) != 0 || !reads_ftp(c.method(), c.key()))
    return true;
  const auto state = static_cast<TcpState>(c.state);
  if (state == TcpState::time_wait || state == TcpState::close) return true;  // what comes now was sent before
  const bool from_client = direction == Direction::input;
  if (ftp_.size() >= (from_client ? (ftp_.capacity() + 1) / 2 : ftp_.capacity())) return false;
  c.peer.ftp = ftp_.take(c.real_server().addr, c.vip().addr, c.client().addr);
  if (!settings_.sloppy_tcp) begin_with(*ftp_.at(c.peer.ftp), p, from_client);  // else it may be in mid-stream
  return true;
}

bool Flows::arrange(Connection& control, const FtpSession& before, const FtpFound& found, Turn turn) {
  FtpSession& session = *ftp_.at(control.peer.ftp);
  ++session.children;  // it stays even if the last of its children makes room
  const bool expected = expect_data(control, found, turn);
  const uint32_t controlled = --session.children;
  if (!expected) session = before, session.children = controlled;
  release_ftp(control);
  return expected;
}

// A session is needed no longer than there is something to read or to map.
void Flows::release_ftp(Connection& control) {
  if (control.is_template() || control.peer.ftp == 0) return;
  const FtpSession& session = *ftp_.at(control.peer.ftp);
  if (session.children != 0 || !session.over()) return;
  ftp_.release(control.peer.ftp);
  control.peer.ftp = 0;
}

bool Flows::expect_data(Connection& control, const FtpFound& found, Turn turn) {
  const auto below = [](Port port) { return Port(static_cast<uint16_t>(port.value - 1)); };
  for (const FtpExpectation& expected : std::span(found.expected).first(found.count)) {
    const Ip client = control.client().addr, vip = control.vip().addr;
    // Active: from the server's port below its control port. Passive: from any port of the client.
    const bool active = expected.mode == FtpExpectation::Mode::active;
    const FlowKey key = active ? FlowKey{client, vip, expected.port, below(control.vport), Protocol::tcp, false}
                               : FlowKey{client, vip, Port(0), expected.port, Protocol::tcp, false};
    const Port port = active ? below(control.rport) : expected.port;
    const uint64_t hash = connections_.hash(key);
    if (Connection* const earlier = connections_.find(Side::client, key, hash)) {
      if (earlier->server == control.server && earlier->rport == port) continue;
      end(*earlier, turn.out);  // the client's port was another server's a moment ago
    }
    const Connection* const c =
        enter({key, hash, control.server, port, &control}, turn, [&](Connection& data, Server&) {
          data.peer.client_mac = control.peer.client_mac;
          if (control.flags & Connection::inside) data.flags |= Connection::inside;
          return listen(data, settings_.timeouts);
        });
    if (!c) return false;
  }
  return true;
}

// FTP behind NAT, whose server's numbers are shifted by what was edited there. (The client's never are: what it says is
// not edited.) Without room for a session the connection will break, as it would without the other director.
void Flows::take_over_ftp(Connection& control, const SyncShifts& shifts) {
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
