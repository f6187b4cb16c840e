// SPDX-License-Identifier: BSD-2-Clause
// door_fuzz.h: calls a director with invalid frames, batches of any size, links and routes that come and go, operators'
// changes and time that jumps; checks invariants after every call. In honest rounds no frame is damaged: then every
// checksum that leaves must be right, and no packet too long.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "links.h"
#include "random_packets.h"
#include "rawvs/director.h"
#include "whole_director.h"

namespace rawvs::test {

class DoorFuzz : public testing::Test {
 protected:
  static constexpr uint32_t kMostConnections = 40, kMostServers = 12;  // small, so that both run out
  static constexpr uint32_t kServerAddresses = 6;

  // Random values.
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool one_in(uint32_t n) { return below(n) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> all) {
    return all.begin()[below(static_cast<uint32_t>(all.size()))];
  }
  std::shared_ptr<const ServiceLimits> limits();
  std::string client() { return "198.51.100." + std::to_string(1 + below(6)); }
  std::string vip() { return one_of({"192.0.2.100", "192.0.2.100", "192.0.2.101", "192.0.2.102"}); }
  uint16_t port() { return one_of<uint16_t>({80, 80, 80, 81, 53, 21, 21, 0}); }
  static Mac server_mac(uint32_t i) { return {{2, 0, 0, 0, 0, static_cast<uint8_t>(0x11 + i)}}; }
  static Ip server_addr(uint32_t i) { return ip((i % 2 ? "203.0.113." : "192.0.2.") + std::to_string(11 + i)); }

  // Frames: door_fuzz_frames.cpp.
  struct Made {
    FrameBytes bytes{};
    Link link = kOutLink;
    Offload offload{};
  };
  Made make();
  Made request();
  Made answer();
  Made ftp_line();
  Made icmp_error();
  Made arp();
  FrameBytes l4_frame(Protocol protocol, Endpoint from, Endpoint to, uint8_t chunk_or_flags, uint32_t size);
  void offload_some(Made& m);
  void cut(const Made& m);
  Made addressed(Made m);
  void shake_hands(const Departure& d, const Packet& packet);
  const Connection* some_connection();
  const Service* some_service();
  FrameBytes mutated(FrameBytes b);

  // What happens.
  struct Arrived {
    FrameBytes memory{};  // exactly the headroom and the frame, so that ASan sees every step beyond
    FrameBytes as_it_came{};
  };
  void begin(bool honest);
  Frame lend(Arrived& a);
  void frames_arrive();
  void check_arrives();
  void operator_acts();
  void link_acts();
  void routes_change();
  void time_jumps();
  ServiceKey service_key();
  ServiceSpec service_spec(const ServiceKey& key);
  ServerSpec server_spec(const ServiceKey& key);
  std::vector<GroupMatch> groups();
  std::vector<Shared> shared(Ip vip);
  void share(Ip vip);
  LinkFacts facts(Link link);

  // What must hold.
  void check(const char* after);
  void check_departures();
  void check_departure(const Departure& d, const Packet& packet);
  void check_sums(const FrameBytes& b, size_t ip_at);
  void check_returned();
  void check_delivered();
  void check_counts();
  void check_found(const Connection& c, Side side);
  void check_replies();
  bool borrowed(const Frame& f) const;

  struct Known {  // a connection that an earlier check has seen
    FlowKey client{}, server{};
    uint64_t serial = 0;
  };

  std::mt19937_64 random_{20240607};
  Instant now_{1000s};
  Outbox out_;
  std::unique_ptr<Director> director_;
  std::unique_ptr<Reassembly> joined_;  // of the fragments that leave
  std::vector<Arrived> arrived_;        // the last call's
  std::vector<Made> pieces_;            // of datagrams, still to come
  std::vector<Made> handshakes_;        // replies to SYNs and SYN-ACKs that left, still to come
  std::vector<FrameBytes> tunnelled_;   // some that left in a tunnel, to be quoted
  std::map<std::pair<std::string, uint16_t>, std::pair<uint32_t, uint32_t>> numbers_;  // of FTP's two streams
  std::map<ConnectionId, Known> known_;
  std::vector<ReplyFlow> expected_;  // what the guard was told
  uint64_t serial_ = 0, frames_ = 0, outbox_full_ = 0;
  uint64_t left_ = 0, created_ = 0, joined_count_ = 0, tunnelled_count_ = 0, returned_ = 0,
           sums_ = 0;  // shows that all modules are reached
  std::array<uint64_t, kExits> exits_{};
  uint32_t round_ = 0;
  uint16_t ip_id_ = 1, mtu_ = 1500;
  bool honest_ = false;
};

}  // namespace rawvs::test
