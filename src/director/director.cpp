// SPDX-License-Identifier: BSD-2-Clause
// director.cpp: a packet's whole path, in the order in which it happens:
//   parse -> classify -> track -> schedule -> rewrite -> resolve -> transmit
// Here it is found out what arrived and whose business it is. Connections are director_track.cpp, the ways to servers
// and clients director_forward.cpp, a VIP's own voice director_answer.cpp. Every way out is an Exit, counted once. What
// changes around the packets (services, links, time) is director_admin.cpp and director_links.cpp.
#include "rawvs/director.h"

#include <algorithm>

#include "director/director_pieces.h"

namespace rawvs {

namespace {

// Frames that their Ethernet header alone keeps from us.
std::optional<Exit> misaddressed(const Ethernet& e, Mac own, std::span<const Mac> more) {
  if (e.src == own) return Exit::own_frame;
  if (e.kind == Kind::other) return Exit::not_ipv4;
  if (e.dst != own && !(e.kind == Kind::arp && e.dst.group()) && !std::ranges::binary_search(more, e.dst)) {
    return Exit::other_mac;
  }
  if (e.src.group() || e.src == Mac{}) return Exit::bad_source;  // 0: of who is not known (Connection::Peer)
  return std::nullopt;
}

}  // namespace

// In three passes over the batch, so that memory is fetched while other frames are worked on: a look-up in a table of
// a million connections costs two cache misses otherwise.
void Director::frames_arrived(std::span<Frame> frames, Turn turn) {
  estimate(turn.now);
  neighbors_.recycle();
  const std::span<Arrival> batch = std::span(batch_).first(std::min(frames.size(), kBatch));
  for (size_t i = 0; i < batch.size(); ++i) {
    batch[i].frame = &frames[i];
    parse(batch[i]);
    if (batch[i].role != Role::other) connections_.prefetch_cell(batch[i].side(), batch[i].hash);
  }
  for (const Arrival& a : batch) {
    if (a.role != Role::other) connections_.prefetch_entry(a.side(), a.hash);
  }
  if (!observers_.empty()) {
    for (Arrival& a : batch) exits_.count(decide_observed(a, turn));
    return;
  }
  for (Arrival& a : batch) exits_.count(a.exit ? *a.exit : decide(a, turn));
}

void Director::parse(Arrival& a) {
  const Frame& frame = *a.frame;
  a.role = Role::other;
  a.exit = parse_ethernet(frame, a.ethernet);
  const size_t link = index(frame.link);
  if (!a.exit) a.exit = misaddressed(a.ethernet, links_[link].mac, watch_.macs[link]);
  if (a.exit || a.ethernet.kind == Kind::arp) return;

  a.exit = parse_ipv4(frame, a.packet);
  if (!a.exit) return classify(a);
  if (*a.exit != Exit::truncated && !claims_.takes(a.packet.dst)) a.exit = Exit::not_vip;
}

// Which connection may this packet belong to, and on which half of it does it travel?
void Director::classify(Arrival& a) {
  const Packet& p = a.packet;
  if (p.fragmented()) return;
  const bool to_vip = claims_.takes(p.dst);
  if (!to_vip && connections_.two_sided() == 0) return;
  if (has_ports(p.protocol)) {
    a.role = to_vip ? Role::request : Role::reply;
    a.key = to_vip ? FlowKey{p.src, p.dst, p.sport, p.dport, p.protocol, false}
                   : FlowKey{p.dst, p.src, p.dport, p.sport, p.protocol, false};
  } else if (const auto quote = parse_quote(*a.frame, p); quote && has_ports(quote->protocol)) {
    const Quote& q = a.quote = *quote;
    if (to_vip && q.src != p.dst) return;
    // To a VIP: the quoted packet came from it. To others: the quoted packet is a client's.
    a.role = to_vip ? Role::client_error : Role::server_error;
    a.key = to_vip ? FlowKey{q.dst, q.src, q.dport, q.sport, q.protocol, false}
                   : FlowKey{q.src, q.dst, q.sport, q.dport, q.protocol, false};
  } else {
    return;
  }
  a.hash = connections_.hash(a.key);
}

Exit Director::decide(Arrival& a, Turn turn) {
  return a.ethernet.kind == Kind::arp ? arp_arrived(a, turn) : ip_arrived(a, turn);
}

Exit Director::arp_arrived(const Arrival& a, Turn turn) {
  const Link link = a.frame->link;
  const Mac own = links_[index(link)].mac;
  Arp arp;
  if (const auto wrong = parse_arp(*a.frame, arp)) return *wrong;
  if (arp.sender_mac == own) return Exit::own_frame;
  if (claims_.answers_for(arp.sender, link)) {
    if (const auto conflict = claims_.heard(arp, link, own, turn.now)) say(*conflict, turn.out);
    return Exit::arp_conflict;
  }
  const bool learned = neighbors_.heard(arp, link, own, turn);
  if (arp.op == Arp::Op::request && claims_.answers_for(arp.target, link)) {
    const Mac answer = mac_of(*claims_.find(arp.target));
    send_arp(link, arp.sender_mac, {Arp::Op::reply, answer, arp.target, arp.sender_mac, arp.sender}, turn.out);
    return Exit::arp_answered;
  }
  return learned ? Exit::arp_learned : Exit::arp_other;
}

Exit Director::ip_arrived(Arrival& a, Turn turn) {
  const bool to_vip = claims_.takes(a.packet.dst);
  if (to_vip && claims_.stands_by(a.packet.dst)) return Exit::standby;
  if (a.packet.fragmented()) {
    if (to_vip || from_nat_server(a.packet.src)) return fragment_arrived(a, turn);
    return Exit::not_vip;
  }
  return to_vip ? vip_packet(a, turn) : passing_packet(a, turn);
}

Exit Director::vip_packet(Arrival& a, Turn turn) {
  if (Connection* const c = track(a, turn)) {
    Server& server = services_.server(c->server);
    if (!server.in_service()) return Exit::server_gone;
    return a.role == Role::client_error ? carry_client_error(a, *c, server, turn) : carry(a, *c, server, turn);
  }
  if (from_broadcast(a)) return Exit::bad_source;
  if (a.packet.protocol == Protocol::icmp) {
    if (const Exit exit = carry_tunnel_error(a, turn); exit != Exit::not_vip) return exit;
  }
  if (Service* const service = schedulable(a)) return open(a, *service, turn);
  return answer_as_host(a, turn);
}

// Not to a VIP: a NAT server's answer, an error about what went through us, or none of our business.
Exit Director::passing_packet(Arrival& a, Turn turn) {
  if (Connection* const c = track_reply(a, turn)) {
    Server& server = services_.server(c->server);
    return a.role == Role::reply ? carry_reply(a, *c, server, turn) : carry_server_error(a, *c, server, turn);
  }
  if (a.packet.protocol == Protocol::icmp) {
    if (const Exit exit = carry_tunnel_error(a, turn); exit != Exit::not_vip) return exit;
  }
  return kept_from_kernel(a) ? give_back(a, turn.out) : Exit::not_vip;
}

// Fragments are kept until their datagram is complete, as IPVS's kernel does; then it is as if it had come whole.
Exit Director::fragment_arrived(Arrival& a, Turn turn) {
  const Reassembly::Outcome outcome = reassembly_.add(*a.frame, a.packet, turn.now);
  for (uint32_t n = outcome.gave_way; n > 0; --n) exits_.count(Exit::fragment_flood);
  if (outcome.exit) return *outcome.exit;
  whole_arrived_ = true;
  whole_frame_ = outcome.whole;
  whole_.frame = &whole_frame_;
  parse(whole_);
  whole_.packet.largest_fragment = outcome.largest;
  whole_.cuts = outcome.cuts;
  return whole_.exit ? *whole_.exit : decide(whole_, turn);
}

// Has the guard kept from the kernel what turns out to be the kernel's business? It cannot look into fragments, or, on
// old kernels, into flows; and it does not know that we stand aside when there is no service left.
bool Director::kept_from_kernel(const Arrival& a) {
  const Packet& p = a.packet;
  if (services_.empty() && a.role != Role::other && connections_.find(a.side(), a.key, a.hash)) return true;
  if (!from_nat_server(p.src)) return false;
  for (const LinkFacts& link : links_) {  // what is sent to the host itself it gets in any case
    if (std::ranges::any_of(link.addresses, [&](const LinkAddress& own) { return own.addr == p.dst; })) return false;
  }
  if (p.largest_fragment != 0) return true;
  const bool icmp_error = p.protocol == Protocol::icmp && is_error(p.icmp);
  return !guard_knows_flows_[index(a.frame->link)] && (has_ports(p.protocol) || icmp_error);
}

Exit Director::give_back(const Arrival& a, Outbox& out) {
  const uint16_t largest = a.packet.largest_fragment;
  const auto given = [&](const Frame& frame) { return out.give_back(frame) ? Exit::given_back : Exit::outbox_full; };
  if (largest == 0) return given(*a.frame);
  Fragmenter fragments(*a.frame, largest, Fragmenter::DontFragment::keep, a.cuts);
  return each_piece(fragments, out, given);
}

bool Director::from_nat_server(Ip addr) const { return std::ranges::binary_search(watch_.nat_servers, addr); }

// A source that is its own subnet's broadcast address: answers to it would go to everybody (RFC 1122 section 3.2.1.3).
bool Director::from_broadcast(const Arrival& a) const {
  return std::ranges::any_of(links_[index(a.frame->link)].addresses,
                             [&](const LinkAddress& own) { return own.broadcast() == a.packet.src; });
}

}  // namespace rawvs
