// SPDX-License-Identifier: BSD-2-Clause
// ftp.cpp: segments of an FTP control connection: new bytes are read, numbers mapped, payload rewritten.
#include "core/ftp.h"

#include <algorithm>

#include "core/tcp_numbers.h"
#include "wire/checksum.h"
#include "wire/ipv4_header.h"

namespace rawvs {

namespace {

constexpr uint32_t kFarFromFirst = 1u << 30;  // bytes of a stream: its sequence numbers will wrap

constexpr bool has(const Packet& p, uint8_t flags) { return (p.tcp_flags & flags) != 0; }

MutableBytes segment(const Frame& frame, const Packet& p) { return frame.bytes().subspan(p.l4_at, p.l4_size()); }

Bytes payload(const Frame& frame, const Packet& p) { return Bytes(segment(frame, p)).last(p.tcp_payload); }

// The number of the first payload byte; a SYN counts one.
uint32_t data_seq(const Packet& p) { return p.tcp_seq + (has(p, TcpFlags::syn) ? 1 : 0); }

void start(FtpDirection& d, uint32_t first, bool behind_syn) {
  d = {first, first, true, behind_syn, !behind_syn, false, false};
}

// The unread bytes of a segment, which now count as read. None: bytes before them are missing.
struct News {
  Bytes bytes{};
  uint32_t seq = 0;  // of the first of them
  bool fin = false;
};
std::optional<News> take_news(FtpDirection& d, const Frame& frame, const Packet& p) {
  const Bytes all = payload(frame, p);
  const bool fin = has(p, TcpFlags::fin);
  // A segment without content starts no direction: a keep-alive's number is one too low, any other would leave a gap.
  if (has(p, TcpFlags::rst) || (all.empty() && !fin)) return News{};
  const uint32_t from = data_seq(p);
  if (!d.started) start(d, from, d.behind_syn);
  const int32_t seen = distance(from, d.next);
  if (seen < 0) return std::nullopt;
  const auto old = static_cast<uint32_t>(seen);
  if (old > all.size()) return News{};  // a repetition, including its FIN, if any
  const News news{all.subspan(old), d.next, fin};
  d.next += static_cast<uint32_t>(news.bytes.size()) + (fin ? 1 : 0);
  d.ended = d.ended || fin;
  d.behind_syn = d.behind_syn && d.next - d.first < kFarFromFirst;
  return news;
}

// The first line of a segment that begins before the stream's current place; empty if the segment does not hold all of
// it.
Bytes line_apart(const FtpDirection& d, const Frame& frame, const Packet& p) {
  if (!d.started || distance(data_seq(p), d.next) <= 0 || has(p, TcpFlags::rst)) return {};
  const Bytes all = payload(frame, p);
  const auto end = std::find(all.begin(), all.end(), uint8_t{'\n'});
  return end == all.end() ? Bytes{} : all.first(static_cast<size_t>(end - all.begin()) + 1);
}

bool is_passive_reply(Bytes line) {
  const auto begins = [&](std::string_view code) {
    return line.size() > code.size() && std::equal(code.begin(), code.end(), line.begin(),
                                                   [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
  };
  return begins("227 ") || begins("229 ");
}

// A server's segment whose sequence number cannot be true. Only such a segment may be read outside the stream's order:
// a repetition must go out as its bytes went out before (as text inside a multi-line reply, for example).
bool cannot_be_true(const FtpSession& s, const Frame& in, const Packet& p) {
  const uint32_t from = data_seq(p);
  const bool before_first = s.server.behind_syn && distance(from, s.server.first) > 0;
  return before_first || s.server_tail.contradicts(payload(in, p), s.server.next - from);
}

// A direction taken over in mid-stream: its receiver has bytes that were not seen here, which is no gap. For a stream
// seen from its beginning the same number is forged: nobody can have more bytes than were forwarded.
bool catch_up(FtpDirection& d, uint32_t acknowledged) {
  if (!d.started || !d.mid_stream || distance(d.next, acknowledged) <= 0) return false;
  d.next = acknowledged;
  return true;
}

void note_heard(FtpDirection& d, uint32_t acknowledged) {
  d.end_heard = d.end_heard || (d.ended && acknowledged == d.next);
}

void map_sack(const FtpEdits& edits, const Frame& frame, const Packet& p) {
  rawvs::map_sack(frame, p, [&](uint32_t& left, uint32_t& right) {
    right = edits.to_server(right);
    left = edits.to_server_left(left);
    if (distance(left, right) < 0) left = right;  // a part of one byte's replacement: the block is empty
  });
}

void begin(FtpSession& s, uint32_t first) {  // a new session
  const uint32_t children = s.children;
  s = FtpSession(s.server_addr, s.vip, s.client_addr);
  s.children = children;
  start(s.client, first, true);
}

// A SYN from the client. A repetition changes nothing. A SYN on a live connection is the server's decision (RFC 5961
// section 4: if the client has forgotten the connection, its RST follows, and then another SYN).
void begin_if_new(FtpSession& s, const Packet& p) {
  if (!has(p, TcpFlags::syn) || has(p, TcpFlags::ack)) return;
  const bool repeated = s.client.started && s.client.first == data_seq(p);
  if (repeated && !s.closed) return;
  if (s.client.started && s.server.started && !s.closed) {
    s.has_offer = true;
    s.offered = data_seq(p);
    return;
  }
  begin(s, data_seq(p));
}

// A SYN from the server: it has silently forgotten the connection and accepts the SYN that was not accepted here.
void begin_if_accepted(FtpSession& s, const Packet& p) {
  if (!has(p, TcpFlags::syn)) return;
  const bool other = s.server.started && s.server.first != data_seq(p);
  if (other && s.has_offer && has(p, TcpFlags::ack) && p.tcp_ack == s.offered) begin(s, s.offered);
  if (!s.server.started) start(s.server, data_seq(p), true);
}

void note_end(FtpSession& s, const FtpDirection& d, const Packet& p, const News& news) {
  s.reset = s.reset || (has(p, TcpFlags::rst) && d.started && p.tcp_seq == d.next);
  s.closed = s.closed || s.reset || news.fin;
}

void remember(FtpTail& tail, const Frame& in, const Packet& p, const News& news) {
  if (news.bytes.empty() && !news.fin) return;
  tail.keep(news.bytes);
  // A damaged segment is repeated with other bytes. After a FIN, the numbers are one ahead of the bytes.
  if (news.fin || !l4_checksum_right(in, p)) tail.forget();
}

uint16_t replace_sum(uint16_t sum, uint16_t before, uint16_t after) {  // one's complement, not complemented
  return checksum_fold(uint64_t{sum} + static_cast<uint16_t>(~before) + after);
}

// Builds the frame with its payload edited. False: out is too small.
bool rewrite(const FtpEdits& edits, const Frame& in, const Packet& p, MutableBytes out, Frame& rewritten) {
  const Bytes old_payload = payload(in, p);
  const uint32_t from = data_seq(p), behind = from + p.tcp_payload;
  uint32_t size = edits.to_client(behind) - edits.to_client(from);
  // The edits left nothing. The client must still answer, so that the server's bytes are acknowledged: it gets the
  // previous byte again, as in a keep-alive. (A FIN or SYN is answered anyway.)
  const bool repeat = size == 0 && !has(p, TcpFlags::fin | TcpFlags::syn);
  if (repeat) size = 1;
  const uint32_t headers = p.l4_at + p.l4_size() - p.tcp_payload;
  const uint32_t ip_size = headers - p.ip_at + size, l4_size = headers - p.l4_at + size;
  if (ip_size > kMostIpv4Size || headers + size > out.size()) return false;

  std::copy_n(in.data, headers, out.data());
  if (repeat) {
    out[headers] = edits.byte_before_silence();
  } else {
    edits.emit(old_payload, from, out.subspan(headers, size));
  }
  rewritten = in;
  rewritten.data = out.data();
  rewritten.size = headers + size;
  rewritten.headroom = 0;
  const MutableBytes tcp = out.subspan(p.l4_at, l4_size);
  MutableIpv4Header ip(out.subspan(p.ip_at));
  store_be32(tcp, kTcpSeqAt, edits.to_client(from) - (has(p, TcpFlags::syn) ? 1 : 0) - (repeat ? 1 : 0));
  ip.set_total(ip_size);
  ip.set_checksum(checksum_update(ip.checksum(), static_cast<uint16_t>(p.ip_size), static_cast<uint16_t>(ip_size)));
  const uint16_t sum = load_be16(tcp, kTcpChecksumAt);
  if (in.offload.partial_checksum()) {  // a partial one covers the pseudo-header, of which only the length changed
    store_be16(tcp, kTcpChecksumAt,
               replace_sum(sum, static_cast<uint16_t>(p.l4_size()), static_cast<uint16_t>(l4_size)));
  } else {  // both sums include the old checksum itself, which cancels out
    const uint16_t before = checksum_fold(checksum_add(segment(in, p), p.l4_size()));
    const uint16_t after = checksum_fold(checksum_add(tcp, l4_size));
    store_be16(tcp, kTcpChecksumAt, checksum_update(sum, before, after));
  }
  Offload& offload = rewritten.offload;
  if (offload.super_frame() && size <= offload.segment_size) {  // the kernel refuses to cut a single segment
    offload.segmentation = Offload::none;
    offload.segment_size = 0;
  }
  return true;
}

}  // namespace

void FtpTail::keep(Bytes bytes) {
  for (const uint8_t c : bytes.last(std::min(bytes.size(), last_.size()))) {
    std::copy(last_.begin() + 1, last_.end(), last_.begin());
    last_.back() = c;
    if (kept_ < last_.size()) ++kept_;
  }
}

bool FtpTail::contradicts(Bytes segment, size_t old) const {
  for (size_t back = 1; back <= kept_ && back <= old; ++back) {
    if (old - back < segment.size() && segment[old - back] != last_[last_.size() - back]) return true;
  }
  return false;
}

FtpSession::FtpSession(Ip server_ip, Ip vip_ip, Ip client_ip)
    : server_addr(server_ip),
      vip(vip_ip),
      client_addr(client_ip),
      commands(client_ip),
      replies(server_ip),
      edits(vip_ip) {}

void begin_with(FtpSession& session, const Packet& first_content, bool from_client) {
  FtpDirection& sender = from_client ? session.client : session.server;
  FtpDirection& receiver = from_client ? session.server : session.client;
  start(sender, data_seq(first_content), true);
  // The segment acknowledges the other side's SYN: nothing else was sent. An ACK number of 0 comes from no real host;
  // then the other direction begins with its own first segment.
  if (has(first_content, TcpFlags::ack) && first_content.tcp_ack != 0) {
    start(receiver, first_content.tcp_ack, true);
  } else {
    receiver.behind_syn = true;
  }
}

FtpOutcome from_client(FtpSession& session, const Frame& frame, const Packet& packet) {
  FtpOutcome outcome;
  const auto drop = [](FtpOutcome::What why) { return FtpOutcome{why, {}}; };
  if (packet.fragmented()) return drop(FtpOutcome::What::fragment);
  FtpSession s = session;  // a dropped segment changes nothing
  begin_if_new(s, packet);
  const Bytes line = line_apart(s.client, frame, packet);
  const auto news = take_news(s.client, frame, packet);
  if (!news) return drop(FtpOutcome::What::out_of_order);
  if (!s.commands.read(news->bytes, s.replies, outcome.found)) return drop(FtpOutcome::What::crowded);
  if (outcome.found.empty()) s.commands.read_apart(line, s.replies, outcome.found);  // cannot fail: one line fits
  note_end(s, s.client, packet, *news);
  if (has(packet, TcpFlags::ack)) {
    const uint32_t acknowledged = s.edits.to_server(packet.tcp_ack);
    if (!s.edits.neutral()) {
      store_number(frame, packet, kTcpAckAt, acknowledged);
      map_sack(s.edits, frame, packet);
    }
    if (catch_up(s.server, acknowledged)) s.replies.lose_place(s.edits), s.server_tail.forget();
    note_heard(s.server, acknowledged);
    // Edits that the client cannot have received yet stay: they will be repeated.
    if (distance(s.server.next, acknowledged) <= 0) s.edits.acknowledged(packet.tcp_ack);
  }
  session = s;
  return outcome;
}

FtpOutcome from_server(FtpSession& session, const Frame& in, const Packet& packet, MutableBytes out, Frame& rewritten) {
  FtpOutcome outcome;
  const auto drop = [](FtpOutcome::What why) { return FtpOutcome{why, {}}; };
  if (packet.fragmented()) return drop(FtpOutcome::What::fragment);
  FtpSession s = session;
  begin_if_accepted(s, packet);
  if (has(packet, TcpFlags::ack)) {
    if (catch_up(s.client, packet.tcp_ack)) s.commands.lose_place();
    note_heard(s.client, packet.tcp_ack);
  }
  const Bytes line = line_apart(s.server, in, packet);
  const bool passive_apart = is_passive_reply(line);
  s.untrue_numbers = s.untrue_numbers || (passive_apart && cannot_be_true(s, in, packet));
  const auto news = take_news(s.server, in, packet);
  if (!news) return drop(FtpOutcome::What::out_of_order);
  if (!s.replies.read(news->bytes, news->seq, s.edits, outcome.found)) return drop(FtpOutcome::What::crowded);
  remember(s.server_tail, in, packet, *news);
  if (news->fin) s.replies.lose_place(s.edits);
  note_end(s, s.server, packet, *news);
  const uint32_t from = data_seq(packet);
  const bool touched = !has(packet, TcpFlags::rst) && s.edits.touches(from, packet.tcp_payload);
  FtpEdits apart = s.edits.apart(from);
  if (passive_apart && s.untrue_numbers && !touched && outcome.found.empty() &&
      !s.replies.read_apart(line, from, apart, outcome.found)) {
    return drop(FtpOutcome::What::crowded);
  }
  if (touched || apart.touches(from, packet.tcp_payload)) {
    if (!rewrite(touched ? s.edits : apart, in, packet, out, rewritten)) return drop(FtpOutcome::What::crowded);
    outcome.what = FtpOutcome::What::rewritten;
  } else {
    store_number(in, packet, kTcpSeqAt, s.edits.to_client(from) - (from - packet.tcp_seq));
  }
  session = s;
  return outcome;
}

// --- the pool -----------------------------------------------------------------------------------------------------

FtpSessions::FtpSessions(uint16_t capacity)
    : slots_(std::make_unique_for_overwrite<Slot[]>(capacity)), capacity_(capacity) {}

uint16_t FtpSessions::take(Ip server, Ip vip, Ip client) {
  uint16_t index = free_;
  if (index != 0) {
    free_ = slots_[index - 1u].next_free;
  } else if (fresh_ <= capacity_) {
    index = static_cast<uint16_t>(fresh_++);
  } else {
    return 0;
  }
  ++used_;
  std::construct_at(&slots_[index - 1u].session, server, vip, client);
  return index;
}

void FtpSessions::release(uint16_t index) {
  slots_[index - 1u].next_free = free_;
  free_ = index;
  --used_;
}

}  // namespace rawvs
