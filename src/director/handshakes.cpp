// SPDX-License-Identifier: BSD-2-Clause
// handshakes.cpp: what a SYN-ACK promises, and reading what comes back.
#include "director/handshakes.h"

#include <algorithm>

#include "core/outbox.h"
#include "wire/ip_header.h"
#include "wire/tcp_segment.h"

namespace rawvs {

namespace {

constexpr uint8_t kHandshakeFlags = TcpFlags::syn | TcpFlags::ack | TcpFlags::rst | TcpFlags::fin;

Bytes tcp_of(const Arrival& a) { return Bytes(a.frame->bytes()).subspan(a.packet.l4_at, a.packet.l4_size()); }

// Whether the service decides about this flow, and all its servers reply through the director.
bool both_halves_pass(const Service& service, const FlowKey& flow) {
  return decides(service.spec, flow) && service.around == 0 && !service.servers.empty();
}

}  // namespace

Handshakes::Handshakes(const Settings& settings, Services& services, Flows& flows, Surroundings& surroundings,
                       HashKey secret)
    : settings_(settings),
      services_(services),
      flows_(flows),
      surroundings_(surroundings),
      cookies_({mixed(secret.k0), mixed(secret.k1)}) {}

bool Handshakes::wants(const Arrival& a, const Service& service, Turn turn) {
  if (settings_.syn_cookies == SynCookieMode::off || a.proven || a.role != Role::request) return false;
  if (a.packet.protocol != Protocol::tcp || (a.packet.tcp_flags & kHandshakeFlags) != TcpFlags::syn) return false;
  if (!both_halves_pass(service, a.key) || !flows_.can_proxy()) return false;
  if (settings_.syn_cookies == SynCookieMode::automatic)
    alarm_.look(flows_.half_open(), flows_.connections().capacity(), turn);
  return in_force() || fills(service);
}

// A quarter of what max_connections allows is half-open: as with the whole table, forged SYNs must not take it all.
bool Handshakes::fills(const Service& service) const {
  const uint32_t most = service.limits ? service.limits->max_connections : 0;
  return settings_.syn_cookies == SynCookieMode::automatic && most != 0 && service.half_open >= (most + 3) / 4;
}

bool Handshakes::in_force() const {
  if (settings_.syn_cookies == SynCookieMode::automatic) return alarm_.on();
  return settings_.syn_cookies == SynCookieMode::on;
}

bool Handshakes::in_force(const Service& service, const FlowKey& flow) const {
  return (in_force() || fills(service)) && flow.protocol == Protocol::tcp && both_halves_pass(service, flow);
}

Exit Handshakes::answer(const Arrival& a, const Service& service, Turn turn) {
  if (!l4_checksum_right(*a.frame, a.packet)) return Exit::bad_l4_checksum;
  const TcpOptions client = read_tcp_options(tcp_of(a));
  const SynPromise& servers = service.promise;
  const uint16_t unstated = a.packet.family() == Family::ipv4 ? 536 : 1220;  // RFC 9293 section 3.7.1
  SynOffer offer{.mss = client.mss != 0 ? client.mss : unstated};
  offer.stamps = client.stamps && servers.stamps;
  offer.sack = offer.stamps && client.sack && servers.sack;
  if (offer.stamps && client.scale) offer.scale = client.scale, offer.promised = servers.scale;
  const auto cookie = cookies_.make(a.key, a.packet.tcp_seq, offer, turn.now);

  TcpSegment syn_ack = tcp_reply(*a.frame, a.packet);
  syn_ack.seq = cookie.number;
  syn_ack.ack = a.packet.tcp_seq + 1;
  syn_ack.flags = TcpFlags::syn | TcpFlags::ack;
  syn_ack.window = 0;  // until the server's half is open
  syn_ack.options = {.mss = segment_size(a, service), .sack = offer.sack};
  if (offer.scale) syn_ack.options.scale = offer.promised;
  if (offer.stamps) syn_ack.options.stamps = TcpStamps{cookie.stamp, client.stamps->value};
  const size_t size = write_tcp_segment(turn.out.buffer(), syn_ack);
  if (size == 0) return Exit::outbox_full;
  turn.out.send_buffer(a.frame->link, size);
  alarm_.sent();
  valid_until_ = turn.now + 2 * SynCookies::kUnit;
  return Exit::cookie_sent;
}

// The largest that the client may send: by its link, by mss_clamp, and by what the servers have stated.
uint16_t Handshakes::segment_size(const Arrival& a, const Service& service) const {
  const Family family = a.packet.family();
  const uint32_t headers = ip_header_size(family) + kTcpSize;
  uint32_t most = std::max<uint32_t>(surroundings_.link(a.frame->link).mtu_of(family), least_mtu(family)) - headers;
  if (settings_.mss_clamp != 0 && settings_.mss_clamp != Settings::kMssAuto)
    most = std::min<uint32_t>(most, settings_.mss_clamp);
  if (service.promise.mss != 0) most = std::min<uint32_t>(most, service.promise.mss);
  return static_cast<uint16_t>(std::min<uint32_t>(most, UINT16_MAX));
}

std::optional<SynProxy> Handshakes::proof(const Arrival& a, Instant now) {
  const Packet& p = a.packet;
  if (now >= valid_until_ || p.protocol != Protocol::tcp || a.role != Role::request) return std::nullopt;
  if ((p.tcp_flags & (kHandshakeFlags & ~TcpFlags::fin)) != TcpFlags::ack) return std::nullopt;
  const Service* const service = services_.classify(a.key);
  if (!service || !both_halves_pass(*service, a.key)) return std::nullopt;
  if (!l4_checksum_right(*a.frame, p)) return std::nullopt;
  const auto stamps = read_tcp_options(tcp_of(a)).stamps;
  const std::optional<uint32_t> echo = stamps ? std::optional(stamps->echo) : std::nullopt;
  // Its ACK; or a probe of the window, of which Linux's begins one byte earlier.
  for (const uint32_t client : {p.tcp_seq - 1, p.tcp_seq}) {
    const uint32_t cookie = p.tcp_ack - 1;
    if (const auto offer = cookies_.check(a.key, client, cookie, echo, now)) {
      alarm_.came_back();
      return begin_proxy(*offer, cookie, client, *a.frame, p);
    }
  }
  return std::nullopt;
}

TcpSegment Handshakes::syn(const SynProxy& proxy, const Arrival& a) {
  TcpSegment syn = syn_of(proxy);
  syn.from = a.ethernet.src;
  syn.to = a.ethernet.dst;
  syn.src = {a.packet.src, a.packet.sport};
  syn.dst = {a.packet.dst, a.packet.dport};
  syn.tos = a.packet.tos;
  syn.ttl = a.packet.ttl;
  return syn;
}

void Handshakes::time_passed(Turn turn) {
  if (alarm_.on()) alarm_.look(flows_.half_open(), flows_.connections().capacity(), turn);
}

}  // namespace rawvs
