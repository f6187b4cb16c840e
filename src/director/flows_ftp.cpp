// SPDX-License-Identifier: BSD-2-Clause
// flows_ftp.cpp: FTP with NAT: sessions of control connections, and the data connections that they negotiate.
#include <span>

#include "director/flows.h"

namespace rawvs {

namespace {

// Whether this is an FTP control connection with NAT, whose payload must be read.
bool reads_ftp(Method method, const FlowKey& flow) {
  return translates(method) && flow.protocol == Protocol::tcp && flow.vport == kFtp;
}

}  // namespace

// Gives an FTP control connection its session with the first payload. Half of the sessions are reserved for connections
// whose server has sent payload: clients with a forged source cannot cause that. False: no session is left.
bool Flows::follow_ftp(const Packet& p, Connection& c, Direction direction) {
  if (c.is_mixed()) return true;  // FTP names addresses that the other family does not have
  if (c.peer.ftp != 0 || p.tcp_payload == 0 || (p.tcp_flags & TcpFlags::rst) != 0 || !reads_ftp(c.method(), c.key()))
    return true;
  const auto state = static_cast<TcpState>(c.state);
  if (state == TcpState::time_wait || state == TcpState::close) return true;  // such segments were sent before
  const bool from_client = direction == Direction::input;
  if (ftp_.size() >= (from_client ? (ftp_.capacity() + 1) / 2 : ftp_.capacity())) return false;
  c.peer.ftp = ftp_.take(c.real_server().addr, c.vip().addr, c.client().addr);
  if (!settings_.sloppy_tcp) begin_with(*ftp_.at(c.peer.ftp), p, from_client);  // else it may be in mid-stream
  return true;
}

bool Flows::arrange(Connection& control, const FtpSession& before, const FtpFound& found, Turn turn) {
  FtpSession& session = *ftp_.at(control.peer.ftp);
  ++session.children;  // keeps it even if its last data connection is ended
  const bool expected = expect_data(control, found, turn);
  const uint32_t controlled = --session.children;
  if (!expected) session = before, session.children = controlled;
  release_ftp(control);
  return expected;
}

// Releases a session that has nothing more to read or to map.
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
    // Active: from the server's control port minus 1. Passive: from any port of the client.
    const bool active = expected.mode == FtpExpectation::Mode::active;
    // A full NAT server does not see the client's address, and refuses a PORT that names it.
    if (active && control.method() == Method::fullnat) continue;
    const FlowKey key = active ? FlowKey{client, vip, expected.port, below(control.vport), Protocol::tcp, false}
                               : FlowKey{client, vip, Port(0), expected.port, Protocol::tcp, false};
    const Port port = active ? below(control.rport) : expected.port;
    const uint64_t hash = connections_.hash(key);
    if (Connection* const earlier = connections_.find(Side::client, key, hash)) {
      if (earlier->server == control.server && earlier->rport == port) continue;
      end(*earlier, turn);  // the client's port was used for another server before
    }
    Exit why{};
    const Connection* const c =
        enter({key, hash, control.server, port, &control, control.method()}, turn, why, [&](Connection& data, Server&) {
          data.peer.client_mac = control.peer.client_mac;
          data.set_link(control.link());
          return listen(data, settings_.timeouts);
        });
    if (!c) return false;
  }
  return true;
}

// Takes over the shift of the server's sequence numbers, which edits of its payload have caused. (The client's payload
// is never edited.) Without room for a session the connection breaks, as it would without sync.
void Flows::take_over_ftp(Connection& control, const SyncShifts& shifts) {
  if (!translates(control.method()) || control.protocol != Protocol::tcp || control.vport != kFtp) return;
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
