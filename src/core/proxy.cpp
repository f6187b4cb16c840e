// SPDX-License-Identifier: BSD-2-Clause
// proxy.cpp: lowers the SYN's number, raises acknowledgements, composes the header's segment.
#include "core/proxy.h"

#include <algorithm>

#include "core/tcp_numbers.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ip_header.h"

namespace rawvs {

namespace {

bool all_set(const Packet& p, uint8_t flags) { return (p.tcp_flags & flags) == flags; }

// For a header that was written anew. REQUIRES: the packet's addresses are those of its header.
void write_checksum(const Frame& frame, const Packet& p) {
  const MutableBytes tcp = frame.bytes().subspan(p.l4_at, p.l4_size());
  store_be16(tcp, kTcpChecksumAt, 0);
  const uint64_t pseudo = pseudo_header_sum(p.src, p.dst, Protocol::tcp, p.l4_size());
  store_be16(tcp, kTcpChecksumAt, static_cast<uint16_t>(~checksum_fold(checksum_add(tcp, pseudo))));
}

void set_size(Frame& frame, Packet& p, uint32_t payload) {
  p.ip_size = p.ip_size - p.tcp_payload + payload;
  p.tcp_payload = payload;
  frame.size = p.ip_at + p.ip_size;
  frame.offload = {};
  const MutableBytes ip = frame.bytes().subspan(p.ip_at);
  if (p.family() == Family::ipv6) return MutableIpv6Header(ip).set_total(p.ip_size);
  MutableIpv4Header header(ip);
  header.set_total(p.ip_size);
  header.make_checksum();
}

}  // namespace

bool from_client(ProxyState& state, Frame& frame, Packet& p, Family family, bool begins) {
  const bool syn = all_set(p, TcpFlags::syn);
  if (state.stage == Proxy::done && syn && begins) state.stage = Proxy::wanted;
  if (state.stage == Proxy::none || state.stage == Proxy::done) return false;
  if (syn) {
    state = {p.tcp_seq + 1, Proxy::due};
    if (p.tcp_payload != 0 && l4_checksum_right(frame, p)) {
      set_size(frame, p, 0);
      write_checksum(frame, p);
    }
    store_number(frame, p, kTcpSeqAt, p.tcp_seq - proxy_header_size(family));
    return false;
  }
  if (state.stage != Proxy::due) return false;
  const bool acks = all_set(p, TcpFlags::ack);
  // A keepalive probe, and a reset that acknowledges nothing, have to be where the server expects them: it has not got
  // the header yet. (Where it has, it answers such a reset with an acknowledgement, and the client repeats it.)
  const bool probe = p.tcp_seq == state.first - 1;
  const bool reset = p.tcp_seq == state.first && !acks && all_set(p, TcpFlags::rst);
  if (probe || reset) store_number(frame, p, kTcpSeqAt, p.tcp_seq - proxy_header_size(family));
  return p.tcp_seq == state.first && acks;
}

void from_server(ProxyState& state, const Frame& frame, Packet& p, Family family) {
  if (state.stage != Proxy::due || !all_set(p, TcpFlags::ack)) return;
  const uint32_t size = proxy_header_size(family);
  const auto raised = [&](uint32_t number) {
    const int32_t behind = ahead(state.first, number);
    return behind > 0 && static_cast<uint32_t>(behind) <= size ? state.first : number;
  };
  map_sack(frame, p, [&](uint32_t& left, uint32_t& right) { left = raised(left), right = raised(right); });
  if (ahead(p.tcp_ack, state.first) >= 0) {
    state.stage = Proxy::done;
  } else {
    p.tcp_ack = raised(p.tcp_ack);
    store_number(frame, p, kTcpAckAt, p.tcp_ack);
  }
}

void from_server_side(const ProxyState& state, const Frame& frame, const Packet& p, const Quote& quote, Family family) {
  if (state.stage != Proxy::due || quote.protocol != Protocol::tcp || quote.l4_size() < kTcpSeqAt + 4) return;
  const uint32_t seq = load_be32(frame.bytes(), quote.l4_at + kTcpSeqAt);
  if (seq == state.first - 1 - proxy_header_size(family)) store_quoted_seq(frame, p, quote, state.first - 1);
}

bool proxy_segment(const Frame& like, const Packet& packet, Endpoint client, Endpoint vip, MutableBytes out,
                   ProxySegment& segment) {
  const uint32_t size = proxy_header_size(client.addr.family());
  const uint32_t headers = packet.ip_at + packet.ip_size - packet.tcp_payload;
  if (out.size() < headers + size) return false;
  std::copy_n(like.data, headers, out.data());
  segment.frame = like;
  segment.frame.data = out.data();
  segment.packet = packet;
  segment.packet.largest_fragment = 0;
  segment.packet.tcp_flags = TcpFlags::ack | TcpFlags::psh;
  segment.instead = packet.tcp_payload == 0 && (packet.tcp_flags & (TcpFlags::fin | TcpFlags::rst)) == 0;
  set_size(segment.frame, segment.packet, size);
  write_proxy_header(out.subspan(headers, size), client, vip);
  const MutableBytes tcp = out.subspan(packet.l4_at);
  store_be32(tcp, kTcpSeqAt, packet.tcp_seq - size);
  tcp[kTcpFlagsAt] = TcpFlags::ack | TcpFlags::psh;
  store_be16(tcp, kTcpUrgentAt, 0);
  write_checksum(segment.frame, segment.packet);
  return true;
}

}  // namespace rawvs
