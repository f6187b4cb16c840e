// SPDX-License-Identifier: BSD-2-Clause
// classify.cpp: the path's first two steps: what a frame is, and to which connection its packet may belong.
#include "director/path.h"

namespace rawvs {

void Director::Path::parse(Arrival& a) {
  const Frame& frame = *a.frame;
  a.role = Role::other;
  a.opened = false;
  a.proven = false;
  a.served_by = kNoServer;
  a.whole = nullptr;
  a.exit = parse_ethernet(frame, a.ethernet);
  if (!a.exit) a.exit = misaddressed(a.ethernet, frame.link);
  if (a.exit || a.ethernet.kind == Kind::arp) return;

  a.exit = parse_ip(frame, a.packet);
  if (!a.exit && a.ethernet.dst.group() && !is_discovery(a.packet)) a.exit = Exit::other_mac;
  if (!a.exit) return classify(a);
  const auto* const claimed = surroundings.claimed(a.packet.dst);
  if (*a.exit != Exit::truncated && (!claimed || claimed->own)) a.exit = Exit::not_vip;
}

// The exit of frames that the Ethernet header alone excludes.
std::optional<Exit> Director::Path::misaddressed(const Ethernet& e, Link link) const {
  const Mac own = surroundings.link(link).mac;
  if (e.src == own) return Exit::own_frame;
  if (e.kind == Kind::other) return Exit::not_ip;
  const bool for_all = e.dst.group() && e.kind != Kind::ipv4;  // ARP and neighbour discovery come so
  if (e.dst != own && !for_all && !surroundings.our_mac(e.dst, link)) return Exit::other_mac;
  if (e.src.group() || e.src == Mac{}) return Exit::bad_source;  // 0 means "not known" (Connection::Peer)
  return std::nullopt;
}

// Finds the key of the connection that the packet may belong to, and its direction.
void Director::Path::classify(Arrival& a) {
  const Packet& p = a.packet;
  if (p.fragmented()) return;
  const auto* const claimed = surroundings.claimed(p.dst);
  if (!claimed && !flows.expects_replies()) return;
  if (has_ports(p.protocol)) {
    // A VIP may be a local address of full NAT, too: its servers' packets come first.
    const bool to_vip = claimed && surroundings.takes(*claimed, p.protocol, p.dport) &&
                        !(claimed->own && p.extended()) &&
                        !flows.expects({p.dst, p.dport}, {p.src, p.sport}, p.protocol);
    a.role = to_vip ? Role::request : Role::reply;
    a.key = to_vip ? FlowKey{p.src, p.dst, p.sport, p.dport, p.protocol, false}
                   : flows.reply_key({p.dst, p.dport}, {p.src, p.sport}, p.protocol);
  } else if (const auto quote = parse_quote(*a.frame, p); quote && has_ports(quote->protocol)) {
    const Quote& q = a.quote = *quote;
    const bool to_vip = claimed && surroundings.takes(*claimed, q.protocol, q.sport) &&
                        !flows.expects({q.src, q.sport}, {q.dst, q.dport}, q.protocol);
    if (to_vip && q.src != p.dst) return;
    // To a VIP: the quoted packet was sent from it. To others: the quoted packet is a client's.
    a.role = to_vip ? Role::client_error : Role::server_error;
    a.key = to_vip ? FlowKey{q.dst, q.src, q.dport, q.sport, q.protocol, false}
                   : flows.reply_key({q.src, q.sport}, {q.dst, q.dport}, q.protocol);
  } else {
    return;
  }
  a.hash = flows.hash(a.key);
}

}  // namespace rawvs
