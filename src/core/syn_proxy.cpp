// SPDX-License-Identifier: BSD-2-Clause
// syn_proxy.cpp: changes numbers in place, each with the checksum.
#include "core/syn_proxy.h"

#include <algorithm>
#include <array>

#include "core/tcp_numbers.h"

namespace rawvs {

namespace {

Bytes tcp_of(const Frame& frame, const Packet& p) { return Bytes(frame.bytes()).subspan(p.l4_at, p.l4_size()); }

uint16_t shifted(uint32_t window, int right) {
  const uint32_t moved = right >= 0 ? window >> right : window << -right;
  return static_cast<uint16_t>(std::min<uint32_t>(moved, UINT16_MAX));
}

// Adds to one of the numbers of the timestamps option.
void add_to_stamp(const Frame& frame, const Packet& p, size_t which, uint32_t by) {
  if (by == 0) return;
  const Bytes tcp = tcp_of(frame, p);
  each_tcp_option(tcp, [&](uint8_t kind, size_t at, size_t size) {
    if (kind == TcpOption::stamps && size == kTcpStampsSize)
      store_number(frame, p, at + which, load_be32(tcp, at + which) + by);
  });
}

void set_flags(const Frame& frame, Packet& p, uint8_t flags) {
  const std::array<uint8_t, 1> byte{flags};
  store_header(frame, p, kTcpFlagsAt, byte);
  p.tcp_flags = flags & kTcpFlagsKnown;
}

void set_seq(const Frame& frame, Packet& p, uint32_t seq) {
  store_number(frame, p, kTcpSeqAt, seq);
  p.tcp_seq = seq;
}

// Padding in place of all options but the timestamps, which stay if `stamps`.
void blank_options(const Frame& frame, const Packet& p, bool stamps) {
  constexpr std::array<uint8_t, kMostTcpOptions> kPadding = [] {
    std::array<uint8_t, kMostTcpOptions> padding{};
    padding.fill(TcpOption::nothing);
    return padding;
  }();
  const Bytes tcp = tcp_of(frame, p);
  const size_t header = p.l4_size() - p.tcp_payload;
  size_t done = kTcpOptionsAt;
  const auto blank = [&](size_t end) { store_header(frame, p, done, Bytes(kPadding).first(end - done)); };
  each_tcp_option(tcp, [&](uint8_t kind, size_t at, size_t size) {
    if (!stamps || kind != TcpOption::stamps || size != kTcpStampsSize) return;
    blank(at);
    done = at + size;
  });
  blank(header);
}

}  // namespace

SynProxy begin_proxy(const SynOffer& offer, uint32_t cookie, uint32_t client, const Frame& frame, const Packet& proof) {
  SynProxy s{};
  s.number = cookie;
  s.client = client;
  s.stage = SynStage::waiting;
  s.offer = offer;
  if (const auto stamps = read_tcp_options(tcp_of(frame, proof)).stamps) s.stamp = stamps->echo;
  remember(s, frame, proof);
  return s;
}

void remember(SynProxy& s, const Frame& frame, const Packet& packet) {
  const Bytes tcp = tcp_of(frame, packet);
  s.window = load_be16(tcp, kTcpWindowAt);
  if (const auto stamps = read_tcp_options(tcp).stamps) s.client_stamp = stamps->value;
}

TcpSegment syn_of(const SynProxy& s) {
  TcpSegment syn{.seq = s.client, .flags = TcpFlags::syn, .window = shifted(s.window, -s.offer.scale.value_or(0))};
  syn.options = {.mss = s.offer.mss, .scale = s.offer.scale, .sack = s.offer.sack};
  if (s.offer.stamps) syn.options.stamps = TcpStamps{s.client_stamp, 0};
  return syn;
}

TcpSegment ack_of(const SynProxy& s, const Frame& frame, const Packet& syn_ack) {
  TcpSegment ack{.seq = s.client + 1, .ack = syn_ack.tcp_seq + 1, .flags = TcpFlags::ack};
  ack.window = shifted(s.window, -s.to_server);
  const auto stamps = read_tcp_options(tcp_of(frame, syn_ack)).stamps;
  if (s.offer.stamps && stamps) ack.options.stamps = TcpStamps{stamps->echo, stamps->value};
  return ack;
}

bool is_probe(const SynProxy& s, const Packet& p) {
  return s.stage == SynStage::open && p.tcp_seq == s.client && p.tcp_flags == TcpFlags::ack;
}

TcpSegment ack_again(const SynProxy& s, const Frame& frame, const Packet& probe) {
  const Bytes tcp = tcp_of(frame, probe);
  TcpSegment ack{.seq = s.client + 1, .ack = probe.tcp_ack - s.number, .flags = TcpFlags::ack};
  ack.window = shifted(load_be16(tcp, kTcpWindowAt), -s.to_server);
  if (const auto stamps = read_tcp_options(tcp).stamps)
    ack.options.stamps = TcpStamps{stamps->value, stamps->echo - s.stamp};
  return ack;
}

TcpSegment show_again(const SynProxy& s, const Frame& frame, const Packet& probe) {
  TcpSegment shown = tcp_reply(frame, probe);
  shown.seq = probe.tcp_ack;
  shown.ack = s.client + 1;
  shown.flags = TcpFlags::ack;
  shown.window = s.shown;
  if (const auto stamps = read_tcp_options(tcp_of(frame, probe)).stamps)
    shown.options.stamps = TcpStamps{stamps->echo, stamps->value};
  return shown;
}

SynProxy opened(const SynProxy& waiting, const Frame& frame, const Packet& syn_ack) {
  const TcpOptions theirs = read_tcp_options(tcp_of(frame, syn_ack));
  SynProxy s = waiting;
  s.stage = SynStage::open;
  s.number = waiting.number - syn_ack.tcp_seq;
  s.stamp = s.offer.stamps && theirs.stamps ? waiting.stamp - theirs.stamps->value : 0;
  s.to_client = 0, s.to_server = 0;
  if (!s.offer.scale) return s;
  s.to_client = static_cast<int8_t>(s.offer.promised - theirs.scale.value_or(0));
  if (!theirs.scale) s.to_server = *s.offer.scale;
  return s;
}

void show_open(SynProxy& s, const Frame& frame, Packet& p) {
  set_seq(frame, p, load_be32(tcp_of(frame, p), kTcpSeqAt) + 1 + s.number);
  set_flags(frame, p, TcpFlags::ack);
  blank_options(frame, p, s.offer.stamps);
  add_to_stamp(frame, p, kTcpStampValueAt, s.stamp);
  // A SYN-ACK's window is not scaled.
  const uint16_t window = load_be16(tcp_of(frame, p), kTcpWindowAt);
  s.shown = shifted(window, s.offer.scale ? s.offer.promised : 0);
  store_window(frame, p, s.shown);
}

void show_refused(const SynProxy& s, const Frame& frame, Packet& p) {
  set_seq(frame, p, s.number + 1);
  const auto stamps = read_tcp_options(tcp_of(frame, p)).stamps;
  if (stamps) add_to_stamp(frame, p, kTcpStampValueAt, s.stamp - stamps->value);
}

void to_server(const SynProxy& s, const Frame& frame, Packet& p) {
  if ((p.tcp_flags & TcpFlags::ack) != 0) {
    p.tcp_ack -= s.number;
    store_number(frame, p, kTcpAckAt, p.tcp_ack);
    add_to_stamp(frame, p, kTcpStampEchoAt, 0u - s.stamp);
  }
  map_sack(frame, p, [&](uint32_t& left, uint32_t& right) { left -= s.number, right -= s.number; });
  const bool scaled = (p.tcp_flags & TcpFlags::syn) == 0 && s.to_server != 0;
  if (scaled) store_window(frame, p, shifted(load_be16(tcp_of(frame, p), kTcpWindowAt), -s.to_server));
}

void to_client(const SynProxy& s, const Frame& frame, Packet& p) {
  set_seq(frame, p, load_be32(tcp_of(frame, p), kTcpSeqAt) + s.number);  // FTP may have changed it
  add_to_stamp(frame, p, kTcpStampValueAt, s.stamp);
  if (s.to_client != 0) store_window(frame, p, shifted(load_be16(tcp_of(frame, p), kTcpWindowAt), s.to_client));
}

void to_server_error(const SynProxy& s, const Frame& frame, const Packet& error, const Quote& quote) {
  if (quote.protocol != Protocol::tcp || quote.l4_size() < kTcpSeqAt + 4) return;
  const uint32_t seq = load_be32(frame.bytes(), quote.l4_at + kTcpSeqAt);
  store_quoted_seq(frame, error, quote, seq - s.number);
}

namespace {

enum SavedOffer : uint8_t { kSack = 1, kStamps = 2, kScale = 4, kAllOffers = 7 };

}  // namespace

void save(const SynProxy& s, MutableBytes out) {
  const SynOffer& o = s.offer;
  store_be32(out, 0, s.number);
  store_be32(out, 4, s.stamp);
  store_be32(out, 8, s.client);
  store_be32(out, 12, s.client_stamp);
  store_be16(out, 16, s.window);
  store_be16(out, 18, o.mss);
  out[20] = static_cast<uint8_t>(s.stage);
  out[21] = s.asked;
  out[22] = static_cast<uint8_t>(s.to_client);
  out[23] = s.to_server;
  out[24] = static_cast<uint8_t>((o.sack ? kSack : 0) | (o.stamps ? kStamps : 0) | (o.scale ? kScale : 0));
  out[25] = o.scale.value_or(0);
  out[26] = o.promised;
  store_be16(out, 28, s.shown);
}

bool restore(SynProxy& s, Bytes in) {
  s = {};
  s.number = load_be32(in, 0);
  s.stamp = load_be32(in, 4);
  s.client = load_be32(in, 8);
  s.client_stamp = load_be32(in, 12);
  s.window = load_be16(in, 16);
  s.offer = {.mss = load_be16(in, 18), .promised = in[26], .sack = (in[24] & kSack) != 0};
  s.offer.stamps = (in[24] & kStamps) != 0;
  if ((in[24] & kScale) != 0) s.offer.scale = in[25];
  s.stage = static_cast<SynStage>(in[20]);
  s.asked = in[21];
  s.to_client = static_cast<int8_t>(in[22]);
  s.to_server = in[23];
  s.shown = load_be16(in, 28);
  const bool staged = s.stage != SynStage::none && s.stage < SynStage::count_;
  const bool scales = std::max({s.to_server, in[25], s.offer.promised}) <= kMostScale && s.to_client >= -kMostScale &&
                      s.to_client <= kMostScale;
  return staged && scales && s.offer.mss != 0 && (in[24] & ~kAllOffers) == 0;
}

}  // namespace rawvs
