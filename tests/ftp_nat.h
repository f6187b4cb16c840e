// SPDX-License-Identifier: BSD-2-Clause
// ftp_nat.h: for tests of FTP's control connection: segments built by independent code, and a session that checks what
// must hold for every frame.
#pragma once

#include <gtest/gtest.h>

#include "core/ftp.h"
#include "frames.h"

namespace rawvs::test {

using What = FtpOutcome::What;
using Mode = FtpExpectation::Mode;

inline constexpr const char *kClient = "198.51.100.1", *kVip = "192.0.2.100", *kServer = "203.0.113.11";
inline constexpr uint32_t kClientIsn = 5000, kServerIsn = 9000;

using Sack = std::vector<std::pair<uint32_t, uint32_t>>;

struct Segment {
  uint32_t seq = 0, ack = 0;
  std::string data{};
  std::string flags = "PA";
  FrameBytes options{};
};

inline void put32(FrameBytes& b, uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) b.push_back(static_cast<uint8_t>(v >> shift));
}

inline FrameBytes sack_option(const Sack& blocks, size_t nops = 2) {
  FrameBytes o(nops, 1);
  o.push_back(5), o.push_back(static_cast<uint8_t>(2 + 8 * blocks.size()));
  for (const auto& [left, right] : blocks) put32(o, left), put32(o, right);
  while (o.size() % 4 != 0) o.push_back(0);
  return o;
}

inline FrameBytes segment_frame(const std::string& src, const std::string& dst, const Segment& s) {
  FrameBytes f = frame(Tcp{.src = src, .dst = dst, .flags = s.flags, .seq = s.seq, .ack = s.ack});
  FrameBytes l4(f.begin() + 34, f.end());
  l4[12] = static_cast<uint8_t>((20 + s.options.size()) / 4 << 4);
  l4[16] = l4[17] = 0;
  l4.insert(l4.end(), s.options.begin(), s.options.end());
  l4.insert(l4.end(), s.data.begin(), s.data.end());
  FrameBytes pseudo;
  put32(pseudo, ip(src).v4()), put32(pseudo, ip(dst).v4()), put32(pseudo, static_cast<uint32_t>(6 << 16 | l4.size()));
  pseudo.insert(pseudo.end(), l4.begin(), l4.end());
  const uint16_t sum = slow_checksum(pseudo.data(), pseudo.size());
  l4[16] = static_cast<uint8_t>(sum >> 8), l4[17] = static_cast<uint8_t>(sum);
  return ipv4_frame(kClientMac, kDirectorMac, src, dst, 6, 64, 0x4000, l4);
}

struct Seen {  // the result of a segment
  FtpOutcome outcome{};
  uint32_t seq = 0, ack = 0;
  std::string data{};
  Sack sack{};
  bool sent() const { return outcome.what == What::forward || outcome.what == What::rewritten; }
  std::vector<FtpExpectation> expected() const {
    return {outcome.found.expected.begin(), outcome.found.expected.begin() + outcome.found.count};
  }
};

inline std::vector<FtpExpectation> passive(uint16_t port) { return {{Mode::passive, Port(port)}}; }
inline std::vector<FtpExpectation> active(uint16_t port) { return {{Mode::active, Port(port)}}; }

class Nat {  // a session, with checks of what must hold for every frame
 public:
  explicit Nat(const std::string& server = kServer, const std::string& vip = kVip)
      : session(ip(server), ip(vip), ip(kClient)), server_(server), vip_(vip) {}

  Seen client(const Segment& s) {
    FrameBytes f = segment_frame(kClient, vip_, s);
    return result(f, [&](Frame& in, const Packet& p, Frame&) { return from_client(session, in, p); });
  }
  Seen server(const Segment& s, size_t spare = kFtpGrowth) {
    FrameBytes f = segment_frame(server_, kClient, s);
    out_.assign(f.size() + spare, 0xee);
    return result(f, [&](Frame& in, const Packet& p, Frame& out) {
      return from_server(session, in, p, {out_.data(), out_.size()}, out);
    });
  }
  // The next bytes of each direction, with everything acknowledged.
  Seen say(const std::string& line) {
    Seen seen = client({c_, at_client_, line});
    c_ += static_cast<uint32_t>(line.size());
    return seen;
  }
  Seen reply(const std::string& line) {
    Seen seen = server({s_, c_, line});
    s_ += static_cast<uint32_t>(line.size());
    at_client_ = seen.seq + static_cast<uint32_t>(seen.data.size());
    return seen;
  }
  void shake_hands(uint32_t client_isn = kClientIsn, uint32_t server_isn = kServerIsn) {
    client({client_isn, 0, "", "S"});
    server({server_isn, client_isn + 1, "", "SA"});
    c_ = client_isn + 1, s_ = at_client_ = server_isn + 1;
    client({c_, s_, "", "A"});
  }

  FtpSession session;
  uint32_t c_ = kClientIsn + 1, s_ = kServerIsn + 1, at_client_ = kServerIsn + 1;

 private:
  template <class Act>
  Seen result(FrameBytes& bytes, Act act) {
    const FrameBytes before = bytes;
    Frame in{.data = bytes.data(), .size = static_cast<uint32_t>(bytes.size())}, out = in;
    Packet p;
    EXPECT_FALSE(parse_ip(in, p));
    Seen seen;
    seen.outcome = act(in, p, out);
    if (!seen.sent()) {
      EXPECT_EQ(bytes, before);
      EXPECT_TRUE(seen.expected().empty());
      return seen;
    }
    EXPECT_TRUE(seen.outcome.what == What::forward || bytes == before);
    const Frame& sent = seen.outcome.what == What::rewritten ? out : in;
    EXPECT_FALSE(parse_ip(sent, p)) << "no longer sound";
    EXPECT_TRUE(l4_checksum_right(sent, p));
    EXPECT_EQ(sent.size, p.ip_at + p.ip_size);
    seen.seq = p.tcp_seq, seen.ack = p.tcp_ack;
    const uint8_t* const end = sent.data + p.ip_at + p.ip_size;
    seen.data.assign(end - p.tcp_payload, end);
    const size_t options_end = p.ip_at + p.ip_size - p.tcp_payload;
    for (size_t at = p.l4_at + 20u; at + 1 < options_end && sent.data[at] != 0;) {
      const size_t size = sent.data[at] == 1 ? 1 : sent.data[at + 1];
      if (size == 0 || at + size > options_end) break;
      for (size_t b = at + 2; sent.data[at] == 5 && b + 8 <= at + size; b += 8) {
        seen.sack.emplace_back(load_be32(sent.bytes(), b), load_be32(sent.bytes(), b + 4));
      }
      at += size;
    }
    return seen;
  }
  std::string server_, vip_;
  FrameBytes out_;
};

inline const std::string kReply = "227 Entering Passive Mode (203,0,113,11,200,13).\r\n";
inline const std::string kRewritten = "227 Entering Passive Mode (192,0,2,100,200,13).\r\n";
inline constexpr uint16_t kPort = 200 * 256 + 13;

}  // namespace rawvs::test
