// SPDX-License-Identifier: BSD-2-Clause
// cookie_world.h: a director that answers SYNs with cookies, between a client and a server whose segments are made and
// read one by one.
#pragma once

#include <algorithm>

#include "core/connection.h"
#include "core/syn_cookie.h"
#include "director_fixture.h"
#include "wire/tcp_segment.h"

namespace rawvs {

struct SeenSegment {
  bool to_server = false;
  Endpoint src{}, dst{};
  TcpSegment tcp{};  // without addresses
  std::string data{};
  bool sound = false;  // its checksums are right
};

class CookieWorld : public DirectorTest {
 protected:
  static constexpr uint32_t kClientIsn = 0xfffffff0, kServerIsn = 7000;  // the client's wraps soon
  static constexpr uint32_t kServerClock = 0x80000000;
  static constexpr uint8_t kS = TcpFlags::syn, kA = TcpFlags::ack, kR = TcpFlags::rst, kF = TcpFlags::fin,
                           kP = TcpFlags::psh;

  CookieWorld() {
    settings_.syn_cookies = SynCookieMode::on;
    make(settings_);
  }
  void serve(Method method = Method::masq, bool proxy = false, ServiceSpec spec = {}) {
    if (spec.key == ServiceKey{}) spec.key = {Protocol::tcp, {vip_.addr, vip_.port}, {}};
    key_ = spec.key;
    spec.scheduler = Scheduler::rr;
    ASSERT_FALSE(director_->add(spec, {now_, out_}));
    ASSERT_FALSE(director_->add_server(key_, {.at = server_, .method = method, .proxy = proxy}, {now_, out_}));
    if (server_.addr.is_v4()) resolve_inside(1);
    out_.clear();
  }
  std::vector<SeenSegment> seen() {
    std::vector<SeenSegment> all;
    for (const Departure& d : out_.departures()) {
      Packet p;
      Ethernet e;
      if (parse_ethernet(d.frame, e) || e.kind == Kind::arp) continue;  // it asks for MAC addresses, too
      if (parse_ip(d.frame, p) || p.protocol != Protocol::tcp) continue;
      SeenSegment& s = all.emplace_back();
      s.to_server = d.out == kInLink;
      s.src = {p.src, p.sport};
      s.dst = {p.dst, p.dport};
      const Bytes l4 = Bytes(d.frame.bytes()).subspan(p.l4_at, p.l4_size());
      s.tcp = {.seq = p.tcp_seq,
               .ack = p.tcp_ack,
               .flags = l4[kTcpFlagsAt],
               .window = load_be16(l4, kTcpWindowAt),
               .options = read_tcp_options(l4)};
      const Bytes data = l4.last(p.tcp_payload);
      s.data.assign(data.begin(), data.end());
      s.sound = l4_checksum_right(d.frame, p);
      EXPECT_TRUE(s.sound) << describe({d.frame.data, d.frame.data + d.frame.size});
      if (s.to_server) as_client_ = s.src;
    }
    return all;
  }
  std::vector<SeenSegment> arrives(TcpSegment s, const std::string& data, Link link) {
    FrameBytes b(200);
    b.resize(write_tcp_segment(b, s));
    if (!data.empty()) {
      b.insert(b.end(), data.begin(), data.end());
      is_ipv6(b) ? store_be16(b, 18, static_cast<uint16_t>(b.size() - 54))
                 : store_be16(b, 16, static_cast<uint16_t>(b.size() - 14));
      if (!is_ipv6(b)) fix_ip_checksum(b);
      fix_l4_checksum(b);
    }
    arrive(std::move(b), link);
    return seen();
  }
  std::vector<SeenSegment> client(TcpSegment s, const std::string& data = "") {
    s.from = kClientMac, s.to = kDirectorMac;
    s.src = client_, s.dst = vip_;
    return arrives(s, data, kOutLink);
  }
  std::vector<SeenSegment> server(TcpSegment s, const std::string& data = "") {
    s.from = Mac{{2, 0, 0, 0, 1, 0x11}}, s.to = kInsideMac;
    s.src = server_, s.dst = as_client_;
    return arrives(s, data, kInLink);
  }
  // The only segment that left, to this side; a failure and nothing if it is not so.
  TcpSegment only(const std::vector<SeenSegment>& all, bool to_server) {
    EXPECT_EQ(all.size(), 1u);
    if (all.size() != 1) return {};
    EXPECT_EQ(all[0].to_server, to_server);
    return all[0].tcp;
  }

  TcpOptions offers() const { return {1460, uint8_t{7}, true, TcpStamps{500, 0}}; }
  TcpSegment syn() { return {.seq = kClientIsn, .flags = kS, .window = 64240, .options = offers()}; }
  // Of the client after the SYN-ACK.
  TcpSegment last(uint16_t window = 502) const {
    TcpSegment s{.seq = kClientIsn + 1, .ack = cookie_ + 1, .flags = kA, .window = window};
    if (stamp_) s.options.stamps = TcpStamps{510, *stamp_};
    return s;
  }
  void begin() { begin(syn()); }
  void begin(const TcpSegment& s) {
    const TcpSegment answer = only(client(s), false);
    cookie_ = answer.seq;
    stamp_ = answer.options.stamps ? std::optional(answer.options.stamps->value) : std::nullopt;
  }
  TcpSegment syn_ack(uint32_t acked = kClientIsn + 1) const {
    return {.seq = kServerIsn,
            .ack = acked,
            .flags = kS | kA,
            .window = 65160,
            .options = {1460, uint8_t{7}, true, TcpStamps{kServerClock, 510}}};
  }
  void open() {
    begin();
    EXPECT_EQ(client(last()).size(), 1u);
    EXPECT_EQ(server(syn_ack()).size(), 2u);
  }
  const Connection* connection() {
    const FlowKey key{client_.addr, vip_.addr, client_.port, vip_.port, Protocol::tcp, false};
    const ConnectionTable& table = director_->connections();
    return table.find(Side::client, key, table.hash(key));
  }

  Settings settings_{};
  Endpoint client_{ip("198.51.100.1"), Port(1001)}, vip_{ip("192.0.2.100"), Port(80)},
      server_{ip("203.0.113.11"), Port(8080)};
  Endpoint as_client_{};  // what the server sees as the client
  uint32_t cookie_ = 0;
  std::optional<uint32_t> stamp_{};
};

}  // namespace rawvs
