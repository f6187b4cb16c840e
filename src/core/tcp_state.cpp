// SPDX-License-Identifier: BSD-2-Clause
// tcp_state.cpp: IPVS's TCP transition table and timeouts, compared with a kernel's IPVS (scenarios states-dr,
// nat-tcp).
#include "core/tcp_state.h"

#include <array>

#include "wire/packet.h"

namespace rawvs {

namespace {

constexpr size_t kStates = static_cast<size_t>(TcpState::count_);
enum Event : uint8_t { kSyn, kFin, kAck, kRst, kEvents };

constexpr TcpState sES = TcpState::established, sSS = TcpState::syn_sent, sSR = TcpState::syn_recv,
                   sFW = TcpState::fin_wait, sTW = TcpState::time_wait, sCL = TcpState::close,
                   sCW = TcpState::close_wait, sLA = TcpState::last_ack, sLI = TcpState::listen, sSA = TcpState::synack;

using Targets = std::array<TcpState, kStates>;
using Table = std::array<std::array<Targets, kEvents>, 3>;
// clang-format off
// [direction][event][state]         none est  ssnt srcv finw timw clos clsw lack list sack
constexpr Table kTable = {{
    {{  // input: from the client, when the server's packets are seen, too (NAT)
        /* syn */ {sSR, sES, sES, sSR, sSR, sSR, sSR, sSR, sSR, sSR, sSR},
        /* fin */ {sCL, sCW, sSS, sTW, sTW, sTW, sCL, sCW, sLA, sLI, sTW},
        /* ack */ {sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sCL, sLI, sES},
        /* rst */ {sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sSR},
    }},
    {{  // output: from the server
        /* syn */ {sSS, sES, sSS, sSR, sSS, sSS, sSS, sSS, sSS, sLI, sSR},
        /* fin */ {sTW, sFW, sSS, sTW, sFW, sTW, sCL, sTW, sLA, sLI, sTW},
        /* ack */ {sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sLA, sES, sES},
        /* rst */ {sCL, sCL, sSS, sCL, sCL, sTW, sCL, sCL, sCL, sCL, sCL},
    }},
    {{  // input only: from the client, when the server's packets are not seen (DR, TUN)
        /* syn */ {sSR, sES, sES, sSR, sSR, sSR, sSR, sSR, sSR, sSR, sSR},
        /* fin */ {sCL, sFW, sSS, sTW, sFW, sTW, sCL, sCW, sLA, sLI, sTW},
        /* ack */ {sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sCL, sLI, sES},
        /* rst */ {sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sCL},
    }},
}};
// Of secure_tcp.
constexpr Table kSecure = {{
    {{
        /* syn */ {sSR, sES, sES, sSR, sSR, sSR, sSR, sSR, sSR, sSR, sSA},
        /* fin */ {sCL, sCW, sSS, sTW, sTW, sTW, sCL, sCW, sLA, sLI, sSA},
        /* ack */ {sES, sES, sSS, sSR, sFW, sTW, sCL, sCW, sCL, sLI, sSA},
        /* rst */ {sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sCL},
    }},
    {{
        /* syn */ {sSS, sES, sSS, sSA, sSS, sSS, sSS, sSS, sSS, sLI, sSA},
        /* fin */ {sTW, sFW, sSS, sTW, sFW, sTW, sCL, sTW, sLA, sLI, sTW},
        /* ack */ {sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sLA, sES, sES},
        /* rst */ {sCL, sCL, sSS, sCL, sCL, sTW, sCL, sCL, sCL, sCL, sCL},
    }},
    {{
        /* syn */ {sSA, sES, sES, sSR, sSA, sSA, sSA, sSA, sSA, sSA, sSA},
        /* fin */ {sCL, sFW, sSS, sTW, sFW, sTW, sCL, sCW, sLA, sLI, sTW},
        /* ack */ {sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sCL, sLI, sES},
        /* rst */ {sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sCL},
    }},
}};
// clang-format on

}  // namespace

TcpState step(TcpState state, Direction direction, uint8_t tcp_flags, bool secure) {
  const std::array<Targets, kEvents>& rows = (secure ? kSecure : kTable)[static_cast<size_t>(direction)];
  const auto at = static_cast<size_t>(state);
  // The first of these flags decides; a segment with none of them closes the connection.
  if (tcp_flags & TcpFlags::rst) return rows[kRst][at];
  if (tcp_flags & TcpFlags::syn) return rows[kSyn][at];
  if (tcp_flags & TcpFlags::fin) return rows[kFin][at];
  if (tcp_flags & TcpFlags::ack) return rows[kAck][at];
  return TcpState::close;
}

Duration timeout(TcpState state, const Timeouts& timeouts) {
  switch (state) {
    case TcpState::none: return 2s;
    case TcpState::established: return timeouts.tcp;
    case TcpState::syn_sent: return 120s;
    case TcpState::syn_recv: return 60s;
    case TcpState::fin_wait: return timeouts.tcpfin;
    case TcpState::time_wait: return 120s;
    case TcpState::close: return 10s;
    case TcpState::close_wait: return 60s;
    case TcpState::last_ack: return 30s;
    case TcpState::listen: return 120s;
    case TcpState::synack: return 120s;
    case TcpState::count_: break;
  }
  return 2s;
}

const char* name(TcpState state) {
  constexpr std::array<const char*, kStates> kNames = {"NONE",     "ESTABLISHED", "SYN_SENT", "SYN_RECV",
                                                       "FIN_WAIT", "TIME_WAIT",   "CLOSE",    "CLOSE_WAIT",
                                                       "LAST_ACK", "LISTEN",      "SYNACK"};
  // cppcheck-suppress CastIntegerToAddressAtReturn ; kNames holds text, not numbers
  return state < TcpState::count_ ? kNames[static_cast<size_t>(state)] : "?";
}

}  // namespace rawvs
