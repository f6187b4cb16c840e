// SPDX-License-Identifier: BSD-2-Clause
// door_fuzz_frames.cpp: the frames: requests, servers' replies, FTP dialogues, ICMP errors about any of them, also in
// fragments and with offload facts; and damage to them.
#include <algorithm>

#include "door_fuzz.h"
#include "links.h"
#include "wire/tcp_segment.h"

namespace rawvs::test {

namespace {

constexpr const char* kClientLines[] = {
    "PASV\r\n",
    "EPSV\r\n",
    "PA",
    "SV\r\n",
    "PORT 198,51,100,1,4,1\r\n",
    "PORT 203,0,113,9,4,1\r\n",
    "EPRT |1|198.51.100.2|1025|\r\n",
    "USER x\r\n",
};
constexpr const char* kServerLines[] = {
    "227 Entering Passive Mode (203,0,113,12,39,17)\r\n",
    "227 Entering Passive Mode (203,0,113,",
    "12,39,17).\r\n",
    "227 =192,0,2,11,39,17\r\n",
    "229 Entering Extended Passive Mode (|||10001|)\r\n",
    "220 hello\r\n",
    "150-more\r\n",
};

Mac mac_of(Link link) { return link == kOutLink ? kDirectorMac : kInsideMac; }

}  // namespace

FrameBytes DoorFuzz::l4_frame(Protocol protocol, Endpoint from, Endpoint to, uint8_t kind, uint32_t size) {
  const std::string src = text(from.addr), dst = text(to.addr), data(size, 'x');
  const uint8_t ttl = one_of<uint8_t>({64, 64, 64, 64, 2, 1, 0});
  const bool df = !one_in(3);
  if (protocol == Protocol::udp) {
    FrameBytes b = frame(Udp{src, dst, from.port.value, to.port.value, data, ttl, df});
    if (one_in(5)) b[40] = b[41] = 0;
    return b;
  }
  if (protocol == Protocol::sctp) {
    FrameBytes l4(12 + 4 + (size % 200 + 3) / 4 * 4, 7);
    put_be16(l4.data(), from.port.value), put_be16(l4.data() + 2, to.port.value);
    l4[12] = kind % 15, l4[13] = 0;
    put_be16(l4.data() + 14, static_cast<unsigned>(l4.size() - 12));
    put_slow_crc32c(l4.data(), l4.size());
    return ipv4_frame(kClientMac, kDirectorMac, src, dst, 132, ttl, df ? 0x4000 : 0, l4);
  }
  const char* const flags[] = {"S", "S", "A", "PA", "FA", "R", "SA", ""};
  FrameBytes b =
      frame(Tcp{src, dst, from.port.value, to.port.value, flags[kind % 8], data, below(5000), below(5000), ttl, df});
  if (size != 0 || !one_in(2)) return b;
  const FrameBytes options{2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 1, static_cast<uint8_t>(below(256)),
                           0, 0, 0, 0,   1, 3, 3, 7};
  b.resize(54), b.insert(b.end(), options.begin(), options.end());
  put_be16(b.data() + 16, 60), b[46] = 10 << 4;
  fix_ip_checksum(b), fix_l4_checksum(b);
  return b;
}

const Connection* DoorFuzz::some_connection() {
  const ConnectionTable& table = director_->connections();
  for (uint32_t tries = 0; tries < 20; ++tries) {
    const Connection* const c = table.at(1 + below(kMostConnections));
    if (c && !c->is_template()) return c;
  }
  return nullptr;
}

DoorFuzz::Made DoorFuzz::request() {
  const Connection* const c = one_in(2) ? some_connection() : nullptr;
  if (c && c->cport.value != 0) {
    return {l4_frame(c->protocol, c->client(), c->vip(), static_cast<uint8_t>(below(16)), below(1400)), c->link()};
  }
  if (one_in(300)) return {frame(Tcp{.src = vip(), .dst = "192.0.2.100"}), kOutLink};
  const Service* const service = some_service();
  const Endpoint from{one_in(16) ? server_addr(below(kServerAddresses)) : ip(client()),
                      Port(one_in(20) ? uint16_t{20} : static_cast<uint16_t>(1000 + below(8)))};
  Endpoint to{ip(vip()), Port(one_in(6) ? one_of<uint16_t>({10001, 20, 2000}) : port())};
  auto protocol = one_of({Protocol::tcp, Protocol::tcp, Protocol::tcp, Protocol::udp, Protocol::sctp});
  if (service && service->spec.key.mark.value == 0 && !one_in(4)) {
    protocol = service->spec.key.protocol;
    to.addr = service->spec.key.vip.addr;
    if (service->spec.key.vip.port.value != 0) to.port = service->spec.key.vip.port;
  }
  const uint32_t size = one_of({0u, 0u, 5u, 100u, 1600u, 4000u});
  const auto kind = static_cast<uint8_t>(one_in(2) ? protocol == Protocol::sctp : below(16));
  return {l4_frame(protocol, from, to, kind, size), one_in(8) ? kInLink : kOutLink};
}

// From a server's port, or another one, to a client.
DoorFuzz::Made DoorFuzz::answer() {
  const Connection* const c = some_connection();
  if (!c) return request();
  Endpoint from = c->real_server(), to = c->is_full() ? director_->local(*c) : c->client();
  if (one_in(8)) from.port.value = static_cast<uint16_t>(from.port.value + one_of({1, -1}));
  if (to.port.value == 0) to.port = Port(1001);
  const uint32_t size = one_of({0u, 0u, 5u, 100u, 1600u, 4000u});
  return {l4_frame(c->protocol, from, to, static_cast<uint8_t>(below(16)), size), kInLink};
}

DoorFuzz::Made DoorFuzz::ftp_line() {
  const Connection* const c = some_connection();
  const bool known = c && c->protocol == Protocol::tcp && c->vport.value == 21;
  const Endpoint at = known ? c->client() : Endpoint{ip(client()), Port(static_cast<uint16_t>(1000 + below(8)))};
  auto& [from_client, from_server] = numbers_[{text(at.addr), at.port.value}];
  std::string data;
  const bool answers = known && one_in(2);
  if (one_in(5)) {
    for (uint32_t n = below(30); n > 0; --n) data += static_cast<char>(one_in(3) ? below(256) : 32 + below(90));
  } else {
    data = answers ? kServerLines[below(std::size(kServerLines))] : kClientLines[below(std::size(kClientLines))];
  }
  if (!known || one_in(12)) {  // begins
    from_client = 5001, from_server = 9001;
    return {frame(Tcp{.src = text(at.addr), .sport = at.port.value, .dport = 21, .seq = 5000}), kOutLink};
  }
  uint32_t& seq = answers ? from_server : from_client;
  const uint32_t ack = answers ? from_client : from_server;
  if (one_in(8)) seq += below(40) - 20;
  const uint32_t now = seq;
  if (!one_in(6)) seq += static_cast<uint32_t>(data.size());
  const Endpoint seen = answers && c->is_full() ? director_->local(*c) : at;
  const Endpoint src = answers ? c->real_server() : at, dst = answers ? seen : c->vip();
  const std::string flags = one_in(20) ? "FA" : "PA";
  return {frame(Tcp{text(src.addr), text(dst.addr), src.port.value, dst.port.value, flags, data, now, ack}),
          answers ? kInLink : c->link()};
}

// About a packet to a client, to a server, or to a server in a tunnel.
DoorFuzz::Made DoorFuzz::icmp_error() {
  const Connection* const c = some_connection();
  if (!c || c->cport.value == 0) return request();
  IcmpError e{.type = one_of<uint8_t>({3, 3, 3, 4, 11, 5, 12}),
              .code = one_of<uint8_t>({4, 4, 3, 0}),
              .mtu = one_of<uint16_t>({1400, 1300, 0, 60, 600, 9000}),
              .ttl = one_of<uint8_t>({64, 64, 1})};
  Link link = kOutLink;
  const auto kind = static_cast<uint8_t>(below(16));
  if (!tunnelled_.empty() && one_in(3)) {
    e.about = tunnelled_[below(static_cast<uint32_t>(tunnelled_.size()))];
    e.src = one_of({"203.0.113.99", "192.0.2.1"});
    e.dst = text(Ip(be32(e.about.data() + 26)));
    link = kInLink;
  } else if (one_in(2)) {
    e.about = l4_frame(c->protocol, c->vip(), c->client(), kind, 100);
    e.src = text(c->client().addr);
    e.dst = text(c->vip().addr);
  } else {
    const Endpoint seen = c->is_full() ? director_->local(*c) : c->client();
    e.about = l4_frame(c->protocol, seen, c->real_server(), kind, 100);
    e.src = one_in(3) ? "203.0.113.99" : text(c->real_server().addr);
    e.dst = text(seen.addr);
    link = kInLink;
  }
  e.quoted = std::min<size_t>(e.about.size() - 14, one_of<size_t>({28, 28, 24, 8, 48, 76, 76, 548, 548}));
  return {frame(e), link};
}

DoorFuzz::Made DoorFuzz::arp() {
  const uint32_t i = below(kServerAddresses);
  const Link link = one_in(2) ? kInLink : kOutLink;
  ArpFrame a{.request = one_in(2), .sender_mac = server_mac(i), .target_mac = mac_of(link), .to = mac_of(link)};
  a.sender = one_in(12) ? vip() : one_in(6) ? one_of({"192.0.2.1", "203.0.113.1"}) : text(server_addr(i));
  if (a.request && one_in(2)) a.to = kBroadcastMac;
  a.target = one_in(4) ? vip() : link == kOutLink ? "192.0.2.10" : "203.0.113.10";
  return {frame(a), link};
}

// As an interface delivers packets sent on this host, or merged by the card.
void DoorFuzz::offload_some(Made& m) {
  const uint8_t protocol = m.bytes[23];
  if (!one_in(5) || (protocol != 6 && protocol != 17 && protocol != 132)) return;
  Sample s;
  s.memory = m.bytes;
  s.frame.data = s.memory.data();
  s.frame.size = static_cast<uint32_t>(s.memory.size());
  if (parse_ip(s.frame, s.packet)) return;
  if (protocol == 17 && be16(s.l4() + 6) == 0) return;
  if (!one_in(4) || protocol == 132) make_partial(s);
  if (protocol != 132 && s.packet.l4_size() > 1000 && one_in(2)) {
    s.frame.offload.segmentation = protocol == 6 ? Offload::tcp4 : Offload::udp_l4;
    s.frame.offload.segment_size = one_of<uint16_t>({1448, 1000, 536});
  }
  m.bytes = s.memory;
  m.offload = s.frame.offload;
}

// Its fragments arrive in random order.
void DoorFuzz::cut(const Made& m) {
  const FrameBytes& b = m.bytes;
  const uint32_t payload = static_cast<uint32_t>(b.size()) - 34;
  if (pieces_.size() > 20 || payload < 16) return;
  const uint32_t most = 1 + payload / (8 * (1 + below(5)));
  for (uint32_t at = 0, to; at < payload; at = to) {
    to = std::min(at + 8 * (1 + below(most)), payload);
    FrameBytes piece(34 + to - at);
    std::copy_n(b.begin(), 34, piece.begin());
    std::copy_n(b.begin() + 34 + at, to - at, piece.begin() + 34);
    put_be16(piece.data() + 16, 20 + to - at);
    put_be16(piece.data() + 20, (be16(b.data() + 20) & 0x4000u) | (to < payload ? 0x2000u : 0u) | at / 8);
    fix_ip_checksum(piece);
    pieces_.push_back({piece, m.link});
  }
}

DoorFuzz::Made DoorFuzz::addressed(Made m) {
  const auto& virtual_macs = director_->watch().macs[index(m.link)];
  const Mac to = virtual_macs.empty() || one_in(2) ? mac_of(m.link) : virtual_macs[0];
  std::copy_n(to.bytes.begin(), 6, m.bytes.begin());
  if (one_in(2000)) std::copy_n(to.bytes.begin(), 6, m.bytes.begin() + 6);  // a loop
  if (one_in(10))
    std::ranges::copy(server_mac(below(kServerAddresses)).bytes, m.bytes.begin() + 6);  // another director
  put_be16(m.bytes.data() + 18, ip_id_ = static_cast<uint16_t>(ip_id_ + 64));  // room for a super-frame's segments
  fix_ip_checksum(m.bytes);
  return m;
}

// What a host that gets this SYN or SYN-ACK sends back, to come some time later.
void DoorFuzz::shake_hands(const Departure& d, const Packet& p) {
  if (p.protocol != Protocol::tcp || p.fragmented() || (p.tcp_flags & TcpFlags::syn) == 0) return;
  TcpSegment reply = tcp_reply(d.frame, p);
  const bool asked = (p.tcp_flags & TcpFlags::ack) == 0;
  reply.seq = asked ? below(5000) : p.tcp_ack;
  reply.ack = p.tcp_seq + 1;
  reply.flags = asked ? TcpFlags::syn | TcpFlags::ack : TcpFlags::ack;
  if (asked && one_in(8)) reply.flags = TcpFlags::rst | TcpFlags::ack;
  if (!asked && one_in(8)) --reply.seq;
  reply.window = static_cast<uint16_t>(below(65536));
  reply.from = kClientMac;
  const auto theirs = read_tcp_options(Bytes(d.frame.bytes()).subspan(p.l4_at, p.l4_size())).stamps;
  if (theirs && !one_in(8)) reply.options.stamps = TcpStamps{below(5000), theirs->value};
  if (asked) reply.options.mss = 1400, reply.options.scale = static_cast<uint8_t>(below(15));
  Made m{FrameBytes(200), d.out};
  m.bytes.resize(write_tcp_segment(m.bytes, reply));
  if (handshakes_.size() == 32) handshakes_.erase(handshakes_.begin());
  handshakes_.push_back(std::move(m));
}

DoorFuzz::Made DoorFuzz::make() {
  if (!handshakes_.empty() && one_in(4)) {
    const uint32_t i = below(static_cast<uint32_t>(handshakes_.size()));
    Made m = handshakes_[i];
    if (!one_in(3)) handshakes_.erase(handshakes_.begin() + i);
    return m;
  }
  if (!pieces_.empty() && one_in(pieces_.size() > 10 ? 3 : 6)) {
    std::swap(pieces_[below(static_cast<uint32_t>(pieces_.size()))], pieces_.back());
    Made piece = pieces_.back();
    if (!one_in(20)) pieces_.pop_back();
    return piece;
  }
  const uint32_t what = below(22);
  if (what < 2) return arp();
  Made m;
  switch (what) {
    case 2: m = {frame(Ping{.src = client(), .dst = vip(), .data = std::string(below(3000), 'p')})}; break;
    case 3:
    case 4: m = icmp_error(); break;
    case 5:
    case 6:
    case 7: m = ftp_line(); break;
    case 8:
    case 9:
    case 10:
    case 11: m = answer(); break;
    default: m = request(); break;
  }
  m = addressed(m);
  if (!one_in(12)) return offload_some(m), m;
  cut(m);
  return pieces_.empty() ? m : pieces_.front();
}

FrameBytes DoorFuzz::mutated(FrameBytes b) {
  if (honest_ || one_in(3)) return b;
  for (uint32_t times = 1 + below(3); times > 0 && !b.empty(); --times) {
    const auto size = static_cast<uint32_t>(b.size());
    // Mostly in the headers, on which the decisions depend.
    const uint32_t at = one_in(4) ? below(size) : below(std::min(size, 54u));
    switch (below(6)) {
      case 0: b[at] = static_cast<uint8_t>(b[at] ^ 1u << below(8)); break;
      case 1: b[at] = one_of<uint8_t>({0, 1, 0x7f, 0x80, 0xff}); break;
      case 2: b[at] = static_cast<uint8_t>(below(256)); break;
      case 3: b.resize(one_in(2) ? at : below(size)); break;
      case 4: b.resize(size + below(40), static_cast<uint8_t>(below(256))); break;
      default: b.insert(b.begin() + at, static_cast<uint8_t>(below(256))); break;
    }
  }
  // A corrected checksum lets half of the damage through to later checks.
  const bool has_header = b.size() >= 34 && b.size() >= 14u + (b[14] & 15u) * 4;
  if (has_header && (b[14] & 15u) >= 5 && b[12] == 8 && b[13] == 0 && one_in(2)) fix_ip_checksum(b);
  return b;
}

}  // namespace rawvs::test
