// SPDX-License-Identifier: BSD-2-Clause
// track.cpp: a connection's state and its server's counters, changed together.
#include "core/track.h"

#include <algorithm>

namespace rawvs {

namespace {

void check_upper(Server& server) {
  const ServerSpec& s = server.spec;
  if (s.upper != 0 && server.active + server.inactive >= s.upper) server.overloaded = true;
}

// IPVS's hysteresis: not overloaded below the lower threshold, or below three quarters of the upper one if it is 0.
void check_lower(Server& server) {
  if (!server.overloaded) return;
  const uint64_t total = uint64_t{server.active} + server.inactive;
  const ServerSpec& s = server.spec;
  const bool relieved = s.upper == 0 || (s.lower != 0 ? total < s.lower : total * 4 < uint64_t{s.upper} * 3);
  if (relieved) server.overloaded = false;
}

}  // namespace

void count_as(Connection& c, Server& server, bool active_now) {
  const bool was_active = (c.flags & Connection::inactive) == 0;
  if (was_active == active_now) return;
  if (active_now) {
    ++server.active, --server.inactive;
    c.flags &= static_cast<uint8_t>(~Connection::inactive);
  } else {
    --server.active, ++server.inactive;
    c.flags |= Connection::inactive;
  }
}

void join(Connection& c, ServerSlot slot, Server& server, Port port) {
  c.server = slot;
  c.set_server_address(server.spec.at.addr);
  c.rport = port;
  c.set_method(server.spec.method);
  if (c.is_template()) {
    ++server.persistent;
  } else {
    c.flags |= Connection::inactive;
    if (!translates(c.method())) c.flags |= Connection::no_output;
    ++server.inactive;
  }
  check_upper(server);
}

void leave(const Connection& c, Server& server) {
  if (c.is_template()) {
    --server.persistent;
  } else if (c.flags & Connection::inactive) {
    --server.inactive;
  } else {
    --server.active;
  }
  check_lower(server);
}

bool ending(const Connection& c) {
  if (c.protocol == Protocol::tcp) return ending(static_cast<TcpState>(c.state));
  return c.protocol == Protocol::sctp && ending(static_cast<SctpState>(c.state));
}

Duration timeout_of(Protocol protocol, uint8_t state, const Timeouts& timeouts) {
  switch (protocol) {
    case Protocol::tcp: return timeout(static_cast<TcpState>(state), timeouts);
    case Protocol::sctp: return timeout(static_cast<SctpState>(state));
    default: return timeouts.udp;
  }
}

Duration advance(Connection& c, Server& server, const Packet& packet, Direction direction, const Timeouts& timeouts,
                 bool secure) {
  if (c.protocol == Protocol::udp) return timeouts.udp;
  // A packet from the server shows that both directions are seen, whatever the method.
  if (direction == Direction::output) c.flags &= static_cast<uint8_t>(~Connection::no_output);
  if (direction == Direction::input && (c.flags & Connection::no_output)) direction = Direction::input_only;
  if (c.protocol == Protocol::sctp) {
    const SctpState next = step(static_cast<SctpState>(c.state), direction, packet.sctp_chunk);
    count_as(c, server, next == SctpState::established);
    c.state = static_cast<uint8_t>(next);
    return timeout(next);
  }
  const TcpState next = step(static_cast<TcpState>(c.state), direction, packet.tcp_flags, secure);
  if (next != static_cast<TcpState>(c.state)) {
    count_as(c, server, active(next));
    c.state = static_cast<uint8_t>(next);
  }
  return timeout(next, timeouts);
}

bool assures(const Connection& c, Direction direction) {
  switch (c.protocol) {
    case Protocol::tcp: return static_cast<TcpState>(c.state) == TcpState::established;
    case Protocol::sctp: return static_cast<SctpState>(c.state) == SctpState::established;
    default: return direction == Direction::output;
  }
}

Duration listen(Connection& c, const Timeouts& timeouts) {
  c.state = static_cast<uint8_t>(TcpState::listen);
  return timeout(TcpState::listen, timeouts);
}

bool reusable(const Connection& c, uint8_t conn_reuse_mode) {
  if (c.controller() != kNoConnection) return false;
  if (c.protocol == Protocol::sctp) {
    return conn_reuse_mode != 0 && static_cast<SctpState>(c.state) == SctpState::closed;
  }
  if (c.protocol != Protocol::tcp) return false;
  const auto state = static_cast<TcpState>(c.state);
  if (conn_reuse_mode != 0 && (state == TcpState::time_wait || state == TcpState::close)) return true;
  return (conn_reuse_mode & 2) != 0 && state == TcpState::fin_wait && (c.flags & Connection::no_output) != 0;
}

const char* state_name(const Connection& c) {
  if (c.is_template()) return c.state != 0 ? "ASSURED" : "NONE";
  switch (c.protocol) {
    case Protocol::tcp: return name(static_cast<TcpState>(c.state));
    case Protocol::udp: return "UDP";
    case Protocol::sctp: return name(static_cast<SctpState>(c.state));
    default: return "NONE";
  }
}

std::vector<std::string_view> state_names() {
  std::vector<std::string_view> all{"UDP", "ASSURED"};
  const auto add = [&](std::string_view one) {
    if (std::ranges::find(all, one) == all.end()) all.push_back(one);
  };
  for (uint8_t n = 0; n < static_cast<uint8_t>(TcpState::count_); ++n) add(name(static_cast<TcpState>(n)));
  for (uint8_t n = 0; n < static_cast<uint8_t>(SctpState::count_); ++n) add(name(static_cast<SctpState>(n)));
  return all;
}

}  // namespace rawvs
