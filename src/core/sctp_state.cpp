// SPDX-License-Identifier: BSD-2-Clause
// sctp_state.cpp: IPVS's SCTP transition table and timeouts. Every cell that packets can reach was compared with a
// kernel's IPVS.
#include "core/sctp_state.h"

#include <array>

#include "wire/packet.h"

namespace rawvs {

namespace {

constexpr size_t kStates = static_cast<size_t>(SctpState::count_);
enum Event : uint8_t {
  kData,
  kInit,
  kInitAck,
  kCookieEcho,
  kCookieAck,
  kShutdown,
  kShutdownAck,
  kShutdownComplete,
  kError,
  kAbort,
  kEvents
};

constexpr SctpState sI1 = SctpState::init1, sIN = SctpState::init, sCS = SctpState::cookie_sent,
                    sCR = SctpState::cookie_replied, sCW = SctpState::cookie_wait, sCO = SctpState::cookie,
                    sCE = SctpState::cookie_echoed, sES = SctpState::established, sSS = SctpState::shutdown_sent,
                    sSR = SctpState::shutdown_received, sSA = SctpState::shutdown_ack_sent, sRJ = SctpState::rejected,
                    sCL = SctpState::closed;

using Row = std::array<SctpState, kStates>;
// clang-format off
// [direction][event][state]      NO   I1   IN   CS   CR   CW   CO   CE   ES   SS   SR   SA   RJ   CL
constexpr std::array<std::array<Row, kEvents>, 3> kTable = {{
    {{  // input: from the client, when the server's packets are seen, too (NAT)
        /* data              */ {sES, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL},
        /* init              */ {sI1, sIN, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sIN, sIN},
        /* init-ack          */ {sCW, sCW, sCW, sCS, sCR, sCO, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL},
        /* cookie-echo       */ {sCR, sIN, sIN, sCR, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL},
        /* cookie-ack        */ {sES, sI1, sIN, sCS, sCR, sCW, sCO, sES, sES, sSS, sSR, sSA, sRJ, sCL},
        /* shutdown          */ {sSR, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sSR, sSS, sSR, sSA, sRJ, sCL},
        /* shutdown-ack      */ {sCL, sIN, sIN, sCS, sCR, sCW, sCO, sCE, sES, sCL, sSR, sCL, sRJ, sCL},
        /* shutdown-complete */ {sCL, sCL, sCL, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sCL, sRJ, sCL},
        /* error             */ {sCL, sI1, sIN, sCS, sCR, sCW, sCO, sCL, sES, sSS, sSR, sSA, sRJ, sCL},
        /* abort             */ {sCL, sCL, sCL, sCL, sCL, sRJ, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL},
    }},
    {{  // output: from the server
        /* data              */ {sES, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL},
        /* init              */ {sCW, sCW, sCW, sCW, sCW, sCW, sCW, sCW, sES, sCW, sCW, sCW, sCW, sCW},
        /* init-ack          */ {sCS, sCS, sCS, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL},
        /* cookie-echo       */ {sCE, sCE, sCE, sCE, sCE, sCE, sCE, sCE, sES, sSS, sSR, sSA, sRJ, sCL},
        /* cookie-ack        */ {sES, sES, sES, sES, sES, sES, sES, sES, sES, sSS, sSR, sSA, sRJ, sCL},
        /* shutdown          */ {sSS, sSS, sSS, sSS, sSS, sSS, sSS, sSS, sSS, sSS, sSR, sSA, sRJ, sCL},
        /* shutdown-ack      */ {sSA, sSA, sSA, sSA, sSA, sCW, sCO, sCE, sES, sSA, sSA, sSA, sRJ, sCL},
        /* shutdown-complete */ {sCL, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL},
        /* error             */ {sCL, sCL, sCL, sCL, sCL, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL},
        /* abort             */ {sCL, sRJ, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL},
    }},
    {{  // input only: from the client, when the server's packets are not seen (DR, TUN)
        /* data              */ {sES, sI1, sIN, sCS, sCR, sES, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL},
        /* init              */ {sI1, sIN, sIN, sIN, sIN, sIN, sCO, sCE, sES, sSS, sSR, sSA, sIN, sIN},
        /* init-ack          */ {sCE, sCE, sCE, sCE, sCE, sCE, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL},
        /* cookie-echo       */ {sES, sES, sES, sES, sES, sES, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL},
        /* cookie-ack        */ {sES, sI1, sIN, sES, sES, sCW, sES, sES, sES, sSS, sSR, sSA, sRJ, sCL},
        /* shutdown          */ {sSR, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sSR, sSS, sSR, sSA, sRJ, sCL},
        /* shutdown-ack      */ {sCL, sIN, sIN, sCS, sCR, sCW, sCO, sCE, sCL, sCL, sSR, sCL, sRJ, sCL},
        /* shutdown-complete */ {sCL, sCL, sCL, sCL, sCL, sCW, sCO, sCE, sES, sSS, sCL, sCL, sRJ, sCL},
        /* error             */ {sCL, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL},
        /* abort             */ {sCL, sCL, sCL, sCL, sCL, sRJ, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL},
    }},
}};
// clang-format on

// Chunks that change no state, known (SACK, HEARTBEAT, ECNE ...) and unknown ones, count as data.
Event event_of(uint8_t chunk) {
  switch (chunk) {
    case SctpChunk::init: return kInit;
    case SctpChunk::init_ack: return kInitAck;
    case SctpChunk::cookie_echo: return kCookieEcho;
    case SctpChunk::cookie_ack: return kCookieAck;
    case SctpChunk::shutdown: return kShutdown;
    case SctpChunk::shutdown_ack: return kShutdownAck;
    case SctpChunk::shutdown_complete: return kShutdownComplete;
    case SctpChunk::error: return kError;
    case SctpChunk::abort: return kAbort;
    default: return kData;
  }
}

}  // namespace

SctpState step(SctpState state, Direction direction, uint8_t sctp_chunk) {
  return kTable[static_cast<size_t>(direction)][event_of(sctp_chunk)][static_cast<size_t>(state)];
}

Duration timeout(SctpState state) {
  switch (state) {
    case SctpState::none: return 2s;
    case SctpState::init1:
    case SctpState::rejected: return 4s;
    case SctpState::established: return 900s;
    default: return 61s;
  }
}

const char* name(SctpState state) {
  constexpr std::array<const char*, kStates> kNames = {
      "NONE",     "INIT1",       "INIT",   "C-SENT",     "C-REPLIED",  "C-WAIT",   "COOKIE",
      "C-ECHOED", "ESTABLISHED", "S-SENT", "S-RECEIVED", "S-ACK-SENT", "REJECTED", "CLOSED"};
  // cppcheck-suppress CastIntegerToAddressAtReturn ; kNames holds text, not numbers
  return state < SctpState::count_ ? kNames[static_cast<size_t>(state)] : "?";
}

}  // namespace rawvs
