// SPDX-License-Identifier: BSD-2-Clause
// cluster.h: a service with servers 192.0.2.11:80 (1), 192.0.2.12:80 (2) ... and one scheduler, for tests of its
// choices. Every connection stays active.
//
// Changes: "+2:6" adds server 2 with weight 6, "=2:0x4" gives it weight 0 and an upper threshold of 4, "-2" removes it.
// Requests: a digit D is a connection to 203.0.113.D; "clients" are 40 from many addresses, "ports N" 14 of these from
// three ports each, beginning at N; "destinations" are 40 of 203.0.113.0/24. The answer: a digit per server, '-' for
// none.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>
#include <string>

#include "core/scheduler.h"
#include "frames.h"

namespace rawvs::test {

constexpr Instant kStart{};
inline const ServiceKey kShop{Protocol::any, {}, Mark(7)};

inline Ip client(uint32_t i) {  // the recorded ones: spread over 198.18.0.0/15
  return Ip((198u << 24) | ((18 + i * 7 % 2) << 16) | (i * 37 % 256) << 8 | ((i * 101 + 1) % 254 + 1));
}
inline Ip destination(uint32_t host) { return Ip(ip("203.0.113.0").v4() + host); }

class Cluster {
 public:
  explicit Cluster(Policy policy) : policy_(policy) {
    EXPECT_FALSE(services_.add({.key = kShop, .scheduler = policy.scheduler, .flags = policy.flags}));
  }
  static Ip address(int server) { return Ip(ip("192.0.2.10").v4() + static_cast<uint32_t>(server)); }
  void add(int server, int32_t weight, uint32_t upper = 0) {
    EXPECT_FALSE(services_.add_server(kShop, spec(server, weight, upper)));
    watch_threshold(this->server(server));
  }
  void edit(int server, int32_t weight, uint32_t upper = 0) {
    EXPECT_FALSE(services_.edit_server(kShop, spec(server, weight, upper)));
    watch_threshold(this->server(server));
  }
  void remove(int server) { EXPECT_FALSE(services_.remove_server(kShop, spec(server, 1, 0).at, now)); }
  void start_slowly(int server, int share) {  // kFullShare: its slow start is over
    EXPECT_FALSE(
        services_.set_standing(kShop, spec(server, 1, 0).at, Standing::serves, INT32_MAX, static_cast<uint8_t>(share)));
  }
  void change(const std::string& words) {
    std::istringstream in(words);
    for (std::string word; in >> word;) {
      const int server = word[1] - '0';
      if (word[0] == '-') {
        remove(server);
        continue;
      }
      const size_t x = word.find('x');
      const auto upper = x == std::string::npos ? 0u : static_cast<uint32_t>(std::stoul(word.substr(x + 1)));
      word[0] == '+' ? add(server, std::stoi(word.substr(3)), upper) : edit(server, std::stoi(word.substr(3)), upper);
    }
  }
  // The server of this connection; 0: none.
  int choose(Ip client, Port port, Ip destination) {
    Service& service = *services_.find(kShop);
    const Pool pool(services_.servers(), service.servers);
    const auto at = rawvs::choose(policy_, pool, service.state, {client, port, destination, now});
    if (!at) return 0;
    Server& s = services_.server(service.servers[*at]);
    ++s.active;
    watch_threshold(s);
    return static_cast<int>(s.spec.at.addr.v4() - address(0).v4());
  }
  std::string ask(const std::string& asked);
  Server& server(int n) {
    for (Server& s : services_.servers()) {
      if (s.in_service() && s.spec.at.addr == address(n)) return s;
    }
    std::abort();
  }
  const SchedulerState& state() { return services_.find(kShop)->state; }
  Instant now = kStart;

 private:
  // IPVS also decides at an edit.
  static void watch_threshold(Server& s) {
    if (s.spec.upper != 0 && s.active >= s.spec.upper) s.overloaded = true;
  }
  static ServerSpec spec(int server, int32_t weight, uint32_t upper) {
    return {.at = {address(server), Port(80)}, .weight = weight, .upper = upper};
  }
  Services services_{256};
  Policy policy_;
};

inline std::string Cluster::ask(const std::string& asked) {
  std::string chosen;
  const auto note = [&](int server) { chosen += server == 0 ? '-' : static_cast<char>('0' + server); };
  if (asked == "clients") {
    for (uint32_t i = 0; i < 40; ++i) note(choose(client(i), Port(1000), ip("192.0.2.100")));
  } else if (asked == "destinations") {
    for (uint32_t i = 0; i < 40; ++i) note(choose(client(0), Port(1000), destination(i * 5 % 254 + 1)));
  } else if (asked.starts_with("ports ")) {
    const auto first = static_cast<uint32_t>(std::stoul(asked.substr(6)));
    for (uint32_t i = 0; i < 42; ++i) {
      note(choose(client(i / 3), Port(static_cast<uint16_t>(first + i % 3 * 13)), ip("192.0.2.100")));
    }
  } else {
    for (const char digit : asked) note(choose(client(0), Port(1000), destination(static_cast<uint32_t>(digit - '0'))));
  }
  return chosen;
}

}  // namespace rawvs::test
