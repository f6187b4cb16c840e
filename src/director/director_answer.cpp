// SPDX-License-Identifier: BSD-2-Clause
// director_answer.cpp: what a VIP says itself: what nobody else takes is answered as a host answers that has the VIP
// and nothing listening; and the ICMP errors of a router.
#include <algorithm>

#include "director/director_pieces.h"
#include "rawvs/director.h"

namespace rawvs {

Exit Director::answer_as_host(const Arrival& a, Turn turn) {
  const Packet& p = a.packet;
  switch (p.protocol) {
    case Protocol::tcp: return (p.tcp_flags & TcpFlags::rst) != 0 ? Exit::stray_reset : reset(a, turn);
    case Protocol::udp: return error(a, Exit::port_unreachable, turn);
    case Protocol::icmp: return p.icmp == Icmp::echo ? echo(a, turn) : Exit::stray_icmp;
    default: return error(a, Exit::protocol_unreachable, turn);
  }
}

Exit Director::echo(const Arrival& a, Turn turn) {
  return answer(a, Exit::echo_answered, echoes_, turn,
                [&](MutableBytes letter) { return composer_.echo_reply(letter, *a.frame, a.packet); });
}

Exit Director::reset(const Arrival& a, Turn turn) {
  return answer(a, Exit::reset_sent, resets_, turn,
                [&](MutableBytes letter) { return composer_.tcp_reset(letter, *a.frame, a.packet); });
}

Exit Director::error(const Arrival& a, Exit exit, Turn turn, uint16_t mtu) {
  if (a.packet.protocol == Protocol::icmp) return Exit::stray_icmp;  // never an error about an error (RFC 1122 3.2.2)
  IcmpAnswer error = IcmpAnswer::port_unreachable();
  if (exit == Exit::protocol_unreachable) error = IcmpAnswer::protocol_unreachable();
  if (exit == Exit::too_big) error = IcmpAnswer::too_big(mtu);
  if (exit == Exit::ttl_exceeded) error = IcmpAnswer::ttl_exceeded();
  // From the VIP; about a server's answer, from our own address on its side.
  Packet about = a.packet;
  if (!claims_.takes(about.dst)) about.dst = own_address(a.frame->link);
  if (about.dst.unspecified()) return Exit::answer_limited;
  // A flood of closed ports must not hide what path MTU discovery needs.
  return answer(a, exit, exit == Exit::too_big ? too_bigs_ : errors_, turn,
                [&](MutableBytes letter) { return composer_.icmp_error(letter, *a.frame, about, error); });
}

template <class Build>
Exit Director::answer(const Arrival& a, Exit exit, Limit& limit, Turn turn, Build&& build) {
  if (settings_.reply_rate == 0) return Exit::replies_off;
  if (!l4_checksum_right(*a.frame, a.packet)) return Exit::bad_l4_checksum;
  if (!limit.take(turn.now)) return Exit::answer_limited;
  const MutableBytes letter = turn.out.letter();
  if (letter.empty()) return Exit::outbox_full;
  // The answer to a large ping, which came in fragments itself, is cut into letters.
  const uint32_t mtu = links_[index(a.frame->link)].mtu;
  const bool large = a.packet.ip_size > std::min<size_t>(mtu, Outbox::kLetterSize - kEthernetSize);
  const size_t size = build(large ? MutableBytes(large_answer_.get(), kLargestAnswer) : letter);
  if (size == 0) return Exit::answer_limited;
  if (!large) {
    turn.out.send_letter(a.frame->link, size);
    return exit;
  }
  Frame whole;
  whole.data = large_answer_.get();
  whole.size = static_cast<uint32_t>(size);
  Fragmenter fragments(whole, std::min<uint32_t>(mtu, Outbox::kLetterSize - kEthernetSize));
  return each_piece(fragments, turn.out,
                    [&](const Frame& piece) { return turn.out.send(a.frame->link, piece) ? exit : Exit::outbox_full; });
}

}  // namespace rawvs
