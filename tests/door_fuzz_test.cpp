// SPDX-License-Identifier: BSD-2-Clause
// The whole door under frames that nobody would send, batches of any size, links that come and go, operators who change
// their minds and time that jumps; after every call what must always hold is looked at. The seed is fixed: a failure
// names its round and comes again. Each frame lies in a buffer of exactly its size, so that ASan sees every step
// beyond.
#include <gtest/gtest.h>

#include <random>

#include "frames.h"
#include "rawvs/director.h"

namespace rawvs {
namespace {

using namespace test;

constexpr uint32_t kRounds = 30'000;
constexpr uint32_t kMostConnections = 20, kMostServers = 12;  // small, so that both run out

class DoorFuzz : public testing::Test {
 protected:
  // Random values.
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool one_in(uint32_t n) { return below(n) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> all) {
    return all.begin()[below(static_cast<uint32_t>(all.size()))];
  }
  std::string client() { return "198.51.100." + std::to_string(1 + below(6)); }
  std::string vip() { return one_of({"192.0.2.100", "192.0.2.100", "192.0.2.101", "192.0.2.102"}); }
  uint16_t port() { return one_of<uint16_t>({80, 80, 80, 81, 53, 0}); }
  Mac server_mac(uint32_t i) { return {{2, 0, 0, 0, 0, static_cast<uint8_t>(0x11 + i)}}; }
  Ip server_addr(uint32_t i) { return ip((i % 2 ? "203.0.113." : "192.0.2.") + std::to_string(11 + i)); }

  FrameBytes good_frame();
  FrameBytes mutated(FrameBytes b);
  Frame lent(FrameBytes& b);
  void frames_arrive();
  void operator_acts();
  void link_acts();
  void time_jumps();
  void check(const char* after);
  void check_departures();
  void check_counts();
  static uint64_t sum(const ExitCounters& exits) {
    uint64_t n = 0;
    for (size_t i = 0; i < kExits; ++i) n += exits.of(static_cast<Exit>(i));
    return n;
  }
  ServiceKey service_key() {
    if (one_in(4)) return {Protocol::any, {}, Mark(1 + below(2))};
    return {one_of({Protocol::tcp, Protocol::udp}), {ip(vip()), Port(port())}, {}};
  }
  ServerSpec server_spec() {
    const uint32_t i = below(6);
    ServerSpec spec{.at = {server_addr(i), Port(80)}, .weight = static_cast<int32_t>(below(4))};
    if (one_in(2)) spec.mac = server_mac(i);
    if (one_in(3)) spec.upper = below(8), spec.lower = below(8);
    return spec;
  }
  LinkFacts facts(Link link) {
    LinkFacts f;
    const bool outside = link == Link::outside;
    f.name = outside ? "eth0" : "eth1";
    f.ifindex = one_in(8) ? 0 : 2;
    f.up = !one_in(8);
    f.carrier = !one_in(8);
    f.mac = outside ? kDirectorMac : kInsideMac;
    f.mtu = one_of<uint16_t>({1500, 1500, 68, 9000});
    if (!one_in(8)) f.addresses = {{ip(outside ? "192.0.2.10" : "203.0.113.10"), one_of<uint8_t>({24, 24, 32, 0})}};
    return f;
  }

  std::mt19937_64 random_{20240607};
  Instant now_{1000s};
  Outbox out_;
  Settings settings_{.max_connections = kMostConnections, .max_servers = kMostServers, .arp_hold = 1};
  Director director_{settings_, HashKey{3, 4}, true, now_};
  std::vector<FrameBytes> arrived_;  // the last call's frames
  uint64_t frames_ = 0;              // arrived so far
  uint64_t left_ = 0, created_ = 0;  // to see that the fuzz reaches the inner rooms
  uint32_t round_ = 0;
};

FrameBytes DoorFuzz::good_frame() {
  const auto sport = static_cast<uint16_t>(1000 + below(8));
  const Mac to = one_in(8) ? kInsideMac : kDirectorMac;
  const uint32_t server = below(6);
  switch (below(8)) {
    case 0: return frame(Udp{.src = client(), .dst = vip(), .sport = sport, .dport = port(), .to = to});
    case 1: return frame(Ping{.src = client(), .dst = vip(), .type = one_of<uint8_t>({8, 8, 0, 3}), .to = to});
    case 2: return frame(ArpFrame{.target = vip()});
    case 3:
    case 4:
      return frame(ArpFrame{.request = one_in(2),
                            .sender_mac = server_mac(server),
                            .sender = text(server_addr(server)),
                            .target_mac = to,
                            .target = "192.0.2.10",
                            .to = to});
    case 5:
      if (one_in(8)) return frame(ArpFrame{.request = one_in(2), .sender_mac = server_mac(server), .sender = vip()});
      [[fallthrough]];
    default:
      return frame(Tcp{.src = client(),
                       .dst = vip(),
                       .sport = sport,
                       .dport = port(),
                       .flags = one_of({"S", "S", "A", "PA", "FA", "R", "SA", ""}),
                       .data = std::string(one_of({0u, 0u, 5u, 100u, 1600u}), 'x'),
                       .ttl = one_of<uint8_t>({64, 64, 2, 1, 0}),
                       .dont_fragment = !one_in(4),
                       .to = to});
  }
}

FrameBytes DoorFuzz::mutated(FrameBytes b) {
  if (one_in(3)) return b;
  for (uint32_t times = 1 + below(3); times > 0 && !b.empty(); --times) {
    const auto size = static_cast<uint32_t>(b.size());
    // Mostly in the headers, where the decisions are.
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
  // A right checksum lets half of the damage through to what is behind it.
  const bool has_header = b.size() >= 34 && b.size() >= 14u + (b[14] & 15u) * 4;
  if (has_header && (b[14] & 15u) >= 5 && b[12] == 8 && b[13] == 0 && one_in(2)) fix_ip_checksum(b);
  return b;
}

Frame DoorFuzz::lent(FrameBytes& b) {
  b.shrink_to_fit();
  Frame f;
  f.data = b.data();
  f.size = static_cast<uint32_t>(b.size());
  f.link = one_in(8) ? Link::inside : Link::outside;
  f.vlan = one_in(50) ? static_cast<uint16_t>(below(4096)) : uint16_t{0};
  if (!one_in(8)) return f;
  const auto any = [&] { return static_cast<uint16_t>(one_in(2) ? below(100) : below(65536)); };
  f.offload = {.flags = static_cast<uint8_t>(below(4)),
               .segmentation = one_of<uint8_t>({0, 1, 3, 5, 0x81}),
               .header_size = any(),
               .segment_size = any(),
               .checksum_start = any(),
               .checksum_offset = any()};
  return f;
}

void DoorFuzz::frames_arrive() {
  const uint32_t count = one_in(20) ? below(Director::kBatch + 1) : 1 + below(4);
  std::vector<Frame> frames;
  arrived_.clear();
  for (uint32_t i = 0; i < count; ++i) arrived_.push_back(mutated(good_frame()));
  for (FrameBytes& b : arrived_) frames.push_back(lent(b));
  const uint32_t connections = director_.connections().size();
  director_.frames_arrived(frames, now_, out_);
  frames_ += count;
  left_ += out_.departures().size();
  created_ += director_.connections().size() > connections;
}

void DoorFuzz::operator_acts() {
  const ServiceKey key = service_key();
  const ServerSpec server = server_spec();
  const auto scheduler = static_cast<Scheduler>(below(static_cast<uint32_t>(Scheduler::count_)));
  switch (below(24)) {
    case 0: director_.remove(key, now_, out_); break;
    case 1: director_.edit({key, scheduler}, now_, out_); break;
    case 2: director_.zero(key); break;
    case 3: director_.set_timeouts({.tcp = 1s * (1 + below(900)), .tcpfin = 1s, .udp = 10s}); break;
    case 4:
      if (one_in(20)) director_.clear(now_, out_);
      break;
    case 5:
      director_.set_groups(
          {{ip(vip()), Protocol::tcp, {{80, 81}}, Mark(1)}, {ip(vip()), Protocol::udp, {{53, 53}}, Mark(2)}}, now_,
          out_);
      break;
    case 6:
    case 7:
    case 8: director_.edit_server(key, server, now_, out_); break;
    case 9:
    case 10:
    case 11: director_.remove_server(key, server.at, now_, out_); break;
    case 12:
    case 13:
    case 14: director_.add({key, scheduler}, now_, out_); break;
    default: director_.add_server(key, server, now_, out_); break;
  }
}

void DoorFuzz::link_acts() {
  const Link link = one_of({Link::outside, Link::inside});
  director_.link_changed(link, facts(link), now_, out_);
}

void DoorFuzz::time_jumps() {
  now_ += Duration(one_in(50) ? below(2'000'000'000) : one_in(10) ? below(1'000'000) : below(2000));
  for (uint32_t calls = 0; calls < 100; ++calls) {
    out_.clear();
    director_.time_passed(now_, out_);
    if (director_.next_deadline() > now_) return;
    check("time_passed()");
  }
  ADD_FAILURE() << "round " << round_ << ": next_deadline() stands still";
}

// Frames that leave are whole and well-formed, and lie where they may: in the buffers that were lent, or in the outbox.
void DoorFuzz::check_departures() {
  for (const Departure& d : out_.departures()) {
    const Frame& f = d.frame;
    ASSERT_GE(f.size, 42u) << "round " << round_;  // ARP's size, the smallest
    bool borrowed = false;
    for (const FrameBytes& b : arrived_) {
      if (b.empty() || std::less<>()(f.data, b.data()) || !std::less<>()(f.data, b.data() + b.size())) continue;
      borrowed = true;
      ASSERT_LE(f.data + f.size, b.data() + b.size()) << "round " << round_;
    }
    ASSERT_TRUE(borrowed || f.size <= Outbox::kLetterSize) << "round " << round_;
    Ethernet ethernet;
    ASSERT_FALSE(parse_ethernet(f, ethernet)) << "round " << round_;
    EXPECT_EQ(ethernet.src, d.out == Link::outside ? kDirectorMac : kInsideMac) << "round " << round_;
    EXPECT_TRUE(director_.link(d.out).usable() || !borrowed) << "round " << round_;
    Packet packet;
    Arp arp;
    ASSERT_FALSE(ethernet.kind == Kind::arp && parse_arp(f, arp)) << "round " << round_;
    if (ethernet.kind != Kind::ipv4) continue;
    const auto wrong = parse_ipv4(f, packet);
    ASSERT_FALSE(wrong) << "round " << round_ << ": " << words(*wrong).name;
    EXPECT_GE(packet.ttl, 1) << "round " << round_;
  }
}

void DoorFuzz::check_counts() {
  ConnectionTable& table = director_.connections();
  std::vector<uint32_t> active(kMostServers), inactive(kMostServers);
  uint32_t used = 0;
  for (ConnectionId id = 1; id < table.id_limit(); ++id) {
    const Connection* const c = table.at(id);
    if (!c) continue;
    ++used;
    ASSERT_LT(c->server, kMostServers) << "round " << round_;
    ++((c->flags & Connection::inactive) ? inactive : active)[c->server];
    ASSERT_EQ(table.find(c->key(), table.hash(c->key())), c) << "round " << round_;
  }
  EXPECT_EQ(table.size(), used) << "round " << round_;
  EXPECT_LE(used, kMostConnections) << "round " << round_;
  for (ServerSlot slot = 0; slot < kMostServers; ++slot) {
    const Server& server = director_.services().server(slot);
    EXPECT_EQ(server.active, active[slot]) << "round " << round_;
    EXPECT_EQ(server.inactive, inactive[slot]) << "round " << round_;
    EXPECT_TRUE(server.used || active[slot] + inactive[slot] == 0) << "round " << round_;
  }
}

void DoorFuzz::check(const char* after) {
  EXPECT_LE(out_.departures().size(), Outbox::kDepartures) << "round " << round_ << " after " << after;
  EXPECT_EQ(sum(director_.exits()) - director_.exits().of(Exit::hold_expired), frames_)
      << "round " << round_ << " after " << after;
  check_departures();
  check_counts();
  const Watch& watch = director_.watch();
  EXPECT_TRUE(std::ranges::is_sorted(watch.vips) && std::ranges::is_sorted(watch.servers)) << "round " << round_;
  for (const Ip used : director_.services().vips()) {
    EXPECT_TRUE(std::ranges::binary_search(watch.vips, used)) << "round " << round_ << ": " << text(used);
  }
}

TEST_F(DoorFuzz, KeepsEveryPromiseWhateverComes) {
  for (round_ = 0; round_ < kRounds && !HasFailure(); ++round_) {
    out_.clear();
    const uint32_t what = below(100);
    const char* after = "frames_arrived()";
    if (what < 70) {
      frames_arrive();
    } else if (what < 88) {
      operator_acts(), after = "an operator's call";
    } else if (what < 90) {
      link_acts(), after = "link_changed()";
    } else {
      time_jumps(), after = "time_passed()";
    }
    check(after);
  }
  // Else it has fuzzed nothing but the front door.
  EXPECT_GT(created_, 1000u);
  EXPECT_GT(left_, 5000u);
  for (const Exit e :
       {Exit::forwarded, Exit::held, Exit::table_full, Exit::server_gone, Exit::server_silent, Exit::no_link,
        Exit::no_server, Exit::too_big, Exit::hold_full, Exit::arp_conflict, Exit::truncated, Exit::bad_length}) {
    EXPECT_GT(director_.exits().of(e), 0u) << words(e).name;
  }
}

}  // namespace
}  // namespace rawvs
