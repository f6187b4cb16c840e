// SPDX-License-Identifier: BSD-2-Clause
// door_fuzz_test.cpp: the invariants after every call. The seed is fixed: a failure names its round and is repeatable.
#include <numeric>

#include "core/pressure.h"
#include "core/track.h"
#include "door_fuzz.h"
#include "links.h"

namespace rawvs::test {

bool DoorFuzz::borrowed(const Frame& f) const {
  for (const Arrived& a : arrived_) {
    const uint8_t *const begin = a.memory.data(), *const end = begin + a.memory.size();
    if (a.memory.empty() || std::less<>()(f.data, begin) || !std::less<>()(f.data, end)) continue;
    EXPECT_LE(f.data + f.size, end) << "round " << round_;
    return true;
  }
  return false;
}

// Frames that leave are whole and well-formed, and lie in the buffers that were lent or in the outbox.
void DoorFuzz::check_departures() {
  for (const Departure& d : out_.departures()) {
    const Frame& f = d.frame;
    ASSERT_GE(f.size, 28u) << "round " << round_;  // the smallest fragment of a fragment; ARP has 42
    ASSERT_TRUE(borrowed(f) || f.size <= Outbox::kBufferSize) << "round " << round_;
    Ethernet ethernet;
    ASSERT_FALSE(parse_ethernet(f, ethernet)) << "round " << round_;
    EXPECT_TRUE(ethernet.src == (d.out == kOutLink ? kDirectorMac : kInsideMac) ||
                std::ranges::binary_search(director_->watch().macs[index(d.out)], ethernet.src))
        << "round " << round_;
    EXPECT_TRUE(director_->link(d.out).usable() || !borrowed(f)) << "round " << round_;
    Discovery arp;
    ASSERT_FALSE(ethernet.kind == Kind::arp && parse_arp(f, arp)) << "round " << round_;
    if (ethernet.kind != Kind::ipv4) continue;
    Packet packet;
    const auto wrong = parse_ip(f, packet);
    ASSERT_FALSE(wrong) << "round " << round_ << ": " << words(*wrong).name;
    EXPECT_GE(packet.ttl, 1) << "round " << round_;
    if (honest_) check_departure(d, packet);
    shake_hands(d, packet);
  }
}

void DoorFuzz::check_departure(const Departure& d, const Packet& packet) {
  Frame f = d.frame;
  if (!f.offload.super_frame()) {
    EXPECT_LE(packet.ip_size, mtu_) << "round " << round_ << " protocol " << int(packet.protocol);
  }
  FrameBytes b(f.data, f.data + f.size);
  f.data = b.data();
  finish(f);
  const bool tunnel = packet.protocol == Protocol::ipip || packet.protocol == Protocol::gre ||
                      (packet.protocol == Protocol::udp && packet.dport.value == 6080);
  if (tunnel && !packet.fragmented()) {
    if (tunnelled_.size() > 20) tunnelled_.erase(tunnelled_.begin());
    tunnelled_.push_back(b), ++tunnelled_count_;
  }
  if (!packet.fragmented()) return check_sums(b, 14);
  const auto outcome = joined_->add(f, packet, now_);
  EXPECT_NE(outcome.exit, Exit::fragment_bad) << "round " << round_;
  if (outcome.exit) return;
  ++joined_count_;
  check_sums({outcome.whole.data, outcome.whole.data + outcome.whole.size}, 14);
}

// Checks the checksums and lengths of a packet, and of the packet in a tunnel.
void DoorFuzz::check_sums(const FrameBytes& b, size_t ip_at) {
  const uint8_t* const header = b.data() + ip_at;
  const size_t header_size = (header[0] & 15u) * 4, size = be16(header + 2) - header_size;
  ASSERT_LE(ip_at + header_size + size, b.size()) << "round " << round_;
  EXPECT_EQ(slow_checksum(header, header_size), 0) << "round " << round_;
  const uint8_t* const l4 = header + header_size;
  const size_t l4_at = ip_at + header_size;
  ++sums_;
  FrameBytes under = header[9] == 1 ? FrameBytes() : pseudo_header(header, size);
  under.insert(under.end(), l4, l4 + size);
  const bool sum_right = slow_checksum(under.data(), under.size()) == 0;
  switch (static_cast<Protocol>(header[9])) {
    case Protocol::icmp:
    case Protocol::tcp: EXPECT_TRUE(sum_right) << "round " << round_ << " protocol " << int(header[9]); break;
    case Protocol::sctp: {
      FrameBytes right(l4, l4 + size);
      put_slow_crc32c(right.data(), size);
      EXPECT_EQ(right, FrameBytes(l4, l4 + size)) << "round " << round_;
      break;
    }
    case Protocol::ipip: return check_sums(b, l4_at);
    case Protocol::gre: return check_sums(b, l4_at + ((l4[0] & 0x80) != 0 ? 8u : 4u));
    case Protocol::udp: {
      const bool gue = be16(l4 + 2) == 6080, remote = gue && (l4[8] & 31) != 0;
      EXPECT_TRUE(be16(l4 + 6) == 0 || sum_right || remote) << "round " << round_;
      if (gue && !remote) check_sums(b, l4_at + 12);
      break;
    }
    default: break;
  }
}

// Frames given back to the kernel are unchanged and come from a NAT server, unless no service is left. But a reply
// whose client has never sent (an ICMP error began the connection) comes from the VIP.
void DoorFuzz::check_returned() {
  for (const Frame& f : out_.returned()) {
    ++returned_;
    Packet packet;
    ASSERT_FALSE(parse_ip(f, packet)) << "round " << round_;
    const auto& servers = director_->watch().nat_servers;
    const auto vips = director_->services().vips();  // also those that are the host's own
    if (std::ranges::binary_search(director_->watch().vips, packet.src)) continue;
    if (std::ranges::binary_search(vips, packet.src)) continue;
    EXPECT_TRUE(std::ranges::binary_search(servers, packet.src) || director_->services().empty(packet.src.family()))
        << "round " << round_;
    if (!borrowed(f)) continue;
    const FrameBytes b(f.data, f.data + f.size);
    const bool same = std::ranges::any_of(arrived_, [&](const Arrived& a) { return a.as_it_came == b; });
    EXPECT_TRUE(same) << "round " << round_;
  }
}

// Packets for the host itself are to a VIP that it has.
void DoorFuzz::check_delivered() {
  for (const Frame& f : out_.delivered()) {
    Packet packet;
    ASSERT_FALSE(parse_ip(f, packet)) << "round " << round_;
    EXPECT_TRUE(director_->claims().takes(packet.dst) && director_->claims().on_host(packet.dst)) << "round " << round_;
  }
}

// Among entries with one key the newest is found; among entries of equal age (new since the last check) any.
void DoorFuzz::check_found(const Connection& c, Side side) {
  const ConnectionTable& table = director_->connections();
  const FlowKey key = c.key(side);
  const Connection* const found = table.find(side, key, table.hash(key));
  ASSERT_NE(found, nullptr) << "round " << round_;
  EXPECT_EQ(found->key(side), key) << "round " << round_;
  EXPECT_GE(known_[table.id(*found)].serial, known_[table.id(c)].serial) << "round " << round_;
}

void DoorFuzz::check_counts() {
  const ConnectionTable& table = director_->connections();
  std::array<uint32_t, kMostServers> active{}, inactive{}, persistent{}, unproven{}, counted{};
  std::map<ServiceSlot, uint32_t> of_service, counted_of;
  uint32_t listed = 0;
  std::map<ConnectionId, uint32_t> children;
  std::map<ConnectionId, Known> now_known;
  uint32_t used = 0, two_sided = 0;
  ++serial_;
  for (ConnectionId id = 1; id < table.id_limit(); ++id) {
    const Connection* const c = table.at(id);
    if (!c) continue;
    const auto before = known_.find(id);
    const bool same = before != known_.end() && before->second.client == c->key(Side::client) &&
                      before->second.server == c->key(Side::server);
    now_known[id] = {c->key(Side::client), c->key(Side::server), same ? before->second.serial : serial_};
  }
  known_ = std::move(now_known);
  for (const auto& [id, known] : known_) {
    const Connection& c = *table.at(id);
    ++used;
    ASSERT_LT(c.server, kMostServers) << "round " << round_;
    ++(c.is_template() ? persistent : (c.flags & Connection::inactive) != 0 ? inactive : active)[c.server];
    check_found(c, Side::client);
    if ((c.flags & Connection::two_sided) != 0) ++two_sided, check_found(c, Side::server);
    if (c.is_unproven()) ++listed, unproven[c.server] += c.is_wide() ? 2 : 1;
    const Connection* const controller = table.at(c.controller());
    const bool of_client = !c.is_template() && (!controller || controller->is_template()) && !ending(c);
    EXPECT_EQ(c.is_counted(), of_client) << "round " << round_;
    counted[c.server] += of_client;
    if (c.controller() == kNoConnection) continue;
    ++children[c.controller()];
    const Connection* const parent = table.at(c.controller());
    ASSERT_TRUE(parent && (parent->is_template() || parent->peer.ftp != 0)) << "round " << round_;
  }
  for (const auto& [id, known] : known_) {
    const Connection& c = *table.at(id);
    if (c.is_template()) {
      EXPECT_EQ(c.stay.children, children[id]) << "round " << round_;
      EXPECT_EQ(c.is_unproven(), c.state == 0 && c.stay.children == 0) << "round " << round_;
    } else if (c.is_unproven()) {
      EXPECT_EQ(children[id], 0u) << "round " << round_;
    }
  }
  EXPECT_EQ(table.size(), used) << "round " << round_;
  EXPECT_EQ(table.two_sided(), two_sided) << "round " << round_;
  EXPECT_LE(used, kMostConnections) << "round " << round_;
  for (ServerSlot slot = 0; slot < kMostServers; ++slot) {
    const Server& server = director_->services().server(slot);
    EXPECT_EQ(server.active, active[slot]) << "round " << round_;
    EXPECT_EQ(server.inactive, inactive[slot]) << "round " << round_;
    EXPECT_EQ(server.persistent, persistent[slot]) << "round " << round_;
    EXPECT_TRUE(server.used || server.references() == 0) << "round " << round_;
    EXPECT_EQ(server.unproven, unproven[slot]) << "round " << round_;
    EXPECT_EQ(server.counted, counted[slot]) << "round " << round_;
    if (!server.in_service()) continue;
    of_service[server.service] += server.unproven;
    counted_of[server.service] += server.counted;
  }
  const auto services = director_->services().services();
  for (ServiceSlot slot = 0; slot < services.size(); ++slot) {
    const uint32_t expected = services[slot].used ? of_service[slot] : 0;
    EXPECT_EQ(services[slot].unproven, expected) << "round " << round_;
    EXPECT_EQ(services[slot].use.connections, services[slot].used ? counted_of[slot] : 0) << "round " << round_;
  }
  const Pressure pressure = director_->pressure();
  EXPECT_EQ(std::accumulate(pressure.unproven.begin(), pressure.unproven.end(), 0u), listed) << "round " << round_;
}

// The guard learns every flow that begins and every flow that ends.
void DoorFuzz::check_replies() {
  EXPECT_LE(out_.reply_changes().size(), Outbox::kReplyChanges) << "round " << round_;
  for (const ReplyChange& change : out_.reply_changes()) {
    const auto at = std::ranges::find(expected_, change.flow);
    if (!change.expected) {
      ASSERT_NE(at, expected_.end()) << "round " << round_ << ": taken back, but never told";
      expected_.erase(at);
    } else if (at == expected_.end()) {
      expected_.push_back(change.flow);
    }
  }
  std::vector<ReplyFlow> there;
  const Watch& watch = director_->watch();
  for (const auto& [id, known] : known_) {
    const Connection& c = *director_->connections().at(id);
    if ((c.flags & Connection::two_sided) == 0) continue;
    const bool watched = std::ranges::binary_search(watch.nat_servers, c.server_address());
    EXPECT_TRUE(watched && watch.icmp_errors) << "round " << round_;
    const ReplyFlow flow{c.protocol, c.real_server(), c.is_full() ? director_->local(c) : c.client()};
    if (std::ranges::find(there, flow) == there.end()) there.push_back(flow);
  }
  EXPECT_TRUE(there.size() == expected_.size() &&
              std::ranges::all_of(
                  there, [&](const ReplyFlow& flow) { return std::ranges::find(expected_, flow) != expected_.end(); }))
      << "round " << round_ << ": " << there.size() << " flows, the guard knows of " << expected_.size();
}

void DoorFuzz::check(const char* after) {
  SCOPED_TRACE(after);
  EXPECT_LE(out_.departures().size(), Outbox::kDepartures) << "round " << round_;
  // Frames that were held and then given up are counted a second time.
  const ExitCounters& exits = director_->exits();
  uint64_t sum = 0;
  for (size_t i = 0; i < kExits; ++i) sum += exits.of(static_cast<Exit>(i));
  for (const Exit e : {Exit::hold_expired, Exit::fragment_expired, Exit::fragment_flood}) sum -= exits.of(e);
  EXPECT_EQ(sum, frames_) << "round " << round_;
  if (honest_ && exits.of(Exit::outbox_full) != outbox_full_) {
    EXPECT_TRUE(out_.buffer().empty() || out_.returned().size() == Outbox::kDepartures) << "round " << round_;
  }
  outbox_full_ = exits.of(Exit::outbox_full);
  check_departures();
  check_returned();
  check_delivered();
  check_counts();
  check_replies();
  const Watch& watch = director_->watch();
  for (const auto* const list : {&watch.vips, &watch.neighbors, &watch.nat_servers}) {
    EXPECT_TRUE(std::ranges::is_sorted(*list)) << "round " << round_;
  }
  EXPECT_TRUE(std::ranges::is_sorted(watch.own)) << "round " << round_;
  for (const Ip used : director_->services().vips()) {
    const auto& host = director_->link(kOutLink).addresses;
    const bool own = std::ranges::find(host, used, &LinkAddress::addr) != host.end();
    EXPECT_NE(std::ranges::binary_search(watch.vips, used), own) << "round " << round_ << ": " << text(used);
  }
}

TEST_F(DoorFuzz, KeepsEveryPromiseWhateverComes) {
  constexpr uint32_t kDirectors = 30, kRounds = 2000;
  for (uint32_t n = 0; n < kDirectors && !HasFailure(); ++n) {
    begin(n % 2 == 0);
    for (const uint32_t end = round_ + kRounds; round_ < end && !HasFailure(); ++round_) {
      out_.clear();
      const uint32_t what = below(100);
      const char* after = "frames_arrived()";
      if (what < 72) {
        frames_arrive();
      } else if (what < 75) {
        check_arrives(), after = "check_arrived()";
      } else if (what < 88) {
        operator_acts(), after = "an operator's call";
      } else if (what < 90) {
        link_acts(), after = "link_changed()";
      } else if (what < 92) {
        routes_change(), after = "route_found()";
      } else {
        time_jumps(), after = "time_passed()";
      }
      check(after);
    }
    for (size_t i = 0; i < kExits; ++i) exits_[i] += director_->exits().of(static_cast<Exit>(i));
  }
  // Otherwise only the first checks were tested.
  EXPECT_GT(created_, 1000u);
  EXPECT_GT(left_, 5000u);
  EXPECT_GT(joined_count_, 100u);
  EXPECT_GT(returned_, 100u);
  EXPECT_GT(sums_, 2000u);
  EXPECT_GT(tunnelled_count_, 500u);
  // Those of IPv6 alone: director_ipv6_test.cpp.
  constexpr Exit kOfIpv6[] = {Exit::bad_extension, Exit::nd_answered, Exit::nd_defended, Exit::nd_learned,
                              Exit::nd_conflict,   Exit::nd_other,    Exit::bad_nd};
  for (size_t i = 0; i < kExits; ++i) {
    if (std::ranges::find(kOfIpv6, static_cast<Exit>(i)) == std::end(kOfIpv6)) {
      EXPECT_GT(exits_[i], 0u) << kExitWords[i].name;
    }
  }
}

}  // namespace rawvs::test
