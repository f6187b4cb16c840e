// SPDX-License-Identifier: BSD-2-Clause
// next_numbers.h: whether a TCP segment that would end a connection can be its sender's: by its sequence number.
// In:  what the sender's segments said its next sequence number is; a segment.
// Out: whether to believe it; the next number.
// Not: where the numbers are kept (connection.h), what a segment does to the state (tcp_state.h).
// RFC: 5961 sections 3 and 4, as far as an onlooker can go: 9293 section 3.10.7.4 knows the receiver's window exactly.
//
// A forger who sees nothing of a connection knows addresses and ports, but not the numbers. An RST, a FIN or a segment
// without flags moves a connection towards its end; with a number far from the sender's next it does not. What is not
// believed is forwarded all the same: the receiver knows better. Numbers are those on the sender's own side, so nothing
// that the director changes (FTP, PROXY header) matters. Only proven connections have them (proof.h): a connection that
// has shown no client yet loses little. An entry from sync or from a state file begins without.
#pragma once

#include "wire/packet.h"

namespace rawvs {

// How far from its sender's next number a segment may be: what is in flight when segments were lost on the way here, or
// repeated. A forger hits it with one of 8,192 segments,
// or first moves the number with one of 1,024.
inline constexpr uint32_t kNumbersApart = 1u << 18;
// How much of a sender's data may pass unseen, lost when the director was overloaded: sixty super-frames. With more,
// its number would never be known again, and its own end not be believed.
inline constexpr uint32_t kNumbersUnseen = 1u << 22;

// Whether the number can be of a sender whose next one is `next`; 0: not known, any can.
constexpr bool near_number(uint32_t next, uint32_t number) {
  return next == 0 || number - next + kNumbersApart <= 2 * kNumbersApart;
}

// Whether the segment asks for the connection's end, or is no segment that TCP sends.
bool ends(const Packet& segment);

// The sender's next number after this segment. An RST tells none; one that begins a connection counts anew.
uint32_t next_number(uint32_t next, const Packet& segment, bool begins_anew);

}  // namespace rawvs
