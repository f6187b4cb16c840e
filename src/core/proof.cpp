// SPDX-License-Identifier: BSD-2-Clause
// proof.cpp: judges packets of connections that are unproven.
#include "core/proof.h"

#include "wire/l4_header.h"

namespace rawvs {

bool is_half_open(Protocol protocol, uint8_t state) {
  if (protocol == Protocol::sctp) return static_cast<SctpState>(state) < SctpState::established;
  if (protocol != Protocol::tcp) return false;
  switch (static_cast<TcpState>(state)) {
    case TcpState::none:
    case TcpState::syn_sent:
    case TcpState::syn_recv:
    case TcpState::listen:
    case TcpState::synack: return true;
    default: return false;
  }
}

Unproven kind_of(const Connection& c) {
  if (c.is_template()) return Unproven::unassured;
  if (c.protocol == Protocol::udp) return Unproven::one_way;
  return is_half_open(c.protocol, c.state) ? Unproven::half_open : Unproven::quiet;
}

Evidence evidence(const Connection& c, const Packet& p, Direction direction) {
  const bool from_server = direction == Direction::output, both_seen = translates(c.method());
  if (c.protocol == Protocol::udp) {
    if (!both_seen) return Evidence::step;
    return from_server ? Evidence::answer : Evidence::after_answer;
  }
  if (is_half_open(c.protocol, c.state)) return Evidence::none;
  if (c.protocol == Protocol::sctp) {
    // The server has accepted the cookie that it gave the client.
    if (from_server) return Evidence::proof;
    return both_seen ? Evidence::none : Evidence::step;
  }
  if ((p.tcp_flags & (TcpFlags::syn | TcpFlags::rst)) != 0) return Evidence::none;
  if (from_server) return p.tcp_payload != 0 ? Evidence::proof : Evidence::step;
  return both_seen ? Evidence::none : Evidence::step;
}

uint32_t trace_of(const Packet& p, Instant now) {
  if (p.protocol != Protocol::tcp) return static_cast<uint32_t>(now.time_since_epoch() / 10ms) & 31;
  const uint64_t numbers = uint64_t{p.tcp_seq + p.tcp_payload} << 32 | p.tcp_ack;
  return static_cast<uint32_t>(mixed(numbers) >> 59);
}

}  // namespace rawvs
