// SPDX-License-Identifier: BSD-2-Clause
#include "packets.h"

#include "wire/packet.h"
#include "wire/tcp_options.h"
#include "wire/tcp_segment.h"

namespace rawvs::fuzz {

using namespace test;

std::string Packets::client() { return (six_ ? "2001:db8:c6::" : "198.51.100.") + std::to_string(1 + in_.below(4)); }
std::string Packets::vip() {
  return six_ ? in_.one_of({"2001:db8::100", "2001:db8::101"}) : in_.one_of({"192.0.2.100", "192.0.2.101"});
}
Endpoint Packets::server() {
  const Port port(in_.one_of<uint16_t>({80, 21, 53, 8080}));
  const uint32_t n = 11 + in_.below(4);
  return {six_ ? Ip(ip("2001:db8:1::").hi(), n) : Ip(in_.one_in(2) ? 0xcb007100 + n : 0xc0000200 + n), port};
}

const Connection* Packets::connection() {
  const ConnectionTable& table = world_.director.connections();
  const uint32_t first = in_.below(8);
  for (uint32_t n = 0; n < kMostConnections; ++n) {
    const Connection* const c = table.at(1 + (first + n) % kMostConnections);
    if (c && !c->is_template() && c->cport.value != 0) return c;
  }
  return nullptr;
}

FrameBytes Packets::l4(Protocol protocol, Endpoint from, Endpoint to) {
  const std::string src = text(from.addr), dst = text(to.addr);
  const std::string data(in_.one_of<size_t>({0, 0, 5, 100, 1400, 1600}), 'x');
  const uint8_t ttl = in_.one_of<uint8_t>({64, 64, 64, 2, 1, 0});
  Extensions extensions;
  if (six_ && in_.one_in(8))
    extensions.push_back(in_.one_in(2) ? hop_by_hop() : routing(in_.byte() % 4, in_.byte() % 3));
  if (protocol == Protocol::udp) {
    return frame(Udp{.src = src,
                     .dst = dst,
                     .sport = from.port.value,
                     .dport = to.port.value,
                     .data = data,
                     .ttl = ttl,
                     .dont_fragment = in_.one_in(2),
                     .extensions = extensions});
  }
  if (protocol == Protocol::sctp) {
    FrameBytes b(12 + 20, 7);
    store_be16(b, 0, from.port.value), store_be16(b, 2, to.port.value);
    b[12] = in_.byte() % 16, b[13] = 0;
    store_be16(b, 14, 20);
    FrameBytes whole = six_ ? ipv6_frame(kClientMac, kDirectorMac, src, dst, 132, ttl, b)
                            : ipv4_frame(kClientMac, kDirectorMac, src, dst, 132, ttl, 0x4000, b);
    return whole;
  }
  const char* const flags = in_.one_of({"S", "A", "PA", "FA", "R", "SA", "RA", "", "SF", "U"});
  return frame(Tcp{.src = src,
                   .dst = dst,
                   .sport = from.port.value,
                   .dport = to.port.value,
                   .flags = flags,
                   .data = data,
                   .seq = client_seq_ + in_.below(4),
                   .ack = server_seq_ + in_.below(4),
                   .ttl = ttl,
                   .dont_fragment = !in_.one_in(4),
                   .extensions = extensions});
}

Made Packets::flow(Way way) {
  const Connection* const c = in_.one_in(3) ? nullptr : connection();
  if (c) {
    six_ = c->client().addr.is_v6();
    if (way == Way::request) return {l4(c->protocol, c->client(), c->vip()), c->link()};
    const Endpoint to = c->is_full() ? world_.director.local(*c) : c->client();
    six_ = c->real_server().addr.is_v6();
    if (to.addr.family() == c->real_server().addr.family()) return {l4(c->protocol, c->real_server(), to), kInside};
  }
  const Endpoint from{ip(client()), Port(static_cast<uint16_t>(1001 + in_.below(8)))};
  const Protocol protocol = in_.one_of({Protocol::tcp, Protocol::tcp, Protocol::udp, Protocol::sctp});
  const Endpoint to{ip(vip()), Port(in_.one_of<uint16_t>({80, 80, 21, 53, 81, 99, 0, 10001}))};
  if (way == Way::reply) return {l4(protocol, server(), from), kInside};
  return {l4(protocol, from, to), in_.one_in(8) ? kInside : kOutside};
}

Made Packets::ftp() {
  const Connection* const c = connection();
  if (!c || c->protocol != Protocol::tcp || c->vport.value != 21) return flow(Way::request);
  static constexpr const char* kLines[] = {"PASV\r\n",
                                           "EPSV\r\n",
                                           "PORT 198,51,100,1,4,1\r\n",
                                           "PA",
                                           "SV\r\n",
                                           "EPRT |1|198.51.100.2|1025|\r\n",
                                           "EPRT |2|2001:db8:c6::1|1025|\r\n",
                                           "227 Entering Passive Mode (203,0,113,11,39,17)\r\n",
                                           "227 =203,0,113,",
                                           "11,39,17).\r\n",
                                           "229 Entering (|||10001|)\r\n",
                                           "150-more\r\n"};
  const uint32_t n = in_.below(1 + std::size(kLines));
  const std::string data(n < std::size(kLines) ? kLines[n] : std::string(text_of(in_.take(in_.byte()))));
  const bool reply = in_.one_in(2);
  uint32_t &mine = reply ? server_seq_ : client_seq_, other = reply ? client_seq_ : server_seq_;
  const Endpoint seen = reply && c->is_full() ? world_.director.local(*c) : c->client();
  const Endpoint from = reply ? c->real_server() : seen, to = reply ? seen : c->vip();
  if (from.addr.family() != to.addr.family()) return flow(Way::request);
  if (in_.one_in(8)) mine += in_.below(40) - 20;
  Made m{frame(Tcp{.src = text(from.addr),
                   .dst = text(to.addr),
                   .sport = from.port.value,
                   .dport = to.port.value,
                   .flags = in_.one_in(16) ? "FA" : "PA",
                   .data = data,
                   .seq = mine,
                   .ack = other}),
         reply ? kInside : c->link()};
  if (!in_.one_in(4)) mine += static_cast<uint32_t>(data.size());
  return m;
}

Made Packets::error() {
  Made about = !seen_.empty() && in_.one_in(2) ? seen_[in_.below(static_cast<uint32_t>(seen_.size()))]
                                               : flow(in_.one_in(2) ? Way::reply : Way::request);
  if (about.bytes.size() < 54) return about;
  six_ = is_ipv6(about.bytes);
  const auto address = [&](size_t at) {
    return six_ ? Ip(load_be64(about.bytes, at), load_be64(about.bytes, at + 8)) : Ip(load_be32(about.bytes, at));
  };
  IcmpError e;
  e.dst = text(address(six_ ? 22 : 26));
  e.src = in_.one_in(2) ? text(server().addr) : text(address(six_ ? 38 : 30));
  if (parse_ip(e.src)->family() != parse_ip(e.dst)->family()) e.src = e.dst;
  e.type = six_ ? in_.one_of<uint8_t>({2, 1, 3, 4}) : in_.one_of<uint8_t>({3, 3, 4, 11, 5, 12});
  e.code = in_.one_of<uint8_t>({4, 0, 3, 1});
  e.mtu = in_.one_of<uint16_t>({1400, 1280, 0, 60, 600, 9000});
  e.about = about.bytes;
  e.quoted = std::min<size_t>(e.about.size() - 14, in_.one_of<size_t>({28, 48, 24, 8, 76, 548}));
  return {frame(e), in_.one_in(2) ? kInside : kOutside};
}

Made Packets::ping() {
  return {frame(Ping{.src = client(),
                     .dst = vip(),
                     .data = std::string(in_.one_of<size_t>({4, 0, 1000, 3000}), 'p'),
                     .type = in_.one_of<uint8_t>({8, 0, 13})})};
}

Made Packets::discovery() {
  const Link link = in_.one_in(2) ? kInside : kOutside;
  const Mac own = link == kOutside ? kOutsideMac : kInsideMac,
            from{{2, 0, 0, 0, 0, in_.below(2) ? in_.byte() : uint8_t{1}}};
  const std::string sender = in_.one_in(4) ? vip() : text(server().addr);
  if (!six_) {
    ArpFrame a{.request = in_.one_in(2), .sender_mac = from, .sender = sender, .target_mac = own};
    a.target = in_.one_in(2) ? vip() : link == kOutside ? "192.0.2.10" : "203.0.113.10";
    if (in_.one_in(2)) a.to = own;
    return {frame(a), link};
  }
  NdFrame n{.asks = in_.one_in(2), .src = in_.one_in(8) ? "::" : sender, .target = in_.one_in(2) ? vip() : sender};
  n.from = from;
  if (in_.one_in(2)) n.option = from;
  if (in_.one_in(8)) n.option = std::nullopt;
  n.solicited = in_.one_in(2), n.overrides = in_.one_in(2), n.router = in_.one_in(4);
  n.hop_limit = in_.one_of<uint8_t>({255, 255, 255, 64});
  if (in_.one_in(4)) {
    const Bytes options = in_.take(in_.below(40));
    n.more_options.assign(options.begin(), options.end());
  }
  if (in_.one_in(2)) n.to = own;
  return {frame(n), link};
}

Made Packets::answered() {
  if (answers_.empty()) return flow(Way::request);
  const size_t n = in_.below(static_cast<uint32_t>(answers_.size()));
  Made m = answers_[n];
  if (!in_.one_in(3)) answers_.erase(answers_.begin() + static_cast<std::ptrdiff_t>(n));
  return m;
}

// A fragment of the last frame that was to be cut; begins with a new one.
Made Packets::piece() {
  if (whole_.bytes.empty() || in_.one_in(4)) whole_ = flow(in_.one_in(2) ? Way::reply : Way::request);
  const FrameBytes& b = whole_.bytes;
  if (is_ipv6(b) || b.size() < 34 + 8) return whole_;
  const size_t payload = b.size() - 34;
  const size_t at = 8 * in_.below(static_cast<uint32_t>(payload / 8 + 1));
  const size_t size = std::min<size_t>(8 * (1 + in_.byte()), payload - at);
  FrameBytes cut(b.begin(), b.begin() + 34);
  cut.insert(cut.end(), b.begin() + 34 + static_cast<std::ptrdiff_t>(at),
             b.begin() + 34 + static_cast<std::ptrdiff_t>(at + size));
  store_be16(cut, 16, static_cast<uint16_t>(20 + size));
  store_be16(cut, 20, static_cast<uint16_t>((at + size < payload ? 0x2000u : 0u) | at / 8));
  fix_ip_checksum(cut);
  return {cut, whole_.link};
}

void Packets::left(const Departure& d) {
  Packet p;
  if (parse_ip(d.frame, p)) return;
  if (seen_.size() < 8) seen_.push_back({FrameBytes(d.frame.data, d.frame.data + d.frame.size), d.out});
  if (p.protocol != Protocol::tcp || p.fragmented() || (p.tcp_flags & TcpFlags::syn) == 0) return;
  if (answers_.size() == 8) return;
  TcpSegment reply = tcp_reply(d.frame, p);
  const bool asked = (p.tcp_flags & TcpFlags::ack) == 0;
  reply.seq = asked ? server_seq_ : p.tcp_ack;
  reply.ack = p.tcp_seq + 1;
  reply.flags = asked ? TcpFlags::syn | TcpFlags::ack : TcpFlags::ack;
  reply.window = 5000;
  reply.from = kClientMac;
  const auto stamps = read_tcp_options(Bytes(d.frame.bytes()).subspan(p.l4_at, p.l4_size())).stamps;
  if (stamps) reply.options.stamps = TcpStamps{77, stamps->value};
  if (asked) reply.options.mss = 1400, reply.options.scale = 7;
  Made m{FrameBytes(200), d.out};
  m.bytes.resize(write_tcp_segment(m.bytes, reply));
  answers_.push_back(std::move(m));
}

// Mostly in the headers. A corrected checksum lets the damage through to later checks.
void Packets::damage(FrameBytes& b) {
  for (uint32_t n = 1 + in_.below(3); n > 0 && !b.empty(); --n) {
    const auto size = static_cast<uint32_t>(b.size());
    const size_t at = in_.below(in_.one_in(4) ? size : std::min(size, 74u));
    switch (in_.below(4)) {
      case 0: b[at] ^= static_cast<uint8_t>(1u << in_.below(8)); break;
      case 1: b[at] = in_.byte(); break;
      case 2: b.resize(at); break;
      default: b.resize(size + in_.below(40), in_.byte()); break;
    }
  }
  const bool whole_header = b.size() >= 34 && b[12] == 8 && b[13] == 0 && (b[14] & 15u) >= 5;
  if (whole_header && b.size() >= 14u + (b[14] & 15u) * 4 && !in_.one_in(3)) fix_ip_checksum(b);
}

Made Packets::make() {
  six_ = in_.one_in(3);
  Made m;
  switch (in_.below(16)) {
    case 0: {  // any bytes
      const Bytes b = in_.take(in_.word() % 2048);
      m = {FrameBytes(b.begin(), b.end()), in_.one_in(2) ? kInside : kOutside};
      break;
    }
    case 1:
    case 2: m = answered(); break;
    case 3:
    case 4: m = flow(Way::reply); break;
    case 5:
    case 6: m = ftp(); break;
    case 7:
    case 8: m = error(); break;
    case 9: m = ping(); break;
    case 10:
    case 11: m = discovery(); break;
    case 12: m = piece(); break;
    default: m = flow(Way::request); break;
  }
  if (m.bytes.size() >= 6 && m.link == kInside && m.bytes[0] == 2) std::ranges::copy(kInsideMac.bytes, m.bytes.begin());
  if (in_.one_in(3)) damage(m.bytes);
  return m;
}

}  // namespace rawvs::fuzz
