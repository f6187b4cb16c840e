// SPDX-License-Identifier: BSD-2-Clause
// host.cpp: builds and limits a VIP's own replies.
#include "director/host.h"

#include <algorithm>

#include "director/pieces.h"
#include "wire/ip_header.h"
#include "wire/tcp_segment.h"

namespace rawvs {

namespace {

constexpr size_t kLargest = kEthernetSize + kMostIpv6Size;  // bytes of an answer

}  // namespace

Host::Host(const Settings& settings, Surroundings& surroundings, Composer& composer)
    : settings_(settings),
      surroundings_(surroundings),
      composer_(composer),
      resets_(settings.reply_rate, settings.reply_burst),
      errors_(settings.reply_rate, settings.reply_burst),
      too_bigs_(settings.reply_rate, settings.reply_burst),
      echoes_(settings.reply_rate, settings.reply_burst),
      large_(std::make_unique_for_overwrite<uint8_t[]>(kLargest)) {}

void Host::limits_changed() {
  resets_ = errors_ = too_bigs_ = echoes_ = Limit(settings_.reply_rate, settings_.reply_burst);
}

Exit Host::discovery(const Arrival& a, Turn turn) {
  const Link link = a.frame->link;
  const bool arp = a.ethernet.kind == Kind::arp;
  Discovery d;
  if (const auto wrong = arp ? parse_arp(*a.frame, d) : parse_nd(*a.frame, a.packet, d)) return *wrong;
  const Exit heard = surroundings_.heard(d, link, turn);
  if (heard == Exit::own_frame || heard == Exit::arp_conflict || heard == Exit::nd_conflict) return heard;
  if (d.what != Discovery::What::asks || !surroundings_.answers_for(d.target, link)) return heard;
  Discovery answer{.what = Discovery::What::says,
                   .sender = d.target,
                   .sender_mac = surroundings_.mac_of(*surroundings_.claims().find(d.target), link),
                   .target = d.sender,
                   .target_mac = d.sender_mac};
  if (d.probe() && !arp) {  // a host that wants the VIP for itself listens to all nodes' group (RFC 4861 section 7.2.4)
    answer.solicited = false;
    answer.target_mac = multicast_mac(kAllNodes);
  }
  surroundings_.send(link, answer.target_mac, answer, turn.out);
  if (a.ethernet.dst.group() && surroundings_.asked({d.target, d.sender, d.sender_mac, link}, turn.now)) {
    return arp ? Exit::arp_defended : Exit::nd_defended;
  }
  return arp ? Exit::arp_answered : Exit::nd_answered;
}

Exit Host::answer(const Arrival& a, Turn turn) {
  const Packet& p = a.packet;
  switch (p.protocol) {
    case Protocol::tcp: return (p.tcp_flags & TcpFlags::rst) != 0 ? Exit::stray_reset : reset(a, turn);
    case Protocol::udp: return error(a, Exit::port_unreachable, turn);
    case Protocol::icmp: return p.icmp == Icmp::echo ? echo(a, turn) : Exit::stray_icmp;
    case Protocol::no_next:
      if (p.family() == Family::ipv6) return Exit::bad_extension;
      [[fallthrough]];
    default: return error(a, Exit::protocol_unreachable, turn);
  }
}

Exit Host::echo(const Arrival& a, Turn turn) {
  return reply(a, Exit::echo_answered, echoes_, turn,
               [&](MutableBytes buffer) { return composer_.echo_reply(buffer, *a.frame, a.packet); });
}

Exit Host::reset(const Arrival& a, Turn turn) {
  return reply(a, Exit::reset_sent, resets_, turn,
               [&](MutableBytes buffer) { return write_tcp_segment(buffer, tcp_reset(*a.frame, a.packet)); });
}

Exit Host::error(const Arrival& a, Exit exit, Turn turn, uint16_t mtu) {
  if (a.packet.protocol == Protocol::icmp) return Exit::stray_icmp;  // never an error about an error (RFC 1122 3.2.2)
  IcmpAnswer error = IcmpAnswer::port_unreachable();
  if (exit == Exit::protocol_unreachable) error = IcmpAnswer::protocol_unreachable();
  if (exit == Exit::too_big) error = IcmpAnswer::too_big(mtu);
  if (exit == Exit::ttl_exceeded) error = IcmpAnswer::ttl_exceeded();
  // The source is the VIP; for an error about a server's reply, our own address on the server's link.
  Packet about = a.packet;
  if (!surroundings_.takes(about.dst)) about.dst = surroundings_.own_address(a.frame->link, about.family());
  if (about.dst.unspecified()) return Exit::answer_limited;
  // A flood of packets to closed ports must not use up the errors that path MTU discovery needs.
  return reply(a, exit, exit == Exit::too_big ? too_bigs_ : errors_, turn,
               [&](MutableBytes buffer) { return composer_.icmp_error(buffer, *a.frame, about, error); });
}

template <class Build>
Exit Host::reply(const Arrival& a, Exit exit, Limit& limit, Turn turn, Build&& build) {
  if (settings_.reply_rate == 0) return Exit::replies_off;
  if (!l4_checksum_right(*a.frame, a.packet)) return Exit::bad_l4_checksum;
  if (!limit.take(turn.now)) return Exit::answer_limited;
  const MutableBytes buffer = turn.out.buffer();
  if (buffer.empty()) return Exit::outbox_full;
  // The reply to a large ping, which came in fragments, is fragmented to the size of the outbox's buffers.
  const uint32_t mtu = surroundings_.link(a.frame->link).mtu_of(a.packet.family());
  const bool large = a.packet.ip_size > std::min<size_t>(mtu, Outbox::kBufferSize - kEthernetSize);
  const size_t size = build(large ? MutableBytes(large_.get(), kLargest) : buffer);
  if (size == 0) return Exit::answer_limited;
  if (!large) {
    turn.out.send_buffer(a.frame->link, size);
    return exit;
  }
  Frame whole;
  whole.data = large_.get();
  whole.size = static_cast<uint32_t>(size);
  // A request that is so large came in fragments; its identification is unique for these hosts, and so is the reply's.
  Fragmenter fragments(whole, std::min<uint32_t>(mtu, Outbox::kBufferSize - kEthernetSize),
                       Fragmenter::DontFragment::refuse, {}, a.packet.fragment_id);
  return each_piece(fragments, turn.out,
                    [&](const Frame& piece) { return turn.out.send(a.frame->link, piece) ? exit : Exit::outbox_full; });
}

bool Host::error_about(const Frame& about, const Packet& packet, const IcmpAnswer& error, Link link, Turn turn) {
  Limit& limit = error.mtu != 0 ? too_bigs_ : errors_;
  if (!limit.take(turn.now)) return false;
  const MutableBytes buffer = turn.out.buffer();
  const size_t size = buffer.empty() ? 0 : composer_.icmp_error(buffer, about, packet, error);
  if (size != 0) turn.out.send_buffer(link, size);
  return size != 0;
}

void Host::give_up(const Frame& first_fragment, Turn turn) {
  const Frame& first = first_fragment;
  Packet packet;
  if (!first.data || parse_ip(first, packet)) return;
  const auto* const claimed = surroundings_.claimed(packet.dst);
  if (!claimed || claimed->standby || !surroundings_.takes_fragment(*claimed, first, packet)) return;
  if (packet.protocol == Protocol::icmp) return;
  // From the interface's MAC address: the virtual one that it was sent to may belong to another director now.
  std::ranges::copy(surroundings_.link(first.link).mac.bytes, first.data);
  error_about(first, packet, IcmpAnswer::reassembly_time_exceeded(), first.link, turn);
}

}  // namespace rawvs
