// SPDX-License-Identifier: BSD-2-Clause
// Tests the numbers of connections whose halves began one after the other.
#include "core/syn_proxy.h"

#include <gtest/gtest.h>

#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

constexpr uint32_t kCookie = 0xfffffff0, kCookieStamp = 0xffffff00;  // both wrap soon
constexpr uint32_t kClientIsn = 1000, kServerIsn = 7000;
constexpr uint32_t kShift = kCookie - kServerIsn;

// A segment as bytes, and parsed.
struct Segment {
  explicit Segment(const TcpSegment& s, const std::string& data = "") : bytes(200) {
    TcpSegment whole = s;
    whole.from = kClientMac, whole.to = kDirectorMac;
    whole.src = {ip("198.51.100.1"), Port(1001)}, whole.dst = {ip("192.0.2.100"), Port(80)};
    bytes.resize(write_tcp_segment(bytes, whole));
    if (!data.empty()) {
      bytes.insert(bytes.end(), data.begin(), data.end());
      store_be16(bytes, 16, static_cast<uint16_t>(bytes.size() - 14));
      fix_ip_checksum(bytes);
      fix_l4_checksum(bytes);
    }
    frame = view(bytes);
    EXPECT_FALSE(parse_ip(frame, packet));
  }
  Segment(const Segment&) = delete;
  // As a receiver reads it.
  TcpSegment read() {
    Packet p;
    EXPECT_FALSE(parse_ip(frame, p));
    EXPECT_TRUE(l4_checksum_right(frame, p));
    EXPECT_EQ(p.tcp_seq, packet.tcp_seq);
    EXPECT_EQ(p.tcp_ack, packet.tcp_ack);
    EXPECT_EQ(p.tcp_flags, packet.tcp_flags);
    const Bytes tcp = Bytes(bytes).subspan(p.l4_at);
    return {.seq = p.tcp_seq,
            .ack = p.tcp_ack,
            .flags = p.tcp_flags,
            .window = load_be16(tcp, kTcpWindowAt),
            .options = read_tcp_options(tcp)};
  }
  FrameBytes bytes;
  Frame frame{};
  Packet packet{};
};

constexpr SynOffer kAll{1460, uint8_t{7}, 7, true, true};

SynProxy waiting(const SynOffer& offer, uint16_t window = 502, uint32_t client_stamp = 555) {
  TcpSegment ack{.seq = kClientIsn + 1, .ack = kCookie + 1, .flags = TcpFlags::ack, .window = window};
  if (offer.stamps) ack.options.stamps = TcpStamps{client_stamp, kCookieStamp};
  Segment proof(ack);
  return begin_proxy(offer, kCookie, kClientIsn, proof.frame, proof.packet);
}

TcpSegment syn_ack(const TcpOptions& options, uint16_t window = 65160) {
  return {.seq = kServerIsn,
          .ack = kClientIsn + 1,
          .flags = TcpFlags::syn | TcpFlags::ack,
          .window = window,
          .options = options};
}
constexpr TcpOptions kServerOptions{1460, uint8_t{7}, true, TcpStamps{90000, 555}};

TEST(SynProxy, TheSynIsTheClients) {
  const TcpSegment syn = syn_of(waiting(kAll));
  EXPECT_EQ(syn.seq, kClientIsn);
  EXPECT_EQ(syn.ack, 0u);
  EXPECT_EQ(syn.flags, TcpFlags::syn);
  EXPECT_EQ(syn.window, 502 << 7) << "not scaled";
  EXPECT_EQ(syn.options, (TcpOptions{1460, uint8_t{7}, true, TcpStamps{555, 0}}));
  EXPECT_EQ(syn_of(waiting(kAll, 65535)).window, 65535);
  const TcpSegment plain = syn_of(waiting({536, {}, 0, false, false}));
  EXPECT_EQ(plain.window, 502);
  EXPECT_EQ(plain.options, (TcpOptions{536, {}, false, {}}));
}

TEST(SynProxy, TheServersSynAckOpensBothHalves) {
  const SynProxy before = waiting(kAll);
  Segment s(syn_ack(kServerOptions));
  SynProxy now = opened(before, s.frame, s.packet);
  EXPECT_EQ(now.stage, SynStage::open);
  const TcpSegment ack = ack_of(now, s.frame, s.packet);
  EXPECT_EQ(ack.seq, kClientIsn + 1);
  EXPECT_EQ(ack.ack, kServerIsn + 1);
  EXPECT_EQ(ack.flags, TcpFlags::ack);
  EXPECT_EQ(ack.window, 502);
  EXPECT_EQ(ack.options, (TcpOptions{0, {}, false, TcpStamps{555, 90000}}));
  show_open(now, s.frame, s.packet);
  const TcpSegment shown = s.read();
  EXPECT_EQ(shown.seq, kCookie + 1);
  EXPECT_EQ(shown.ack, kClientIsn + 1);
  EXPECT_EQ(shown.flags, TcpFlags::ack);
  EXPECT_EQ(shown.window, 65160 >> 7);
  EXPECT_EQ(shown.options, (TcpOptions{0, {}, false, TcpStamps{kCookieStamp, 555}}));
}

TEST(SynProxy, ASynAckWithoutOptionsOpensToo) {
  const SynProxy before = waiting({1460, {}, 0, false, false});
  Segment s(syn_ack({}));
  SynProxy now = opened(before, s.frame, s.packet);
  EXPECT_EQ(ack_of(now, s.frame, s.packet).options, TcpOptions{});
  show_open(now, s.frame, s.packet);
  const TcpSegment shown = s.read();
  EXPECT_EQ(shown.seq, kCookie + 1);
  EXPECT_EQ(shown.window, 65160);
}

SynProxy open(const SynOffer& offer = kAll, const TcpOptions& options = kServerOptions) {
  Segment s(syn_ack(options));
  return opened(waiting(offer), s.frame, s.packet);
}

TEST(SynProxy, ShiftsTheServersSegments) {
  Segment s({.seq = kServerIsn + 1,
             .ack = kClientIsn + 80,
             .flags = TcpFlags::ack | TcpFlags::psh,
             .window = 509,
             .options = {.stamps = TcpStamps{90123, 777}}},
            "some data");
  to_client(open(), s.frame, s.packet);
  const TcpSegment shown = s.read();
  EXPECT_EQ(shown.seq, kCookie + 1);
  EXPECT_EQ(shown.ack, kClientIsn + 80);
  EXPECT_EQ(shown.window, 509);
  EXPECT_EQ(shown.options.stamps, (TcpStamps{kCookieStamp + 123, 777}));
}

TEST(SynProxy, ShiftsTheClientsBack) {
  TcpSegment sent{.seq = kClientIsn + 1,
                  .ack = kCookie + 500,
                  .flags = TcpFlags::ack,
                  .window = 600,
                  .options = {.stamps = TcpStamps{778, kCookieStamp + 123}}};
  Segment s(sent, "x");
  to_server(open(), s.frame, s.packet);
  const TcpSegment shown = s.read();
  EXPECT_EQ(shown.seq, kClientIsn + 1);
  EXPECT_EQ(shown.ack, kServerIsn + 500);
  EXPECT_EQ(shown.window, 600);
  EXPECT_EQ(shown.options.stamps, (TcpStamps{778, 90123}));
}

TEST(SynProxy, WithoutAnAckNothingIsAcknowledged) {
  Segment s({.seq = kClientIsn + 5, .flags = TcpFlags::rst});
  to_server(open(), s.frame, s.packet);
  EXPECT_EQ(s.read().ack, 0u);
}

TEST(SynProxy, ShiftsSackAtAnyPlace) {
  for (const size_t padding : {0u, 1u, 2u, 3u}) {
    // NOPs, then SACK with two blocks, in a header of 15 words.
    FrameBytes options(40, TcpOption::nothing);
    options[padding] = TcpOption::sack;
    options[padding + 1] = 18;
    const uint32_t kEdges[] = {kCookie + 100, kCookie + 200, kCookie + 300, kCookie + 400};
    for (size_t i = 0; i < 4; ++i) store_be32(options, padding + 2 + 4 * i, kEdges[i]);
    Segment s({.seq = 1, .ack = kCookie + 1, .flags = TcpFlags::ack}, std::string(40, ' '));
    std::ranges::copy(options, s.bytes.begin() + 54);
    s.bytes[46] = 15 << 4;
    fix_l4_checksum(s.bytes);
    ASSERT_FALSE(parse_ip(s.frame, s.packet));
    to_server(open(), s.frame, s.packet);
    EXPECT_EQ(s.read().ack, kServerIsn + 1);
    for (size_t i = 0; i < 4; ++i)
      EXPECT_EQ(load_be32(s.bytes, 54 + padding + 2 + 4 * i), kServerIsn + 100 + 100 * i) << padding;
  }
}

TEST(SynProxy, ShiftsTheWindowsToTheScalesThatEachWasPromised) {
  const auto shown = [](uint8_t promised, std::optional<uint8_t> real, uint16_t window, bool from_client) {
    const SynProxy proxy = open({1460, uint8_t{3}, promised, true, true}, {1460, real, true, TcpStamps{90000, 555}});
    Segment s({.seq = 1, .ack = 1, .flags = TcpFlags::ack, .window = window});
    from_client ? to_server(proxy, s.frame, s.packet) : to_client(proxy, s.frame, s.packet);
    return s.read().window;
  };
  EXPECT_EQ(shown(7, uint8_t{7}, 512, false), 512);
  EXPECT_EQ(shown(7, uint8_t{9}, 512, false), 2048);
  EXPECT_EQ(shown(7, uint8_t{14}, 65535, false), 65535) << "no more than the field holds";
  EXPECT_EQ(shown(7, uint8_t{2}, 65535, false), 65535 >> 5);
  EXPECT_EQ(shown(7, uint8_t{2}, 31, false), 0) << "never more than the server has";
  EXPECT_EQ(shown(7, {}, 65535, false), 65535 >> 7);
  EXPECT_EQ(shown(7, uint8_t{9}, 512, true), 512) << "the client's scale is known to the server";
  EXPECT_EQ(shown(7, {}, 512, true), 512 << 3) << "but not to one that does not scale";
  EXPECT_EQ(shown(7, {}, 65535, true), 65535);
}

TEST(SynProxy, TheAckOfTheHandshakeHasTheWindowThatTheServerReads) {
  Segment s(syn_ack({1460, {}, true, TcpStamps{90000, 555}}));
  const SynProxy now = opened(waiting({1460, uint8_t{3}, 7, true, true}), s.frame, s.packet);
  EXPECT_EQ(ack_of(now, s.frame, s.packet).window, 502 << 3);
}

TEST(SynProxy, AServerWithoutTimestampsHasNoneShifted) {
  const SynProxy proxy = open(kAll, {1460, uint8_t{7}, true, {}});
  EXPECT_EQ(proxy.stamp, 0u);
  Segment s({.seq = kServerIsn + 1, .ack = 1, .flags = TcpFlags::ack, .options = {.stamps = TcpStamps{5, 6}}});
  to_client(proxy, s.frame, s.packet);
  EXPECT_EQ(s.read().options.stamps, (TcpStamps{5, 6}));
}

TEST(SynProxy, ARefusalIsOneThatTheClientAccepts) {
  Segment s({.seq = 0,
             .ack = kClientIsn + 1,
             .flags = TcpFlags::rst | TcpFlags::ack,
             .options = {.stamps = TcpStamps{9, 555}}});
  show_refused(waiting(kAll), s.frame, s.packet);
  const TcpSegment shown = s.read();
  EXPECT_EQ(shown.seq, kCookie + 1);
  EXPECT_EQ(shown.ack, kClientIsn + 1);
  EXPECT_EQ(shown.options.stamps, (TcpStamps{kCookieStamp, 555}));
}

TEST(SynProxy, AnErrorQuotesTheServersNumber) {
  FrameBytes about = frame(Tcp{.src = "192.0.2.100", .dst = "198.51.100.1", .sport = 80, .dport = 1001, .flags = "A"});
  store_be32(about, 38, kServerIsn + 77 + kShift);
  FrameBytes error = frame(IcmpError{.about = about});
  Frame f = view(error);
  Packet p;
  ASSERT_FALSE(parse_ip(f, p));
  const auto quote = parse_quote(f, p);
  ASSERT_TRUE(quote);
  to_server_error(open(), f, p, *quote);
  EXPECT_EQ(load_be32(error, quote->l4_at + 4u), kServerIsn + 77);
  EXPECT_TRUE(l4_checksum_right(f, p));
  Quote small = *quote;
  small.size = static_cast<uint32_t>(small.l4_at - small.ip_at) + 7;
  to_server_error(open(), f, p, small);
  EXPECT_EQ(load_be32(error, quote->l4_at + 4u), kServerIsn + 77) << "the number is not quoted whole";
}

TEST(SynProxy, APartialChecksumStaysAsItIs) {
  Segment s(
      {.seq = kServerIsn + 1, .ack = 1, .flags = TcpFlags::ack, .window = 4, .options = {.stamps = TcpStamps{1, 2}}});
  s.frame.offload.flags = Offload::needs_checksum;
  const uint16_t before = load_be16(s.bytes, 50);
  to_client(open(), s.frame, s.packet);
  EXPECT_EQ(load_be16(s.bytes, 50), before);
  EXPECT_EQ(load_be32(s.bytes, 38), kCookie + 1);
}

TEST(SynProxy, RemembersTheClientsLastSegment) {
  SynProxy proxy = waiting(kAll);
  Segment s({.seq = kClientIsn,
             .ack = kCookie + 1,
             .flags = TcpFlags::ack,
             .window = 9,
             .options = {.stamps = TcpStamps{600, kCookieStamp}}});
  remember(proxy, s.frame, s.packet);
  EXPECT_EQ(syn_of(proxy).window, 9 << 7);
  EXPECT_EQ(syn_of(proxy).options.stamps, (TcpStamps{600, 0}));
  Segment bare({.seq = kClientIsn, .ack = kCookie + 1, .flags = TcpFlags::ack, .window = 8});
  remember(proxy, bare.frame, bare.packet);
  EXPECT_EQ(proxy.client_stamp, 600u);
}

}  // namespace
}  // namespace rawvs
